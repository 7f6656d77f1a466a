//! Parquet files to tables and back.
//!
//! Its own crate because the library behind it is heavy. Columns must be plain: a file with lists or structures in
//! its columns is refused by name of the column. Snappy and gzip are read, snappy is written.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use intendant_table::{Categories, Column, Error, ErrorKind, Kind, Moment, Table, Value, infer};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
pub use parquet::file::reader::ChunkReader as Source;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

/// Rows of a file at most.
const ROWS_MAX: i64 = 100_000_000;

/// Reads a file; columns of words become categories or texts, whichever they look like.
///
/// # Errors
/// When the file is damaged, or a column holds lists or structures.
pub fn read(bytes: Vec<u8>) -> Result<Table, Error> {
    let mut batches = Batches::of_bytes(bytes)?;
    match batches.next(usize::MAX)? {
        Some(table) => Ok(table),
        None => batches.table(Vec::new()),
    }
}

/// Rows of a file of any size, some at a time; in memory are the pages of one row group.
pub struct Batches {
    rows: RowIter<'static>,
    names: Vec<String>,
}

impl Batches {
    /// Begins to read what is in memory.
    ///
    /// # Errors
    /// As [`Batches::open`].
    pub fn of_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::open(Bytes::from(bytes))
    }

    /// Begins to read a file.
    ///
    /// # Errors
    /// When the file is damaged, or a column holds lists or structures.
    pub fn open(source: impl Source + 'static) -> Result<Self, Error> {
        guarded(|| {
            let reader = SerializedFileReader::new(source).map_err(|error| damaged(&error))?;
            let metadata = reader.metadata().file_metadata();
            if metadata.num_rows() > ROWS_MAX {
                let message = format!("{} rows, at most {ROWS_MAX} are read", metadata.num_rows());
                return Err(Error::new(ErrorKind::Shape, message));
            }
            let fields = metadata.schema().get_fields();
            if let Some(field) = fields.iter().find(|field| !field.is_primitive()) {
                let message = "holds lists or structures; only plain columns are read";
                return Err(Error::new(ErrorKind::Value, message).in_column(field.name()));
            }
            let names = fields.iter().map(|field| field.name().to_owned()).collect();
            Ok(Self { rows: RowIter::from_file_into(Box::new(reader)), names })
        })
    }

    /// The next rows, at most this many; `None` at the end.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn next(&mut self, rows_max: usize) -> Result<Option<Table>, Error> {
        guarded(|| {
            let mut cells: Vec<Vec<Field>> = vec![Vec::new(); self.names.len()];
            let mut count = 0;
            while count < rows_max {
                let Some(row) = self.rows.next() else { break };
                let row = row.map_err(|error| damaged(&error))?;
                for ((_, field), cells) in row.get_column_iter().zip(&mut cells) {
                    cells.push(field.clone());
                }
                count += 1;
            }
            if count == 0 { Ok(None) } else { self.table(cells).map(Some) }
        })
    }

    fn table(&self, mut cells: Vec<Vec<Field>>) -> Result<Table, Error> {
        cells.resize(self.names.len(), Vec::new());
        let columns = self.names.iter().zip(cells).map(|(name, cells)| (name.clone(), column(&cells)));
        Table::new(columns.collect())
    }
}

/// The library promises errors for damaged files; a slip there must not end a server.
fn guarded<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Shape, "the Parquet file is damaged")))
}

/// Writes a table; dates are milliseconds since 1970, categories and texts are UTF-8.
///
/// # Errors
/// When the table has no columns.
pub fn write(table: &Table) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, table)?;
    writer.write(table)?;
    writer.finish()?;
    Ok(bytes)
}

