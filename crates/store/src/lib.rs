//! Where conversations are kept: memory and SQLite, and who has the floor in them.
//!
//! The SQLite store uses the `events` table exactly as Rasa creates it, so that an existing
//! database continues.

pub mod lock;
pub mod memory;
pub mod session;
