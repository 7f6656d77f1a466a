//! Parquet files to tables and back.
//!
//! Its own crate because the library behind it is heavy. Columns must be plain: a file with lists or structures in
//! its columns is refused by name of the column. Snappy and gzip are read, snappy is written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use intendant_table::{Categories, Column, Error, ErrorKind, Kind, Moment, Table, Value, infer};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::types::Type;

/// Rows of a file at most.
const ROWS_MAX: i64 = 100_000_000;

/// How the file ends, and begins.
const MARK: &[u8] = b"PAR1";

/// Whether bytes are a Parquet file.
pub fn is_parquet(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK) && bytes.ends_with(MARK)
}

/// Reads a file; columns of words become categories or texts, whichever they look like.
///
/// # Errors
/// When the file is damaged, or a column holds lists or structures.
pub fn read(bytes: Vec<u8>) -> Result<Table, Error> {
    // The library promises errors for damaged files; a slip there must not end a server.
    let read = catch_unwind(AssertUnwindSafe(|| read_file(bytes)));
    read.unwrap_or_else(|_| Err(Error::new(ErrorKind::Shape, "the Parquet file is damaged")))
}

/// Writes a table; dates are milliseconds since 1970, categories and texts are UTF-8.
///
/// # Errors
/// When the table has no columns.
pub fn write(table: &Table) -> Result<Vec<u8>, Error> {
    if table.names().is_empty() {
        return Err(Error::new(ErrorKind::Header, "a Parquet file needs a column"));
    }
    write_file(table).map_err(|error| Error::new(ErrorKind::Shape, format!("cannot write Parquet: {error}")))
}

fn damaged(error: &ParquetError) -> Error {
    Error::new(ErrorKind::Shape, format!("the Parquet file is not readable: {error}"))
}

fn read_file(bytes: Vec<u8>) -> Result<Table, Error> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(|error| damaged(&error))?;
    let metadata = reader.metadata().file_metadata();
    if metadata.num_rows() > ROWS_MAX {
        return Err(Error::new(
            ErrorKind::Shape,
            format!("{} rows, at most {ROWS_MAX} are read", metadata.num_rows()),
        ));
    }
    let fields = metadata.schema().get_fields();
    for field in fields {
        if !field.is_primitive() {
            let message = "holds lists or structures; only plain columns are read";
            return Err(Error::new(ErrorKind::Value, message).in_column(field.name()));
        }
    }
    let mut cells: Vec<Vec<Field>> = vec![Vec::new(); fields.len()];
    for row in reader.get_row_iter(None).map_err(|error| damaged(&error))? {
        let row = row.map_err(|error| damaged(&error))?;
        for ((_, field), cells) in row.get_column_iter().zip(&mut cells) {
            cells.push(field.clone());
        }
    }
    let columns = fields.iter().zip(cells).map(|(field, cells)| (field.name().to_owned(), column(&cells)));
    Table::new(columns.collect())
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

fn write_file(table: &Table) -> Result<Vec<u8>, ParquetError> {
    let mut fields = Vec::with_capacity(table.names().len());
    for (name, column) in table.iter() {
        let (physical, converted) = match column.kind() {
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
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties)?;
    let mut group = writer.next_row_group()?;
    let mut columns = table.columns().iter();
    while let Some(mut slot) = group.next_column()? {
        if let Some(column) = columns.next() {
            let levels: Vec<i16> = column.values().map(|value| i16::from(value != Value::Missing)).collect();
            write_column(slot.untyped(), column, &levels)?;
        }
        slot.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
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
        assert!(is_parquet(&bytes));
        let again = read(bytes).unwrap();
        assert_eq!(csv::write(&again, ','), csv::write(&table, ','));
        let kinds: Vec<Kind> = again.columns().iter().map(Column::kind).collect();
        assert_eq!(kinds, [Kind::Number, Kind::Boolean, Kind::Date, Kind::Category, Kind::Text]);
        assert!(write(&Table::default()).is_err());
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
