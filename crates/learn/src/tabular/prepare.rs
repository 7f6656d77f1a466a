//! From a table and what is declared to what trainers need: target, features, parts.

use intendant_numeric::random::Random;
use intendant_table::{Categories, Column, Kind, Table};

use super::objective::Goal;
use super::settings::{Feature, Imbalance, Settings, Task};
use crate::{Error, ErrorKind};

/// What trainers need.
pub(super) struct Prepared {
    /// Columns to learn from, of the rows whose target is known.
    pub table: Table,
    pub goal: Goal,
    /// Names of classes; the positive one second of two.
    pub classes: Vec<String>,
    /// The part of cross-validation each row is in.
    pub folds: Vec<usize>,
    pub parts: usize,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Names of positive classes, in any case.
const YES: [&str; 9] = ["yes", "true", "1", "y", "oui", "ja", "si", "positive", "churned"];

/// A column of numbers with at most this many distinct whole values may be a target of classes.
const CLASSES_MAX: usize = 1000;

/// Rows without which nothing can be learnt and checked.
const ROWS_MIN: usize = 20;

/// Rows from which on fewer parts are enough.
const MANY_ROWS: usize = 200_000;

/// Splits a table by what is declared.
pub(super) fn prepare(table: &Table, settings: &Settings, seed: u64) -> Result<Prepared, Error> {
    let mut warnings = Vec::new();
    let target =
        table.column(&settings.target).ok_or_else(|| missing_column(table, &settings.target, "target"))?;
    let known: Vec<usize> =
        (0..table.rows()).filter(|row| target.value(*row) != intendant_table::Value::Missing).collect();
    if known.len() < table.rows() {
        warnings.push(format!(
            "{} rows have no `{}` and are left out",
            table.rows() - known.len(),
            settings.target
        ));
    }
    if known.len() < ROWS_MIN {
        let message = format!(
            "{} rows with a known `{}`, at least {ROWS_MIN} are needed",
            known.len(),
            settings.target
        );
        return Err(Error::new(ErrorKind::TooFewRows, message));
    }
    let target = target.take(&known);
    let task = settings.task.unwrap_or_else(|| task_of(&target));
    let (classes, values) = match task {
        Task::Regression => (Vec::new(), numbers(&target, &settings.target)?),
        Task::Binary | Task::Multiclass => classes(&target, settings, task)?,
    };
    let weights = weights(table, settings, &known, (&classes, &values))?;
    let features = features(table, settings, &known, &mut warnings)?;
    let outputs = if task == Task::Multiclass { classes.len() } else { 1 };
    let goal = Goal { task, target: values, weights, outputs };
    let smallest = smallest_class(&goal, classes.len());
    let wanted = if known.len() > MANY_ROWS { settings.folds.min(3) } else { settings.folds };
    let parts = wanted.clamp(2, 20).min(smallest.max(2));
    let folds = folds(&goal, parts, seed);
    Ok(Prepared { table: features, goal, classes, folds, parts, warnings })
}

pub(super) fn missing_column(table: &Table, name: &str, role: &str) -> Error {
    let there: Vec<&str> = table.names().iter().take(30).map(String::as_str).collect();
    let message = format!("there is no column `{name}` ({role}); the table has {}", there.join(", "));
    Error::new(ErrorKind::NoColumn, message)
}

/// What kind of prediction a target asks for.
fn task_of(target: &Column) -> Task {
    let mut distinct: Vec<String> = Vec::new();
    for value in target.values() {
        let Some(text) = value.to_text() else { continue };
        if !distinct.iter().any(|other| *other == text) {
            distinct.push(text.into_owned());
        }
        if distinct.len() > 2 {
            return match target.kind() {
                Kind::Number | Kind::Date => Task::Regression,
                _ => Task::Multiclass,
            };
        }
    }
    Task::Binary
}

fn numbers(target: &Column, name: &str) -> Result<Vec<f64>, Error> {
    let (column, failed) = target.cast(Kind::Number);
    match (column, failed.first()) {
        (Column::Number(values), None) => Ok(values),
        _ => Err(Error::new(
            ErrorKind::Target,
            format!("`{name}` holds words: declare the task binary or multiclass"),
        )),
    }
}

fn classes(target: &Column, settings: &Settings, task: Task) -> Result<(Vec<String>, Vec<f64>), Error> {
    let wrong = |message: String| Err(Error::new(ErrorKind::Target, message));
    let (column, _) = target.cast(Kind::Category);
    let Column::Category(categories) = column else { return wrong("the target has no classes".into()) };
    let counts = categories.counts();
    let mut order: Vec<usize> = (0..counts.len()).filter(|code| counts[*code] > 0).collect();
    let names = categories.names();
    order.sort_by(|left, right| names[*left].cmp(&names[*right]));
    let name = &settings.target;
    if order.len() < 2 {
        return wrong(format!("`{name}` has a single value, two classes at least are needed"));
    }
    if order.len() > CLASSES_MAX {
        return wrong(format!(
            "`{name}` has {} classes, at most {CLASSES_MAX}; is it a number?",
            order.len()
        ));
    }
    if task == Task::Binary {
        if order.len() > 2 {
            return wrong(format!("`{name}` has {} values, declare the task multiclass", order.len()));
        }
        let positive = match &settings.positive {
            Some(positive) => order.iter().position(|code| names[*code] == *positive).ok_or_else(|| {
                let there =
                    order.iter().map(|code| names[*code].as_str()).collect::<Vec<_>>().join("` and `");
                Error::new(
                    ErrorKind::Target,
                    format!("`{positive}` is no value of `{name}`, which has `{there}`"),
                )
            })?,
            None => order
                .iter()
                .position(|code| YES.contains(&names[*code].to_lowercase().as_str()))
                .unwrap_or(usize::from(counts[order[1]] <= counts[order[0]])),
        };
        if positive == 0 {
            order.swap(0, 1);
        }
    }
    let mut class_of = vec![0.0; counts.len()];
    for (class, code) in order.iter().enumerate() {
        class_of[*code] = class as f64;
    }
    let values = categories.codes().iter().map(|code| class_of[*code as usize]).collect();
    Ok((order.into_iter().map(|code| names[code].clone()).collect(), values))
}

fn weights(
    table: &Table,
    settings: &Settings,
    known: &[usize],
    target: (&[String], &[f64]),
) -> Result<Vec<f64>, Error> {
    let (classes, values) = target;
    let mut weights = match &settings.weight {
        None => vec![1.0; known.len()],
        Some(name) => {
            let column = table.column(name).ok_or_else(|| missing_column(table, name, "weight"))?;
            let values = numbers(&column.take(known), name)?;
            if values.iter().any(|weight| !(*weight >= 0.0 && weight.is_finite())) {
                let message = format!("weights in `{name}` must be numbers of at least 0, none missing");
                return Err(Error::new(ErrorKind::Settings, message));
            }
            values
        }
    };
    if settings.imbalance == Imbalance::Weigh && !classes.is_empty() {
        let mut counts = vec![0.0; classes.len()];
        for value in values {
            counts[*value as usize] += 1.0;
        }
        for (weight, value) in weights.iter_mut().zip(values) {
            *weight *= values.len() as f64 / (classes.len() as f64 * counts[*value as usize]);
        }
    }
    Ok(weights)
}

/// The columns to learn from: those declared, or all that can tell something about rows not seen.
fn features(
    table: &Table,
    settings: &Settings,
    known: &[usize],
    warnings: &mut Vec<String>,
) -> Result<Table, Error> {
    let mut columns: Vec<(String, Column)> = Vec::new();
    if settings.features.is_empty() {
        for (name, column) in table.iter() {
            let is_role = name == settings.target || settings.weight.as_deref() == Some(name);
            if is_role || settings.ignored.iter().any(|ignored| ignored == name) {
                continue;
            }
            let column = column.take(known);
            match unfit(name, &column) {
                Some(reason) => warnings.push(format!("`{name}` is left out: {reason}")),
                None => columns.push((name.to_owned(), column)),
            }
        }
    }
    // In the table's order: how features are listed must not change the model.
    let mut declared: Vec<&Feature> = settings.features.iter().collect();
    declared.sort_by_key(|feature| table.position(&feature.name));
    for feature in declared {
        let column = table
            .column(&feature.name)
            .ok_or_else(|| missing_column(table, &feature.name, "feature"))?
            .take(known);
        if feature.name == settings.target {
            let message = format!("the target `{}` cannot be a feature", feature.name);
            return Err(Error::new(ErrorKind::Settings, message));
        }
        let (mut column, failed) = column.cast(feature.kind.unwrap_or(column.kind()));
        if !failed.is_empty() {
            warnings.push(format!(
                "{} values of `{}` do not fit and count as missing",
                failed.len(),
                feature.name
            ));
        }
        if column.kind() == Kind::Text {
            column = column.cast(Kind::Category).0;
        }
        columns.push((feature.name.clone(), column));
    }
    if columns.is_empty() {
        return Err(Error::new(ErrorKind::Settings, "there is no column to learn from"));
    }
    Table::new(columns).map_err(|error| Error::new(ErrorKind::Settings, error.to_string()))
}

/// Why a column that nobody declared tells nothing about other rows.
fn unfit(name: &str, column: &Column) -> Option<&'static str> {
    let rows = column.len();
    let known = rows - column.missing_count();
    if known == 0 {
        return Some("it has no values");
    }
    let lower = name.to_lowercase();
    let is_called_id =
        lower == "id" || lower.starts_with("id_") || lower.ends_with("_id") || name.ends_with("Id");
    match column {
        Column::Text(_) => Some("it is free text"),
        Column::Category(categories) => {
            let distinct = categories.counts().iter().filter(|count| **count > 0).count();
            match distinct {
                1 if known == rows => Some("all rows have the same value"),
                _ if distinct * 4 > known && distinct > 50 => Some("nearly every row has a name of its own"),
                _ => None,
            }
        }
        Column::Number(values) => {
            let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            let is_whole = sorted.iter().all(|value| value.fract() == 0.0);
            sorted.dedup();
            let is_counter = is_whole && known > 50 && sorted.len() * 20 > known * 19;
            let is_consecutive = sorted
                .last()
                .zip(sorted.first())
                .is_some_and(|(last, first)| last - first < 1.2 * known as f64);
            if sorted.len() == 1 && known == rows {
                Some("all rows have the same value")
            } else if is_counter && (is_called_id || is_consecutive) {
                Some("it numbers the rows")
            } else {
                None
            }
        }
        Column::Boolean(_) | Column::Date(_) => None,
    }
}

