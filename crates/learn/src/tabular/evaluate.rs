//! How good a model is on labelled rows, as a whole and by slices; what training reports.

use intendant_table::{Table, Value};
use serde_json::{Value as Json, json};

use super::model::Model;
use super::prepare::{class_indexes, missing_column};
use super::settings::{Family, Metric, Task};
use crate::measure::{Figure, Outcomes};
use crate::{Error, ErrorKind};

/// Rows that are looked at apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// As reports call it.
    pub name: String,
    /// The column that decides.
    pub column: String,
    /// Which values belong to it.
    pub values: SliceValues,
}

/// Which values belong to a slice.
#[derive(Clone, Debug, PartialEq)]
pub enum SliceValues {
    /// A slice for every name of the column.
    Each,
    /// This value, as it stands in files.
    Equal(String),
    /// Numbers from the first up to but without the second.
    Range(f64, f64),
    /// No value.
    Missing,
}

/// Figures of labelled rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Number of rows.
    pub rows: usize,
    /// Every metric of the task.
    pub figures: Vec<(Metric, Figure)>,
    /// The probability from which on rows counted as positive.
    pub threshold: f64,
    /// Rows by true class and given class.
    pub confusion: Vec<Vec<usize>>,
    /// Mean probability, share of positives, rows; in ten parts.
    pub reliability: Vec<(f64, f64, usize)>,
    /// The same figures by slice.
    pub slices: Vec<SliceFigures>,
}

/// Figures of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceFigures {
    /// As reports call it.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Every metric of the task.
    pub figures: Vec<(Metric, Figure)>,
}

/// What training reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Rows learnt from.
    pub rows: usize,
    /// What families were chosen by.
    pub metric: Metric,
    /// Families tried.
    pub candidates: Vec<Candidate>,
    /// The model on rows that its members had not seen.
    pub validation: Evaluation,
    /// What a user should know, such as columns left out.
    pub warnings: Vec<String>,
}

/// A family that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Which.
    pub family: Family,
    /// Its share in the model, 0 to 1.
    pub share: f64,
    /// Held-out loss: log loss, or mean squared error.
    pub loss: f64,
    /// Held-out metrics, with the threshold of its own that is best for F1.
    pub metrics: Vec<(Metric, f64)>,
}

impl Slice {
    /// One slice per name of a column.
    pub fn each(column: impl Into<String>) -> Self {
        let column = column.into();
        Self { name: column.clone(), column, values: SliceValues::Each }
    }
}

impl Evaluation {
    /// Figures of outcomes, without slices.
    pub fn of(outcomes: &Outcomes, threshold: f64, seed: u64) -> Self {
        Self {
            rows: outcomes.rows(),
            figures: figures(outcomes, seed),
            threshold,
            confusion: if outcomes.task == Task::Regression { Vec::new() } else { outcomes.confusion() },
            reliability: outcomes.reliability(),
            slices: Vec::new(),
        }
    }

    /// A metric's value.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.figures.iter().find(|(other, _)| *other == metric).map(|(_, figure)| figure.value)
    }

    /// As JSON, for reports and model cards.
    pub fn to_json(&self) -> Json {
        let slices = self.slices.iter().map(
            |slice| json!({"name": slice.name, "rows": slice.rows, "metrics": figures_json(&slice.figures)}),
        );
        let reliability = self.reliability.iter().map(
            |(predicted, observed, rows)| json!({"predicted": predicted, "observed": observed, "rows": rows}),
        );
        json!({
            "rows": self.rows,
            "threshold": self.threshold,
            "metrics": figures_json(&self.figures),
            "confusion": self.confusion,
            "reliability": reliability.collect::<Vec<_>>(),
            "slices": slices.collect::<Vec<_>>(),
        })
    }
}

impl Report {
    /// As JSON, for model cards.
    pub fn to_json(&self) -> Json {
        let candidates = self.candidates.iter().map(|candidate| {
            let metrics =
                candidate.metrics.iter().map(|(metric, value)| (metric.name().to_owned(), finite(*value)));
            json!({
                "family": candidate.family.name(),
                "share": candidate.share,
                "loss": candidate.loss,
                "metrics": metrics.collect::<serde_json::Map<_, _>>(),
            })
        });
        json!({
            "rows": self.rows,
            "metric": self.metric.name(),
            "candidates": candidates.collect::<Vec<_>>(),
            "validation": self.validation.to_json(),
            "warnings": self.warnings,
        })
    }
}

