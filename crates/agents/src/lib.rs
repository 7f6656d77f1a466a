//! Agents on disk, trained, served and backed up.
//!
//! [`files`] knows folders and zips, [`model`] archives, [`service`] conversations and the webhook,
//! [`backup`] versions of an agent. How an agent answers is decided in the `agent` crate.

pub mod backup;
mod error;
pub mod files;
pub mod model;
pub mod service;
mod sessions;
mod state;

pub use error::{Error, Kind};
