//! Measures the built binary from outside, on loopback, in bounded time.
//!
//! `cargo run --release -p bench -- BINARY [PROJECT] [SECONDS]`: size, `--help`, training, time to ready, parsing and
//! answering over HTTP with 1 and 16 clients on a SQLite tracker, long conversations, memory. PROJECT defaults to the
//! starter that `init` writes. Prints one line per figure with its conditions. With `--postgres` instead of SQLite, a
//! PostgreSQL server is started for it.
//!
//! `… -- BINARY --made EXAMPLES`: training, training again and parsing on a made-up project of so many examples.
//!
//! `… -- BINARY --predictor`: training, predicting and serving `examples/churn`.
//!
//! `… -- BINARY --swap [EXAMPLES] [RATE]`: the model swapped ten times under so many requests per second.
//!
//! `… -- soak BINARY [--minutes N] [--no-faults]` keeps a server under half its load, kills what it leans on and checks
//! that nothing is missing (see `soak`).
#![allow(clippy::print_stdout)]

mod load;
mod made;
mod soak;
mod swap;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use fixtures::process::Server;
use fixtures::services::{Kind, Service};

use crate::load::{Load, Request};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(binary) = arguments.next() else {
        bail!(
            "usage: bench BINARY [PROJECT] [SECONDS] [--postgres], bench BINARY --predictor [SECONDS], or bench soak BINARY [--minutes N] [--no-faults]"
        );
    };
    match binary.as_str() {
        "soak" => return soak(&arguments.collect::<Vec<_>>()),
        "action-server" => return soak::serve_actions(arguments.next().unwrap_or_default().parse()?),
        _ => {}
    }
    let binary = std::fs::canonicalize(&binary).with_context(|| format!("no binary at {binary}"))?;
    let (flags, rest): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| argument.starts_with("--"));
    let has = |flag: &str| flags.iter().any(|found| found == flag);
    if has("--made") {
        let examples = rest.first().map_or(Ok(10_000), |text| text.parse::<usize>())?;
        println!("conditions: {}", conditions());
        return made::measure(&binary, tempfile::tempdir()?.path(), examples);
    }
    if has("--predictor") {
        println!("conditions: {}", conditions());
        let seconds = rest.first().map_or(Ok(5), |text| text.parse::<u64>())?;
        return measure_predictor(&binary, Duration::from_secs(seconds));
    }
    if has("--swap") {
        let number = |at: usize, usual: usize| rest.get(at).map_or(Ok(usual), |text| text.parse::<usize>());
        let (examples, rate) = (number(0, 10_000)?, u32::try_from(number(1, 2_000)?)?);
        println!("conditions: {}", conditions());
        return swap::measure(&binary, tempfile::tempdir()?.path(), examples, rate.max(1));
    }
    let project = rest.first().map(PathBuf::from);
    let seconds = rest.get(1).map_or(Ok(5), |text| text.parse::<u64>())?;
    let postgres = match has("--postgres") {
        true => Some(Service::start(Kind::Postgres)?.context("PostgreSQL is not installed")?),
        false => None,
    };
    let folder = tempfile::tempdir()?;
    let conditions = conditions();
    println!("conditions: {conditions}");
    println!("binary size: {:.1} MB", std::fs::metadata(&binary)?.len() as f64 / 1e6);
    println!("--help: {:.1} ms (median of 21)", median_ms(21, || run(&binary, &["--help"], folder.path()))?);
    prepare(&binary, project.as_deref(), folder.path())?;
    if let Some(postgres) = &postgres {
        let endpoints = format!("tracker_store:\n  type: SQL\n  url: {}\n", postgres.url());
        std::fs::write(folder.path().join("endpoints.yml"), endpoints)?;
    }
    let train =
        || run(&binary, &["train", "--force", "--fixed-model-name", "bench", "--quiet"], folder.path());
    println!("train, start-up included: {:.0} ms (median of 5)", median_ms(5, train)?);
    measure_server(&binary, folder.path(), Duration::from_secs(seconds))
}

