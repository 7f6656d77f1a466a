//! A trained model of tables: asked, explained, stored.

use std::collections::BTreeMap;

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_numeric::parallel;
use intendant_table::{Signature, Table};
use serde_json::{Value as Json, json};

use super::additive::{Axis, Term};
use super::calibrate::Curve;
use super::encode::Encoder;
use super::linear::{Expanded, Form, Linear};
use super::objective::{sigmoid, softmax};
use super::settings::{Family, Task};
use crate::drift::Reference;
use crate::forest::Forest;

/// A trained model. Its score is a base value plus trees plus terms plus a weighted sum, whichever it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(super) task: Task,
    pub(super) target: String,
    pub(super) classes: Vec<String>,
    pub(super) threshold: f64,
    /// Families of models in the blend, with their weight.
    pub(super) blend: Vec<(Family, f64)>,
    pub(super) encoder: Encoder,
    pub(super) base: Vec<f64>,
    pub(super) forest: Forest,
    pub(super) terms: Vec<Term>,
    pub(super) linear: Linear,
    pub(super) curve: Curve,
    pub(super) importance: Vec<(String, f64)>,
    pub(super) reference: Reference,
}

/// Predictions for the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// What kind of prediction.
    pub task: Task,
    /// Names of classes; the positive one second. Empty for regression.
    pub classes: Vec<String>,
    /// Probabilities, `[rows, classes]` row-major; numbers for regression, `[rows]`.
    pub scores: Vec<f64>,
    /// The class each row is given; empty for regression.
    pub labels: Vec<u32>,
}

/// Why a row has its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The class whose score is explained; empty for regression.
    pub class: String,
    /// The score without knowing anything about the row: log-odds, or the number for regression.
    pub base: f64,
    /// Base plus all contributions.
    pub score: f64,
    /// What each feature, or pair of features as `a & b`, adds; the largest first.
    pub contributions: Vec<(String, f64)>,
}

/// Points of a partial dependence curve of numbers.
const DEPENDENCE_POINTS: usize = 20;

/// Rows over which partial dependence is averaged.
const DEPENDENCE_ROWS: usize = 500;

/// Rows computed together.
const BLOCK_ROWS: usize = 64;

/// Rows from which on threads help.
const PARALLEL_ROWS: usize = 2_000;

impl Model {
    /// What kind of prediction.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The column it predicts.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Names of classes; the positive one second. Empty for regression.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The probability at which the positive class begins.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The fields it looks at.
    pub fn signature(&self) -> &Signature {
        &self.encoder.signature
    }

    /// Families of models it is made of, with their weight.
    pub fn blend(&self) -> &[(Family, f64)] {
        &self.blend
    }

    /// Mean absolute contribution of each feature, the largest first.
    pub fn importance(&self) -> &[(String, f64)] {
        &self.importance
    }

    /// What the training rows looked like.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The model with another threshold.
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// Predictions for a table's rows; columns are found by name, absent ones count as missing.
    pub fn predict(&self, table: &Table) -> Predictions {
        self.predict_on(table, 1)
    }

    /// The same on several threads.
    pub fn predict_on(&self, table: &Table, threads: usize) -> Predictions {
        let inputs = self.encoder.encode(table);
        let rows = table.rows();
        let chunk = if threads > 1 { PARALLEL_ROWS } else { rows.max(1) };
        let parts = parallel::map(threads, rows.div_ceil(chunk), |part| {
            let range = part * chunk..((part + 1) * chunk).min(rows);
            self.predict_rows(&inputs, range)
        });
        let mut predictions = Predictions {
            task: self.task,
            classes: self.classes.clone(),
            scores: Vec::new(),
            labels: Vec::new(),
        };
        for (scores, labels) in parts {
            predictions.scores.extend(scores);
            predictions.labels.extend(labels);
        }
        predictions
    }