fn smallest_class(goal: &Goal, classes: usize) -> usize {
    let count = |class: usize| goal.target.iter().filter(|target| **target as usize == class).count();
    (0..classes).map(count).min().unwrap_or(goal.target.len())
}

/// Parts with the same mix of classes, or of small and large numbers.
fn folds(goal: &Goal, parts: usize, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed ^ 0xF01D);
    let mut order: Vec<usize> = (0..goal.target.len()).collect();
    random.shuffle(&mut order);
    order.sort_by(|left, right| goal.target[*left].total_cmp(&goal.target[*right]));
    if goal.task == Task::Regression {
        // Neighbours in size go to different parts, in chance order.
        for group in order.chunks_mut(parts) {
            random.shuffle(group);
        }
    }
    let mut folds = vec![0; order.len()];
    for (at, row) in order.into_iter().enumerate() {
        folds[row] = at % parts;
    }
    folds
}

/// Class indexes of a column by the names a model knows; `None` where missing or unknown.
pub(super) fn class_indexes(column: &Column, classes: &[String]) -> Vec<Option<usize>> {
    let (column, _) = column.cast(Kind::Category);
    let Column::Category(categories) = column else { return Vec::new() };
    let known: Vec<Option<usize>> =
        categories.names().iter().map(|name| classes.iter().position(|class| class == name)).collect();
    let code = |code: &u32| if *code == Categories::MISSING { None } else { known[*code as usize] };
    categories.codes().iter().map(code).collect()
}