/// Writes a file table by table, a row group each.
pub struct Writer<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<(String, Kind)>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file with the columns of this table.
    ///
    /// # Errors
    /// When it has no columns.
    pub fn new(to: W, table: &Table) -> Result<Self, Error> {
        if table.names().is_empty() {
            return Err(Error::new(ErrorKind::Header, "a Parquet file needs a column"));
        }
        let columns: Vec<(String, Kind)> =
            table.iter().map(|(name, column)| (name.to_owned(), column.kind())).collect();
        let writer = begin(to, &columns).map_err(|error| unwritten(&error))?;
        Ok(Self { writer, columns })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When a column holds something else than it did in the first table, or the file cannot be written.
    pub fn write(&mut self, table: &Table) -> Result<(), Error> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (name, kind) in &self.columns {
            let column = table.column(name).cloned().unwrap_or_else(|| Column::missing(*kind, table.rows()));
            let (column, failed) = column.cast(*kind);
            if !failed.is_empty() {
                let message = format!("holds no {} from some row on; declare its kind", kind.name());
                return Err(Error::new(ErrorKind::Value, message).in_column(name));
            }
            columns.push(column);
        }
        write_group(&mut self.writer, &columns).map_err(|error| unwritten(&error))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        self.writer.close().map(drop).map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &ParquetError) -> Error {
    Error::new(ErrorKind::Shape, format!("cannot write Parquet: {error}"))
}

fn damaged(error: &ParquetError) -> Error {
    Error::new(ErrorKind::Shape, format!("the Parquet file is not readable: {error}"))
}

/// Cells as a column of what they are.
fn column(cells: &[Field]) -> Column {
    let first = cells.iter().find(|cell| !matches!(cell, Field::Null));
    match first {
        Some(Field::Bool(_)) => Column::Boolean(
            cells
                .iter()
                .map(|cell| if let Field::Bool(truth) = cell { Some(*truth) } else { None })
                .collect(),
        ),
        Some(Field::Date(_) | Field::TimestampMillis(_) | Field::TimestampMicros(_)) => {
            Column::Date(cells.iter().map(moment).collect())
        }
        Some(Field::Str(_) | Field::Bytes(_)) => {
            let words: Vec<Option<String>> = cells.iter().map(word).collect();
            let kind = infer::finding(words.iter().flatten().map(String::as_str)).kind;
            if kind == Kind::Text {
                return Column::Text(words);
            }
            // Words stay words, even when they look like numbers: the file says what they are.
            Column::Category(Categories::of(words.iter().map(Option::as_deref)))
        }
        _ => Column::Number(cells.iter().map(number).collect()),
    }
}

fn moment(cell: &Field) -> Option<Moment> {
    let seconds = match cell {
        Field::Date(days) => i64::from(*days) * 86_400,
        Field::TimestampMillis(millis) => millis.div_euclid(1000),
        Field::TimestampMicros(micros) => micros.div_euclid(1_000_000),
        _ => return None,
    };
    Some(Moment::from_seconds(seconds))
}

fn word(cell: &Field) -> Option<String> {
    match cell {
        Field::Str(text) => Some(text.clone()),
        Field::Bytes(bytes) => Some(String::from_utf8_lossy(bytes.data()).into_owned()),
        _ => None,
    }
}

fn number(cell: &Field) -> f64 {
    match cell {
        Field::Byte(value) => f64::from(*value),
        Field::Short(value) => f64::from(*value),
        Field::Int(value) => f64::from(*value),
        Field::Long(value) => *value as f64,
        Field::UByte(value) => f64::from(*value),
        Field::UShort(value) => f64::from(*value),
        Field::UInt(value) => f64::from(*value),
        Field::ULong(value) => *value as f64,
        Field::Float(value) => f64::from(*value),
        Field::Double(value) => *value,
        // Decimals and the like are written as people write them.
        Field::Null => f64::NAN,
        other => other.to_string().parse().unwrap_or(f64::NAN),
    }
}

fn begin<W: Write + Send>(
    to: W,
    columns: &[(String, Kind)],
) -> Result<SerializedFileWriter<W>, ParquetError> {
    let mut fields = Vec::with_capacity(columns.len());
    for (name, kind) in columns {
        let (physical, converted) = match kind {
            Kind::Number => (Physical::DOUBLE, ConvertedType::NONE),
            Kind::Boolean => (Physical::BOOLEAN, ConvertedType::NONE),
            Kind::Date => (Physical::INT64, ConvertedType::TIMESTAMP_MILLIS),
            Kind::Category | Kind::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        };
        let field = Type::primitive_type_builder(name, physical).with_converted_type(converted);
        fields.push(Arc::new(field.with_repetition(Repetition::OPTIONAL).build()?));
    }
    let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    SerializedFileWriter::new(to, schema, properties)
}

