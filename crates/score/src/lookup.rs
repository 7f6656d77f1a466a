//! Rows looked up in users' databases: one prepared statement, one trip, answers kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_predictor::routes;
use intendant_predictor::spec;

use crate::database::{Database, Error, Parameter, Row};

/// Most answers kept by one look-up.
const KEPT_MAX: usize = 10_000;

/// Most rows that an answer lists.
pub const ROWS_MAX: usize = 1000;

/// A look-up, ready to be asked.
#[derive(Debug)]
pub struct Lookup {
    database: Database,
    statement: String,
    /// Names and types in the order of the statement's placeholders.
    parameters: Vec<(String, Type)>,
    kept_for: Duration,
    kept: Mutex<HashMap<Vec<String>, Kept>>,
}

/// An answer and when it was given; there may be no row.
type Kept = (Instant, Option<Arc<Row>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Integer,
    Number,
    Text,
}

/// Why nothing could be looked up.
#[derive(Debug)]
pub enum Failed {
    /// A parameter is missing or of another type: its name and what is wrong.
    Parameter {
        /// Which.
        name: String,
        /// `integer`, `number` or `text`.
        expected: &'static str,
    },
    /// The database did not answer.
    Database(Error),
}

impl Lookup {
    /// A look-up as declared, in `database`.
    pub fn new(declared: &spec::Lookup, database: Database) -> Self {
        let mut parameters: Vec<(String, Type)> = Vec::new();
        let query = routes::rewrite(&declared.query, |name| {
            let at = parameters.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                let kind = match declared.parameters.get(name).map(String::as_str) {
                    Some("integer") => Type::Integer,
                    Some("number") => Type::Number,
                    _ => Type::Text,
                };
                parameters.push((name.to_owned(), kind));
                parameters.len() - 1
            });
            database.placeholder(at + 1)
        });
        let statement = database.selecting(&query);
        let kept_for = Duration::from_secs(declared.cache_secs);
        Self { database, statement, parameters, kept_for, kept: Mutex::default() }
    }

    /// The first row for these parameters.
    ///
    /// # Errors
    /// When a parameter does not fit its type, or the database does not answer.
    pub async fn find(&self, given: &HashMap<&str, &str>) -> Result<Option<Arc<Row>>, Failed> {
        let (words, parameters) = self.read(given)?;
        if let Some(known) = self.known(&words) {
            return Ok(known);
        }
        let rows = self.database.select(&self.statement, &parameters).await.map_err(Failed::Database)?;
        let row = rows.into_iter().next().map(Arc::new);
        self.keep(words, row.clone());
        Ok(row)
    }

    /// All rows for these parameters, [`ROWS_MAX`] at most; they are not kept.
    ///
    /// # Errors
    /// As [`Lookup::find`].
    pub async fn find_all(&self, given: &HashMap<&str, &str>) -> Result<Vec<Row>, Failed> {
        let (_, parameters) = self.read(given)?;
        let mut rows = self.database.select(&self.statement, &parameters).await.map_err(Failed::Database)?;
        rows.truncate(ROWS_MAX);
        Ok(rows)
    }

    /// Parameters as they were written and as they are bound.
    fn read(&self, given: &HashMap<&str, &str>) -> Result<(Vec<String>, Vec<Parameter>), Failed> {
        let mut words = Vec::with_capacity(self.parameters.len());
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for (name, kind) in &self.parameters {
            let word = given.get(name.as_str()).copied();
            let parameter = word.and_then(|word| kind.read(word));
            let Some(parameter) = parameter else {
                return Err(Failed::Parameter { name: name.clone(), expected: kind.name() });
            };
            words.push(word.unwrap_or_default().to_owned());
            parameters.push(parameter);
        }
        Ok((words, parameters))
    }

    /// Where it looks.
    pub fn database(&self) -> &Database {
        &self.database
    }

    fn known(&self, words: &[String]) -> Option<Option<Arc<Row>>> {
        if self.kept_for.is_zero() {
            return None;
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, row) = kept.get(words)?;
        (since.elapsed() < self.kept_for).then(|| row.clone())
    }

    fn keep(&self, words: Vec<String>, row: Option<Arc<Row>>) {
        if self.kept_for.is_zero() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, (since, _)| since.elapsed() < self.kept_for);
        }
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(words, (Instant::now(), row));
    }
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Text => "text",
        }
    }

    fn read(self, word: &str) -> Option<Parameter> {
        match self {
            Type::Integer => word.parse().ok().map(Parameter::Integer),
            Type::Number => {
                word.parse().ok().filter(|number: &f64| number.is_finite()).map(Parameter::Number)
            }
            Type::Text => Some(Parameter::Text(word.to_owned())),
        }
    }
}
