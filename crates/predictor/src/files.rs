//! Tables in files: which format, which kinds of columns, and back.

use std::io::Write;

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
            let table = table.map_err(|error| plain(&error))?;
            return Ok(Read { table, rejected: Vec::new() });
        }
    };
    read.map(Read::of).map_err(|error| plain(&error))
}

/// Rows of a table of any size, some at a time.
pub enum Batches<'a> {
    /// Separated values.
    Csv(csv::Batches<'a>),
    /// JSON objects.
    Ndjson(ndjson::Batches<'a>),
    /// Parquet.
    Parquet(intendant_table_format::Batches),
}

impl<'a> Batches<'a> {
    /// Begins to read lines: CSV or NDJSON.
    ///
    /// # Errors
    /// When it is not of the format.
    pub fn of_lines(
        source: impl std::io::Read + 'a,
        format: Format,
        options: &csv::Options,
    ) -> Result<Self, Failed> {
        match format {
            Format::Ndjson => Ok(Self::Ndjson(ndjson::Batches::open(source, options))),
            Format::Csv => csv::Batches::open(source, options).map(Self::Csv).map_err(|error| plain(&error)),
            Format::Parquet => Err(Failed::new("Parquet files are no lines")),
        }
    }

    /// Begins to read a Parquet file.
    ///
    /// # Errors
    /// When it is damaged, or a column holds lists or structures.
    pub fn of_parquet(source: impl intendant_table_format::Source + 'static) -> Result<Self, Failed> {
        intendant_table_format::Batches::open(source).map(Self::Parquet).map_err(|error| plain(&error))
    }

    /// The next rows, at most this many; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next(&mut self, rows_max: usize) -> Result<Option<Read>, Failed> {
        let read = match self {
            Self::Csv(batches) => batches.next(rows_max),
            Self::Ndjson(batches) => batches.next(rows_max),
            Self::Parquet(batches) => {
                let table = batches.next(rows_max).map_err(|error| plain(&error))?;
                return Ok(table.map(|table| Read { table, rejected: Vec::new() }));
            }
        };
        Ok(read.map_err(|error| plain(&error))?.map(Read::of))
    }
}

impl Read {
    fn of(read: csv::Read) -> Self {
        let rejected = read.rejected.into_iter().map(|rejected| (rejected.line, rejected.reason)).collect();
        Self { table: read.table, rejected }
    }
}

fn plain(error: &dyn std::error::Error) -> Failed {
    Failed::new(error.to_string())
}

/// Writes a table part by part; columns are those of the first part.
pub struct Writer<W: Write + Send> {
    state: State<W>,
    names: Vec<String>,
}

enum State<W: Write + Send> {
    /// Nothing is written yet.
    New(Format, W),
    Lines(Format, W),
    Parquet(Box<intendant_table_format::Writer<W>>),
    /// Something could not be written.
    Broken,
}

impl<W: Write + Send> Writer<W> {
    /// Nothing is written yet.
    pub fn new(to: W, format: Format) -> Self {
        Self { state: State::New(format, to), names: Vec::new() }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When the format cannot hold them, or they cannot be written.
    pub fn write(&mut self, table: &Table) -> Result<(), Failed> {
        let unwritten = |error: std::io::Error| Failed::new(format!("cannot write: {error}"));
        self.state = match std::mem::replace(&mut self.state, State::Broken) {
            State::New(Format::Parquet, to) => {
                let writer = intendant_table_format::Writer::new(to, table).map_err(|error| plain(&error))?;
                State::Parquet(Box::new(writer))
            }
            State::New(format, mut to) => {
                self.names = table.names().to_vec();
                if format == Format::Csv {
                    to.write_all(&csv::write_header(table, ',')).map_err(unwritten)?;
                }
                State::Lines(format, to)
            }
            state => state,
        };
        match &mut self.state {
            State::Lines(format, to) => {
                let table = aligned(table, &self.names)?;
                let bytes = match format {
                    Format::Ndjson => ndjson::write(&table),
                    _ => csv::write_rows(&table, ','),
                };
                to.write_all(&bytes).map_err(unwritten)
            }
            State::Parquet(writer) => writer.write(table).map_err(|error| plain(&error)),
            State::New(..) | State::Broken => Err(Failed::new("an earlier part could not be written")),
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), Failed> {
        match self.state {
            State::Parquet(writer) => writer.finish().map_err(|error| plain(&error)),
            State::Lines(_, mut to) | State::New(_, mut to) => {
                to.flush().map_err(|error| Failed::new(format!("cannot write: {error}")))
            }
            State::Broken => Ok(()),
        }
    }
}

/// The columns of these names; those that are not there are missing values.
fn aligned(table: &Table, names: &[String]) -> Result<Table, Failed> {
    if table.names() == names {
        return Ok(table.clone());
    }
    let columns = names.iter().map(|name| {
        let column = table.column(name).cloned();
        (name.clone(), column.unwrap_or_else(|| Column::missing(ColumnKind::Text, table.rows())))
    });
    Table::new(columns.collect()).map_err(|error| plain(&error))
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
