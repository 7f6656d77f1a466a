//! CSV: separator and encoding are found out, lines that do not fit are left out and told.

use encoding_rs::{Encoding, UTF_8};

use crate::{Column, Error, ErrorKind, Kind, Table, infer};

/// Separators that are tried, in order of preference.
pub const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// Lines looked at to find the separator.
const SAMPLE_LINES: usize = 50;

/// What is known beforehand.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Between cells; found out when absent.
    pub separator: Option<char>,
    /// A label of the WHATWG encoding standard (`utf-8`, `windows-1252`); found out when absent.
    pub encoding: Option<String>,
    /// Kinds of columns; those of others are found out.
    pub kinds: Vec<(String, Kind)>,
}

/// A table and what was found out on the way.
#[derive(Clone, Debug)]
pub struct Read {
    /// The rows that could be read.
    pub table: Table,
    /// The line of the input on which each row starts, from 1.
    pub lines: Vec<u64>,
    /// What was left out, in order.
    pub rejected: Vec<Rejected>,
    /// Between cells.
    pub separator: char,
    /// Name of the encoding.
    pub encoding: &'static str,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The line on which the row starts, from 1.
    pub line: u64,
    /// What is wrong, lowercase, no full stop.
    pub reason: String,
}

/// Reads a table with a header line; cells become what their columns hold.
///
/// A row with too many or too few cells, or with a cell that does not fit a declared kind, is rejected.
///
/// # Errors
/// When the encoding is unknown or the header is empty or names a column twice.
pub fn read(bytes: &[u8], options: &Options) -> Result<Read, Error> {
    let mut read = read_words(bytes, options)?;
    let (table, misfits) = infer::typed(&read.table, &options.kinds);
    if misfits.is_empty() {
        read.table = table;
        return Ok(read);
    }
    let mut is_sound = vec![true; table.rows()];
    for (row, name) in misfits {
        if std::mem::replace(&mut is_sound[row], false) {
            let kind = options.kinds.iter().find(|(other, _)| *other == name).map(|(_, kind)| kind.name());
            let word = read.table.column(&name).map(|column| column.value(row).to_text().unwrap_or_default());
            let reason = format!(
                "column `{name}`: `{}` is no {}",
                word.unwrap_or_default(),
                kind.unwrap_or("value of its kind")
            );
            read.rejected.push(Rejected { line: read.lines[row], reason });
        }
    }
    read.rejected.sort_by_key(|rejected| rejected.line);
    let kept: Vec<usize> = (0..table.rows()).filter(|row| is_sound[*row]).collect();
    read.lines = kept.iter().map(|row| read.lines[*row]).collect();
    read.table = table.take(&kept);
    Ok(read)
}

/// Reads a table of words: every cell as it stands, empty ones missing.
///
/// # Errors
/// When the encoding is unknown or the header is empty or names a column twice.
pub fn read_words(bytes: &[u8], options: &Options) -> Result<Read, Error> {
    let (text, encoding) = decode(bytes, options.encoding.as_deref())?;
    let separator = options.separator.unwrap_or_else(|| detect_separator(&text));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(separator).unwrap_or(b','))
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Error::new(ErrorKind::Header, error.to_string()))?;
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    check_header(&names)?;
    let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); names.len()];
    let (mut lines, mut rejected) = (Vec::new(), Vec::new());
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                rejected.push(Rejected { line, reason: error.to_string() });
                if reader.is_done() {
                    break;
                }
                continue;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != names.len() {
            let reason = format!("{} cells, the header has {}", record.len(), names.len());
            rejected.push(Rejected { line, reason });
            continue;
        }
        for (cell, column) in record.iter().zip(&mut columns) {
            column.push((!cell.is_empty()).then(|| cell.to_owned()));
        }
        lines.push(line);
    }
    let table = Table::new(names.into_iter().zip(columns.into_iter().map(Column::Text)).collect())?;
    Ok(Read { table, lines, rejected, separator, encoding })
}

/// Writes a table with a header line, UTF-8, `\n` after each row; missing values are empty cells.
pub fn write(table: &Table, separator: char) -> Vec<u8> {
    let mut writer =
        csv::WriterBuilder::new().delimiter(u8::try_from(separator).unwrap_or(b',')).from_writer(Vec::new());
    let whole = "invariant: writing to memory with one number of cells per row cannot fail";
    if table.names().is_empty() {
        return Vec::new();
    }
    writer.write_record(table.names()).expect(whole);
    let mut record = csv::StringRecord::new();
    for row in 0..table.rows() {
        record.clear();
        for column in table.columns() {
            record.push_field(&column.value(row).to_text().unwrap_or_default());
        }
        writer.write_record(&record).expect(whole);
    }
    writer.into_inner().expect(whole)
}

/// Text of these bytes and the name of their encoding.
///
/// A byte order mark decides, else a given label, else UTF-8 when the bytes are valid, else statistics.
///
/// # Errors
/// When the label names no encoding.
pub fn decode<'a>(
    bytes: &'a [u8],
    label: Option<&str>,
) -> Result<(std::borrow::Cow<'a, str>, &'static str), Error> {
    let encoding = match (Encoding::for_bom(bytes), label) {
        (Some((encoding, _)), _) => encoding,
        (None, Some(label)) => Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            Error::new(
                ErrorKind::Encoding,
                format!("`{label}` is no known encoding, try utf-8 or windows-1252"),
            )
        })?,
        (None, None) if std::str::from_utf8(bytes).is_ok() => UTF_8,
        (None, None) => {
            let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
            detector.feed(bytes, true);
            detector.guess(None, chardetng::Utf8Detection::Allow)
        }
    };
    let (text, used, _) = encoding.decode(bytes);
    Ok((text, used.name()))
}

/// The separator that cuts the first lines into the same number of cells, as many as possible.
fn detect_separator(text: &str) -> char {
    let sample_end = text.match_indices('\n').nth(SAMPLE_LINES).map_or(text.len(), |(at, _)| at);
    let cells = |separator: char| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator as u8)
            .flexible(true)
            .has_headers(false)
            .from_reader(&text.as_bytes()[..sample_end]);
        let counts: Vec<usize> = reader.records().flatten().map(|record| record.len()).collect();
        let first = counts.first().copied().unwrap_or(1);
        let agreeing = counts.iter().filter(|count| **count == first).count();
        if first < 2 { 0.0 } else { agreeing as f64 / counts.len() as f64 + first as f64 * 1e-4 }
    };
    // Of equals the first wins, and `max_by` gives the last.
    let best = SEPARATORS.into_iter().rev().max_by(|left, right| cells(*left).total_cmp(&cells(*right)));
    best.unwrap_or(',')
}

pub(crate) fn check_header(names: &[String]) -> Result<(), Error> {
    let wrong = |message: String| Err(Error::new(ErrorKind::Header, message).at_line(1));
    if names.iter().all(String::is_empty) {
        return wrong("there is no header line with the names of the columns".into());
    }
    for (idx, name) in names.iter().enumerate() {
        if name.is_empty() {
            return wrong(format!("column {} has no name", idx + 1));
        }
        if names[..idx].contains(name) {
            return wrong(format!("two columns are called `{name}`"));
        }
    }
    Ok(())
}
