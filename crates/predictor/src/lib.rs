//! Predictors: models that are declared in `predictors/NAME.yml`, trained from tables and served.
//!
//! [`read`] gives what a file declares as a [`spec::Spec`]; [`keys`] is the table of what can stand there and
//! [`schema`] what editors know of it; [`routes`] are the routes that it declares, [`articles`] those
//! over kept articles. [`files`] reads and writes tables,
//! [`split`] holds rows out, [`kinds`] trains and loads, [`measure`] says how good a predictor is, [`archive`] packs it,
//! [`output`] writes its predictions and [`card`] tells about it, with
//! [`curves`]; [`input`] is what callers may ask with.

pub mod archive;
pub mod articles;
pub mod card;
pub mod curves;
pub mod files;
pub mod gazetteer;
pub mod input;
pub mod keys;
pub mod kinds;
pub mod measure;
pub mod output;
pub mod read;
pub mod routes;
pub mod schema;
pub mod spec;
pub mod split;

/// The seed of everything that asks for no other.
pub const SEED: u64 = 42;

/// Why something could not be done with a predictor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    message: String,
}

impl Failed {
    /// A failure with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failed {}
