//! Every broker passes every event on, in order, in Rasa's form; what may be away is waited for.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

mod kafka;
mod rabbitmq;
mod support;

use std::path::Path;

use fixtures::services::{Kind, Service};
use intendant_broker::open::event_broker;
use intendant_rasa_format::endpoints::EndpointConfig;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::{environment, expected, publish, settings, until};

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

fn read(rows: Vec<(String, String)>) -> Vec<(String, Value)> {
    rows.into_iter().map(|(sender_id, data)| (sender_id, serde_json::from_str(&data).unwrap())).collect()
}

const ROWS: &str = "SELECT sender_id, data FROM events ORDER BY id";

async fn rows(path: &Path) -> Vec<(String, Value)> {
    let mut connection = sqlx::SqliteConnection::connect(&path.display().to_string()).await.unwrap();
    read(sqlx::query_as(ROWS).fetch_all(&mut connection).await.unwrap())
}

fn sent(sender_ids: &[&str]) -> Vec<(String, Value)> {
    let of_one = |sender_id: &&str| {
        expected(sender_id).into_iter().map(|event| ((*sender_id).to_owned(), event)).collect()
    };
    sender_ids.iter().flat_map(|sender_id| -> Vec<_> { of_one(sender_id) }).collect()
}

#[tokio::test]
async fn sql_holds_one_event_per_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let config = settings(Some("SQL"), json!({"dialect": "sqlite", "db": path}));
    publish(&config).await;
    publish(&config).await;
    assert_eq!(rows(&path).await, sent(&["a", "b", "a", "b"]));
}

#[tokio::test]
async fn a_postgres_that_is_away_gets_its_events_later() {
    let Some(mut server) = Service::start(Kind::Postgres).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let extra = json!({"outbox": folder.path()});
    let config = EndpointConfig { url: Some(server.url()), ..settings(Some("sql"), extra) };
    publish(&config).await;
    server.kill();
    let broker = event_broker(Some(&config), &environment()).await.unwrap().unwrap();
    broker.publish("c", &support::events()).await.unwrap();
    let server =
        tokio::task::spawn_blocking(move || server.restart().map(|()| server)).await.unwrap().unwrap();
    let mut connection = sqlx::PgConnection::connect(&server.url()).await.unwrap();
    until(async || {
        let found: Vec<(String, String)> = sqlx::query_as(ROWS).fetch_all(&mut connection).await.unwrap();
        found.len() == 6 && read(found) == sent(&["a", "b", "c"])
    })
    .await;
    broker.flush().await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let check = async |config: EndpointConfig, expected: &str| {
        let error = event_broker(Some(&config), &environment()).await.err().unwrap();
        assert!(error.message.starts_with(expected), "{error}");
    };
    assert!(event_broker(None, &environment()).await.unwrap().is_none());
    check(settings(Some("carrier"), json!({})), "event_broker: the type `carrier` is not known; use `pika`")
        .await;
    check(settings(Some("my.Broker"), json!({})), "event_broker: `my.Broker` is a class in Python").await;
    let mysql = settings(Some("sql"), json!({"dialect": "mysql"}));
    check(mysql, "event_broker: a MySQL database holds conversations only").await;
    check(settings(Some("file"), json!({"path": "/no/such/folder/x"})), "cannot open the event log /no/such")
        .await;
    let gssapi = settings(Some("kafka"), json!({"sasl_mechanism": "GSSAPI"}));
    check(gssapi, "event_broker: sasl_mechanism 'GSSAPI' is not supported").await;
    let protocol = settings(Some("kafka"), json!({"security_protocol": "X"}));
    check(protocol, "event_broker: security_protocol cannot be 'X'").await;
    let insisting =
        json!({"raise_on_failure": true, "connection_attempts": 2, "retry_delay_in_seconds": 0.01});
    let nobody = EndpointConfig { url: Some("127.0.0.1:1".to_owned()), ..settings(None, insisting) };
    check(nobody, "the broker at 127.0.0.1:1: cannot connect").await;
}
