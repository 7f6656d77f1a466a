//! Reads data sets for measuring: from `INTENDANT_SHARED`, or made up.

use std::path::PathBuf;

/// One row of a data set.
pub struct Row {
    pub text: String,
    /// Empty when the label is about the text.
    pub entity: String,
    pub label: String,
    pub is_test: bool,
}

/// A data set by name, if the folder with data sets is there.
pub fn shared(name: &str) -> Option<Vec<Row>> {
    let folder = PathBuf::from(std::env::var_os("INTENDANT_SHARED")?).join("data/polarity").join(name);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
    let rows = match name {
        "sen" => table(&read("headlines.csv")?, ["headline", "entity", "lab", "split"]),
        "rt" => table(&read("sentences.csv")?, ["text", "", "label", "split"]),
        _ => {
            let mut rows = Vec::new();
            for split in ["train", "dev", "test"] {
                for line in read(&format!("{split}.tsv"))?.lines() {
                    let (label, text) = line.split_once('\t')?;
                    rows.push(Row {
                        text: text.to_owned(),
                        entity: String::new(),
                        label: label.to_owned(),
                        is_test: split == "test",
                    });
                }
            }
            rows
        }
    };
    Some(rows)
}

/// Rows of a CSV file by the names of four columns.
fn table(text: &str, columns: [&str; 4]) -> Vec<Row> {
    let mut records = records(text).into_iter();
    let header = records.next().unwrap_or_default();
    let place = columns.map(|name| header.iter().position(|column| column == name));
    let row = |record: Vec<String>| {
        let cell = |at: usize| place[at].and_then(|place| record.get(place)).cloned().unwrap_or_default();
        Row { text: cell(0), entity: cell(1), label: cell(2), is_test: cell(3) == "test" }
    };
    records.map(row).collect()
}

pub fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            '\r' if !quoted => {}
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}

/// Share of right labels and mean F1 over the labels.
pub fn scores(pairs: &[(&str, &str)]) -> (f64, f64) {
    let mut labels: Vec<&str> = pairs.iter().map(|(wanted, _)| *wanted).collect();
    labels.sort_unstable();
    labels.dedup();
    let right = pairs.iter().filter(|(wanted, found)| wanted == found).count();
    let f1 = |label: &&str| {
        let both = pairs.iter().filter(|(wanted, found)| wanted == label && found == label).count();
        let all = pairs.iter().map(|(w, f)| usize::from(w == label) + usize::from(f == label)).sum::<usize>();
        2.0 * both as f64 / all.max(1) as f64
    };
    (right as f64 / pairs.len() as f64, labels.iter().map(f1).sum::<f64>() / labels.len() as f64)
}
