//! The same conversations against every tracker store, and what only some of them promise.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::{Scope, TrackerStore};
use intendant_store::fail_safe::FailSafe;
use intendant_store::memory::MemoryStore;
use intendant_store::sqlite::{SqliteStore, options};
use intendant_talk::event::{Event, EventKind, UserMessage};
use intendant_talk::time::Timestamp;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, Row};

type Events = Vec<Arc<Event>>;

/// Events from a short form: `start` (a session start of two events), `slot=x`, `user:text`.
fn events(from_second: i64, script: &str) -> Events {
    let mut made = Vec::new();
    let mut micros = from_second * 1_000_000;
    let mut push = |kind: EventKind| {
        micros += 1;
        made.push(Arc::new(Event::new(Timestamp::from_micros(micros), kind)));
    };
    for word in script.split_whitespace() {
        match word.split_once(['=', ':']) {
            None if word == "start" => {
                push(EventKind::action("action_session_start"));
                push(EventKind::SessionStarted);
            }
            None => push(EventKind::action(word)),
            Some((name, value)) if word.contains('=') => {
                push(EventKind::Slot { name: name.to_owned(), value: json!(value) });
            }
            Some((_, text)) => {
                let message = UserMessage { text: Some(text.to_owned()), ..UserMessage::default() };
                push(EventKind::User(Box::new(message)));
            }
        }
    }
    made
}

fn script(events: &[Arc<Event>]) -> String {
    let words: Vec<String> = events
        .iter()
        .map(|event| match &event.kind {
            EventKind::SessionStarted => "started".to_owned(),
            EventKind::Action(action) => action.name.clone().unwrap_or_default(),
            EventKind::Slot { name, value } => format!("{name}={}", value.as_str().unwrap_or("?")),
            EventKind::User(message) => format!("user:{}", message.text.as_deref().unwrap_or("?")),
            other => other.type_name().to_owned(),
        })
        .collect();
    words.join(" ")
}

async fn loaded(store: &dyn TrackerStore, sender_id: &str, scope: Scope) -> Option<String> {
    store.load(sender_id, scope).await.unwrap().map(|events| script(&events))
}

/// What every store promises.
async fn conforms(store: &dyn TrackerStore) {
    assert_eq!(loaded(store, "a", Scope::LastSession).await, None);
    store.append("a", events(10, "start slot=1 user:hi")).await.unwrap();
    store.append("b", events(10, "start")).await.unwrap();
    store.append("a", events(20, "utter_x")).await.unwrap();
    let last = loaded(store, "a", Scope::LastSession).await.unwrap_or_default();
    assert!(last.ends_with("started slot=1 user:hi utter_x"), "{last}");
    let all = "action_session_start started slot=1 user:hi utter_x";
    assert_eq!(loaded(store, "a", Scope::AllSessions).await.as_deref(), Some(all));
    assert_eq!(loaded(store, "b", Scope::AllSessions).await.as_deref(), Some("action_session_start started"));
    assert_eq!(store.conversation_ids().await.unwrap().len(), 2);

    let odd = "é'\"; DROP TABLE events; -- \u{1F600}/x";
    store.append(odd, events(10, "user:ü\u{1F600}")).await.unwrap();
    assert_eq!(loaded(store, odd, Scope::AllSessions).await.as_deref(), Some("user:ü\u{1F600}"));

    let exact = events(10, "start user:hi slot=1");
    store.append("exact", exact.clone()).await.unwrap();
    let found = store.load("exact", Scope::AllSessions).await.unwrap().unwrap();
    assert_eq!(found.iter().map(|event| event.timestamp).collect::<Vec<_>>(), times(&exact));
    store.flush().await.unwrap();
}

fn times(events: &[Arc<Event>]) -> Vec<Timestamp> {
    events.iter().map(|event| event.timestamp).collect()
}

#[tokio::test]
async fn every_store_keeps_conversations() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&MemoryStore::default()).await;
    conforms(&FailSafe::new(Arc::new(MemoryStore::default()))).await;
    let sqlite = SqliteStore::open(&folder.path().join("t.db")).await.unwrap();
    conforms(&sqlite).await;
    let sqlite = SqliteStore::open(&folder.path().join("u.db")).await.unwrap();
    conforms(&FailSafe::new(Arc::new(sqlite))).await;
}

#[tokio::test]
async fn memory_keeps_the_last_session_and_sql_all() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |store: &dyn TrackerStore, all: &str, last: &str| {
        store.append("a", events(10, "start slot=1")).await.unwrap();
        store.append("a", events(20, "start slot=2")).await.unwrap();
        store.append("a", events(30, "slot=3")).await.unwrap();
        assert_eq!(loaded(store, "a", Scope::AllSessions).await.as_deref(), Some(all));
        assert_eq!(loaded(store, "a", Scope::LastSession).await.as_deref(), Some(last));
        let told = store.load("a", Scope::AllSessions).await.unwrap().unwrap();
        assert_eq!(script(&store.last_session(told)), last);
    };
    // Memory splits at the action, SQL at the time of the newest session's event.
    let last = "action_session_start started slot=2 slot=3";
    check(&MemoryStore::default(), last, last).await;
    let sqlite = SqliteStore::open(&folder.path().join("t.db")).await.unwrap();
    let all = "action_session_start started slot=1 action_session_start started slot=2 slot=3";
    check(&sqlite, all, "started slot=2 slot=3").await;
}

