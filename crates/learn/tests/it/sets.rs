//! The churn data with its fixed splits, and what its service declares.

use std::collections::HashMap;
use std::path::PathBuf;

use intendant_learn::tabular::{Feature, Outliers, Settings};
use intendant_table::{Table, Value, csv};

fn read(path: PathBuf) -> Table {
    csv::read(&std::fs::read(path).unwrap(), &csv::Options::default()).unwrap().table
}

/// Training and test rows of a split.
pub fn churn(split: &str) -> Option<(Table, Table)> {
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
pub fn settings() -> Settings {
    let age = Feature { most: Some(100.0), outliers: Outliers::Drop, ..Feature::new("AGE") };
    let others =
        ["BALANCE", "NB_PRODUITS", "CARTE_CREDIT", "SALAIRE", "SCORE_CREDIT", "PAYS", "SEXE", "MEMBRE_ACTIF"];
    let features = std::iter::once(age).chain(others.map(Feature::new)).collect();
    Settings { features, ..Settings::new("CHURN") }
}
