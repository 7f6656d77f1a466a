//! Where conversations are kept: memory and SQLite, and who has the floor in them.
//!
//! The SQLite store uses the `events` table exactly as Rasa creates it, so that an existing
//! database continues. [`open`] chooses by the settings; [`fail_safe`] wraps what can fail.

pub mod fail_safe;
pub mod group;
pub mod lock;
pub mod memory;
pub mod open;
pub mod session;
pub mod sqlite;
