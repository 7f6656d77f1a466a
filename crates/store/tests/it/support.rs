//! Events in short form, settings, servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fixtures::services::Service;
use intendant_port::store::{Scope, TrackerStore};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_store::open;
use intendant_store::sql_settings::SqlEnvironment;
use intendant_talk::event::{Event, EventKind, UserMessage};
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};

pub type Events = Vec<Arc<Event>>;

/// How long something may take that happens by itself.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Events from a short form: `start` (a session start of two events), `slot=x`, `user:text`.
pub fn events(from_second: i64, script: &str) -> Events {
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

pub fn script(events: &[Arc<Event>]) -> String {
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

pub async fn loaded(store: &dyn TrackerStore, sender_id: &str, scope: Scope) -> Option<String> {
    store.load(sender_id, scope).await.unwrap().map(|events| script(&events))
}

pub async fn all(store: &dyn TrackerStore, sender_id: &str) -> String {
    loaded(store, sender_id, Scope::AllSessions).await.unwrap_or_default()
}

pub fn config(kind: &str, url: Option<&str>, extra: Value) -> EndpointConfig {
    let extra = extra.as_object().cloned().unwrap();
    EndpointConfig {
        kind: Some(kind.to_owned()),
        url: url.map(str::to_owned),
        extra,
        ..EndpointConfig::default()
    }
}

/// A database of its own on a PostgreSQL server, created by `login_db`.
pub fn postgres(server: &Service, db: &str, outbox: &std::path::Path) -> EndpointConfig {
    let extra = json!({"dialect": "postgresql", "port": server.port, "username": "postgres", "db": db,
                       "login_db": "postgres", "outbox": outbox});
    config("SQL", Some("127.0.0.1"), extra)
}

pub fn redis(server: &Service, db: u8, outbox: &std::path::Path) -> EndpointConfig {
    config("redis", Some("127.0.0.1"), json!({"port": server.port, "db": db, "outbox": outbox}))
}

pub async fn store(config: &EndpointConfig) -> Arc<dyn TrackerStore> {
    open::tracker_store(Some(config), &SqlEnvironment::default()).await.unwrap()
}

/// Asks until the answer is yes.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
