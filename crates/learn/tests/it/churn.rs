//! The churn data with its fixed splits, where it is at hand.

use intendant_component::training::{Silent, TrainContext};
use intendant_learn::tabular::{self, Metric, Slice};
use intendant_table::{Column, Table};

use crate::sets::{churn, settings};

#[track_caller]
fn check(split: &str, floors: [(Metric, f64); 3]) {
    let Some((train, test)) = churn(split) else { return };
    let context = TrainContext { seed: 42, threads: 2, progress: &Silent };
    let start = std::time::Instant::now();
    let trained = tabular::train(&train, &settings(), &context).unwrap();
    eprintln!("{split}: {} rows trained in {:?}", train.rows(), start.elapsed());
    for candidate in &trained.report.candidates {
        eprintln!(
            "  {} {:.1} {:.5} {:?}",
            candidate.family, candidate.share, candidate.loss, candidate.metrics
        );
    }
    let evaluation = trained.model.evaluate(&test, &[Slice::each("PAYS")], 1).unwrap();
    eprintln!("  threshold {:.3} {:?}", evaluation.threshold, evaluation.figures);
    eprintln!("  importance {:?}", trained.model.importance());
    assert_eq!(evaluation.slices.len(), 3);
    let mut short = Vec::new();
    for (metric, floor) in floors {
        let value = evaluation.value(metric).unwrap();
        if value < floor {
            short.push(format!("{split}: {metric} is {value:.4}, the floor {floor}"));
        }
    }
    assert!(short.is_empty(), "{short:?}");
    let bare = Table::new(vec![("BALANCE".into(), Column::Number(vec![0.0]))]).unwrap();
    let predictions = trained.model.predict(&bare);
    assert!(predictions.score(0) < 0.5, "{predictions:?}");
}

#[test]
fn churn_is_found_in_the_service_split() {
    check("split_orig", [(Metric::F1, 0.635), (Metric::RocAuc, 0.871), (Metric::PrAuc, 0.729)]);
}

#[test]
fn churn_is_found_in_the_stratified_split() {
    check("split", [(Metric::F1, 0.63), (Metric::RocAuc, 0.874), (Metric::PrAuc, 0.721)]);
}
