//! The contract of trained predictors: rows in, predictions out, reasons when asked.

use intendant_table::{Signature, Table};
use serde_json::Value;

use crate::stored::Stored;

/// A trained predictor. It never changes and may be asked from many threads.
pub trait Predictor: Send + Sync {
    /// The columns it looks at.
    fn signature(&self) -> &Signature;

    /// The classes that it tells apart; none when it gives numbers or items.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// Which of the classes is the one whose probability is told.
    fn positive(&self) -> Option<usize> {
        None
    }

    /// From which probability of the positive class on it is told.
    fn threshold(&self) -> Option<f64> {
        None
    }

    /// One prediction per row; columns are found by name, missing ones count as missing values.
    ///
    /// # Errors
    /// When the rows lack what it cannot do without.
    fn predict(&self, rows: &Table) -> Result<Vec<Prediction>, Refused>;

    /// What speaks for and against each prediction; `None` when it cannot tell.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    fn explain(&self, _rows: &Table) -> Result<Option<Vec<Reasons>>, Refused> {
        Ok(None)
    }

    /// How much each column matters, the most important first; empty when it cannot tell.
    fn importance(&self) -> Vec<(String, f64)> {
        Vec::new()
    }

    /// What the training rows looked like, as JSON of `learn::drift`; `None` when it is not known.
    fn reference(&self) -> Option<Value> {
        None
    }

    /// What is predicted on average as one column changes: values or names with the mean score.
    fn curve(&self, _rows: &Table, _column: &str) -> Vec<(String, f64)> {
        Vec::new()
    }

    /// What is known of an item, by field.
    fn describe(&self, _id: &str) -> Vec<(String, String)> {
        Vec::new()
    }

    /// As values for an archive.
    fn stored(&self) -> Stored;
}

/// What a predictor says of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    /// One of the classes.
    Class(Class),
    /// A number.
    Number(f64),
    /// What a text says, of a whole and about entities in it.
    Polarity {
        /// Of the whole text.
        document: Class,
        /// About entities, in the order asked.
        opinions: Vec<Opinion>,
    },
    /// Items, the best first.
    Items {
        /// How they were found: `collaborative`, `content`, `popular`, …
        mode: String,
        /// The items.
        items: Vec<Item>,
    },
}

/// One of the classes, with the probability of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its position among [`Predictor::classes`].
    pub label: usize,
    /// Probabilities in the order of [`Predictor::classes`].
    pub probabilities: Vec<f64>,
}

/// What a text says about an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// The entity as asked, or by its proper name.
    pub entity: String,
    /// Where it is named: first and behind the last code point, with the words that stand there.
    pub mentions: Vec<(usize, usize, String)>,
    /// What is said; `None` when the text does not name it.
    pub class: Option<Class>,
}

/// A recommended item.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// How well it fits; larger is better.
    pub score: f64,
    /// Why, in words.
    pub reason: Option<String>,
}

/// What speaks for and against one prediction: base value and the contribution of each column, on one scale.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasons {
    /// What would be said without knowing anything.
    pub base: f64,
    /// Columns with their contributions, the strongest first.
    pub contributions: Vec<(String, f64)>,
}

/// Rows that cannot be predicted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is missing, lowercase, no full stop.
    pub message: String,
}

impl Refused {
    /// A refusal with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}
