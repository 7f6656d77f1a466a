//! Predictors: models that are declared in `predictors/NAME.yml`, trained from tables and served.
//!
//! [`read`] gives what a file declares as a [`spec::Spec`]; [`keys`] is the table of what can stand there and
//! [`schema`] what editors know of it; [`routes`] are the routes that it declares.

pub mod keys;
pub mod read;
pub mod routes;
pub mod schema;
pub mod spec;
