//! What is held out to measure on.

use intendant_numeric::random::Random;
use intendant_table::Table;

use crate::spec::{Kind, Spec};
use crate::{Failed, files};

/// Rows to learn from and rows to measure on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// To learn from.
    pub train: Table,
    /// To measure on; empty when nothing is held out.
    pub test: Option<Table>,
}

/// Splits rows as declared; `file` are the rows of `split.file`.
///
/// # Errors
/// When a column is missing, or nothing would be left.
pub fn split(spec: &Spec, rows: Table, file: Option<Table>) -> Result<Parts, Failed> {
    if file.is_some() {
        return Ok(Parts { train: rows, test: file });
    }
    let Some(declared) = &spec.split else { return Ok(Parts { train: rows, test: None }) };
    let is_test: Vec<bool> = if let Some(column) = &declared.column {
        files::texts(&rows, column)?.iter().map(|value| value.as_deref() == Some("test")).collect()
    } else if let Some(column) = &declared.date {
        latest(&rows, column, declared.share.unwrap_or(0.2))?
    } else {
        by_lot(spec, &rows, declared.share.unwrap_or(0.2))?
    };
    let pick =
        |wanted: bool| -> Vec<usize> { (0..rows.rows()).filter(|row| is_test[*row] == wanted).collect() };
    let (train, test) = (pick(false), pick(true));
    if train.is_empty() || test.is_empty() {
        return Err(Failed::new(format!(
            "`split` leaves {} rows to learn from and {} to measure on",
            train.len(),
            test.len()
        )));
    }
    Ok(Parts { train: rows.take(&train), test: Some(rows.take(&test)) })
}

fn latest(rows: &Table, column: &str, share: f64) -> Result<Vec<bool>, Failed> {
    let dates = files::numbers(rows, column)?;
    let mut order: Vec<usize> = (0..rows.rows()).collect();
    order.sort_by(|left, right| dates[*right].total_cmp(&dates[*left]));
    let mut is_test = vec![false; rows.rows()];
    for row in order.iter().take((rows.rows() as f64 * share).round() as usize) {
        is_test[*row] = true;
    }
    Ok(is_test)
}

/// A share of the rows of every class, or of every user.
fn by_lot(spec: &Spec, rows: &Table, share: f64) -> Result<Vec<bool>, Failed> {
    let by = match spec.kind {
        Kind::Recommender => spec.user.as_ref(),
        _ => spec.target.as_ref(),
    };
    let mut groups: std::collections::BTreeMap<Option<String>, Vec<usize>> =
        std::collections::BTreeMap::new();
    let names = by.map(|column| files::texts(rows, column)).transpose()?;
    for row in 0..rows.rows() {
        groups.entry(names.as_ref().and_then(|names| names[row].clone())).or_default().push(row);
    }
    // Numbers make nearly as many groups as rows: then all rows are one.
    if groups.len() * 2 > rows.rows() && spec.kind != Kind::Recommender {
        groups = std::collections::BTreeMap::from([(None, (0..rows.rows()).collect())]);
    }
    let mut random = Random::new(spec.seed.unwrap_or(crate::SEED));
    let mut is_test = vec![false; rows.rows()];
    for mut group in groups.into_values() {
        random.shuffle(&mut group);
        let count = (group.len() as f64 * share).round() as usize;
        // Of a user who rated once nothing is held out.
        for row in &group[..count.min(group.len() - 1)] {
            is_test[*row] = true;
        }
    }
    Ok(is_test)
}
