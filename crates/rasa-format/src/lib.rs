//! Rasa's files and JSON, read into the values of `talk` and written back.
//!
//! Reading never fails as a whole: a reader returns what it could read, and findings that name
//! file, line, column, what was found, what was expected and the likely fix. Whoever called
//! decides by their severity. Nothing here touches a file or the environment: callers pass bytes
//! and a function that looks variables up.
//!
//! [`project::Project::read`] reads a project as a whole, the modules below one kind of file
//! each; [`wire`] is the JSON that runs over HTTP and into stores.

pub mod classify;
pub mod config;
pub mod credentials;
pub mod domain;
pub mod endpoints;
pub mod foreign;
pub mod imports;
pub mod markers;
pub mod migrate;
pub mod nlu;
pub mod project;
mod reader;
pub mod split;
pub mod stories;
pub mod suggest;
pub mod validate;
pub mod wire;
pub mod write;
pub mod yaml;

pub use project::{Files, Project};
pub use yaml::{Environment, SourceFile};
