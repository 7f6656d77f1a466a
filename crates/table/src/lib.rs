//! Tables: named, typed columns of equal length, and the text formats they come in.
//!
//! A table is what predictive models are trained on and asked about. [`csv`] and [`ndjson`] read and
//! write it, [`infer`] finds out what kind of values untyped cells hold, and a [`Signature`] says what
//! a model expects, field by field, and checks what came against it.
//!
//! Readers never guess silently: what they found out (separator, encoding, kinds) and which lines they
//! left out is part of what they give back. A missing value is `NaN` in a column of numbers and `None`
//! elsewhere; no other number stands for "missing".

mod column;
pub mod csv;
pub mod infer;
mod moment;
pub mod ndjson;
mod signature;
#[cfg(test)]
mod tests;

use std::fmt;

pub use column::{Categories, Column, Kind, Value};
pub use moment::Moment;
pub use signature::{Field, Problem, Signature};

/// Named columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    names: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A table of these columns.
    ///
    /// # Errors
    /// When two columns have the same name or columns differ in length.
    pub fn new(columns: Vec<(String, Column)>) -> Result<Self, Error> {
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        let mut table = Self { names: Vec::new(), columns: Vec::new(), rows };
        for (name, column) in columns {
            table.push(name, column)?;
        }
        Ok(table)
    }

    /// Adds a column; the first one decides the number of rows.
    ///
    /// # Errors
    /// When the name is taken or the length differs.
    pub fn push(&mut self, name: String, column: Column) -> Result<(), Error> {
        if self.position(&name).is_some() {
            return Err(Error::new(ErrorKind::Header, format!("two columns are called `{name}`")));
        }
        if self.columns.is_empty() {
            self.rows = column.len();
        } else if column.len() != self.rows {
            let message = format!("column `{name}` has {} rows, the table {}", column.len(), self.rows);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        self.names.push(name);
        self.columns.push(column);
        Ok(())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Names and columns, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.names.iter().map(String::as_str).zip(&self.columns)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.position(name).map(|idx| &self.columns[idx])
    }

    /// Where the column of this name stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// The rows of these indexes, in their order; an index may come several times.
    ///
    /// # Panics
    /// When an index is not below the number of rows.
    pub fn take(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| column.take(rows)).collect();
        Self { names: self.names.clone(), columns, rows: rows.len() }
    }

    /// The table without the column of this name, and that column.
    pub fn split_off(mut self, name: &str) -> (Self, Option<Column>) {
        let Some(idx) = self.position(name) else { return (self, None) };
        self.names.remove(idx);
        let column = self.columns.remove(idx);
        (self, Some(column))
    }

    /// One row as values, in the order of the columns.
    ///
    /// # Panics
    /// When `row` is not below the number of rows.
    pub fn row(&self, row: usize) -> Vec<Value<'_>> {
        self.columns.iter().map(|column| column.value(row)).collect()
    }
}

/// Why a table could not be read or put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: ErrorKind,
    /// The line of the input, from 1, when one is to blame.
    pub line: Option<u64>,
    /// The column's name, when one is to blame.
    pub column: Option<String>,
    message: String,
}

/// Kinds of table errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes are no text of a known encoding.
    Encoding,
    /// Missing, empty or repeated column names.
    Header,
    /// Columns or rows of different length.
    Shape,
    /// A value that does not fit its column.
    Value,
}

impl Error {
    /// An error without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, line: None, column: None, message: message.into() }
    }

    /// The same at a line of the input.
    pub fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// The same in a column.
    pub fn in_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "column `{column}`: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
