//! The suites on every backend, and what the servers' own clients see.

use std::sync::Arc;
use std::time::Duration;

use fixtures::services::{Kind, Service};
use intendant_port::lock::LockStore;
use intendant_port::store::Scope;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_store::fail_safe::{FailSafe, Safety};
use intendant_store::memory::MemoryStore;
use intendant_store::open;
use intendant_store::sql_settings::SqlEnvironment;
use intendant_store::sqlite;
use redis::AsyncCommands;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::lock_suite;
use crate::support::{all, config, events, loaded, postgres, redis, store, until};
use crate::tracker_suite::{self, MEMORY, REDIS, SQL};

async fn locks(config: &EndpointConfig, lifetime: Option<Duration>) -> Arc<dyn LockStore> {
    open::lock_store(Some(config), &SqlEnvironment::default(), lifetime).await.unwrap()
}

/// The locks of two processes.
async fn two(config: &EndpointConfig) -> [Arc<dyn LockStore>; 2] {
    [locks(config, None).await, locks(config, None).await]
}

#[tokio::test]
async fn memory_conforms() {
    tracker_suite::run(Arc::new(MemoryStore::default()), &MEMORY).await;
    let safe = FailSafe::new(Arc::new(MemoryStore::default()), Safety::default()).unwrap();
    tracker_suite::run(Arc::new(safe), &MEMORY).await;
    let locks = open::lock_store(None, &SqlEnvironment::default(), None).await.unwrap();
    lock_suite::run(&locks).await;
}

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    tracker_suite::run(Arc::new(sqlite::open(&at("t.db")).await.unwrap()), &SQL).await;
    let safe = config("sql", None, json!({"db": at("u.db"), "outbox": at("outbox")}));
    tracker_suite::run(store(&safe).await, &SQL).await;
    let shared = config("sql", None, json!({"dialect": "sqlite", "db": at("locks.db")}));
    lock_suite::run_shared(&two(&shared).await).await;
}

#[tokio::test]
async fn postgres_conforms() {
    let Some(server) = Service::start(Kind::Postgres).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = |db: &str| postgres(&server, db, folder.path());
    tracker_suite::run(store(&config("trackers")).await, &SQL).await;
    lock_suite::run_shared(&two(&config("locks")).await).await;
    a_table_of_rasa_continues_in_postgres(&server, &config("old")).await;
    a_schema_is_used(&server, &config("trackers")).await;
    what_postgres_refuses_is_an_error(&config("trackers")).await;
}

async fn client(server: &Service, db: &str) -> sqlx::PgConnection {
    let url = format!("postgresql://postgres@127.0.0.1:{}/{db}", server.port);
    sqlx::PgConnection::connect(&url).await.unwrap()
}