    fn predict_rows(&self, inputs: &[Vec<f64>], rows: std::ops::Range<usize>) -> (Vec<f64>, Vec<u32>) {
        let mut scores = Vec::with_capacity(rows.len() * self.classes.len().max(1));
        let mut labels = Vec::new();
        let (width, count) = (inputs.len(), self.base.len());
        for start in rows.clone().step_by(BLOCK_ROWS) {
            let block = start..(start + BLOCK_ROWS).min(rows.end);
            let mut input = vec![f64::NAN; block.len() * width];
            for (slots, row) in input.chunks_exact_mut(width.max(1)).zip(block.clone()) {
                fill(slots, inputs, row);
            }
            let mut outputs = self.base.repeat(block.len());
            self.forest.add_rows(&input, width, &mut outputs);
            for (at, outputs) in outputs.chunks_exact_mut(count).enumerate() {
                self.add_terms(&input[at * width..(at + 1) * width], outputs);
                self.finish(outputs, &mut scores, &mut labels);
            }
        }
        (scores, labels)
    }

    /// From outputs to probabilities and label, or the number.
    fn finish(&self, outputs: &mut [f64], scores: &mut Vec<f64>, labels: &mut Vec<u32>) {
        match self.task {
            Task::Regression => scores.push(outputs[0]),
            Task::Binary => {
                let share = sigmoid(self.curve.of(outputs[0]));
                scores.extend([1.0 - share, share]);
                labels.push(u32::from(share >= self.threshold));
            }
            Task::Multiclass => {
                outputs.iter_mut().for_each(|output| *output = self.curve.of(*output));
                softmax(outputs);
                scores.extend_from_slice(outputs);
                let best = (0..outputs.len()).rev().max_by(|a, b| outputs[*a].total_cmp(&outputs[*b]));
                labels.push(best.unwrap_or(0) as u32);
            }
        }
    }

    /// Adds curves, surfaces and lines.
    fn add_terms(&self, input: &[f64], outputs: &mut [f64]) {
        for term in &self.terms {
            let cell = term.cell(input);
            for (output, values) in outputs.iter_mut().zip(&term.values) {
                *output += values[cell];
            }
        }
        for (output, weights) in outputs.iter_mut().zip(&self.linear.weights) {
            for (column, weight) in self.linear.columns.iter().zip(weights) {
                *output += weight * column.value(input);
            }
        }
    }

    /// Why each row has its score: of two classes the positive one's, of several that of the class given.
    ///
    /// Exact for additive and linear models; for trees Shapley values along the paths of the training rows.
    pub fn explain(&self, table: &Table) -> Vec<Explanation> {
        let inputs = self.encoder.encode(table);
        let labels = if self.task == Task::Multiclass { self.predict(table).labels } else { Vec::new() };
        let expected = self.forest.expected();
        let mut input = vec![f64::NAN; inputs.len()];
        (0..table.rows())
            .map(|row| {
                fill(&mut input, &inputs, row);
                let output = labels.get(row).map_or(0, |label| *label as usize);
                self.explain_input(&input, output, &expected)
            })
            .collect()
    }

