//! Counters in Redis: they turn away at once, and whatever becomes of them nobody overspends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fixtures::services::{Kind, Service};
use intendant_budget::admin::{By, Deed};
use intendant_budget::decide::{Budget, Order, Reserved};
use intendant_budget::rule::Scope;
use intendant_budget::till::Till;
use intendant_port::money::MicroUsd;
use intendant_store::ledger;
use intendant_store::ledger_redis::Counted;
use intendant_store::sql_settings::SqlEnvironment;
use intendant_store::sqlite_file::Durability;
use redis::AsyncCommands;
use sqlx::Connection;
use tempfile::TempDir;

use crate::ledger::{PRICE, at, bill, held, open, order, rule, stands};
use crate::support::until;

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3_600);
/// The hash of 1 January 2026.
const MONTH: &str = "intendant:budget:all:1767225600";

struct Rig {
    server: Service,
    folder: TempDir,
}

impl Rig {
    fn start() -> Option<Self> {
        let server = Service::start(Kind::Redis).unwrap()?;
        Some(Self { server, folder: tempfile::tempdir().unwrap() })
    }

    fn file(&self) -> String {
        self.folder.path().join("budget.db").display().to_string()
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.server.port)
    }

    /// One process, so to speak.
    async fn till(&self, requests: i64, fresh: Duration) -> Till {
        let environment = SqlEnvironment::default();
        let ledger = ledger::open(Some(&self.file()), &environment, Durability::Process).await.unwrap();
        let counted = Counted::start(ledger, &self.url(), fresh).unwrap();
        Till::new(Arc::new(counted), budget(requests))
    }

    async fn believed(&self) -> Option<String> {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        connection.get("intendant:budget:all").await.ok()?
    }

    async fn spent(&self) -> Option<String> {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        connection.hget(MONTH, "spent_micros").await.ok()?
    }
}

fn budget(requests: i64) -> Budget {
    Budget { rules: vec![rule("all", Scope::Global, requests * PRICE.micros)] }
}

/// A request that surely was never made before.
fn fresh_order(number: u32) -> Order {
    Order { may_repeat: false, ..order(&format!("n{number}"), "a", at(60)) }
}

async fn is_refused(till: &Till, number: u32) -> bool {
    matches!(till.reserve(fresh_order(number), at(2)).await, Ok(Reserved::Refused(_)))
}

async fn spend(till: &Till, request: &str) {
    let ticket = held(till, request, "a", 0).await;
    till.settle(ticket, bill(), at(1)).await.unwrap();
}

#[tokio::test]
async fn a_used_up_budget_does_not_ask_the_database() {
    let Some(rig) = Rig::start() else { return };
    let till = rig.till(2, FOR_EVER).await;
    spend(&till, "r1").await;
    spend(&till, "r2").await;
    // The first that is turned away is told of, so the database hears of it.
    assert!(is_refused(&till, 1).await);
    until(async || rig.believed().await.is_some_and(|rows| rows.ends_with(",2,100]]"))).await;
    let url = format!("sqlite://{}", rig.file());
    let mut saboteur = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("ALTER TABLE budget_entries RENAME TO gone").execute(&mut saboteur).await.unwrap();
    until(async || is_refused(&till, 2).await).await;
    // What may be a repetition asks the database, which is away.
    assert!(till.reserve(order("r1", "a", at(60)), at(3)).await.is_err());
    sqlx::query("ALTER TABLE gone RENAME TO budget_entries").execute(&mut saboteur).await.unwrap();
    let repeated = till.reserve(order("r1", "a", at(60)), at(3)).await.unwrap();
    assert!(matches!(repeated, Reserved::Repeated(_)), "{repeated:?}");
    // What is done by hand is known at once.
    let by = By { actor: "ann".to_owned(), reason: "more".to_owned() };
    till.perform("all".to_owned(), Deed::Grant(PRICE), by, at(4)).await.unwrap().unwrap();
    until(async || !is_refused(&till, 3).await).await;
}