/// The table as Rasa's SQLAlchemy model creates it, with rows as Rasa writes them.
async fn a_table_of_rasa_continues_in_postgres(server: &Service, config: &EndpointConfig) {
    let mut admin = sqlx::PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query("CREATE DATABASE old").execute(&mut admin).await.unwrap();
    let mut connection = client(server, "old").await;
    for statement in [
        "CREATE TABLE events (id SERIAL NOT NULL, sender_id VARCHAR(255) NOT NULL, \
         type_name VARCHAR(255) NOT NULL, timestamp FLOAT, intent_name VARCHAR(255), \
         action_name VARCHAR(255), data TEXT, PRIMARY KEY (id))",
        "CREATE INDEX ix_events_sender_id ON events (sender_id)",
        "INSERT INTO events (sender_id, type_name, timestamp, data) VALUES ('old', 'session_started', 1.5, \
         '{\"event\": \"session_started\", \"timestamp\": 1.5}')",
        "INSERT INTO events (sender_id, type_name, timestamp, action_name, data) VALUES ('old', 'slot', 1.75, 'x', \
         '{\"event\": \"slot\", \"timestamp\": 1.75, \"name\": \"x\", \"value\": \"v\"}')",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    let store = store(config).await;
    assert_eq!(all(&*store, "old").await, "started x=v");
    store.append("old", events(10, "slot=1 user:hi utter_x")).await.unwrap();
    type Row = (i32, String, f64, Option<String>, Option<String>);
    let query =
        "SELECT id, type_name, timestamp, intent_name, action_name FROM events WHERE id > 2 ORDER BY id";
    let rows: Vec<Row> = sqlx::query_as(query).fetch_all(&mut connection).await.unwrap();
    let row = |id, kind: &str, time, action: Option<&str>| {
        (id, kind.to_owned(), time, None, action.map(str::to_owned))
    };
    assert_eq!(
        rows,
        [
            row(3, "slot", 10.000_001, Some("slot")),
            row(4, "user", 10.000_002, None),
            row(5, "action", 10.000_003, Some("utter_x"))
        ]
    );
}

async fn a_schema_is_used(server: &Service, config: &EndpointConfig) {
    let environment = SqlEnvironment { schema: Some("bot".to_owned()), connections_max: Some(2) };
    let error = open::tracker_store(Some(config), &environment).await.err().unwrap();
    assert!(
        error.chain().contains("the schema 'bot' (POSTGRESQL_SCHEMA) is not in the database"),
        "{}",
        error.chain()
    );
    let mut connection = client(server, "trackers").await;
    sqlx::query("CREATE SCHEMA bot").execute(&mut connection).await.unwrap();
    let store = open::tracker_store(Some(config), &environment).await.unwrap();
    assert_eq!(loaded(&*store, "a", Scope::AllSessions).await, None, "the table of another schema");
    store.append("a", events(10, "one")).await.unwrap();
    let found: Vec<String> =
        sqlx::query_scalar("SELECT sender_id FROM bot.events").fetch_all(&mut connection).await.unwrap();
    assert_eq!(found, ["a"]);
}

/// Neither waited for nor kept, and no harm to what is written beside it.
async fn what_postgres_refuses_is_an_error(config: &EndpointConfig) {
    let store = store(config).await;
    let long = "x".repeat(300);
    let (refused, beside) =
        tokio::join!(store.append(&long, events(10, "one")), store.append("beside", events(10, "one")));
    assert!(refused.is_err());
    beside.unwrap();
    assert!(store.append("nul\0", events(10, "one")).await.is_err());
    assert_eq!(all(&*store, "beside").await, "one");
}

#[tokio::test]
async fn redis_conforms() {
    let Some(server) = Service::start(Kind::Redis).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    tracker_suite::run(store(&redis(&server, 0, folder.path())).await, &REDIS).await;
    lock_suite::run_shared(&two(&redis(&server, 1, folder.path())).await).await;
    a_value_of_rasa_continues_in_redis(&server).await;
    tickets_of_rasa_are_waited_for(&server).await;
    the_floor_of_the_dead_is_passed_on(&server).await;
}

async fn raw(server: &Service, db: u8) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(format!("{}/{db}", server.url())).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn a_value_of_rasa_continues_in_redis(server: &Service) {
    let mut raw = raw(server, 2).await;
    // Rasa's own form, and one that somebody wrote anew.
    let spaced = r#"{"events": [{"event": "slot", "timestamp": 1.5, "name": "x", "value": "\u00e9"}], "name": "\u00e9"}"#;
    let dense = r#"{"name":"d","events":[{"event":"slot","timestamp":1.5,"name":"x","value":"v"}]}"#;
    let empty = r#"{"events": [], "name": "e"}"#;
    for (id, value) in [("é", spaced), ("d", dense), ("e", empty)] {
        let () = raw.set(format!("bot7:tracker:{id}"), value).await.unwrap();
    }
    let extra = json!({"key_prefix": "bot7", "db": 2, "port": server.port, "record_exp": 1000});
    let store = store(&config("redis", Some("127.0.0.1"), extra)).await;
    let check = async |id: &str, expected: &str| {
        store.append(id, events(10, "one two")).await.unwrap();
        store.append(id, events(20, "three")).await.unwrap();
        assert_eq!(all(&*store, id).await, expected);
        let mut raw = raw.clone();
        let value: String = raw.get(format!("bot7:tracker:{id}")).await.unwrap();
        let value: Value = serde_json::from_str(&value).unwrap();
        assert_eq!(value["name"], id);
        let seconds: i64 = raw.ttl(format!("bot7:tracker:{id}")).await.unwrap();
        assert!((1..=1000).contains(&seconds));
    };
    check("é", "x=é one two three").await;
    check("d", "x=v one two three").await;
    check("e", "one two three").await;
    check("new", "one two three").await;
    assert_eq!(store.conversation_ids().await.unwrap(), ["d", "e", "new", "é"]);
    let () = raw.set("bot7:tracker:bad", "no json").await.unwrap();
}

async fn tickets_of_rasa_are_waited_for(server: &Service) {
    let mut raw = raw(server, 3).await;
    let rasa = r#"{"conversation_id": "a", "tickets": ["{\"number\": 7, \"expires\": 99999999999.5}"]}"#;
    let () = raw.set("lock:a", rasa).await.unwrap();
    let config = config("redis", Some("127.0.0.1"), json!({"port": server.port, "db": 3}));
    let locks = locks(&config, None).await;
    let waiting = tokio::spawn(async move { locks.acquire("a").await.map(|floor| floor.continuity()) });
    let queue = async || {
        let text: String = raw.clone().get("lock:a").await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["tickets"].as_array().unwrap().clone()
    };
    until(async || queue().await.len() == 2).await;
    let ours: Value = serde_json::from_str(queue().await[1].as_str().unwrap()).unwrap();
    assert_eq!(ours["number"], 8);
    assert!(!waiting.is_finished());
    // Rasa takes its ticket out, and with it what it does not know.
    let ours = json!({"number": 8, "expires": ours["expires"]}).to_string();
    let left = json!({"conversation_id": "a", "tickets": [ours]}).to_string();
    let () = raw.clone().set("lock:a", left).await.unwrap();
    waiting.await.unwrap().unwrap();
    until(async || queue().await.is_empty()).await;
}

async fn the_floor_of_the_dead_is_passed_on(server: &Service) {
    let config = config("redis", Some("127.0.0.1"), json!({"port": server.port, "db": 4}));
    let lifetime = Duration::from_millis(600);
    let alive = locks(&config, Some(lifetime)).await;
    // A process that dies neither gives back nor renews.
    let runtime = std::thread::spawn({
        let config = config.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let floor =
                runtime.block_on(async { locks(&config, Some(lifetime)).await.acquire("a").await.unwrap() });
            drop(runtime);
            std::mem::forget(floor);
        }
    });
    runtime.join().unwrap();
    let floor = alive.acquire("a").await.unwrap();
    // One that lives keeps the floor beyond the lifetime of a ticket.
    let raw = raw(server, 4).await;
    let expiry = async || {
        let text: String = raw.clone().get("lock:a").await.unwrap();
        let queue: Value = serde_json::from_str(&text).unwrap();
        let first: Value = serde_json::from_str(queue["tickets"][0].as_str().unwrap()).unwrap();
        first["expires"].as_f64().unwrap()
    };
    let begin = expiry().await;
    until(async || expiry().await > begin + 2.0 * lifetime.as_secs_f64()).await;
    drop(floor);
    drop(alive.acquire("a").await.unwrap());
}

#[tokio::test]
async fn what_is_not_supported_is_named() {
    let check = async |config: EndpointConfig, expected: &str| {
        let environment = SqlEnvironment::default();
        let found = match open::tracker_store(Some(&config), &environment).await {
            Err(error) => error.message,
            Ok(_) => "a store".to_owned(),
        };
        assert_eq!(found, expected);
    };
    let instead = "tracker_store: `type: mongod` is not supported; use `type: sql` with `dialect: postgresql` or \
                   `mysql`, or `type: redis`";
    check(config("mongod", None, json!({})), instead).await;
    let class = "tracker_store: `my.Store` is a class in Python and cannot be loaded; use `sql`, `redis`, or none for \
                 memory";
    check(config("my.Store", None, json!({})), class).await;
    let exp = "tracker_store: record_exp is a number of seconds, not 'soon'";
    check(config("redis", None, json!({"record_exp": "soon"})), exp).await;
    let error =
        open::lock_store(Some(&config("consul", None, json!({}))), &SqlEnvironment::default(), None).await;
    assert_eq!(
        error.err().unwrap().message,
        "lock_store: the type `consul` is not known; use `redis`, `sql`, or `in_memory`"
    );
}
