//! MySQL, by a real MariaDB: the suite, a table of Rasa, and a server that goes away.

use std::sync::Arc;

use fixtures::services::{Kind, Service};
use intendant_port::store::{Scope, TrackerStore};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_store::open;
use intendant_store::sql_settings::SqlEnvironment;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

use crate::support::{all, config, events, loaded, store, until};
use crate::tracker_suite::{self, SQL};

/// A new database on the server.
async fn database(
    server: &Service,
    name: &str,
    outbox: &std::path::Path,
) -> (EndpointConfig, MySqlConnection) {
    let mut admin = MySqlConnection::connect(&server.url()).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("USE {name}"))).execute(&mut admin).await.unwrap();
    let extra = json!({"dialect": "mysql+pymysql", "username": "root", "port": server.port, "db": name,
                       "outbox": outbox});
    (config("sql", Some("127.0.0.1"), extra), admin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_conforms() {
    let Some(mut server) = Service::start(Kind::MySql).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (settings, _) = database(&server, "trackers", folder.path()).await;
    tracker_suite::run(store(&settings).await, &SQL).await;
    names_are_exact(&*store(&settings).await).await;
    a_table_of_rasa_continues(&server, folder.path()).await;
    what_mysql_refuses_is_named(&server).await;
    nothing_is_lost_while_it_is_away(&mut server, store(&settings).await).await;
}

/// The usual collations know neither case nor spaces at the end.
async fn names_are_exact(store: &dyn TrackerStore) {
    for (number, name) in ["Zoe", "zoe", "zoe ", "zoë", "😀"].into_iter().enumerate() {
        store.append(name, events(10, &format!("slot={number}"))).await.unwrap();
    }
    for (number, name) in ["Zoe", "zoe", "zoe ", "zoë", "😀"].into_iter().enumerate() {
        assert_eq!(all(store, name).await, format!("slot={number}"), "{name}");
    }
    let long = format!("user:{}", "x".repeat(200_000));
    store.append("long", events(10, &long)).await.unwrap();
    assert_eq!(all(store, "long").await, long);
}

/// The table as Rasa's SQLAlchemy model creates it, whose `FLOAT` knows times to two minutes.
async fn a_table_of_rasa_continues(server: &Service, folder: &std::path::Path) {
    let (settings, mut admin) = database(server, "old", folder).await;
    for statement in [
        "CREATE TABLE events (id INTEGER NOT NULL AUTO_INCREMENT, sender_id VARCHAR(255) NOT NULL, \
         type_name VARCHAR(255) NOT NULL, timestamp FLOAT, intent_name VARCHAR(255), action_name VARCHAR(255), \
         data TEXT, PRIMARY KEY (id))",
        "CREATE INDEX ix_events_sender_id ON events (sender_id)",
        "INSERT INTO events (sender_id, type_name, timestamp, action_name, data) VALUES ('old', 'slot', \
         1700000000.5, 'x', '{\"event\": \"slot\", \"timestamp\": 1700000000.5, \"name\": \"x\", \"value\": \"v\"}')",
    ] {
        sqlx::query(statement).execute(&mut admin).await.unwrap();
    }
    let store = store(&settings).await;
    assert_eq!(all(&*store, "old").await, "x=v");
    store.append("old", events(1_700_000_001, "start slot=1 user:hi utter_x")).await.unwrap();
    let found = loaded(&*store, "old", Scope::LastSession).await;
    assert_eq!(found.as_deref(), Some("started slot=1 user:hi utter_x"));
    let rows: Vec<(i32, String)> =
        sqlx::query_as("SELECT id, type_name FROM events ORDER BY id").fetch_all(&mut admin).await.unwrap();
    let kinds = ["slot", "action", "session_started", "slot", "user", "action"];
    let expected: Vec<(i32, String)> = (1..).zip(kinds.map(str::to_owned)).collect();
    assert_eq!(rows, expected);
}

async fn what_mysql_refuses_is_named(server: &Service) {
    let url = format!("mysql://nobody:wrong@127.0.0.1:{}/trackers", server.port);
    let settings = config("sql", Some(&url), json!({}));
    let error = open::tracker_store(Some(&settings), &SqlEnvironment::default()).await.err().unwrap().chain();
    let place = format!("cannot use the database at 127.0.0.1:{}/trackers: ", server.port);
    assert!(
        error.starts_with(&place) && error.contains("Access denied") && !error.contains("wrong"),
        "{error}"
    );
    let error = open::lock_store(Some(&settings), &SqlEnvironment::default(), None).await.err().unwrap();
    assert!(
        error.message.starts_with("lock_store: a MySQL database holds conversations only"),
        "{}",
        error.message
    );
}

async fn nothing_is_lost_while_it_is_away(server: &mut Service, store: Arc<dyn TrackerStore>) {
    store.append("away", events(10, "one")).await.unwrap();
    server.kill();
    let later = Arc::clone(&store);
    let waits = tokio::spawn(async move { later.append("away", events(20, "two")).await });
    tokio::task::block_in_place(|| server.restart()).unwrap();
    waits.await.unwrap().unwrap();
    until(async || loaded(&*store, "away", Scope::AllSessions).await.as_deref() == Some("one two")).await;
}
