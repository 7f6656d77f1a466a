//! One file per command.

pub mod run;
pub mod run_actions;
pub mod version;
