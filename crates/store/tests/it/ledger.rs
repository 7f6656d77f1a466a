//! The ledger on each database: what is decided is stored, and found again by the next process.

use std::sync::Arc;

use fixtures::services::{Kind, Service};
use intendant_budget::admin::{By, Deed};
use intendant_budget::decide::{Bill, Budget, Certainty, Order, Reserved, Ticket};
use intendant_budget::period::{Period, Span};
use intendant_budget::price::Cost;
use intendant_budget::rule::{Exhausted, Rule, Scope, Scopes};
use intendant_budget::till::Till;
use intendant_port::ledger::Wanted;
use intendant_port::money::MicroUsd;
use intendant_store::counted_queries;
use intendant_store::ledger;
use intendant_store::sql_settings::SqlEnvironment;
use intendant_store::sqlite_file::Durability;
use intendant_talk::time::Timestamp;
use sqlx::Connection;

pub const SECOND: i64 = 1_000_000;
pub const PRICE: MicroUsd = MicroUsd::from_micros(2_000);
/// 15 January 2026, noon.
const START: Timestamp = Timestamp::from_micros(1_768_478_400 * SECOND);

pub fn rule(name: &str, scope: Scope, limit_micros: i64) -> Rule {
    Rule {
        name: name.to_owned(),
        scope,
        id: None,
        limit: MicroUsd::from_micros(limit_micros),
        period: Period::Calendar(Span::Month, jiff::tz::TimeZone::UTC),
        thresholds: vec![50],
        exhausted: Exhausted::Block,
    }
}

pub fn order(request: &str, conversation: &str, expires_at: Timestamp) -> Order {
    Order {
        request: request.to_owned(),
        scopes: Scopes { conversation: conversation.to_owned(), ..Scopes::default() },
        cost: Cost { amount: PRICE, units: 1, purpose: "test".to_owned() },
        expires_at,
        may_repeat: true,
    }
}

pub fn bill() -> Bill {
    Bill { amount: PRICE, units: 1, certainty: Certainty::Known, answer: Some("hé\"llo".to_owned()) }
}

pub async fn open(database: &str, rules: Vec<Rule>) -> Till {
    let environment = SqlEnvironment::default();
    let ledger = ledger::open(Some(database), &environment, Durability::Process).await.unwrap();
    Till::new(ledger, Budget { rules })
}

pub async fn postgres(server: &Service, name: &str) -> String {
    let mut admin = sqlx::PgConnection::connect(&server.url()).await.unwrap();
    let statement = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    format!("postgresql://postgres@127.0.0.1:{}/{name}", server.port)
}

pub async fn stands(till: &Till, account: &str, now: Timestamp) -> String {
    let standings = till.standings(now).await.unwrap();
    match standings.iter().find(|standing| standing.account == account) {
        None => "none".to_owned(),
        Some(standing) => {
            let balance = standing.balance;
            format!(
                "{} of {}, {} held, {} saved",
                balance.spent, balance.limit, balance.reserved, balance.saved
            )
        }
    }
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(START.micros + seconds * SECOND)
}

pub async fn held(till: &Till, request: &str, conversation: &str, seconds: i64) -> Ticket {
    match till.reserve(order(request, conversation, at(seconds + 60)), at(seconds)).await.unwrap() {
        Reserved::Held(ticket, _) => ticket,
        other => panic!("{other:?}"),
    }
}

async fn suite(database: &str) {
    let rules = || vec![rule("all", Scope::Global, 10_000), rule("talk", Scope::Conversation, 4_000)];
    let (one, other) = (open(database, rules()).await, open(database, rules()).await);
    let ticket = held(&one, "r1", "a'1", 0).await;
    assert_eq!(stands(&other, "all", at(0)).await, "0.00 of 0.01, 0.002 held, 0.00 saved");
    assert_eq!(other.reserve(order("r1", "a'1", at(60)), at(1)).await.unwrap(), Reserved::UnderWay);
    one.settle(ticket, bill(), at(2)).await.unwrap();
    let again = other.reserve(order("r1", "a'1", at(60)), at(3)).await.unwrap();
    assert_eq!(again, Reserved::Repeated("hé\"llo".to_owned()));
    let ticket = held(&other, "r2", "a'1", 4).await;
    let refused = one.reserve(order("r3", "a'1", at(60)), at(5)).await.unwrap();
    let Reserved::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.account.as_str(), refusal.notices.len()), ("talk:a'1", 1));
    other.refund(ticket, "never sent".to_owned(), at(6)).await.unwrap();
    assert_eq!(stands(&one, "talk:a'1", at(6)).await, "0.002 of 0.004, 0.00 held, 0.00 saved");
    // Nobody ends this one: the next reservation of whomever does.
    held(&one, "r4", "b", 7).await;
    held(&other, "r5", "c", 100).await;
    assert_eq!(stands(&one, "all", at(100)).await, "0.004 of 0.01, 0.002 held, 0.00 saved");
    one.save(order("r6", "b", at(0)), "cache".to_owned(), at(101)).await.unwrap();
    let by = By { actor: "ann".to_owned(), reason: "a 'reason' with 50 %".to_owned() };
    for deed in [Deed::Limit(Some(MicroUsd::from_micros(20_000))), Deed::Grant(PRICE), Deed::Reset] {
        one.perform("all".to_owned(), deed, by.clone(), at(102)).await.unwrap().unwrap();
    }
    assert_eq!(stands(&other, "all", at(103)).await, "0.00 of 0.022, 0.002 held, 0.002 saved");
    assert!(one.perform("nobody".to_owned(), Deed::Reset, by.clone(), at(104)).await.unwrap().is_err());
    one.perform("all".to_owned(), Deed::Limit(None), by, at(104)).await.unwrap().unwrap();
    history(&other).await;
    assert_eq!(one.rebuild().await.unwrap(), []);
}

