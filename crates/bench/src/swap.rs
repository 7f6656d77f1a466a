//! Models swapped under load: is a request lost, and how much slower is the second in which it happens?
//!
//! Requests come at a fixed rate, whether earlier ones are answered or not, so that waiting counts: a request's time
//! begins when it should have been sent.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use fixtures::http::Connection;
use fixtures::made;
use fixtures::process::Server;

use crate::run;

/// Connections that the requests are spread over.
const CONNECTIONS: u32 = 16;
/// How often the model is swapped.
const SWAPS: usize = 10;
/// Seconds between two swaps; those around one without a swap are what it is compared to.
const SECONDS_BETWEEN: u64 = 3;
/// Requests before anything counts.
const WARM_UP: Duration = Duration::from_secs(3);

struct Sample {
    /// When it should have been sent, since the start.
    due: Duration,
    took: Duration,
}

/// Prints figures for a project of so many made-up examples and so many requests per second.
pub fn measure(binary: &Path, folder: &Path, examples: usize, rate: u32) -> Result<()> {
    made::write(folder, &made::sentences(examples, 1))?;
    run(binary, &["train", "--fixed-model-name", "one", "--quiet"], folder)?;
    made::write(folder, &made::sentences(examples + 10, 1))?;
    run(binary, &["train", "--fixed-model-name", "two", "--quiet"], folder)?;
    let server =
        Server::start(binary, folder, &["run", "--enable-api", "--quiet", "-m", "models/one.tar.gz"])?;
    let bytes = std::fs::metadata(folder.join("models/one.tar.gz"))?.len();
    println!(
        "{examples} examples, archive of {:.1} MB, {rate} POST /model/parse a second",
        bytes as f64 / 1e6
    );
    let total = WARM_UP + Duration::from_secs(SECONDS_BETWEEN * (SWAPS as u64 + 1));
    let failures = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let (load, failures) = (Load { port: server.port, rate, start, total }, Arc::clone(&failures));
            std::thread::spawn(move || one_client(load, client, &failures))
        })
        .collect();
    let (swapped, loading) = swap(&server, start)?;
    let mut samples = Vec::new();
    for client in clients {
        samples.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
    }
    report(&samples, &swapped, failures.load(Ordering::SeqCst));
    let mut loading: Vec<f64> = loading.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    loading.sort_by(f64::total_cmp);
    println!(
        "PUT /model under this load: {:.0} ms (median of {SWAPS}), longest {:.0} ms",
        loading[SWAPS / 2],
        loading[SWAPS - 1]
    );
    let mut idle = Vec::new();
    for at in 0..SWAPS {
        let asked = Instant::now();
        put(&server, at)?;
        idle.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    idle.sort_by(f64::total_cmp);
    println!(
        "PUT /model without load, reading, checking and warming included: {:.0} ms (median of {SWAPS})",
        idle[SWAPS / 2]
    );
    server.stop()?;
    Ok(())
}

/// Swaps at equal distances; when each began and how long it took.
fn swap(server: &Server, start: Instant) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut begun, mut took) = (Vec::new(), Vec::new());
    for at in 0..SWAPS {
        let due = WARM_UP + Duration::from_secs(SECONDS_BETWEEN * (at as u64 + 1)) - Duration::from_secs(1);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let asked = Instant::now();
        begun.push(start.elapsed());
        put(server, at)?;
        took.push(asked.elapsed());
    }
    Ok((begun, took))
}

fn put(server: &Server, at: usize) -> Result<()> {
    let name = if at.is_multiple_of(2) { "two" } else { "one" };
    let body = format!(r#"{{"model_file":"models/{name}.tar.gz"}}"#);
    let answer = server.connect()?.send("PUT", "/model", &[], body.as_bytes()).context("cannot swap")?;
    if answer.status != 204 {
        bail!("PUT /model answered {}: {}", answer.status, answer.text());
    }
    Ok(())
}

/// What all clients ask together.
#[derive(Clone, Copy)]
struct Load {
    port: u16,
    /// Requests a second.
    rate: u32,
    start: Instant,
    total: Duration,
}

fn one_client(load: Load, client: u32, failures: &AtomicU64) -> Result<Vec<Sample>> {
    let Load { port, rate, start, total } = load;
    let mut connection = Connection::open(port)?;
    let pause = Duration::from_secs(1) * CONNECTIONS / rate;
    let sentences = made::sentences(1000, u64::from(client) + 2);
    let mut samples = Vec::new();
    let mut due = pause * client / CONNECTIONS;
    for (_, sentence) in sentences.iter().cycle() {
        if due >= total {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let body = serde_json::json!({"text": made::plain(sentence)}).to_string();
        if connection.request("/model/parse", Some(&body)).is_err() {
            failures.fetch_add(1, Ordering::SeqCst);
            connection = Connection::open(port)?;
        }
        samples.push(Sample { due, took: start.elapsed().saturating_sub(due) });
        due += pause;
    }
    Ok(samples)
}

fn report(samples: &[Sample], swapped: &[Duration], failures: u64) {
    let second = Duration::from_secs(1);
    let is_in = |due: Duration, begin: Duration| due >= begin && due < begin + second;
    let percentile = |chosen: &dyn Fn(Duration) -> bool| {
        let mut millis: Vec<f64> = samples
            .iter()
            .filter(|sample| sample.due >= WARM_UP && chosen(sample.due))
            .map(|sample| sample.took.as_secs_f64() * 1e3)
            .collect();
        millis.sort_by(f64::total_cmp);
        let at = |share: f64| {
            millis.get(((millis.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(f64::NAN)
        };
        (millis.len(), at(0.5), at(0.99), at(1.0))
    };
    // A second that neither holds a swap nor follows one at once.
    let quiet = percentile(&|due| !swapped.iter().any(|begin| due >= *begin && due < *begin + 2 * second));
    let swaps = percentile(&|due| swapped.iter().any(|begin| is_in(due, *begin)));
    for (what, (count, p50, p99, max)) in [("without a swap", quiet), ("in the second of a swap", swaps)] {
        println!("{what}: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.1} ms ({count} requests)");
    }
    println!("p99 rises by a factor of {:.2}; failed or dropped: {failures}", swaps.2 / quiet.2);
}
