//! NDJSON: one JSON object per line.

use std::collections::HashMap;
use std::io::{self, BufRead};

use serde_json::{Map, Value as Json};

use crate::csv::{Options, Read, Rejected};
use crate::{Column, Error, ErrorKind, Kind, Table, Value, infer};

/// Reads objects, one per line, empty lines left out; columns come in the order in which keys appear first.
///
/// Strings, numbers, booleans and `null` are cells; a nested value is kept as its JSON text. A line that is no
/// object, or holds a value that does not fit a declared kind, is rejected.
///
/// # Errors
/// When the encoding is unknown or there is no object at all.
pub fn read(bytes: &[u8], options: &Options) -> Result<Read, Error> {
    let (text, encoding) = crate::csv::decode(bytes, options.encoding.as_deref())?;
    let mut taken = Taken::default();
    for (line, content) in (1..).zip(text.lines()) {
        taken.take(line, content);
    }
    let mut read = taken.finish(&options.kinds)?;
    read.encoding = encoding;
    Ok(read)
}

/// Objects of a file of any size, in UTF-8, some at a time.
pub struct Batches<'a> {
    lines: io::Split<Box<dyn BufRead + 'a>>,
    line: u64,
    kinds: Vec<(String, Kind)>,
}

impl<'a> Batches<'a> {
    /// Begins to read.
    pub fn open(source: impl io::Read + 'a, options: &Options) -> Self {
        let source: Box<dyn BufRead + 'a> = Box::new(io::BufReader::new(source));
        Self { lines: source.split(b'\n'), line: 0, kinds: options.kinds.clone() }
    }

    /// The next rows, at most this many; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read on, or no line of these holds an object.
    pub fn next(&mut self, rows_max: usize) -> Result<Option<Read>, Error> {
        let mut taken = Taken::default();
        while taken.objects.len() + taken.rejected.len() < rows_max {
            let Some(content) = self.lines.next() else { break };
            let content =
                content.map_err(|error| Error::new(ErrorKind::Shape, format!("cannot read on: {error}")))?;
            self.line += 1;
            match std::str::from_utf8(content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&content)) {
                Ok(content) => taken.take(self.line, content),
                Err(_) => {
                    let reason = "the bytes are no UTF-8".to_owned();
                    taken.rejected.push(Rejected { line: self.line, reason });
                }
            }
        }
        if taken.objects.is_empty() && taken.rejected.is_empty() {
            return Ok(None);
        }
        taken.finish(&self.kinds).map(Some)
    }
}

/// Objects with their lines, and lines that hold none.
#[derive(Default)]
struct Taken {
    objects: Vec<Map<String, Json>>,
    lines: Vec<u64>,
    rejected: Vec<Rejected>,
}

impl Taken {
    fn take(&mut self, line: u64, content: &str) {
        if content.trim().is_empty() {
            return;
        }
        match serde_json::from_str::<Map<String, Json>>(content) {
            Ok(object) => {
                self.objects.push(object);
                self.lines.push(line);
            }
            Err(error) => {
                let reason = format!("no JSON object at column {}: {error}", error.column());
                self.rejected.push(Rejected { line, reason });
            }
        }
    }

    fn finish(self, kinds: &[(String, Kind)]) -> Result<Read, Error> {
        let Self { objects, lines, mut rejected } = self;
        if objects.is_empty() && !rejected.is_empty() {
            let message = format!("no line holds a JSON object; the first says: {}", rejected[0].reason);
            return Err(Error::new(ErrorKind::Shape, message).at_line(rejected[0].line));
        }
        let (table, misfits) = from_objects(&objects, kinds);
        let mut is_sound = vec![true; table.rows()];
        for (row, name) in misfits {
            if std::mem::replace(&mut is_sound[row], false) {
                let reason = format!("column `{name}`: {} does not fit", objects[row][&name]);
                rejected.push(Rejected { line: lines[row], reason });
            }
        }
        rejected.sort_by_key(|rejected| rejected.line);
        let kept: Vec<usize> = (0..table.rows()).filter(|row| is_sound[*row]).collect();
        let lines = kept.iter().map(|row| lines[*row]).collect();
        Ok(Read { table: table.take(&kept), lines, rejected, separator: '\n', encoding: "UTF-8" })
    }
}

/// A table of objects; absent keys are missing values.
///
/// The second part lists row and column of values that do not fit a declared kind; they are missing.
pub fn from_objects(
    objects: &[Map<String, Json>],
    kinds: &[(String, Kind)],
) -> (Table, Vec<(usize, String)>) {
    let mut names: Vec<&str> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for key in objects.iter().flat_map(Map::keys) {
        positions.entry(key).or_insert_with(|| {
            names.push(key);
            names.len() - 1
        });
    }
    let mut misfits = Vec::new();
    let mut columns = Vec::new();
    for name in names {
        let cells: Vec<Option<&Json>> =
            objects.iter().map(|object| object.get(name).filter(|value| !value.is_null())).collect();
        let declared = kinds.iter().find(|(other, _)| other == name).map(|(_, kind)| *kind);
        let (column, failed) = column_of(&cells, declared);
        misfits.extend(failed.into_iter().map(|row| (row, name.to_owned())));
        columns.push((name.to_owned(), column));
    }
    misfits.sort();
    let table = Table::new(columns).expect("invariant: each key once, one cell per object");
    (table, misfits)
}

/// Writes one object per row; missing values are `null`.
pub fn write(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in 0..table.rows() {
        bytes.extend_from_slice(Json::Object(object(table, row)).to_string().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// One row as an object; missing values are `null`, whole numbers have no fraction.
///
/// # Panics
/// When `row` is not below the number of rows.
pub fn object(table: &Table, row: usize) -> Map<String, Json> {
    table.iter().map(|(name, column)| (name.to_owned(), to_json(column.value(row)))).collect()
}

/// A cell as JSON.
pub fn to_json(value: Value<'_>) -> Json {
    match value {
        Value::Missing => Json::Null,
        Value::Boolean(boolean) => Json::Bool(boolean),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Json::from(number as i64),
        Value::Number(number) => serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number),
        Value::Date(moment) => Json::String(moment.to_string()),
        Value::Text(text) => Json::String(text.to_owned()),
    }
}

fn column_of(cells: &[Option<&Json>], declared: Option<Kind>) -> (Column, Vec<usize>) {
    let known = || cells.iter().copied().flatten();
    if known().all(Json::is_number) && declared.is_none_or(|kind| kind == Kind::Number) {
        let numbers = cells.iter().map(|cell| cell.and_then(Json::as_f64).unwrap_or(f64::NAN));
        return (Column::Number(numbers.collect()), Vec::new());
    }
    if known().all(Json::is_boolean) && declared.is_none_or(|kind| kind == Kind::Boolean) {
        return (
            Column::Boolean(cells.iter().map(|cell| cell.and_then(Json::as_bool)).collect()),
            Vec::new(),
        );
    }
    let words: Vec<Option<String>> = cells
        .iter()
        .map(|cell| match cell {
            None => None,
            Some(Json::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        })
        .collect();
    // Strings of digits stay strings unless somebody declared numbers.
    let kind = declared.unwrap_or_else(|| {
        let found = infer::finding(words.iter().flatten().map(String::as_str)).kind;
        if matches!(found, Kind::Number | Kind::Boolean) { Kind::Category } else { found }
    });
    Column::Text(words).cast(kind)
}
