//! Trains on the data sets under `INTENDANT_SHARED` and prints what models of them reach and cost.
//!
//! `INTENDANT_SHARED=DIR cargo run --release -p intendant-polarity --example measure_polarity [THREADS]`

#![allow(clippy::print_stdout)]

#[path = "../tests/it/sets.rs"]
mod sets;

use std::time::Instant;

use intendant_component::training::{Silent, TrainContext};
use intendant_numeric::random::Random;
use intendant_polarity::{Example, Metric, Model, Options, Subject, mentions, train};

fn main() {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    ten_megabytes(threads);
    for (name, metric) in [("sen", Metric::MacroF1), ("rt", Metric::Accuracy), ("allocine", Metric::Accuracy)]
    {
        let Some(rows) = sets::shared(name) else {
            println!("{name}: INTENDANT_SHARED names no folder with it");
            continue;
        };
        let context = TrainContext { seed: 1, threads, progress: &Silent };
        let start = Instant::now();
        let examples: Vec<Example<'_>> = rows
            .iter()
            .filter(|row| !row.is_test)
            .map(|row| match row.entity.as_str() {
                "" => Example::document(&row.text, &row.label),
                entity => Example::entity(&row.text, entity, &row.label),
            })
            .collect();
        let options = Options { metric, ..Options::default() };
        let (model, report) = train(&examples, &options, &context).expect("the set can be learnt");
        let took = start.elapsed();
        let tested: Vec<&sets::Row> = rows.iter().filter(|row| row.is_test).collect();
        let start = Instant::now();
        let found: Vec<usize> = tested
            .iter()
            .map(|row| {
                let mentions = mentions(&row.text, &row.entity);
                model.predict(&Subject { text: &row.text, mentions: &mentions }).label
            })
            .collect();
        let each = start.elapsed() / tested.len() as u32;
        let pairs: Vec<(&str, &str)> = tested
            .iter()
            .zip(&found)
            .map(|(row, label)| (row.label.as_str(), model.labels()[*label].as_str()))
            .collect();
        let (accuracy, macro_f1) = sets::scores(&pairs);
        println!(
            "{name}: accuracy {accuracy:.4} macro F1 {macro_f1:.4} | held out {:.4} {:.4} loss {:.4} | bayes {} features {} | train {took:.2?} one text {each:.1?}",
            report.accuracy, report.macro_f1, report.log_loss, report.bayes_share, report.features,
        );
    }
}

/// Ten million bytes of made-up texts whose words follow a distribution like that of languages.
fn ten_megabytes(threads: usize) {
    let mut random = Random::new(3);
    let mut texts: Vec<(String, &str)> = Vec::new();
    let mut bytes = 0;
    while bytes < 10_000_000 {
        let label = ["bad", "good"][random.below(2)];
        let mut text = String::new();
        for _ in 0..10 + random.below(40) {
            // Frequent words are short and shared, some rare ones tell.
            let rank = (80_000f64.powf(random.unit()) as usize).max(1);
            let tells = if rank.is_multiple_of(17) { label.len() } else { 0 };
            text.push_str(&word(rank * 8 + tells));
            text.push(' ');
        }
        bytes += text.len();
        texts.push((text, label));
    }
    let examples: Vec<Example<'_>> =
        texts.iter().map(|(text, label)| Example::document(text, label)).collect();
    let start = Instant::now();
    let context = TrainContext { seed: 1, threads, progress: &Silent };
    let (model, report) = train(&examples, &Options::default(), &context).expect("the set can be learnt");
    println!(
        "{bytes} made-up bytes: {} texts, held out {:.4} of {}, features {} | train {:.2?}",
        examples.len(),
        report.accuracy,
        report.tested,
        report.features,
        start.elapsed(),
    );
    let start = Instant::now();
    let stored = model.store();
    let stored_in = start.elapsed();
    let start = Instant::now();
    Model::load(stored).expect("what was stored can be loaded");
    println!("stored in {stored_in:.1?}, loaded in {:.1?}", start.elapsed());
}

fn word(mut number: usize) -> String {
    let mut word = String::new();
    while number > 0 {
        word.push(char::from(b"aeioutnrslm"[number % 11]));
        number /= 11;
    }
    word
}
