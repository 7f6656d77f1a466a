//! The churn data with its fixed splits, where it is at hand.

use std::collections::HashMap;
use std::path::PathBuf;

use intendant_component::training::{Silent, TrainContext};
use intendant_learn::tabular::{self, Feature, Metric, Outliers, Settings, Slice};
use intendant_table::{Column, Table, Value, csv};

fn read(path: PathBuf) -> Table {
    csv::read(&std::fs::read(path).unwrap(), &csv::Options::default()).unwrap().table
}

/// Training and test rows of a split.
fn data(split: &str) -> Option<(Table, Table)> {
    let Some(folder) = std::env::var_os("INTENDANT_SHARED") else {
        eprintln!("skipped: INTENDANT_SHARED does not say where the churn data is");
        return None;
    };
    let folder = PathBuf::from(folder).join("data/churn");
    let (customers, indicators) = (read(folder.join("customers.csv")), read(folder.join("indicators.csv")));
    let splits = read(folder.join("split.csv"));
    let by_id = |table: &Table, name: &str| -> HashMap<u64, usize> {
        let ids = table.column(name).unwrap();
        ids.values().enumerate().map(|(row, id)| (id.as_number().unwrap() as u64, row)).collect()
    };
    let (of_indicator, of_split) = (by_id(&indicators, "ID_CLIENT"), by_id(&splits, "id"));
    let ids = customers.column("ID_CLIENT").unwrap();
    let (mut parts, mut joined) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (row, id) in ids.values().enumerate() {
        let id = id.as_number().unwrap() as u64;
        let (Some(other), Some(split_row)) = (of_indicator.get(&id), of_split.get(&id)) else { continue };
        let is_test = splits.column(split).unwrap().value(*split_row) == Value::Text("test");
        parts[usize::from(is_test)].push(row);
        joined[usize::from(is_test)].push(*other);
    }
    let join = |part: usize| {
        let mut table = customers.take(&parts[part]);
        let others = indicators.take(&joined[part]);
        for (name, column) in others.iter().filter(|(name, _)| *name != "ID_CLIENT") {
            table.push(name.to_owned(), column.clone()).unwrap();
        }
        table
    };
    Some((join(0), join(1)))
}

/// What the service declares.
fn settings() -> Settings {
    let age = Feature { most: Some(100.0), outliers: Outliers::Drop, ..Feature::new("AGE") };
    let others =
        ["BALANCE", "NB_PRODUITS", "CARTE_CREDIT", "SALAIRE", "SCORE_CREDIT", "PAYS", "SEXE", "MEMBRE_ACTIF"];
    let features = std::iter::once(age).chain(others.map(Feature::new)).collect();
    Settings { features, ..Settings::new("CHURN") }
}

#[track_caller]
fn check(split: &str, floors: [(Metric, f64); 3]) {
    let Some((train, test)) = data(split) else { return };
    let context = TrainContext { seed: 1, threads: 2, progress: &Silent };
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
