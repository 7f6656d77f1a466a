//! What a model expects: fields with their kinds, checked before anything is computed.

use std::fmt;

use serde_json::{Map, Value as Json, json};

use crate::{Column, Kind, Moment, Table, Value};

/// The fields a model expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// In order.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Whether it may be absent or missing.
    pub is_optional: bool,
    /// The names known for a category, most frequent first; another name is not an error.
    pub categories: Vec<String>,
}

/// A value that does not fit the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The row, from 0.
    pub row: usize,
    /// The field's name.
    pub field: String,
    /// What is wrong, lowercase, no full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, `{}`: {}", self.row, self.field, self.message)
    }
}

/// Names of a category that a signature lists.
const CATEGORIES_MAX: usize = 100;

impl Signature {
    /// The signature of a table: a field is optional when a value is missing.
    pub fn of(table: &Table) -> Self {
        let field = |(name, column): (&str, &Column)| Field {
            name: name.to_owned(),
            kind: column.kind(),
            is_optional: column.missing_count() > 0,
            categories: frequent_names(column),
        };
        Self { fields: table.iter().map(field).collect() }
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Names and kinds, as readers want them.
    pub fn kinds(&self) -> Vec<(String, Kind)> {
        self.fields.iter().map(|field| (field.name.clone(), field.kind)).collect()
    }

    /// The table's columns of this signature, of the right kind and in its order; others are left out.
    ///
    /// # Errors
    /// Every value that does not fit, by row and field.
    pub fn check(&self, table: &Table) -> Result<Table, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut columns = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let column = match table.column(&field.name) {
                Some(column) if column.kind() == field.kind => column.clone(),
                Some(column) => {
                    let (cast, failed) = column.cast(field.kind);
                    let found = |row| column.value(row).to_text().unwrap_or_default();
                    problems.extend(failed.into_iter().map(|row| field.problem(row, &found(row))));
                    cast
                }
                None => Column::missing(field.kind, table.rows()),
            };
            if !field.is_optional {
                let missing = column.values().enumerate().filter(|(_, value)| *value == Value::Missing);
                problems.extend(missing.map(|(row, _)| field.absent(row)));
            }
            columns.push((field.name.clone(), column));
        }
        // One complaint per cell: what does not fit is missing too.
        problems.sort_by(|left, right| (left.row, &left.field).cmp(&(right.row, &right.field)));
        problems.dedup_by(|later, earlier| later.row == earlier.row && later.field == earlier.field);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut checked = Table::new(columns).expect("invariant: one column per field, all of one length");
        checked.rows = table.rows();
        Ok(checked)
    }

    /// A table of JSON objects, with unknown keys left out.
    ///
    /// Types are those of JSON: a number is a number, a whole one where a boolean is expected is 0 or 1, a date
    /// is a string; numbers written as strings are refused, so that mistakes show.
    ///
    /// # Errors
    /// Every value that does not fit, by row and field.
    pub fn read_json(&self, rows: &[&Map<String, Json>]) -> Result<Table, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut columns = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            columns.push((field.name.clone(), field.column(rows, &mut problems)));
        }
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.row);
            return Err(problems);
        }
        let mut table = Table::new(columns).expect("invariant: one column per field, one cell per row");
        table.rows = rows.len();
        Ok(table)
    }

    /// As JSON, for archives and model cards.
    pub fn to_json(&self) -> Json {
        let fields = self.fields.iter().map(|field| {
            json!({
                "name": field.name,
                "kind": field.kind.name(),
                "optional": field.is_optional,
                "categories": field.categories,
            })
        });
        Json::Array(fields.collect())
    }

    /// Reads what [`Signature::to_json`] wrote; `None` when it is something else.
    pub fn from_json(json: &Json) -> Option<Self> {
        let field = |json: &Json| {
            let names = json["categories"].as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
            Some(Field {
                name: json["name"].as_str()?.to_owned(),
                kind: Kind::named(json["kind"].as_str()?)?,
                is_optional: json["optional"].as_bool()?,
                categories: names.collect::<Option<_>>()?,
            })
        };
        Some(Self { fields: json.as_array()?.iter().map(field).collect::<Option<_>>()? })
    }
}

impl Field {
    /// The field's column of JSON rows.
    fn column(&self, rows: &[&Map<String, Json>], problems: &mut Vec<Problem>) -> Column {
        let cells = rows.iter().enumerate().map(|(row, object)| {
            let cell = object.get(&self.name);
            let cell = cell.filter(|value| !value.is_null() && value.as_str() != Some(""));
            if cell.is_none() && !self.is_optional {
                problems.push(self.absent(row));
            }
            let cell = cell?;
            let value = self.value(cell);
            if value.is_none() {
                let found = cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
                problems.push(self.problem(row, &found));
            }
            value
        });
        match self.kind {
            Kind::Number => Column::Number(
                cells.map(|cell| cell.and_then(Value::as_number).unwrap_or(f64::NAN)).collect(),
            ),
            Kind::Boolean => Column::Boolean(cells.map(|cell| cell.and_then(Value::as_boolean)).collect()),
            Kind::Date => Column::Date(cells.map(|cell| cell.and_then(Value::as_date)).collect()),
            Kind::Category | Kind::Text => {
                let words: Vec<Option<String>> =
                    cells.map(|cell| cell?.to_text().map(std::borrow::Cow::into_owned)).collect();
                Column::Text(words).cast(self.kind).0
            }
        }
    }

    fn value<'a>(&self, cell: &'a Json) -> Option<Value<'a>> {
        match (self.kind, cell) {
            (Kind::Number, Json::Number(number)) => {
                number.as_f64().filter(|number| number.is_finite()).map(Value::Number)
            }
            (Kind::Number, Json::Bool(boolean)) => Some(Value::Number(f64::from(u8::from(*boolean)))),
            (Kind::Boolean, Json::Bool(boolean)) => Some(Value::Boolean(*boolean)),
            (Kind::Boolean, Json::Number(number)) => {
                Value::Number(number.as_f64()?).as_boolean().map(Value::Boolean)
            }
            (Kind::Boolean, Json::String(text)) => Value::Text(text).as_boolean().map(Value::Boolean),
            (Kind::Date, Json::String(text)) => Moment::parse(text).map(Value::Date),
            (Kind::Category | Kind::Text, Json::String(text)) => Some(Value::Text(text)),
            (Kind::Category | Kind::Text, Json::Number(number)) => number.as_f64().map(Value::Number),
            (Kind::Category | Kind::Text, Json::Bool(boolean)) => Some(Value::Boolean(*boolean)),
            _ => None,
        }
    }

    fn problem(&self, row: usize, found: &str) -> Problem {
        let shown: String = found.chars().take(40).collect();
        Problem {
            row,
            field: self.name.clone(),
            message: format!("expected a {}, found `{shown}`", self.kind),
        }
    }

    fn absent(&self, row: usize) -> Problem {
        Problem { row, field: self.name.clone(), message: format!("a {} is required", self.kind) }
    }
}

fn frequent_names(column: &Column) -> Vec<String> {
    let Column::Category(categories) = column else { return Vec::new() };
    let counts = categories.counts();
    let mut order: Vec<usize> = (0..counts.len()).filter(|code| counts[*code] > 0).collect();
    order.sort_by_key(|code| (std::cmp::Reverse(counts[*code]), *code));
    order.truncate(CATEGORIES_MAX);
    order.into_iter().map(|code| categories.names()[code].clone()).collect()
}
