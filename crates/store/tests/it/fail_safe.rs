//! Stores that fail and recover lose nothing and write nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use fixtures::services::{Kind as Server, Service};
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::{Scope, TrackerStore};
use intendant_store::fail_safe::{FailSafe, Safety};
use intendant_store::memory::MemoryStore;

use crate::support::{Events, all, events, postgres, redis, store, until};

const WELL: u8 = 0;
/// Every call fails.
const BROKEN: u8 = 1;
/// Writes are done and reported as failed, as when the connection breaks at the last moment.
const DECEIVING: u8 = 2;
/// Writes are refused for good.
const REFUSING: u8 = 3;

/// A store that fails when told to.
#[derive(Default)]
struct Fragile {
    store: MemoryStore,
    mood: AtomicU8,
}

impl Fragile {
    fn is(&self, mood: u8) {
        self.mood.store(mood, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        match self.mood.load(Ordering::Relaxed) {
            BROKEN => Err(Error::new(Kind::Unavailable, "the disk is full")),
            _ => Ok(()),
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
            match self.mood.load(Ordering::Relaxed) {
                DECEIVING => {
                    self.store.append(sender_id, events).await?;
                    self.is(WELL);
                    Err(Error::new(Kind::Timeout, "the connection broke"))
                }
                REFUSING => Err(Error::new(Kind::Refused, "the name is too long")),
                _ => self.store.append(sender_id, events).await,
            }
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

fn safe(fragile: &Arc<Fragile>, safety: Safety) -> FailSafe {
    FailSafe::new(Arc::clone(fragile) as Arc<dyn TrackerStore>, safety).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_loses_nothing() {
    let fragile = Arc::new(Fragile::default());
    let store = safe(&fragile, Safety::default());
    store.append("a", events(10, "one")).await.unwrap();
    fragile.is(BROKEN);
    store.append("a", events(20, "two")).await.unwrap();
    store.append("b", events(20, "three")).await.unwrap();
    store.append("a", events(30, "four")).await.unwrap();
    assert_eq!(store.kept_events(), 3);
    assert!(store.load("a", Scope::AllSessions).await.is_err(), "half a conversation is none");
    assert!(store.flush().await.is_err());

    fragile.is(WELL);
    assert_eq!(all(&store, "a").await, "one two four");
    until(async || store.kept_events() == 0).await;
    store.append("a", events(40, "five")).await.unwrap();
    assert_eq!(all(&*fragile, "a").await, "one two four five");
    assert_eq!(all(&*fragile, "b").await, "three");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_twice_or_kept_without_hope() {
    let fragile = Arc::new(Fragile::default());
    let store = safe(&fragile, Safety { patience: Duration::from_secs(5), outbox: None });
    for mood in [WELL, DECEIVING, WELL, DECEIVING, DECEIVING] {
        fragile.is(mood);
        store.append("a", events(10, "one one")).await.unwrap();
    }
    assert_eq!(all(&store, "a").await, ["one one"; 5].join(" "));
    fragile.is(REFUSING);
    assert_eq!(store.append("a", events(20, "two")).await.unwrap_err().kind, Kind::Refused);
    assert_eq!(store.kept_events(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_survives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Some((folder.path().join("outbox"), "x".to_owned()));
    let safety = Safety { patience: Duration::ZERO, outbox };
    let fragile = Arc::new(Fragile::default());
    {
        let store = safe(&fragile, safety.clone());
        store.append("a", events(10, "one")).await.unwrap();
        assert!(!folder.path().join("outbox").exists(), "nothing to keep");
        fragile.is(BROKEN);
        store.append("a", events(20, "two user:ü")).await.unwrap();
        store.append("a", events(30, "three")).await.unwrap();
    }
    let store = safe(&fragile, safety);
    assert_eq!(store.kept_events(), 3);
    fragile.is(WELL);
    until(async || store.kept_events() == 0).await;
    assert_eq!(all(&*fragile, "a").await, "one two user:ü three");
    let left = std::fs::read_dir(folder.path().join("outbox")).unwrap().next().unwrap().unwrap();
    assert_eq!(std::fs::read_to_string(left.path()).unwrap().lines().count(), 1, "the outbox is empty");
}

/// Kills a server while writers write, and starts it again.
async fn survives(mut server: Service, store: Arc<dyn TrackerStore>) {
    const WRITERS: usize = 4;
    const WRITES: i64 = 120;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            for number in 0..WRITES {
                store
                    .append(&format!("s{writer}"), events(number, &format!("a{number} b{number}")))
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }));
    }
    until(async || all(&*store, "s0").await.contains("b20")).await;
    let restart = move || {
        server.kill();
        server.restart().map(|()| server)
    };
    let server = tokio::task::spawn_blocking(restart).await.unwrap().unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    let expected: Vec<String> = (0..WRITES).map(|number| format!("a{number} b{number}")).collect();
    for writer in 0..WRITERS {
        until(async || all(&*store, &format!("s{writer}")).await == expected.join(" ")).await;
    }
    store.flush().await.unwrap();
    drop(server);
}

#[tokio::test]
async fn a_killed_postgres_loses_and_doubles_nothing() {
    let Some(server) = Service::start(Server::Postgres).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = store(&postgres(&server, "t", folder.path())).await;
    survives(server, store).await;
}

#[tokio::test]
async fn a_killed_redis_loses_and_doubles_nothing() {
    let Some(server) = Service::start(Server::Redis).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = store(&redis(&server, 0, folder.path())).await;
    survives(server, store).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_yet_is_waited_for() {
    let Some(mut server) = Service::start(Server::Postgres).unwrap() else { return };
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let config = postgres(&server, "t", folder.path());
    let opening = tokio::spawn(async move { store(&config).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!opening.is_finished());
    let server =
        tokio::task::spawn_blocking(move || server.restart().map(|()| server)).await.unwrap().unwrap();
    let store = opening.await.unwrap();
    store.append("a", events(10, "one")).await.unwrap();
    assert_eq!(all(&*store, "a").await, "one");
    drop(server);
}