    fn explain_input(&self, input: &[f64], output: usize, expected: &[f64]) -> Explanation {
        let slope = self.curve.slope();
        let mut by_name: BTreeMap<String, f64> = BTreeMap::new();
        let fields = &self.encoder.signature.fields;
        let mut add = |name: String, value: f64| *by_name.entry(name).or_default() += value * slope;
        let field = |at: usize| self.encoder.field(at).name.clone();
        let mut shapley = vec![0.0; self.base.len() * self.forest.features()];
        self.forest.contributions(input, &mut shapley);
        let start = output * self.forest.features();
        for (at, value) in shapley[start..start + self.forest.features()].iter().enumerate() {
            add(field(at), *value);
        }
        for term in &self.terms {
            let mut names: Vec<String> = term.axes.iter().map(|axis| field(axis.input)).collect();
            names.dedup();
            add(names.join(" & "), term.values[output][term.cell(input)]);
        }
        if let Some(weights) = self.linear.weights.get(output) {
            for (column, weight) in self.linear.columns.iter().zip(weights) {
                add(field(column.input), weight * column.value(input));
            }
        }
        let plain = self.base[output] + expected.get(output).copied().unwrap_or(0.0);
        let base =
            if let Curve::Line { slope, offset } = &self.curve { plain * slope + offset } else { plain };
        let score = base + by_name.values().sum::<f64>();
        let mut contributions: Vec<(String, f64)> = by_name.into_iter().collect();
        let position = |name: &str| fields.iter().position(|field| field.name == name).unwrap_or(usize::MAX);
        contributions.sort_by(|left, right| {
            right.1.abs().total_cmp(&left.1.abs()).then_with(|| position(&left.0).cmp(&position(&right.0)))
        });
        let class = match self.task {
            Task::Regression => String::new(),
            Task::Binary => self.classes[1].clone(),
            Task::Multiclass => self.classes[output].clone(),
        };
        Explanation { class, base, score, contributions }
    }

    /// How the mean prediction moves with one field, all else as in the table's rows: labels with the mean
    /// probability of the positive class (of several classes: of the first), or the mean number.
    ///
    /// Empty when the model has no such field or the table no known value of it.
    pub fn partial_dependence(&self, table: &Table, field: &str) -> Vec<(String, f64)> {
        let Some(at) = self.encoder.signature.fields.iter().position(|other| other.name == field) else {
            return Vec::new();
        };
        let step = table.rows().div_ceil(DEPENDENCE_ROWS).max(1);
        let rows: Vec<usize> = (0..table.rows()).step_by(step).collect();
        let inputs = self.encoder.encode(&table.take(&rows));
        let Some(column) = table.column(field) else { return Vec::new() };
        let points = points(column);
        let positions: Vec<usize> =
            (0..inputs.len()).filter(|input| self.encoder.inputs[*input].field == at).collect();
        let probe = table.take(&points);
        let probed = self.encoder.encode(&probe);
        let classes = self.classes.len().max(1);
        let shown = usize::from(self.task == Task::Binary);
        let point = |point: usize| {
            let mut changed = inputs.clone();
            for input in &positions {
                let value = probed[*input][point];
                changed[*input].fill(value);
            }
            let (scores, _) = self.predict_rows(&changed, 0..rows.len());
            let mean = scores.iter().skip(shown).step_by(classes).sum::<f64>() / rows.len().max(1) as f64;
            let label =
                probe.column(field).and_then(|column| column.value(point).to_text().map(String::from));
            (label.unwrap_or_default(), mean)
        };
        (0..points.len()).map(point).collect()
    }

    /// The model as values for an archive.
    pub fn to_stored(&self) -> Stored {
        let mut tensors = BTreeMap::new();
        self.forest.store("forest.", &mut tensors);
        for (at, term) in self.terms.iter().enumerate() {
            let values = term.values.iter().flatten().copied().collect();
            tensors.insert(format!("term.{at}.values"), Tensor::flat(TensorData::F64(values)));
            tensors.insert(format!("term.{at}.rows"), Tensor::flat(TensorData::F64(term.rows.clone())));
        }
        let weights = self.linear.weights.iter().flatten().copied().collect();
        tensors.insert("linear".to_owned(), Tensor::flat(TensorData::F64(weights)));
        let state = json!({
            "format": FORMAT,
            "task": self.task.name(),
            "target": self.target,
            "classes": self.classes,
            "threshold": self.threshold,
            "blend": self.blend.iter().map(|(family, weight)| json!([family.name(), weight])).collect::<Vec<_>>(),
            "encoder": self.encoder.to_json(),
            "base": self.base,
            "terms": self.terms.iter().map(|term| {
                term.axes.iter().map(|axis| json!([axis.input, axis.cuts, axis.codes])).collect::<Vec<_>>()
            }).collect::<Vec<_>>(),
            "columns": self.linear.columns.iter().map(|column| {
                let (form, argument) = match column.form {
                    Form::Number { fill } => ("number", fill),
                    Form::IsMissing => ("missing", 0.0),
                    Form::IsCode(code) => ("code", code as f64),
                };
                json!([column.input, form, argument, column.mean, column.deviation])
            }).collect::<Vec<_>>(),
            "curve": match &self.curve {
                Curve::Line { slope, offset } => json!({"slope": slope, "offset": offset}),
                Curve::Steps { scores, log_odds } => json!({"scores": scores, "log_odds": log_odds}),
            },
            "importance": self.importance,
            "reference": self.reference.to_json(),
        });
        Stored { state, tensors }
    }

