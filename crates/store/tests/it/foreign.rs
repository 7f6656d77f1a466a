//! Databases that others made and write to.

use std::path::Path;

use fixtures::services::{Kind, Service};
use intendant_port::store::{Scope, TrackerStore};
use intendant_store::database::Database;
use intendant_store::ledger_sqlite::SqliteLedger;
use intendant_store::sqlite::{self, options};
use intendant_store::sqlite_file::Durability;
use sqlx::{ConnectOptions, Connection, Row};

use crate::support::{all, events, loaded, postgres, store, until};

/// A database as Rasa's SQLAlchemy model creates it.
async fn rasa_database(path: &Path) {
    let mut connection =
        options(path).journal_mode(sqlx::sqlite::SqliteJournalMode::Delete).connect().await.unwrap();
    for statement in [
        "CREATE TABLE events (id INTEGER NOT NULL, sender_id VARCHAR(255) NOT NULL, \
         type_name VARCHAR(255) NOT NULL, timestamp FLOAT, intent_name VARCHAR(255), \
         action_name VARCHAR(255), data TEXT, PRIMARY KEY (id))",
        "CREATE INDEX ix_events_sender_id ON events (sender_id)",
        "INSERT INTO events VALUES (1, 'old', 'action', 1.5, NULL, 'action_session_start', \
         '{\"event\": \"action\", \"timestamp\": 1.5, \"name\": \"action_session_start\", \"policy\": null, \
         \"confidence\": 1.0, \"action_text\": null, \"hide_rule_turn\": false}')",
        "INSERT INTO events VALUES (2, 'old', 'session_started', 1.6, NULL, NULL, \
         '{\"event\": \"session_started\", \"timestamp\": 1.6}')",
        "INSERT INTO events VALUES (3, 'old', 'slot', 1.7, NULL, 'x', \
         '{\"event\": \"slot\", \"timestamp\": 1.7, \"name\": \"x\", \"value\": \"v\"}')",
        "INSERT INTO events VALUES (4, 'old', 'custom_type', 1.8, NULL, NULL, '{\"event\": \"custom_type\"}')",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Switching the journal of a file and making its tables is where SQLite waits for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_new_file_is_opened_by_many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = Vec::new();
    for _ in 0..24 {
        let path = folder.path().to_owned();
        opened.push(tokio::spawn(async move {
            sqlite::open(&path.join("events.db")).await.map(drop)?;
            SqliteLedger::open(&path.join("budget.db"), Durability::Process).await.map(drop)?;
            let url = path.join("own.db").display().to_string();
            Database::open(&url, &["CREATE TABLE IF NOT EXISTS t (x BIGINT)"]).await.map(drop)
        }));
    }
    for opened in opened {
        opened.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_database_of_rasa_continues() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rasa.db");
    rasa_database(&path).await;
    let store = sqlite::open(&path).await.unwrap();
    let last = loaded(&store, "old", Scope::LastSession).await;
    assert_eq!(last.as_deref(), Some("started x=v"), "what cannot be read is left out");
    store.append("old", events(10, "slot=1 user:hi utter_x")).await.unwrap();
    let mut connection = options(&path).connect().await.unwrap();
    let rows = sqlx::query("SELECT id, type_name, timestamp, intent_name, action_name, data FROM events WHERE id > 4 ORDER BY id")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let action: Option<String> = row.get(4);
            format!(
                "{} {} {} {action:?}",
                row.get::<i64, _>(0),
                row.get::<String, _>(1),
                row.get::<f64, _>(2)
            )
        })
        .collect();
    assert_eq!(
        told,
        ["5 slot 10.000001 Some(\"slot\")", "6 user 10.000002 None", "7 action 10.000003 Some(\"utter_x\")"]
    );
}

#[tokio::test]
async fn foreign_writes_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let (own, other) = (sqlite::open(&path).await.unwrap(), sqlite::open(&path).await.unwrap());
    are_noticed(&own, &other).await;
    let Some(server) = Service::start(Kind::Postgres).unwrap() else { return };
    let config = postgres(&server, "t", folder.path());
    are_noticed(&*store(&config).await, &*store(&config).await).await;
}

async fn are_noticed(own: &dyn TrackerStore, other: &dyn TrackerStore) {
    own.append("a", events(10, "one")).await.unwrap();
    // The first looks tell of what was there before.
    let mut seen = own.epoch().await;
    until(async || {
        let before = std::mem::replace(&mut seen, own.epoch().await);
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        before == own.epoch().await
    })
    .await;
    let before = own.epoch().await;
    own.append("a", events(20, "two")).await.unwrap();
    other.append("a", events(30, "three")).await.unwrap();
    until(async || own.epoch().await != before).await;
    assert_eq!(all(own, "a").await, "one two three");
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/t.db");
    let error = sqlite::open(&path).await.err().unwrap();
    assert!(error.message.contains("missing/t.db"), "{error}");
}
