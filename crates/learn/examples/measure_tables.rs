//! Trains on the churn splits under `INTENDANT_SHARED` and on made-up rows, and prints what it reaches and costs.
//!
//! `INTENDANT_SHARED=DIR cargo run --release -p intendant-learn --example measure_tables [THREADS]`

#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/it/sets.rs"]
mod sets;

use std::time::Instant;

use intendant_component::training::{Silent, TrainContext};
use intendant_learn::tabular::{self, Family, Model, Settings};
use intendant_numeric::random::Random;
use intendant_table::{Column, Table};

fn main() {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    for split in ["split_orig", "split"] {
        match sets::churn(split) {
            Some((train, test)) => {
                for family in [Family::Auto, Family::Boosting, Family::Additive, Family::Linear] {
                    measure(split, (&train, &test), &Settings { family, ..sets::settings() }, threads);
                }
            }
            None => println!("{split}: INTENDANT_SHARED names no folder with it"),
        }
    }
    let (train, test) = (made_up(100_000, 1), made_up(20_000, 2));
    let settings = Settings { family: Family::Boosting, ..Settings::new("label") };
    measure("100,000 made-up rows of 20 numbers", (&train, &test), &settings, threads);
}

fn measure(name: &str, data: (&Table, &Table), settings: &Settings, threads: usize) {
    let (train, test) = data;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let context = TrainContext { seed: 42, threads, progress: &Silent };
    let model = tabular::train(train, settings, &context).unwrap().model;
    let (wall, cpu) = (start.elapsed(), cpu_seconds() - cpu);
    let evaluation = model.evaluate(test, &[], 1).unwrap();
    println!("{name}, {}: trained in {wall:.2?}, {cpu:.2} CPU seconds", settings.family);
    for (metric, figure) in &evaluation.figures {
        print!("  {metric} {:.4}", figure.value);
    }
    println!("\n  threshold {:.3}, blend {:?}", model.threshold(), model.blend());
    let stored = model.to_stored();
    let start = Instant::now();
    let model = Model::from_stored(stored).unwrap();
    let load = start.elapsed();
    let row = test.take(&[0]);
    let one = median(|| assert!(model.predict(&row).rows() == 1));
    let reasons = median(|| assert!(model.explain(&row).len() == 1));
    let start = Instant::now();
    model.predict(test);
    let batch = start.elapsed() / u32::try_from(test.rows()).unwrap();
    println!("  load {load:.2?}, one row {one:.2?}, in a batch {batch:.2?}, explained {reasons:.2?}");
}

fn median(work: impl Fn()) -> std::time::Duration {
    let mut times: Vec<_> = (0..500)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// CPU time of this process, in hundredths of seconds.
fn cpu_seconds() -> f64 {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = status
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // The state is no number: user and system time are the eleventh and twelfth that are.
    fields.get(10).zip(fields.get(11)).map_or(0.0, |(user, system)| (user + system) / 100.0)
}

fn made_up(rows: usize, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let mut columns = vec![Vec::new(); 20];
    let mut labels = Vec::with_capacity(rows);
    for _ in 0..rows {
        columns.iter_mut().for_each(|column| column.push(random.unit()));
        let last = |at: usize| *columns[at].last().unwrap();
        let score: f64 = 4.0 * last(0) * last(1) - 2.0 * last(2) + f64::from(u8::from(last(3) > 0.7)) - 0.5;
        labels.push(Some(random.unit() < 1.0 / (1.0 + (-score).exp())));
    }
    let mut table: Vec<(String, Column)> = columns
        .into_iter()
        .enumerate()
        .map(|(at, column)| (format!("x{at}"), Column::Number(column)))
        .collect();
    table.push(("label".into(), Column::Boolean(labels)));
    Table::new(table).unwrap()
}
