//! Rows of CSV files put into tables: what is there is changed, what is not is added, what does not fit is told with
//! its line. Running it again changes nothing.

use intendant_table::csv;
use serde_json::{Value, json};

use crate::database::{Database, Error, Kind, Parameter, Row, name, names};

/// Rows written by one statement.
const BATCH_ROWS: usize = 500;

/// What became of a file's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rows in the file.
    pub read: usize,
    /// Rows that are new.
    pub inserted: usize,
    /// Rows that were there.
    pub updated: usize,
    /// Rows that were not taken: line and reason.
    pub rejected: Vec<(u64, String)>,
}

/// Why nothing was loaded.
#[derive(Debug)]
pub enum Failed {
    /// The file cannot be read.
    File(String),
    /// The database does not answer, or has no such table.
    Database(Error),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(why) => f.write_str(why),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failed {}

impl Loaded {
    /// As JSON, lines with what is wrong with them.
    pub fn to_json(&self) -> Value {
        let rejected: Vec<Value> =
            self.rejected.iter().map(|(line, reason)| json!({"line": line, "reason": reason})).collect();
        json!({"read": self.read, "inserted": self.inserted, "updated": self.updated, "rejected": rejected})
    }
}

/// Puts the rows of a CSV file into `table`, whose row is named by the column `key`. Columns of the file are found in
/// the table whatever their case; those that it does not have are left out.
///
/// # Errors
/// When the file is no CSV, lacks the key, or the database does not answer.
pub async fn load(database: &Database, table: &str, key: &str, bytes: &[u8]) -> Result<Loaded, Failed> {
    let file =
        csv::read_words(bytes, &csv::Options::default()).map_err(|error| Failed::File(error.to_string()))?;
    let there = database.columns(table).await.map_err(Failed::Database)?;
    if there.is_empty() {
        return Err(Failed::File(format!("the database has no table `{table}`")));
    }
    let columns: Vec<(&str, String)> = file
        .table
        .names()
        .iter()
        .filter_map(|written| {
            let column = there.iter().find(|column| column.eq_ignore_ascii_case(written))?;
            Some((written.as_str(), column.clone()))
        })
        .collect();
    let Some((key_written, key_column)) =
        columns.iter().find(|(written, _)| written.eq_ignore_ascii_case(key))
    else {
        return Err(Failed::File(format!(
            "the file has no column `{key}`; it has {}",
            file.table.names().join(", ")
        )));
    };
    let mut loaded = Loaded { read: file.lines.len() + file.rejected.len(), ..Loaded::default() };
    loaded.rejected.extend(file.rejected.iter().map(|rejected| (rejected.line, rejected.reason.clone())));
    let mut rows: Vec<(u64, Row)> = Vec::with_capacity(file.lines.len());
    let mut seen = std::collections::HashMap::new();
    for (at, line) in file.lines.iter().enumerate() {
        let cell = |written: &str| {
            let value = file.table.column(written).map(|column| column.value(at).to_text());
            value.flatten().map_or(Value::Null, |text| Value::from(text.into_owned()))
        };
        let own = cell(key_written);
        if own.is_null() {
            loaded.rejected.push((*line, format!("column `{key_written}`: the key is missing")));
            continue;
        }
        if let Some(earlier) = seen.insert(own.to_string(), *line) {
            loaded.rejected.push((*line, format!("the key {own} stands on line {earlier} already")));
            continue;
        }
        rows.push((*line, columns.iter().map(|(written, column)| (column.clone(), cell(written))).collect()));
    }
    let columns: Vec<String> = columns.iter().map(|(_, column)| column.clone()).collect();
    let order = Order {
        upsert: upsert(database, table, key_column, &columns),
        count: database.count_of(table, key_column),
    };
    for batch in rows.chunks(BATCH_ROWS) {
        put(database, &order, batch, &mut loaded).await.map_err(Failed::Database)?;
    }
    loaded.rejected.sort();
    Ok(loaded)
}

/// The statements of one load.
struct Order {
    upsert: String,
    /// How many of the rows are there already.
    count: String,
}

/// Writes a batch; when a row in it is refused, halves, until the row is alone.
async fn put(
    database: &Database,
    order: &Order,
    batch: &[(u64, Row)],
    loaded: &mut Loaded,
) -> Result<(), Error> {
    let mut waiting = vec![batch];
    while let Some(rows) = waiting.pop() {
        let given: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
        let given = [Parameter::Text(json!(given).to_string())];
        let there = match database.select(&order.count, &given).await {
            Ok(there) => there.first().and_then(|row| row["there"].as_u64()).unwrap_or_default(),
            // A key that is no number, say: the statement below says which.
            Err(error) if error.kind == Kind::Refused => 0,
            Err(error) => return Err(error),
        };
        match database.run(&order.upsert, &given).await {
            Ok(_) => {
                loaded.updated += there as usize;
                loaded.inserted += rows.len() - there as usize;
            }
            Err(error) if error.kind != Kind::Refused => return Err(error),
            Err(error) if rows.len() == 1 => loaded.rejected.push((rows[0].0, error.to_string())),
            Err(_) => {
                let (left, right) = rows.split_at(rows.len() / 2);
                waiting.extend([right, left]);
            }
        }
    }
    Ok(())
}

/// The statement that writes rows given as JSON.
fn upsert(database: &Database, table: &str, key: &str, columns: &[String]) -> String {
    let others: Vec<String> = columns
        .iter()
        .filter(|column| *column != key)
        .map(|column| format!("{0} = excluded.{0}", name(column)))
        .collect();
    let then =
        if others.is_empty() { "nothing".to_owned() } else { format!("update set {}", others.join(", ")) };
    let source = database.rows_of(table, columns);
    format!("insert into {} ({}) {source} on conflict ({}) do {then}", name(table), names(columns), name(key))
}
