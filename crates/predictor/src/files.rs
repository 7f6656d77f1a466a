//! Tables in files: which format, which kinds of columns, and back.

use intendant_table::{Column, Kind as ColumnKind, Table, Value, csv, ndjson};

use crate::Failed;
use crate::spec::{Data, Kind, Spec};

/// A format of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Separated values with a header line.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "ndjson" => Some(Self::Ndjson),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The format that a file's name ends with; CSV for names that say nothing.
    pub fn of_path(path: &str) -> Self {
        let ending = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "ndjson" | "jsonl" | "json" => Self::Ndjson,
            "parquet" | "pq" => Self::Parquet,
            _ => Self::Csv,
        }
    }
}

/// A table with what was left out of it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The rows.
    pub table: Table,
    /// Lines that could not be read, with the reason.
    pub rejected: Vec<(u64, String)>,
}

/// Reads a table.
///
/// # Errors
/// When it is not of the format.
pub fn read(bytes: &[u8], format: Format, options: &csv::Options) -> Result<Read, Failed> {
    let read = match format {
        Format::Csv => csv::read(bytes, options),
        Format::Ndjson => ndjson::read(bytes, options),
        Format::Parquet => {
            let table = intendant_table_format::read(bytes.to_vec());
            let table = table.map_err(|error| Failed::new(error.to_string()))?;
            return Ok(Read { table, rejected: Vec::new() });
        }
    };
    let read = read.map_err(|error| Failed::new(error.to_string()))?;
    let rejected = read.rejected.into_iter().map(|rejected| (rejected.line, rejected.reason)).collect();
    Ok(Read { table: read.table, rejected })
}

/// Writes a table.
///
/// # Errors
/// When the format cannot hold it.
pub fn write(table: &Table, format: Format) -> Result<Vec<u8>, Failed> {
    match format {
        Format::Csv => Ok(csv::write(table, ',')),
        Format::Ndjson => Ok(ndjson::write(table)),
        Format::Parquet => {
            intendant_table_format::write(table).map_err(|error| Failed::new(error.to_string()))
        }
    }
}

/// What a predictor's declaration says about reading its rows.
pub fn options(spec: &Spec, data: Option<&Data>) -> csv::Options {
    csv::Options {
        separator: data.and_then(|data| data.separator.as_ref()?.chars().next()),
        encoding: data.and_then(|data| data.encoding.clone()),
        kinds: kinds(spec),
    }
}

/// Kinds of columns that are known before a row is read. Ids and classes are never numbers: `007` stays `007`.
pub fn kinds(spec: &Spec) -> Vec<(String, ColumnKind)> {
    let mut kinds = Vec::new();
    let mut say = |name: &Option<String>, kind: ColumnKind| {
        if let Some(name) = name {
            kinds.push((name.clone(), kind));
        }
    };
    say(&spec.key, ColumnKind::Text);
    say(&spec.text, ColumnKind::Text);
    say(&spec.entity, ColumnKind::Text);
    say(&spec.user, ColumnKind::Text);
    say(&spec.item, ColumnKind::Text);
    say(&spec.rating, ColumnKind::Number);
    if spec.kind != Kind::Recommender {
        // Whether they are numbers is seen when they are learnt.
        say(&spec.target, ColumnKind::Text);
    }
    for (name, feature) in &spec.features {
        let kind = match feature.type_.as_deref() {
            Some("integer") => Some(ColumnKind::Number),
            Some(name) => ColumnKind::named(name),
            None => None,
        };
        kinds.extend(kind.map(|kind| (name.clone(), kind)));
    }
    kinds
}

/// Adds the columns of another table whose rows have the same value in the column `on`; rows without one are left out.
///
/// # Errors
/// When a table lacks the column, or a value comes twice in the other one.
pub fn join(left: &Table, right: &Table, on: &str) -> Result<Table, Failed> {
    let missing = |side: &str| Failed::new(format!("the {side} file has no column `{on}` to be joined by"));
    let left_keys = left.column(on).ok_or_else(|| missing("first"))?;
    let right_keys = right.column(on).ok_or_else(|| missing("joined"))?;
    let mut positions = std::collections::HashMap::new();
    for row in 0..right.rows() {
        let Some(key) = right_keys.value(row).to_text() else { continue };
        if positions.insert(key.into_owned(), row).is_some() {
            let key = right_keys.value(row).to_text().unwrap_or_default().into_owned();
            return Err(Failed::new(format!("the joined file has two rows with `{on}` = {key}")));
        }
    }
    let (mut left_rows, mut right_rows) = (Vec::new(), Vec::new());
    for row in 0..left.rows() {
        let key = left_keys.value(row).to_text();
        if let Some(other) = key.and_then(|key| positions.get(key.as_ref())) {
            left_rows.push(row);
            right_rows.push(*other);
        }
    }
    let mut joined = left.take(&left_rows);
    for (name, column) in right.iter().filter(|(name, _)| *name != on) {
        joined
            .push(name.to_owned(), column.take(&right_rows))
            .map_err(|error| Failed::new(error.to_string()))?;
    }
    Ok(joined)
}

/// The texts of a column, `None` where missing.
///
/// # Errors
/// When there is no such column.
pub fn texts(table: &Table, name: &str) -> Result<Vec<Option<String>>, Failed> {
    let column = column(table, name)?;
    Ok(column.values().map(|value| value.to_text().map(std::borrow::Cow::into_owned)).collect())
}

/// The numbers of a column, NaN where missing.
///
/// # Errors
/// When there is no such column.
pub fn numbers(table: &Table, name: &str) -> Result<Vec<f64>, Failed> {
    let column = column(table, name)?;
    Ok(column.values().map(|value| value.as_number().unwrap_or(f64::NAN)).collect())
}

/// The column of this name.
///
/// # Errors
/// When there is none; the message names those that there are.
pub fn column<'a>(table: &'a Table, name: &str) -> Result<&'a Column, Failed> {
    table.column(name).ok_or_else(|| {
        let names: Vec<&str> = table.names().iter().map(String::as_str).collect();
        let hint = intendant_rasa_format::suggest::did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("the columns are {}", names.join(", ")));
        Failed::new(format!("the data has no column `{name}`: {hint}"))
    })
}

/// Whether a cell is not there.
pub fn is_missing(value: Value<'_>) -> bool {
    value == Value::Missing
}
