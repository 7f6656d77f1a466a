//! Exported Dialogflow agents (ES, versions 1 and 2): files to typed values and back.
//!
//! [`read`] takes the files of an export, wherever they come from, and gives an
//! [`intendant_agent::values::Agent`] with a [`Report`] that accounts for everything; [`write`] gives
//! the files of an agent in the newest form. What is read and written and read again is the same
//! agent. Members that nothing here knows are kept; secrets never are. [`zip`] packs and unpacks.

mod diff;
mod names;
mod read;
mod report;
mod secrets;
mod take;
pub mod wire;
mod write;
pub mod zip;

use std::collections::BTreeMap;

pub use diff::{Difference, diff};
pub use read::{Import, read};
pub use report::{Dropped, Report};
pub use write::write;

/// Files by path, with `/` between folders.
pub type Files = BTreeMap<String, Vec<u8>>;
