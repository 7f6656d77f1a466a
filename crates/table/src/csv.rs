//! CSV: separator and encoding are found out, lines that do not fit are left out and told.

use std::io::{self, Read as _};

use encoding_rs::{Encoding, UTF_8};

use crate::{Column, Error, ErrorKind, Kind, Table, infer};

/// Separators that are tried, in order of preference.
pub const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// Lines looked at to find the separator.
const SAMPLE_LINES: usize = 50;

/// Bytes looked at to find out the encoding of a file that is read bit by bit.
const SAMPLE_BYTES: u64 = 1 << 20;

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
    Ok(typed(read_words(bytes, options)?, &options.kinds))
}

/// Reads a table of words: every cell as it stands, empty ones missing.
///
/// # Errors
/// When the encoding is unknown or the header is empty or names a column twice.
pub fn read_words(bytes: &[u8], options: &Options) -> Result<Read, Error> {
    let (text, name) = decode(bytes, options.encoding.as_deref())?;
    let separator = options.separator.unwrap_or_else(|| detect_separator(&text));
    let source: Box<dyn io::Read + '_> = Box::new(text.as_bytes());
    let mut batches = Batches::of(source, (UTF_8, name, separator), &options.kinds)?;
    match batches.words(usize::MAX)? {
        Some(read) => Ok(read),
        None => batches.empty(),
    }
}

/// Cells as what their columns hold; rows with a cell that does not fit a declared kind are rejected.
fn typed(mut read: Read, kinds: &[(String, Kind)]) -> Read {
    let (table, misfits) = infer::typed(&read.table, kinds);
    if misfits.is_empty() {
        read.table = table;
        return read;
    }
    let mut is_sound = vec![true; table.rows()];
    for (row, name) in misfits {
        if std::mem::replace(&mut is_sound[row], false) {
            let kind = kinds.iter().find(|(other, _)| *other == name).map(|(_, kind)| kind.name());
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
    read
}

/// Rows of a file of any size, some at a time. Separator, encoding and kinds of columns are found out from its beginning.
pub struct Batches<'a> {
    reader: csv::Reader<Box<dyn io::Read + 'a>>,
    names: Vec<String>,
    decoder: &'static Encoding,
    encoding: &'static str,
    separator: char,
    declared: Vec<(String, Kind)>,
    /// Kinds of the other columns, from the first rows on.
    found: Option<Vec<(String, Kind)>>,
}

impl<'a> Batches<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// When it cannot be read, the encoding is unknown, or the header is empty or names a column twice.
    pub fn open(mut source: impl io::Read + 'a, options: &Options) -> Result<Self, Error> {
        let mut sample = Vec::new();
        io::Read::by_ref(&mut source)
            .take(SAMPLE_BYTES)
            .read_to_end(&mut sample)
            .map_err(|error| broken(&error))?;
        let is_whole = (sample.len() as u64) < SAMPLE_BYTES;
        // A character may be cut in two at the end of the sample, a line is not.
        let lines = match (is_whole, sample.iter().rposition(|byte| *byte == b'\n')) {
            (false, Some(end)) => &sample[..=end],
            _ => &sample[..],
        };
        let (text, encoding) = decode(lines, options.encoding.as_deref())?;
        let separator = options.separator.unwrap_or_else(|| detect_separator(&text));
        let decoder = Encoding::for_label(encoding.as_bytes()).unwrap_or(UTF_8);
        if decoder.is_ascii_compatible() {
            let source: Box<dyn io::Read + 'a> = Box::new(io::Cursor::new(sample).chain(source));
            return Self::of(source, (decoder, encoding, separator), &options.kinds);
        }
        // Where separators are no single bytes, all is decoded first.
        source.read_to_end(&mut sample).map_err(|error| broken(&error))?;
        let text = decode(&sample, options.encoding.as_deref())?.0.into_owned();
        let source: Box<dyn io::Read + 'a> = Box::new(io::Cursor::new(text.into_bytes()));
        Self::of(source, (UTF_8, encoding, separator), &options.kinds)
    }

    fn of(
        source: Box<dyn io::Read + 'a>,
        (decoder, encoding, separator): (&'static Encoding, &'static str, char),
        kinds: &[(String, Kind)],
    ) -> Result<Self, Error> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(separator).unwrap_or(b','))
            .flexible(true)
            .from_reader(source);
        let wrong = |error: csv::Error| Error::new(ErrorKind::Header, error.to_string());
        let header = reader.byte_headers().map_err(wrong)?;
        let names: Vec<String> =
            header.iter().map(|name| decoder.decode_without_bom_handling(name).0.trim().to_owned()).collect();
        check_header(&names)?;
        Ok(Self { reader, names, decoder, encoding, separator, declared: kinds.to_vec(), found: None })
    }

    /// The next rows, at most this many; `None` at the end. A file without rows gives a table without rows once.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next(&mut self, rows_max: usize) -> Result<Option<Read>, Error> {
        let words = match (self.words(rows_max)?, &self.found) {
            (Some(words), _) => words,
            (None, None) => self.empty()?,
            (None, Some(_)) => return Ok(None),
        };
        let mut kinds = self.declared.clone();
        if let Some(found) = &mut self.found {
            // What the first rows looked like need not hold for later ones: then cells stay as they are written.
            let all: Vec<(String, Kind)> = kinds.iter().chain(&*found).cloned().collect();
            let (_, misfits) = infer::typed(&words.table, &all);
            for (name, kind) in found.iter_mut() {
                if misfits.iter().any(|(_, misfit)| misfit == name) {
                    *kind = Kind::Text;
                }
            }
            kinds.extend(found.iter().cloned());
        }
        let read = typed(words, &kinds);
        if self.found.is_none() {
            let others =
                read.table.iter().filter(|(name, _)| !self.declared.iter().any(|(known, _)| known == name));
            self.found = Some(others.map(|(name, column)| (name.to_owned(), column.kind())).collect());
        }
        Ok(Some(read))
    }

    fn empty(&self) -> Result<Read, Error> {
        self.table(vec![Vec::new(); self.names.len()], Vec::new(), Vec::new())
    }

    fn table(
        &self,
        columns: Vec<Vec<Option<String>>>,
        lines: Vec<u64>,
        rejected: Vec<Rejected>,
    ) -> Result<Read, Error> {
        let columns = self.names.iter().cloned().zip(columns.into_iter().map(Column::Text));
        let table = Table::new(columns.collect())?;
        Ok(Read { table, lines, rejected, separator: self.separator, encoding: self.encoding })
    }

    /// The next rows as words.
    fn words(&mut self, rows_max: usize) -> Result<Option<Read>, Error> {
        let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); self.names.len()];
        let (mut lines, mut rejected) = (Vec::new(), Vec::new());
        let mut record = csv::ByteRecord::new();
        while lines.len() + rejected.len() < rows_max {
            match self.reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) if error.is_io_error() => return Err(broken(&error)),
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    rejected.push(Rejected { line, reason: error.to_string() });
                    if self.reader.is_done() {
                        break;
                    }
                    continue;
                }
            }
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != self.names.len() {
                let reason = format!("{} cells, the header has {}", record.len(), self.names.len());
                rejected.push(Rejected { line, reason });
                continue;
            }
            let cells: Option<Vec<_>> = record
                .iter()
                .map(|cell| self.decoder.decode_without_bom_handling_and_without_replacement(cell))
                .collect();
            let Some(cells) = cells else {
                let reason = format!("the bytes are no {}; name the encoding of the file", self.encoding);
                rejected.push(Rejected { line, reason });
                continue;
            };
            for (cell, column) in cells.into_iter().zip(&mut columns) {
                column.push((!cell.is_empty()).then(|| cell.into_owned()));
            }
            lines.push(line);
        }
        if lines.is_empty() && rejected.is_empty() {
            return Ok(None);
        }
        self.table(columns, lines, rejected).map(Some)
    }
}

fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Shape, format!("cannot read on: {error}"))
}

/// Writes a table with a header line, UTF-8, `\n` after each row; missing values are empty cells.
pub fn write(table: &Table, separator: char) -> Vec<u8> {
    let mut bytes = write_header(table, separator);
    bytes.extend(write_rows(table, separator));
    bytes
}

/// Writes the names of columns; nothing when there are none.
pub fn write_header(table: &Table, separator: char) -> Vec<u8> {
    match table.names().is_empty() {
        true => Vec::new(),
        false => written(separator, [table.names()].into_iter()),
    }
}

/// Writes the rows alone.
pub fn write_rows(table: &Table, separator: char) -> Vec<u8> {
    let row = |row: usize| {
        table.columns().iter().map(move |column| column.value(row).to_text().unwrap_or_default())
    };
    let rows = if table.names().is_empty() { 0 } else { table.rows() };
    written(separator, (0..rows).map(|at| row(at).map(|cell| cell.into_owned()).collect::<Vec<_>>()))
}

fn written<R: IntoIterator<Item = T>, T: AsRef<[u8]>>(
    separator: char,
    records: impl Iterator<Item = R>,
) -> Vec<u8> {
    let mut writer =
        csv::WriterBuilder::new().delimiter(u8::try_from(separator).unwrap_or(b',')).from_writer(Vec::new());
    let whole = "invariant: writing to memory with one number of cells per row cannot fail";
    for record in records {
        writer.write_record(record).expect(whole);
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
