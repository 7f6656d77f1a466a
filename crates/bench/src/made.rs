//! Training, training again and parsing on made-up projects.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fixtures::http::Connection;
use fixtures::made;
use fixtures::process::Server;
use serde_json::Value;

use crate::{median_ms, run};

/// Requests per measurement of parsing.
const REQUESTS: usize = 5_000;
/// How long a new model may take to be served.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints figures for a project of so many examples.
pub fn measure(binary: &Path, folder: &Path, examples: usize) -> Result<()> {
    println!("made-up project: {examples} examples, {} intents, 2 entities, one with a role", made::INTENTS);
    made::write(folder, &made::sentences(examples, 1))?;
    let cold = || run(binary, &["train", "--force", "--fixed-model-name", "cold", "--quiet"], folder);
    println!("train, start-up included: {:.2} s (median of 3)", median_ms(3, cold)? / 1000.0);
    let mut count = examples;
    let ten_more = || {
        count += 10;
        made::write(folder, &made::sentences(count, 1))?;
        run(binary, &["train", "--quiet"], folder)
    };
    println!("train with ten examples more: {:.2} s (median of 3)", median_ms(3, ten_more)? / 1000.0);
    let mut number = 0;
    let other_response = || {
        number += 1;
        let domain = std::fs::read_to_string(folder.join("domain.yml"))?;
        let changed =
            domain.replacen("- text: book flight", &format!("- text: number {number} book flight"), 1);
        std::fs::write(folder.join("domain.yml"), changed)?;
        run(binary, &["train", "--quiet"], folder)
    };
    println!("train with another response: {:.2} s (median of 3)", median_ms(3, other_response)? / 1000.0);
    serve(binary, folder, examples)
}

fn serve(binary: &Path, folder: &Path, examples: usize) -> Result<()> {
    let server = Server::start(binary, folder, &["run", "--enable-api", "--quiet"])?;
    println!(
        "start to ready: {:.0} ms; memory: {:.1} MB",
        server.ready.as_secs_f64() * 1e3,
        server.resident_mb()?
    );
    let mut connection = server.connect()?;
    let mut millis = Vec::with_capacity(REQUESTS);
    for (_, sentence) in made::sentences(REQUESTS, 2) {
        let body = serde_json::json!({"text": made::plain(&sentence)}).to_string();
        let asked = Instant::now();
        connection.request("/model/parse", Some(&body))?;
        millis.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    println!("POST /model/parse, sentences never seen: p50 {:.3} ms, p99 {:.3} ms", at(0.5), at(0.99));
    println!("memory after {REQUESTS} messages: {:.1} MB", server.resident_mb()?);
    server.stop()?;

    let server = Server::start(binary, folder, &["up"])?;
    let mut connection = server.connect()?;
    let mut millis = Vec::new();
    for round in 1..=3 {
        let before = model_file(&mut connection)?;
        made::write(folder, &made::sentences(examples + 100 * round, 1))?;
        let saved = Instant::now();
        while model_file(&mut connection)? == before {
            if saved.elapsed() > PATIENCE {
                bail!("no new model was served: see server.log in {}", folder.display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        millis.push(saved.elapsed().as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    println!("`up`, from saving to serving: {:.2} s (median of 3)", millis[1] / 1e3);
    server.stop()?;
    Ok(())
}

fn model_file(connection: &mut Connection) -> Result<String> {
    let status: Value = serde_json::from_slice(connection.request("/status", None)?)?;
    Ok(status["model_file"].as_str().unwrap_or_default().to_owned())
}
