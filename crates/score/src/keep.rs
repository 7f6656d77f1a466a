//! Every prediction is kept: written in batches behind the answers, tried again while the database is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intendant_predictor::spec::Store;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::database::{Database, Error, Kind, Parameter, name, names};

/// Predictions that wait to be written; more are lost, and counted.
const WAITING_MAX: usize = 100_000;
/// Predictions written by one statement.
const BATCH: usize = 500;
/// How long to wait before a database that was away is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the end waits for what is still to be written.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// Columns of the table that is made when none is named.
const OWN_TABLE: &str = "intendant_predictions";

/// What is kept of one prediction.
pub type Kept = Map<String, Value>;

/// Writes predictions behind the answers.
pub struct Keeper {
    sender: mpsc::Sender<Order>,
    counts: Arc<Counts>,
    prediction: String,
}

/// What became of predictions.
#[derive(Debug, Default)]
pub struct Counts {
    /// Written.
    pub written: AtomicU64,
    /// Not written, as the database refused them or too many waited.
    pub lost: AtomicU64,
}

impl Counts {
    /// Written and lost.
    pub fn read(&self) -> (u64, u64) {
        (self.written.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed))
    }
}

enum Order {
    Keep(Kept),
    Flush(oneshot::Sender<()>),
}

impl Keeper {
    /// A keeper that writes to the declared table. Needs a runtime; the database may be away.
    pub fn start(predictor: &str, store: &Store, database: Database) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let counts = Arc::new(Counts::default());
        let writer = Writer {
            predictor: predictor.to_owned(),
            table: store.table.clone().unwrap_or_else(|| OWN_TABLE.to_owned()),
            setup: setup(store, &database),
            database,
            columns: Vec::new(),
            counts: Arc::clone(&counts),
        };
        tokio::spawn(writer.run(receiver));
        Self {
            sender,
            counts,
            prediction: store.prediction.clone().unwrap_or_else(|| "prediction".to_owned()),
        }
    }

    /// Keeps what was asked and answered. `row` is kept by column as far as the table has them.
    pub fn keep(&self, row: &Map<String, Value>, prediction: Value, (version, request_id): (&str, &str)) {
        let mut kept: Kept = row.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        kept.insert("input".to_owned(), Value::from(Value::Object(row.clone()).to_string()));
        kept.insert(self.prediction.clone(), prediction);
        kept.insert("model_version".to_owned(), version.into());
        kept.insert("request_id".to_owned(), request_id.into());
        if self.sender.try_send(Order::Keep(kept)).is_err() {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of predictions so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Waits until everything is written, not for ever.
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.sender.send(Order::Flush(done)).await.is_ok() {
            let _ = tokio::time::timeout(FLUSH_MAX, is_done).await;
        }
    }
}

fn setup(store: &Store, database: &Database) -> Vec<String> {
    if store.table.is_some() {
        return store.setup.clone();
    }
    let (id, now) = match database {
        Database::Sqlite(_) => ("integer primary key", "current_timestamp"),
        Database::Postgres(_) => ("bigserial primary key", "now()"),
    };
    let own = format!(
        "create table if not exists {OWN_TABLE} (id {id}, predictor text not null, called_at timestamp not null \
         default {now}, input text not null, prediction text, model_version text, request_id text)"
    );
    store.setup.iter().cloned().chain([own]).collect()
}

struct Writer {
    predictor: String,
    table: String,
    setup: Vec<String>,
    database: Database,
    columns: Vec<String>,
    counts: Arc<Counts>,
}

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Order>) {
        let mut orders = Vec::with_capacity(BATCH);
        while receiver.recv_many(&mut orders, BATCH).await > 0 {
            let mut kept = Vec::with_capacity(orders.len());
            let mut flushed = Vec::new();
            for order in orders.drain(..) {
                match order {
                    Order::Keep(row) => kept.push(row),
                    Order::Flush(done) => flushed.push(done),
                }
            }
            if !kept.is_empty() {
                self.write(&kept).await;
            }
            for done in flushed {
                let _ = done.send(());
            }
        }
    }

    /// Writes a batch; waits for a database that is away. What it refuses is written one by one.
    async fn write(&mut self, rows: &[Kept]) {
        let mut told = false;
        loop {
            match self.try_write(rows).await {
                Ok(()) => {
                    self.counts.written.fetch_add(rows.len() as u64, Ordering::Relaxed);
                    return;
                }
                Err(error) if error.kind == Kind::Refused => break,
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(predictor = self.predictor, %error, "predictions wait to be kept");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        for row in rows {
            match self.try_write(std::slice::from_ref(row)).await {
                Ok(()) => drop(self.counts.written.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    tracing::error!(predictor = self.predictor, %error, "a prediction could not be kept");
                    self.counts.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    async fn try_write(&mut self, rows: &[Kept]) -> Result<(), Error> {
        if self.columns.is_empty() {
            for statement in &self.setup {
                self.database.run(statement, &[]).await?;
            }
            self.columns = self.database.columns(&self.table).await?;
        }
        let columns: Vec<String> = self
            .columns
            .iter()
            .filter(|column| *column == "predictor" || rows.iter().any(|row| row.contains_key(*column)))
            .cloned()
            .collect();
        let given: Vec<Value> = rows
            .iter()
            .map(|row| {
                let mut row = row.clone();
                row.insert("predictor".to_owned(), self.predictor.clone().into());
                Value::Object(row)
            })
            .collect();
        let source = self.database.rows_of(&self.table, &columns);
        let statement = format!("insert into {} ({}) {source}", name(&self.table), names(&columns));
        self.database.run(&statement, &[Parameter::Text(json!(given).to_string())]).await.map(drop)
    }
}
