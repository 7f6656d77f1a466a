//! 64 clients in 4 processes spend from one ledger, and processes are killed between: not one
//! millionth more than the limit is ever paid.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fixtures::services::{Kind, Service};
use intendant_budget::decide::Reserved;
use intendant_budget::period::Period;
use intendant_budget::rule::Scope;
use intendant_budget::till::Till;
use intendant_port::ledger::Wanted;
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;

use crate::ledger::{PRICE, SECOND, bill, open, order, postgres, rule};

/// Where a client process finds the ledger; a test run without it is no client.
const DATABASE: &str = "INTENDANT_TEST_LEDGER";
const LIMIT: &str = "INTENDANT_TEST_LEDGER_LIMIT";
const PROCESSES: usize = 4;
const CLIENTS: usize = 16;
const KILLS: usize = 6;
/// How long all may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

fn now() -> Timestamp {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap())
}

async fn till(database: &str, limit_micros: i64) -> Till {
    let mut rules =
        vec![rule("all", Scope::Global, limit_micros), rule("talk", Scope::Conversation, limit_micros)];
    for rule in &mut rules {
        // The clock is the real one, and a month may end in the middle.
        rule.period = Period::Never;
    }
    open(database, rules).await
}

/// One of the processes; started by the tests below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_process() {
    let Ok(database) = std::env::var(DATABASE) else { return };
    let limit = std::env::var(LIMIT).unwrap().parse().unwrap();
    let till = Arc::new(till(&database, limit).await);
    let clients = (0..CLIENTS).map(|client| {
        let till = Arc::clone(&till);
        tokio::spawn(async move { spend(&till, client).await })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

/// Pays until there is nothing left.
async fn spend(till: &Till, client: usize) {
    for turn in 0.. {
        let start = now();
        let request = format!("{}-{client}-{turn}", std::process::id());
        let expires_at = Timestamp::from_micros(start.micros + 3600 * SECOND);
        let order = order(&request, &format!("c{}", client % 5), expires_at);
        match till.reserve(order, start).await.unwrap() {
            Reserved::Held(ticket, _) if turn % 7 == 3 => {
                till.refund(ticket, "turned away".to_owned(), now()).await.unwrap();
            }
            Reserved::Held(ticket, _) => drop(till.settle(ticket, bill(), now()).await.unwrap()),
            Reserved::Refused(_) => return,
            other => panic!("{other:?}"),
        }
    }
}

fn start(database: &str, limit_micros: i64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger_stress::a_client_process", "--test-threads", "1"])
        .env(DATABASE, database)
        .env(LIMIT, limit_micros.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn spent(till: &Till, now: Timestamp) -> (MicroUsd, MicroUsd) {
    let standings = till.standings(now).await.unwrap();
    let all = standings.iter().find(|standing| standing.account == "all").unwrap();
    (all.balance.spent, all.balance.reserved)
}

async fn stress(database: &str, requests: i64) {
    let limit = MicroUsd::from_micros(requests * PRICE.micros);
    let till = till(database, limit.micros).await;
    let deadline = Instant::now() + DEADLINE;
    let mut processes: Vec<Child> = (0..PROCESSES).map(|_| start(database, limit.micros)).collect();
    for kill in 1..=KILLS {
        // Each kill comes after so much more was paid, wherever the victim stands then.
        let due = MicroUsd::from_micros(limit.micros * i64::try_from(kill).unwrap() / 8);
        while spent(&till, now()).await.0 < due {
            assert!(Instant::now() < deadline, "it goes too slowly");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let mut victim = processes.remove(0);
        victim.kill().unwrap();
        victim.wait().unwrap();
        processes.push(start(database, limit.micros));
        let (spent, held) = spent(&till, now()).await;
        assert!(spent.plus(held) <= limit, "{spent} spent, {held} held of {limit}");
    }
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    // What the killed ones held is paid in the end; then clients find what the last ones gave back.
    let later = Timestamp::from_micros(now().micros + 7200 * SECOND);
    loop {
        till.expire(later).await.unwrap();
        let (spent, held) = spent(&till, now()).await;
        assert!(spent <= limit, "{spent} of {limit}");
        if held == MicroUsd::ZERO {
            break;
        }
    }
    spend(&till, 99).await;
    assert_eq!(spent(&till, now()).await, (limit, MicroUsd::ZERO));
    assert_eq!(till.rebuild().await.unwrap(), []);
    let ends = Wanted {
        kinds: vec!["settle".to_owned(), "expire".to_owned()],
        lines_max: 1_000_000,
        ..Wanted::default()
    };
    let paid = till.history(&ends).await.unwrap();
    assert_eq!(i64::try_from(paid.len()).unwrap(), requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_dollars_buy_five_thousand_requests_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    stress(&folder.path().join("budget.db").display().to_string(), 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_holds_in_postgres() {
    let Some(server) = Service::start(Kind::Postgres).unwrap() else { return };
    stress(&postgres(&server, "ledger").await, 2_000).await;
}
