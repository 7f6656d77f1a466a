//! Trains on the data sets under `INTENDANT_SHARED` and prints what models of them reach and cost.
//!
//! `INTENDANT_SHARED=DIR cargo run --release -p intendant-polarity --example measure_polarity [THREADS]`

#![allow(clippy::print_stdout)]

#[path = "../tests/it/sets.rs"]
mod sets;

use std::time::Instant;

use intendant_component::training::{Silent, TrainContext};
use intendant_polarity::{Example, Metric, Options, Subject, mentions, train};

fn main() {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
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
            "{name}: accuracy {accuracy:.4} macro F1 {macro_f1:.4} | held out {:.4} {:.4} loss {:.4} | cost {} bayes {} features {} | train {took:.2?} one text {each:.1?}",
            report.accuracy,
            report.macro_f1,
            report.log_loss,
            report.cost,
            report.bayes_share,
            report.features,
        );
    }
}