fn soak(arguments: &[String]) -> Result<()> {
    let Some(binary) = arguments.first() else {
        bail!("usage: bench soak BINARY [--minutes N] [--no-faults]");
    };
    let binary = std::fs::canonicalize(binary).with_context(|| format!("no binary at {binary}"))?;
    let minutes =
        arguments.iter().position(|argument| argument == "--minutes").and_then(|at| arguments.get(at + 1));
    let minutes = minutes.map_or(Ok(1.0), |text| text.parse::<f64>())?;
    println!("conditions: {}", conditions());
    soak::run(
        &binary,
        Duration::from_secs_f64(minutes * 60.0),
        !arguments.iter().any(|argument| argument == "--no-faults"),
    )
}

/// Copies or creates the project, and gives it a SQLite tracker store.
fn prepare(binary: &Path, project: Option<&Path>, folder: &Path) -> Result<()> {
    match project {
        None => run(binary, &["init", "--no-prompt", "--init-dir", "."], folder)?,
        Some(project) => fixtures::project::copy(project, folder)?,
    }
    let endpoints = "tracker_store:\n  type: SQL\n  dialect: sqlite\n  db: bench.db\n";
    std::fs::write(folder.join("endpoints.yml"), endpoints)?;
    std::fs::write(folder.join("credentials.yml"), "rest:\n")?;
    Ok(())
}

const RUN: [&str; 7] =
    ["run", "--enable-api", "--endpoints", "endpoints.yml", "--credentials", "credentials.yml", "--quiet"];

fn measure_server(binary: &Path, folder: &Path, duration: Duration) -> Result<()> {
    let mut ready = Vec::new();
    for _ in 0..5 {
        let server = Server::start(binary, folder, &RUN)?;
        ready.push(server.ready.as_secs_f64() * 1000.0);
        server.stop()?;
    }
    ready.sort_by(f64::total_cmp);
    println!("start to ready: {:.0} ms (median of 5)", ready[2]);

    let server = Server::start(binary, folder, &RUN)?;
    println!("memory after start: {:.1} MB", server.resident_mb()?);
    let parse = Load { clients: 1, duration, request: Request::Parse };
    println!("POST /model/parse, 1 client: {}", parse.run(&server)?);
    for clients in [1, 16] {
        let answer = Load { clients, duration, request: Request::Answer };
        println!("POST /webhooks/rest/webhook, {clients} client(s): {}", answer.run(&server)?);
    }
    for (events, millis) in load::long_conversation(server.port)? {
        println!("one message in a conversation of about {events} events: {millis:.2} ms (median of 20)");
    }
    println!("memory after load: {:.1} MB", server.resident_mb()?);
    server.stop()?;
    Ok(())
}

fn measure_predictor(binary: &Path, duration: Duration) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/churn");
    fixtures::project::copy(&example, folder.path())?;
    let train = || run(binary, &["train", "churn", "--force", "--quiet"], folder.path());
    println!("train, 960 rows, start-up included: {:.0} ms (median of 5)", median_ms(5, train)?);
    let server = Server::start(binary, folder.path(), &["run", "--quiet"])?;
    println!("start to ready: {:.0} ms", server.ready.as_secs_f64() * 1000.0);
    println!("memory after start: {:.1} MB", server.resident_mb()?);
    for (path, request) in [("/detect/", Request::Detect), ("/v2/models/churn/infer", Request::Infer)] {
        for clients in [1, 16] {
            let load = Load { clients, duration, request };
            println!("POST {path}, {clients} client(s): {}", load.run(&server)?);
        }
    }
    println!("memory after load: {:.1} MB", server.resident_mb()?);
    server.stop()?;
    Ok(())
}

fn median_ms(times: usize, mut job: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut millis = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        job()?;
        millis.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    millis.sort_by(f64::total_cmp);
    Ok(millis[times / 2])
}

fn run(binary: &Path, arguments: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new(binary).args(arguments).current_dir(folder).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn conditions() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    format!(
        "{cores} cores of{}, load {load} at start, load generator on the same cores",
        &model.replace('\t', "")[1..]
    )
}
