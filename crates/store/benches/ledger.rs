//! What the ledger adds to a request: the time to reserve and to settle, at a steady rate.
//!
//! `cargo bench -p intendant-store --bench ledger -- [RATE] [SECONDS]`; SQLite in a temporary folder,
//! accounts of three scopes. Requests begin by the clock whatever became of those before.

// It prints what it measures, and may stop where it stands.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use intendant_budget::decide::{Bill, Budget, Certainty, Order, Reserved};
use intendant_budget::period::{Period, Span};
use intendant_budget::price::Cost;
use intendant_budget::rule::{Exhausted, Rule, Scope, Scopes};
use intendant_budget::till::Till;
use intendant_port::money::MicroUsd;
use intendant_store::ledger;
use intendant_store::sql_settings::SqlEnvironment;
use intendant_store::sqlite_file::Durability;
use intendant_talk::time::Timestamp;

const PRICE: MicroUsd = MicroUsd::from_micros(2_000);

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let rate = numbers.first().copied().unwrap_or(500);
    let seconds = numbers.get(1).copied().unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("budget.db");
    let ledger = ledger::open(file.to_str(), &SqlEnvironment::default(), Durability::Process).await.unwrap();
    let month = Period::Calendar(Span::Month, jiff::tz::TimeZone::UTC);
    let rule = |name: &str, scope, period| Rule {
        name: name.to_owned(),
        scope,
        id: None,
        limit: MicroUsd::from_micros(i64::MAX / 2),
        period,
        thresholds: vec![50, 80, 100],
        exhausted: Exhausted::Block,
    };
    let rules = vec![
        rule("month", Scope::Global, month.clone()),
        rule("channel", Scope::Channel, month),
        rule("talk", Scope::Conversation, Period::Never),
    ];
    let till = Till::new(ledger, Budget { rules });
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
    let mut requests = Vec::new();
    for number in 0..rate * seconds {
        ticks.tick().await;
        let till = till.clone();
        requests.push(tokio::spawn(async move { request(&till, number).await }));
    }
    let mut took = Vec::new();
    for request in requests {
        took.push(request.await.unwrap());
    }
    // The first second opens connections and prepares statements.
    let mut took = took.split_off(usize::try_from(rate).unwrap().min(took.len() / 2));
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_micros();
    println!("{rate} requests/s for {seconds} s: reserve and settle together");
    println!("p50 {} µs, p90 {} µs, p99 {} µs, most {} µs", at(50), at(90), at(99), at(100));
}

async fn request(till: &Till, number: u64) -> Duration {
    let order = Order {
        request: format!("r{number}"),
        scopes: Scopes {
            project: "bench".to_owned(),
            key: None,
            channel: "rest".to_owned(),
            conversation: format!("c{}", number % 1_000),
        },
        cost: Cost { amount: PRICE, units: 1, purpose: "bench".to_owned() },
        expires_at: Timestamp::from_micros(i64::MAX),
        may_repeat: false,
    };
    let start = Instant::now();
    let Reserved::Held(ticket, _) = till.reserve(order, now()).await.unwrap() else { panic!("refused") };
    let bill = Bill { amount: PRICE, units: 1, certainty: Certainty::Known, answer: None };
    till.settle(ticket, bill, now()).await.unwrap();
    start.elapsed()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}
