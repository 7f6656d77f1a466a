//! Records in a piece of a text file: lines of JSON, or of CSV with quotes.
//!
//! Source: RFC 4180 for CSV; the delimiter is the one that the header has most of.

use serde_json::{Map, Value};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Ndjson,
    /// A header and one record per line; line breaks may stand in quotes.
    Csv,
}

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The end of the last whole record, after its line break.
pub fn whole(bytes: &[u8], format: Format) -> usize {
    let mut end = 0;
    let mut is_quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if format == Format::Csv => is_quoted = !is_quoted,
            b'\n' if !is_quoted => end = at + 1,
            _ => {}
        }
    }
    end
}

/// The length of the first record with its line break.
pub fn first(bytes: &[u8]) -> usize {
    let mut is_quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

/// Texts of lines that are not empty.
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Records as JSON objects by the names of the header. Values stay texts; an empty one is null. What a
/// record has beyond the header is kept under numbers.
pub fn csv(header: &str, text: &str) -> Vec<String> {
    let delimiter = delimiter(header);
    let names = fields(header, delimiter).into_iter().next().unwrap_or_default();
    let objects = fields(text, delimiter).into_iter().map(|record| {
        let mut object = Map::new();
        for (place, value) in record.into_iter().enumerate() {
            let name = names.get(place).cloned().unwrap_or_else(|| (place + 1).to_string());
            object.insert(name, if value.is_empty() { Value::Null } else { Value::String(value) });
        }
        Value::Object(object).to_string()
    });
    objects.collect()
}

fn delimiter(header: &str) -> u8 {
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    // The first of those that occur equally often.
    DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

/// Fields of all records; empty lines are none.
fn fields(text: &str, delimiter: u8) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                field.push('"');
                rest.next();
            }
            '"' => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            other if is_quoted => field.push(other),
            '\r' if rest.peek().is_none_or(|next| *next == '\n') => {}
            '\n' => {
                let is_empty = record.is_empty() && field.is_empty() && !was_quoted;
                if !is_empty {
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                was_quoted = false;
            }
            other if other == char::from(delimiter) => {
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            other => field.push(other),
        }
    }
    if !record.is_empty() || !field.is_empty() || was_quoted {
        record.push(field);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_becomes_json() {
        let check = |header: &str, text: &str, expected: &[&str]| {
            assert_eq!(csv(header, text), expected, "{text:?}");
        };
        check("a,b\n", "1,2\n", &[r#"{"a":"1","b":"2"}"#]);
        check(
            "a;b\r\n",
            "1;\"x;\"\"y\"\"\nz\"\r\n\r\n;2",
            &[r#"{"a":"1","b":"x;\"y\"\nz"}"#, r#"{"a":null,"b":"2"}"#],
        );
        check("a\tb\n", "1,5\t2\t3\n", &[r#"{"a":"1,5","b":"2","3":"3"}"#]);
        check("a\n", "x\n\"\"\n", &[r#"{"a":"x"}"#, r#"{"a":null}"#]);
        check("a,b\n", "1\n", &[r#"{"a":"1"}"#]);
    }

    #[test]
    fn records_end_outside_quotes() {
        assert_eq!(whole(b"a,\"b\nc\"\nd", Format::Csv), 8);
        assert_eq!(whole(b"{\"a\": 1}\n{\"b", Format::Ndjson), 9);
        assert_eq!(whole(b"{\"a", Format::Ndjson), 0);
        assert_eq!(first(b"\"a\nb\",c\nd"), 8);
    }
}
