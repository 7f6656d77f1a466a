//! From columns to the numbers that foreign models were trained on.

use intendant_table::{Column, Problem, Table, Value};

/// A feature as the file describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Feature {
    pub name: String,
    /// Names of a category, their position is the code.
    pub categories: Vec<String>,
    /// What the first code is.
    pub first_code: f64,
    /// What names are that are not among the categories.
    pub unknown_code: f64,
    /// Whether values are handed over as words.
    pub is_text: bool,
    /// Whether the model computes with 32 bits, so that values must be rounded first.
    pub is_single: bool,
}

impl Feature {
    /// A number.
    pub fn number(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            categories: Vec::new(),
            first_code: 0.0,
            unknown_code: f64::NAN,
            is_text: false,
            is_single: false,
        }
    }
}

/// Where a feature's values come from.
enum Source<'a> {
    Column(&'a Column),
    /// 1 where the column holds this word.
    Is(&'a Column, &'a str),
    Absent,
}

/// Rows of numbers, row-major; `NaN` is missing.
pub(crate) fn numbers(features: &[Feature], table: &Table) -> Result<Vec<f64>, Vec<Problem>> {
    let sources: Vec<Source<'_>> = features.iter().map(|feature| source(feature, table)).collect();
    present(features, table, &sources)?;
    let mut problems = Vec::new();
    let mut rows = vec![f64::NAN; features.len() * table.rows()];
    for (at, (feature, source)) in features.iter().zip(&sources).enumerate() {
        for row in 0..table.rows() {
            let value = match source {
                Source::Absent => Some(f64::NAN),
                Source::Is(column, word) => Some(match column.value(row).to_text() {
                    None => f64::NAN,
                    Some(text) => f64::from(u8::from(text == *word)),
                }),
                Source::Column(column) => feature.number_of(column.value(row)),
            };
            match value {
                Some(value) if feature.is_single => rows[row * features.len() + at] = f64::from(value as f32),
                Some(value) => rows[row * features.len() + at] = value,
                None => {
                    let Source::Column(column) = source else { continue };
                    let found = column.value(row).to_text().unwrap_or_default();
                    let message = format!("expected a number, found `{found}`");
                    problems.push(Problem { row, field: feature.name.clone(), message });
                }
            }
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

/// One feature's words, empty where missing.
pub(crate) fn words(feature: &Feature, table: &Table) -> Vec<String> {
    match table.column(&feature.name) {
        None => vec![String::new(); table.rows()],
        Some(column) => {
            column.values().map(|value| value.to_text().map(String::from).unwrap_or_default()).collect()
        }
    }
}

/// Refuses a table that has none of the features: it is another table.
pub(crate) fn expect_some(features: &[Feature], table: &Table) -> Result<(), Vec<Problem>> {
    let sources: Vec<Source<'_>> = features.iter().map(|feature| source(feature, table)).collect();
    present(features, table, &sources)
}

fn present(features: &[Feature], table: &Table, sources: &[Source<'_>]) -> Result<(), Vec<Problem>> {
    if features.is_empty() || sources.iter().any(|source| !matches!(source, Source::Absent)) {
        return Ok(());
    }
    let there: Vec<&str> = table.names().iter().take(20).map(String::as_str).collect();
    let message = format!("none of the model's features is among the columns {}", there.join(", "));
    Err(vec![Problem { row: 0, field: features[0].name.clone(), message }])
}

fn source<'a>(feature: &'a Feature, table: &'a Table) -> Source<'a> {
    if let Some(column) = table.column(&feature.name) {
        return Source::Column(column);
    }
    // The longest name of a column wins: `land_of_birth_France` is of `land_of_birth`, not of `land`.
    for (at, _) in feature.name.rmatch_indices('_') {
        if let Some(column) = table.column(&feature.name[..at]) {
            return Source::Is(column, &feature.name[at + 1..]);
        }
    }
    Source::Absent
}

impl Feature {
    /// The number of a cell; `None` when it can be none.
    fn number_of(&self, value: Value<'_>) -> Option<f64> {
        if value == Value::Missing {
            return Some(f64::NAN);
        }
        if !self.categories.is_empty() {
            let text = value.to_text()?;
            let code = self.categories.iter().position(|name| *name == text);
            // Numbers as names: 1 and 1.0 are one.
            let code = code.or_else(|| {
                let number = value.as_number()?;
                self.categories.iter().position(|name| name.parse() == Ok(number))
            });
            return Some(code.map_or(self.unknown_code, |code| code as f64 + self.first_code));
        }
        value.as_number().or_else(|| value.as_boolean().map(|boolean| f64::from(u8::from(boolean))))
    }
}
