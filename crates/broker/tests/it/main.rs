//! Every broker passes every event on, in order, in Rasa's form.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use intendant_broker::open::event_broker;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::event::{Event, EventKind};
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};
use sqlx::Connection;

fn settings(kind: Option<&str>, extra: Value) -> EndpointConfig {
    let extra = extra.as_object().cloned().unwrap();
    EndpointConfig { kind: kind.map(str::to_owned), extra, ..EndpointConfig::default() }
}

fn events() -> Vec<Arc<Event>> {
    let kinds = [EventKind::SessionStarted, EventKind::action("utter_ü")];
    kinds.into_iter().map(|kind| Arc::new(Event::new(Timestamp::from_micros(1_500_000), kind))).collect()
}

fn expected(sender_id: &str) -> Vec<Value> {
    vec![
        json!({"sender_id": sender_id, "event": "session_started", "timestamp": 1.5}),
        json!({"sender_id": sender_id, "event": "action", "timestamp": 1.5, "name": "utter_ü", "policy": null,
               "confidence": null, "action_text": null, "hide_rule_turn": false}),
    ]
}

async fn publish(config: &EndpointConfig) {
    let broker = event_broker(Some(config)).await.unwrap().unwrap();
    broker.publish("a", &events()).await.unwrap();
    broker.publish("b", &events()).await.unwrap();
    broker.flush().await.unwrap();
}

#[tokio::test]
async fn files_hold_one_event_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    std::fs::write(&path, "{}\n").unwrap();
    publish(&settings(Some("file"), json!({"path": path}))).await;
    let lines = std::fs::read_to_string(&path).unwrap();
    let found: Vec<Value> = lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found, [expected("a"), expected("b")].concat());
}

async fn rows(path: &Path) -> Vec<(String, Value)> {
    let mut connection = sqlx::SqliteConnection::connect(&path.display().to_string()).await.unwrap();
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT sender_id, data FROM events ORDER BY id")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    rows.into_iter().map(|(sender_id, data)| (sender_id, serde_json::from_str(&data).unwrap())).collect()
}

#[tokio::test]
async fn sql_holds_one_event_per_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let config = settings(Some("SQL"), json!({"dialect": "sqlite", "db": path}));
    publish(&config).await;
    publish(&config).await;
    let found = rows(&path).await;
    let sent: Vec<(String, Value)> = ["a", "b", "a", "b"]
        .iter()
        .flat_map(|sender_id| expected(sender_id).into_iter().map(|event| ((*sender_id).to_owned(), event)))
        .collect();
    assert_eq!(found, sent);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let check = async |config: EndpointConfig, expected: &str| {
        let error = event_broker(Some(&config)).await.err().unwrap();
        assert!(error.message.starts_with(expected), "{error}");
    };
    assert!(event_broker(None).await.unwrap().is_none());
    check(settings(Some("kafka"), json!({})), "event_broker: the type 'kafka' is not there yet").await;
    check(settings(None, json!({})), "event_broker: the type 'pika' is not there yet").await;
    let postgres = settings(Some("sql"), json!({"dialect": "postgresql"}));
    check(postgres, "event_broker: the SQL dialect 'postgresql' is not there yet").await;
    check(settings(Some("file"), json!({"path": "/no/such/folder/x"})), "cannot open the event log /no/such")
        .await;
}