#[tokio::test]
async fn replacing_follows_each_stores_rule() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |store: &dyn TrackerStore, expected: &str| {
        store.append("a", events(10, "start slot=1")).await.unwrap();
        store.replace("a", events(20, "one two three four")).await.unwrap();
        assert_eq!(loaded(store, "a", Scope::AllSessions).await.as_deref(), Some(expected));
    };
    check(&MemoryStore::default(), "one two three four").await;
    let sqlite = SqliteStore::open(&folder.path().join("t.db")).await.unwrap();
    check(&sqlite, "action_session_start started slot=1 three four").await;
}

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

#[tokio::test]
async fn a_database_of_rasa_continues() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rasa.db");
    rasa_database(&path).await;
    let store = SqliteStore::open(&path).await.unwrap();
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
    let store = SqliteStore::open(&path).await.unwrap();
    store.append("a", events(10, "one")).await.unwrap();
    let before = next_epoch(&store, None).await;
    store.append("a", events(20, "two")).await.unwrap();
    let other = SqliteStore::open(&path).await.unwrap();
    other.append("a", events(30, "three")).await.unwrap();
    assert_ne!(next_epoch(&store, Some(before)).await, before);
    assert_eq!(loaded(&store, "a", Scope::AllSessions).await.as_deref(), Some("one two three"));
}

/// Asks until the answer differs from `before`, or once.
async fn next_epoch(store: &dyn TrackerStore, before: Option<u64>) -> u64 {
    loop {
        let epoch = store.epoch().await;
        if before != Some(epoch) {
            return epoch;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_writers_share_commits_and_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("t.db")).await.unwrap());
    let mut writers = Vec::new();
    for writer in 0..32 {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            for number in 0..20 {
                let script = format!("a{number} b{number} c{number}");
                store.append(&format!("s{writer}"), events(number, &script)).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let expected: Vec<String> = (0..20).map(|number| format!("a{number} b{number} c{number}")).collect();
    for writer in 0..32 {
        let found = loaded(&*store, &format!("s{writer}"), Scope::AllSessions).await;
        assert_eq!(found, Some(expected.join(" ")));
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/t.db");
    let error = SqliteStore::open(&path).await.err().unwrap();
    assert!(error.message.contains("missing/t.db"), "{error}");
}

/// A store that fails when told to.
#[derive(Default)]
struct Fragile {
    store: MemoryStore,
    is_broken: AtomicBool,
}

impl Fragile {
    fn check(&self) -> Result<()> {
        match self.is_broken.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Unavailable, "the disk is full")),
            false => Ok(()),
        }
    }
}

impl TrackerStore for Fragile {
    fn load<'a>(&'a self, sender_id: &'a str, scope: Scope) -> BoxFuture<'a, Result<Option<Events>>> {
        Box::pin(async move {
            self.check()?;
            self.store.load(sender_id, scope).await
        })
    }

    fn append<'a>(&'a self, sender_id: &'a str, events: Events) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.check()?;
            self.store.append(sender_id, events).await
        })
    }

    fn replace<'a>(&'a self, sender_id: &'a str, events: Events) -> BoxFuture<'a, Result<()>> {
        self.append(sender_id, events)
    }

    fn last_session(&self, events: Events) -> Events {
        self.store.last_session(events)
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.store.conversation_ids()
    }

    fn epoch(&self) -> BoxFuture<'_, u64> {
        self.store.epoch()
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        self.store.flush()
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_loses_nothing() {
    let fragile = Arc::new(Fragile::default());
    let store = FailSafe::new(Arc::clone(&fragile) as Arc<dyn TrackerStore>);
    store.append("a", events(10, "one")).await.unwrap();
    fragile.is_broken.store(true, Ordering::Relaxed);
    store.append("a", events(20, "two")).await.unwrap();
    store.append("b", events(20, "three")).await.unwrap();
    store.append("a", events(30, "four")).await.unwrap();
    assert_eq!(store.kept_events(), 3);
    assert_eq!(loaded(&store, "a", Scope::AllSessions).await.as_deref(), Some("two four"));
    assert!(store.flush().await.is_err());

    fragile.is_broken.store(false, Ordering::Relaxed);
    assert_eq!(loaded(&store, "a", Scope::AllSessions).await.as_deref(), Some("one two four"));
    while store.kept_events() > 0 {
        tokio::time::advance(std::time::Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    store.append("a", events(40, "five")).await.unwrap();
    let stored = &*fragile;
    assert_eq!(loaded(stored, "a", Scope::AllSessions).await.as_deref(), Some("one two four five"));
    assert_eq!(loaded(stored, "b", Scope::AllSessions).await.as_deref(), Some("three"));
}