impl Model {
    /// Figures on labelled rows; rows whose target is missing or of an unknown class are left out.
    ///
    /// # Errors
    /// When the target or a slice's column is not there, or no row has a known target.
    pub fn evaluate(&self, table: &Table, slices: &[Slice], seed: u64) -> Result<Evaluation, Error> {
        let target =
            table.column(&self.target).ok_or_else(|| missing_column(table, &self.target, "target"))?;
        let truth: Vec<Option<f64>> = match self.task {
            Task::Regression => target.values().map(Value::as_number).collect(),
            _ => {
                let classes = class_indexes(target, &self.classes);
                classes.into_iter().map(|class| class.map(|class| class as f64)).collect()
            }
        };
        let known: Vec<usize> = (0..table.rows()).filter(|row| truth[*row].is_some()).collect();
        if known.is_empty() {
            let message = format!("no row has a known `{}`", self.target);
            return Err(Error::new(ErrorKind::TooFewRows, message));
        }
        let table = table.take(&known);
        let predictions = self.predict(&table);
        let outcomes = Outcomes {
            task: self.task,
            truth: known.iter().filter_map(|row| truth[*row]).collect(),
            scores: predictions.scores,
            classes: self.classes.len().max(1),
            labels: predictions.labels,
        };
        let mut evaluation = Evaluation::of(&outcomes, self.threshold, seed);
        for slice in slices {
            for (name, rows) in slice.rows(&table)? {
                let figures = figures(&outcomes.take(&rows), seed);
                evaluation.slices.push(SliceFigures { name, rows: rows.len(), figures });
            }
        }
        Ok(evaluation)
    }
}

impl Slice {
    /// The rows of each slice, by name; empty ones are left out.
    fn rows(&self, table: &Table) -> Result<Vec<(String, Vec<usize>)>, Error> {
        let column =
            table.column(&self.column).ok_or_else(|| missing_column(table, &self.column, "slice"))?;
        let rows_where = |is_member: &dyn Fn(Value<'_>) -> bool| -> Vec<usize> {
            (0..table.rows()).filter(|row| is_member(column.value(*row))).collect()
        };
        let mut slices = match &self.values {
            SliceValues::Equal(text) => {
                vec![(self.name.clone(), rows_where(&|value| value.to_text().as_deref() == Some(text)))]
            }
            SliceValues::Range(least, most) => {
                let is_inside = |value: Value<'_>| {
                    value.as_number().is_some_and(|value| value >= *least && value < *most)
                };
                vec![(self.name.clone(), rows_where(&is_inside))]
            }
            SliceValues::Missing => vec![(self.name.clone(), rows_where(&|value| value == Value::Missing))],
            SliceValues::Each => {
                let mut names: Vec<String> =
                    column.values().filter_map(|value| value.to_text().map(String::from)).collect();
                names.sort();
                names.dedup();
                names.truncate(SLICES_MAX);
                let slice = |name: String| {
                    let rows = rows_where(&|value| value.to_text().as_deref() == Some(&name));
                    (format!("{} = {name}", self.name), rows)
                };
                names.into_iter().map(slice).collect()
            }
        };
        slices.retain(|(_, rows)| !rows.is_empty());
        Ok(slices)
    }
}

/// Slices of one column at most.
const SLICES_MAX: usize = 50;

fn figures(outcomes: &Outcomes, seed: u64) -> Vec<(Metric, Figure)> {
    Outcomes::metrics(outcomes.task).iter().map(|metric| (*metric, outcomes.figure(*metric, seed))).collect()
}

fn finite(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number)
}

fn figures_json(figures: &[(Metric, Figure)]) -> Json {
    let one = |(metric, figure): &(Metric, Figure)| {
        let figure = json!({
            "value": finite(figure.value), "low": finite(figure.low), "high": finite(figure.high),
        });
        (metric.name().to_owned(), figure)
    };
    Json::Object(figures.iter().map(one).collect())
}