    /// Reads what [`Model::to_stored`] wrote.
    ///
    /// # Errors
    /// When the values are damaged or of another version.
    pub fn from_stored(mut stored: Stored) -> Result<Self, Unreadable> {
        let state = std::mem::take(&mut stored.state);
        if state["format"].as_u64() != Some(FORMAT) {
            return Err(Unreadable::new(format!("format {} is not {FORMAT}", state["format"])));
        }
        let damaged = || Unreadable::new("the state of a model of tables is incomplete");
        let mut model = read_state(&state).ok_or_else(damaged)?;
        model.forest = Forest::restore("forest.", &mut stored)?;
        let outputs = model.base.len();
        for (at, term) in model.terms.iter_mut().enumerate() {
            let values = stored.take_f64(&format!("term.{at}.values"))?;
            term.rows = stored.take_f64(&format!("term.{at}.rows"))?;
            let cells = term.cells();
            if values.len() != cells * outputs || term.rows.len() != cells {
                return Err(damaged());
            }
            term.values = values.chunks(cells.max(1)).map(<[f64]>::to_vec).collect();
        }
        let weights = stored.take_f64("linear")?;
        let columns = model.linear.columns.len();
        if weights.len() != columns * outputs {
            return Err(damaged());
        }
        model.linear.weights = weights.chunks(columns.max(1)).map(<[f64]>::to_vec).collect();
        let inputs = model.encoder.inputs.len();
        let is_sound = model.forest.features() == inputs
            && model.forest.outputs() == outputs
            && outputs == if model.task == Task::Multiclass { model.classes.len() } else { 1 }
            && (model.task != Task::Binary || model.classes.len() == 2)
            && model.terms.iter().flat_map(|term| &term.axes).all(|axis| axis.input < inputs)
            && model.linear.columns.iter().all(|column| column.input < inputs);
        if is_sound { Ok(model) } else { Err(damaged()) }
    }
}

/// Version of [`Model::to_stored`].
const FORMAT: u64 = 1;