#[tokio::test]
async fn what_redis_says_counts_for_a_moment() {
    let Some(rig) = Rig::start() else { return };
    let till = rig.till(1, Duration::from_millis(300)).await;
    spend(&till, "r1").await;
    assert!(is_refused(&till, 1).await);
    // Somebody raises the limit and does not tell Redis.
    let other = open(&rig.file(), budget(1).rules).await;
    let by = By { actor: "bob".to_owned(), reason: "more".to_owned() };
    let limit = Deed::Limit(Some(MicroUsd::from_micros(3 * PRICE.micros)));
    other.perform("all".to_owned(), limit, by, at(3)).await.unwrap().unwrap();
    let mut number = 1;
    until(async || {
        number += 1;
        !is_refused(&till, number).await
    })
    .await;
}

#[tokio::test]
async fn a_meddled_with_redis_lets_nobody_overspend() {
    let Some(rig) = Rig::start() else { return };
    let till = rig.till(1, FOR_EVER).await;
    spend(&till, "r1").await;
    until(async || rig.spent().await.as_deref() == Some("2000")).await;
    let client = redis::Client::open(rig.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = connection.hset(MONTH, "spent_micros", "-1000000").await.unwrap();
    let _: () =
        connection.set("intendant:budget:all", "[[\"all\",1767225600000000,-1,0,0,0,0,0,0]]").await.unwrap();
    assert!(is_refused(&till, 1).await);
    let _: () = connection.set("intendant:budget:all", "no counters").await.unwrap();
    assert!(is_refused(&till, 2).await);
    // Everything lost: the next transaction fills it again.
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    assert!(is_refused(&till, 3).await);
    until(async || rig.spent().await.as_deref() == Some("2000")).await;
}

#[tokio::test]
async fn older_counters_do_not_replace_younger_ones() {
    let Some(rig) = Rig::start() else { return };
    let till = rig.till(10, FOR_EVER).await;
    spend(&till, "r1").await;
    until(async || rig.spent().await.as_deref() == Some("2000")).await;
    let client = redis::Client::open(rig.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    // Another process was quicker to tell of a later transaction.
    let _: () = connection.set("intendant:budget:all:lines", 1_000_000).await.unwrap();
    let _: () = connection.hset(MONTH, "spent_micros", "9000").await.unwrap();
    spend(&till, "r2").await;
    // Done by hand, it is waited for: all before it was told, too.
    let by = By { actor: "ann".to_owned(), reason: "more".to_owned() };
    till.perform("all".to_owned(), Deed::Grant(PRICE), by, at(4)).await.unwrap().unwrap();
    assert_eq!(rig.spent().await.as_deref(), Some("9000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_overspends_while_redis_dies_and_comes_back() {
    const REQUESTS: i64 = 150;
    let Some(mut rig) = Rig::start() else { return };
    let tills = [rig.till(REQUESTS, Duration::from_millis(20)).await, rig.till(REQUESTS, FOR_EVER).await];
    let admitted = Arc::new(AtomicI64::new(0));
    let mut clients = Vec::new();
    for client in 0..16_u32 {
        let (till, admitted) = (tills[client as usize % 2].clone(), Arc::clone(&admitted));
        clients.push(tokio::spawn(async move {
            for number in 0..30 {
                match till.reserve(fresh_order(client * 1_000 + number), at(2)).await.unwrap() {
                    Reserved::Held(ticket, _) => {
                        admitted.fetch_add(1, Ordering::Relaxed);
                        till.settle(ticket, bill(), at(3)).await.unwrap();
                    }
                    Reserved::Refused(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }));
    }
    until(async || admitted.load(Ordering::Relaxed) > REQUESTS / 4).await;
    rig.server.kill();
    until(async || admitted.load(Ordering::Relaxed) > REQUESTS / 2).await;
    rig.server.restart().unwrap();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(admitted.load(Ordering::Relaxed), REQUESTS);
    assert_eq!(stands(&tills[0], "all", at(4)).await, "0.30 of 0.30, 0.00 held, 0.00 saved");
    // It came back empty, and knows again.
    let told = (REQUESTS * PRICE.micros).to_string();
    until(async || {
        tills[0].expire(at(5)).await.unwrap();
        is_refused(&tills[0], 99_999).await && rig.spent().await.as_ref() == Some(&told)
    })
    .await;
}