async fn history(till: &Till) {
    let kinds = async |wanted: Wanted| {
        let lines = till.history(&wanted).await.unwrap();
        lines.iter().map(|line| line.kind.clone()).collect::<Vec<_>>().join(" ")
    };
    let wanted = Wanted { lines_max: 100, ..Wanted::default() };
    let all = "limit reset grant limit save reserve expire reserve refund reserve settle reserve";
    assert_eq!(kinds(wanted.clone()).await, all);
    let of_account = Wanted { account: Some("talk:a'1".to_owned()), ..wanted.clone() };
    assert_eq!(kinds(of_account).await, "refund reserve settle reserve");
    let of_kinds = Wanted { kinds: vec!["grant".to_owned(), "save".to_owned()], ..wanted.clone() };
    assert_eq!(kinds(of_kinds).await, "grant save");
    let since = Wanted { since: Some(at(102)), ..wanted };
    assert_eq!(kinds(since.clone()).await, "limit reset grant limit");
    let lines = till.history(&Wanted { lines_max: 1, ..since }).await.unwrap();
    assert_eq!((lines[0].actor.as_str(), lines[0].reason.as_str()), ("ann", "a 'reason' with 50 %"));
}

#[tokio::test]
async fn sqlite_keeps_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("budget.db");
    suite(&file.display().to_string()).await;
    // Somebody helps himself: the counters are made anew from the lines.
    let mut thief = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    sqlx::query("UPDATE budget_counters SET spent = -1000000").execute(&mut thief).await.unwrap();
    let till = open(&file.display().to_string(), vec![rule("all", Scope::Global, 10_000)]).await;
    assert_eq!(till.rebuild().await.unwrap().len(), 4);
    assert_eq!(stands(&till, "all", at(200)).await, "0.00 of 0.012, 0.002 held, 0.002 saved");
}

#[tokio::test]
async fn postgres_keeps_the_ledger() {
    let Some(server) = Service::start(Kind::Postgres).unwrap() else { return };
    suite(&postgres(&server, "ledger").await).await;
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("budget.db");
    let till = Arc::new(open(&file.display().to_string(), vec![rule("all", Scope::Global, 10_000)]).await);
    let mut saboteur =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    sqlx::query("ALTER TABLE budget_entries RENAME TO gone").execute(&mut saboteur).await.unwrap();
    assert!(till.reserve(order("r1", "a", at(60)), at(0)).await.is_err());
    sqlx::query("ALTER TABLE gone RENAME TO budget_entries").execute(&mut saboteur).await.unwrap();
    held(&till, "r1", "a", 1).await;
}

#[tokio::test]
async fn the_counter_of_an_older_middleware_is_read() {
    use redis::AsyncCommands;
    let Some(server) = Service::start(Kind::Redis).unwrap() else { return };
    let url = format!("redis://127.0.0.1:{}", server.port);
    let read = async || counted_queries::read(&url).await.map_err(|error| error.message);
    assert!(read().await.unwrap_err().starts_with("there is no key `queries` in redis "));
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = connection.set("queries", "many").await.unwrap();
    assert!(read().await.unwrap_err().ends_with("is no count: 'many'"));
    let _: () = connection.set("queries", 1234).await.unwrap();
    let _: () = connection.set("start_time", "1767225600.5").await.unwrap();
    let counted = read().await.unwrap();
    assert_eq!((counted.queries, counted.start_time.as_deref()), (1234, Some("1767225600.5")));
}