fn read_state(state: &Json) -> Option<Model> {
    let numbers = |json: &Json| json.as_array()?.iter().map(Json::as_f64).collect::<Option<Vec<f64>>>();
    let axis = |json: &Json| {
        Some(Axis {
            input: usize::try_from(json[0].as_u64()?).ok()?,
            cuts: numbers(&json[1])?,
            codes: usize::try_from(json[2].as_u64()?).ok()?,
        })
    };
    let term = |json: &Json| {
        let axes: Vec<Axis> = json.as_array()?.iter().map(axis).collect::<Option<_>>()?;
        // Two axes of a byte each at most: the product of cells stays small.
        let is_small = axes.len() <= 2 && axes.iter().all(|axis| axis.known() <= 256);
        is_small.then_some(Term { axes, values: Vec::new(), rows: Vec::new() })
    };
    let column = |json: &Json| {
        let argument = json[2].as_f64()?;
        let form = match json[1].as_str()? {
            "number" => Form::Number { fill: argument },
            "missing" => Form::IsMissing,
            _ => Form::IsCode(argument as usize),
        };
        let input = usize::try_from(json[0].as_u64()?).ok()?;
        Some(Expanded { input, form, mean: json[3].as_f64()?, deviation: json[4].as_f64()? })
    };
    let curve = &state["curve"];
    let curve = match (curve["slope"].as_f64(), numbers(&curve["scores"])) {
        (Some(slope), _) => Curve::Line { slope, offset: curve["offset"].as_f64()? },
        (None, Some(scores)) => {
            let log_odds = numbers(&curve["log_odds"])?;
            (scores.len() == log_odds.len()).then_some(Curve::Steps { scores, log_odds })?
        }
        (None, None) => return None,
    };
    let classes = state["classes"].as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
    let blend = |json: &Json| Some((Family::named(json[0].as_str()?)?, json[1].as_f64()?));
    let importance = |json: &Json| Some((json[0].as_str()?.to_owned(), json[1].as_f64()?));
    Some(Model {
        task: Task::named(state["task"].as_str()?)?,
        target: state["target"].as_str()?.to_owned(),
        classes: classes.collect::<Option<_>>()?,
        threshold: state["threshold"].as_f64()?,
        blend: state["blend"].as_array()?.iter().map(blend).collect::<Option<_>>()?,
        encoder: Encoder::from_json(&state["encoder"])?,
        base: numbers(&state["base"])?,
        forest: Forest::default(),
        terms: state["terms"].as_array()?.iter().map(term).collect::<Option<_>>()?,
        linear: Linear {
            columns: state["columns"].as_array()?.iter().map(column).collect::<Option<_>>()?,
            weights: Vec::new(),
            base: Vec::new(),
        },
        curve,
        importance: state["importance"].as_array()?.iter().map(importance).collect::<Option<_>>()?,
        reference: Reference::from_json(&state["reference"])?,
    })
}

impl Predictions {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.scores.len() / self.classes.len().max(1)
    }

    /// The probability of the positive class, or of the class given when there are several; the number itself
    /// for regression.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn score(&self, row: usize) -> f64 {
        match self.task {
            Task::Regression => self.scores[row],
            Task::Binary => self.scores[row * 2 + 1],
            Task::Multiclass => self.scores[row * self.classes.len() + self.labels[row] as usize],
        }
    }

    /// The class given to a row; `None` for regression.
    pub fn label(&self, row: usize) -> Option<&str> {
        self.labels.get(row).map(|label| self.classes[*label as usize].as_str())
    }

    /// Probabilities of all classes for a row, in their order.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn probabilities(&self, row: usize) -> &[f64] {
        let classes = self.classes.len();
        &self.scores[row * classes..(row + 1) * classes]
    }
}

pub(super) fn fill(input: &mut [f64], inputs: &[Vec<f64>], row: usize) {
    for (slot, column) in input.iter_mut().zip(inputs) {
        *slot = column[row];
    }
}

/// Rows whose values of a column stand for all of them, in order: quantiles of numbers, every name.
fn points(column: &intendant_table::Column) -> Vec<usize> {
    use intendant_table::{Column, Kind, Value};
    if let Column::Category(categories) = column {
        let mut seen = vec![false; categories.names().len()];
        let first = |row: &usize| {
            let code = categories.codes()[*row] as usize;
            seen.get_mut(code).is_some_and(|seen| !std::mem::replace(seen, true))
        };
        return (0..column.len()).filter(first).take(DEPENDENCE_POINTS * 2).collect();
    }
    if column.kind() == Kind::Text {
        return Vec::new();
    }
    let mut known: Vec<(f64, usize)> = column
        .values()
        .enumerate()
        .filter_map(|(row, value)| Some((Value::as_number(value)?, row)))
        .collect();
    known.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let Some(last) = known.len().checked_sub(1) else { return Vec::new() };
    let mut points: Vec<(f64, usize)> =
        (0..DEPENDENCE_POINTS).map(|point| known[last * point / (DEPENDENCE_POINTS - 1)]).collect();
    points.dedup_by(|later, earlier| later.0 == earlier.0);
    points.into_iter().map(|(_, row)| row).collect()
}