fn write_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    columns: &[Column],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut columns = columns.iter();
    while let Some(mut slot) = group.next_column()? {
        if let Some(column) = columns.next() {
            let levels: Vec<i16> = column.values().map(|value| i16::from(value != Value::Missing)).collect();
            write_column(slot.untyped(), column, &levels)?;
        }
        slot.close()?;
    }
    group.close().map(drop)
}

fn write_column(writer: &mut ColumnWriter<'_>, column: &Column, levels: &[i16]) -> Result<(), ParquetError> {
    let known = column.values().filter(|value| *value != Value::Missing);
    match writer {
        ColumnWriter::DoubleColumnWriter(writer) => {
            let values: Vec<f64> = known.filter_map(Value::as_number).collect();
            writer.write_batch(&values, Some(levels), None)?;
        }
        ColumnWriter::BoolColumnWriter(writer) => {
            let values: Vec<bool> = known.filter_map(Value::as_boolean).collect();
            writer.write_batch(&values, Some(levels), None)?;
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            let values: Vec<i64> =
                known.filter_map(Value::as_date).map(|moment| moment.seconds() * 1000).collect();
            writer.write_batch(&values, Some(levels), None)?;
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let texts = known.filter_map(Value::to_text);
            let values: Vec<ByteArray> =
                texts.map(|text| ByteArray::from(text.as_bytes().to_vec())).collect();
            writer.write_batch(&values, Some(levels), None)?;
        }
        _ => return Err(ParquetError::General("a column of an unexpected type".into())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use intendant_table::csv;

    use super::*;

    fn table() -> Table {
        let text = "n,flag,day,land,said\n1.5,true,2015-06-01,F,a film of its own kind\n,,,,\n-3,false,1969-12-31T23:00:00,007,what a bad idea this was\n";
        let options = csv::Options { kinds: vec![("land".into(), Kind::Category)], ..Default::default() };
        csv::read(text.as_bytes(), &options).unwrap().table
    }

    #[test]
    fn tables_come_back_as_they_were() {
        let table = table();
        let bytes = write(&table).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
        let again = read(bytes).unwrap();
        assert_eq!(csv::write(&again, ','), csv::write(&table, ','));
        let kinds: Vec<Kind> = again.columns().iter().map(Column::kind).collect();
        assert_eq!(kinds, [Kind::Number, Kind::Boolean, Kind::Date, Kind::Category, Kind::Text]);
        assert!(write(&Table::default()).is_err());
    }

    #[test]
    fn files_are_read_and_written_part_by_part() {
        let table = table();
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &table).unwrap();
        for _ in 0..3 {
            writer.write(&table).unwrap();
        }
        writer.finish().unwrap();
        let mut batches = Batches::of_bytes(bytes).unwrap();
        let mut rows = Vec::new();
        while let Some(part) = batches.next(4).unwrap() {
            rows.push(part.rows());
        }
        assert_eq!(rows, [4, 4, 1]);
        let mut writer = Writer::new(Vec::new(), &table).unwrap();
        let other = Table::new(vec![("n".to_owned(), Column::Text(vec![Some("word".to_owned())]))]).unwrap();
        assert!(writer.write(&other).unwrap_err().to_string().contains("declare its kind"));
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = write(&table()).unwrap();
        let mut state = 1u64;
        for _ in 0..300 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut changed = bytes.clone();
            let at = (state >> 33) as usize % changed.len();
            if state.is_multiple_of(5) {
                changed.truncate(at);
            } else {
                changed[at] ^= (state >> 20) as u8 | 1;
            }
            // Changed values may still be a table; what matters is that an answer comes.
            let _ = read(changed);
        }
        assert!(read(Vec::new()).is_err() && read(b"PAR1PAR1".to_vec()).is_err());
    }
}
