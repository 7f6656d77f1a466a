//! Conversations with agents, on each database.

use std::time::Duration;

use fixtures::services::{Kind, Service};
use intendant_store::agent_sessions::{AgentSessions, Taken};

const LEASE: Duration = Duration::from_secs(60);

async fn one_holder_at_a_time(url: &str) {
    let here = AgentSessions::open(url).await.unwrap();
    let there = AgentSessions::open(url).await.unwrap();
    let taken = |state: &str, used_ms: i64| Some(Taken { state: state.to_owned(), used_ms });
    assert_eq!(here.take("a", "h1", (100, LEASE)).await.unwrap(), taken("", 100));
    assert_eq!(there.take("a", "h2", (101, LEASE)).await.unwrap(), None);
    assert_eq!(there.take("b", "h2", (101, LEASE)).await.unwrap(), taken("", 101));
    assert!(!there.put("a", "h2", (Some("stolen"), 102)).await.unwrap());
    assert!(here.renew("a", "h1", LEASE).await.unwrap());
    assert!(here.put("a", "h1", (Some("{\"x\\u0000\": 1}"), 103)).await.unwrap());
    assert_eq!(there.take("a", "h3", (104, LEASE)).await.unwrap(), taken("{\"x\\u0000\": 1}", 103));
    assert!(!here.renew("a", "h1", LEASE).await.unwrap());

    // A process that died: its lease ends, and what was put last is still there.
    assert!(there.renew("a", "h3", Duration::ZERO).await.unwrap());
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while here.take("a", "h4", (200, LEASE)).await.unwrap().is_none() {
        assert!(std::time::Instant::now() < deadline, "the lease does not end");
    }
    assert!(!there.put("a", "h3", (Some("late"), 201)).await.unwrap());
    assert!(here.put("a", "h4", (None, 202)).await.unwrap());
    assert_eq!(here.take("a", "h5", (300, LEASE)).await.unwrap(), taken("", 300));
    assert!(here.put("a", "h5", (Some("old"), 300)).await.unwrap());

    // `b` is held, so it stays.
    assert_eq!(here.forget(400).await.unwrap(), 1);
    assert_eq!(here.take("a", "h6", (500, LEASE)).await.unwrap(), taken("", 500));
    assert_eq!(here.take("\0", "h7", (500, LEASE)).await.unwrap(), taken("", 500));
}

#[tokio::test]
async fn one_process_at_a_time_has_a_conversation_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    one_holder_at_a_time(&folder.path().join("agents.db").display().to_string()).await;
}

#[tokio::test]
async fn one_process_at_a_time_has_a_conversation_in_postgres() {
    let Some(server) = Service::start(Kind::Postgres).unwrap() else { return };
    one_holder_at_a_time(&server.url()).await;
}
