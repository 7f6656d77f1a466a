//! One file per command.

pub mod agents;
pub mod budget;
pub mod compatible;
pub mod completions;
pub mod data;
pub mod entities;
pub mod export;
pub mod gateway;
pub mod init;
pub mod interactive;
pub mod jobs;
pub mod markers;
pub mod models;
pub mod parity;
pub mod predictors;
pub mod reference;
pub mod run;
pub mod run_actions;
pub mod shell;
pub mod stream;
pub mod test;
pub mod train;
pub mod up;
pub mod version;
pub mod visualize;
pub mod worker;
