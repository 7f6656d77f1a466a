//! The intent model behind `DIETClassifier`, `ResponseSelector` and `SklearnIntentClassifier`.
//!
//! Sparse features weighted by inverse document frequency, one support vector machine per class
//! against the rest, trained by dual coordinate descent, plus a little of each class's centroid
//! when there are few examples. Scores become probabilities by a softmax whose sharpness is
//! fitted on scores of held-out folds. Rows are normalised by the length of all features of a
//! text, known or not: the fewer of a text's features are known, the smaller its scores, and the
//! less sure the answer. Messages that were literally in the training data are remembered.

use std::collections::BTreeMap;

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::{Cancelled, TrainContext};
use intendant_numeric::calibration;
use intendant_numeric::index::Index;
use intendant_numeric::quantized::Matrix;
use intendant_numeric::random::Random;
use intendant_numeric::sparse::Rows;
use intendant_numeric::svm;
use serde_json::{Value, json};

use crate::ngrams;

/// Folds by which confidence is calibrated.
const FOLDS: usize = 5;
/// Share of the probability that goes to the intent of a remembered message.
const MEMORY_SHARE: f32 = 0.9;
/// Blocks of features of equal weight.
const BLOCKS: usize = 2;
/// Below this many examples per class, centroids help.
const FEW_EXAMPLES: usize = 15;

/// One example to train on.
pub(crate) struct Sample<'a> {
    pub(crate) text: &'a str,
    /// Hashed features in each view, once per occurrence.
    pub(crate) features: Vec<Vec<u64>>,
    pub(crate) label: u32,
}

/// A trained intent model.
#[derive(Clone, Debug)]
pub(crate) struct IntentModel {
    pub(crate) labels: Vec<String>,
    /// Classifiers over different views of a text, whose scores are added up.
    views: Vec<View>,
    sharpness: f32,
    /// Exponent of the known share of a text in the sharpness.
    familiarity: f32,
    /// Hashes of remembered messages, sorted, each with its label.
    memory: Vec<(u64, u32)>,
}

/// A linear classifier over one view of a text.
#[derive(Clone, Debug)]
struct View {
    index: Index,
    /// Weight of each feature.
    weights: Vec<f32>,
    /// Weight of a feature that was never seen.
    unknown_weight: f32,
    matrix: Matrix,
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) phase: &'a str,
    pub(crate) seed: u64,
}

impl IntentModel {
    /// Trains on samples of at least two labels.
    pub(crate) fn train(
        samples: &[Sample<'_>],
        labels: Vec<String>,
        settings: &Settings<'_>,
        context: &TrainContext<'_>,
    ) -> Result<Self, Cancelled> {
        let views = samples.first().map_or(0, |sample| sample.features.len());
        let targets: Vec<u32> = samples.iter().map(|sample| sample.label).collect();
        let of_row = stratified_folds(&targets, FOLDS, settings.seed);
        let mut model = Self {
            labels,
            views: Vec::with_capacity(views),
            sharpness: 1.0,
            familiarity: 0.0,
            memory: remember(samples),
        };
        let mut held_out = vec![vec![0.0; model.labels.len()]; samples.len()];
        for view in 0..views {
            let task = Task { samples, targets: &targets, of_row: &of_row, classes: model.labels.len() };
            context.progress.report(settings.phase, view as u64, views as u64);
            if context.progress.is_cancelled() {
                return Err(Cancelled);
            }
            model.views.push(View::train(view, &task, settings, (context.threads, &mut held_out)));
        }
        model.sharpness =
            calibration::minimize(0.05, 60.0, |s| calibration::loss(&held_out, &targets, |_| s, 0.02));
        context.progress.report(settings.phase, views as u64, views as u64);
        Ok(model)
    }

    /// Probabilities of all labels, in their order; uniform when the text has no features.
    pub(crate) fn probabilities(&self, text: &str, mut features: Vec<Vec<u64>>) -> Vec<f32> {
        let mut scores = vec![0.0; self.labels.len()];
        let mut familiar = 0.0;
        for (view, features) in self.views.iter().zip(&mut features) {
            familiar += view.add_scores(features, &mut scores) / self.views.len() as f32;
        }
        calibration::softmax(&mut scores, self.sharpness * familiar.powf(self.familiarity));
        let remembered = self.remembered(text);
        if !remembered.is_empty() {
            let share = MEMORY_SHARE / remembered.len() as f32;
            scores.iter_mut().for_each(|score| *score *= 1.0 - MEMORY_SHARE);
            remembered.iter().for_each(|(_, label)| scores[*label as usize] += share);
        }
        scores
    }

    fn remembered(&self, text: &str) -> &[(u64, u32)] {
        let key = memory_key(text);
        let start = self.memory.partition_point(|(hash, _)| *hash < key);
        let end = self.memory.partition_point(|(hash, _)| *hash <= key);
        &self.memory[start..end]
    }

    /// Remembers further messages, such as synonyms of a message that is nothing but an entity.
    pub(crate) fn remember_more(&mut self, messages: impl IntoIterator<Item = (String, u32)>) {
        for (text, label) in messages {
            let key = memory_key(&text);
            if self.remembered(&text).is_empty() {
                let at = self.memory.partition_point(|(hash, _)| *hash < key);
                self.memory.insert(at, (key, label));
            }
        }
    }

    pub(crate) fn store_into(&self, prefix: &str, stored: &mut Stored) -> Value {
        let mut put = |name: &str, data: TensorData| {
            stored.tensors.insert(format!("{prefix}{name}"), Tensor::flat(data));
        };
        put("memory_texts", TensorData::U64(self.memory.iter().map(|(hash, _)| *hash).collect()));
        put("memory_labels", TensorData::U32(self.memory.iter().map(|(_, label)| *label).collect()));
        for (number, view) in self.views.iter().enumerate() {
            view.store_into(&format!("{prefix}view{number}."), stored);
        }
        let unknown_weights: Vec<f32> = self.views.iter().map(|view| view.unknown_weight).collect();
        json!({
            "labels": self.labels,
            "unknown_weights": unknown_weights,
            "sharpness": self.sharpness,
            "familiarity": self.familiarity,
        })
    }

    pub(crate) fn load_from(prefix: &str, state: &Value, stored: &mut Stored) -> Result<Self, Unreadable> {
        let number = |value: &Value| {
            let number = value.as_f64().map(|number| number as f32);
            number.ok_or_else(|| Unreadable::new(format!("an intent model holds {value}, not a number")))
        };
        let list = |key: &str| {
            let items = state.get(key).and_then(Value::as_array);
            items.ok_or_else(|| Unreadable::new(format!("`{key}` is not a list")))
        };
        let labels: Vec<String> =
            list("labels")?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut views = Vec::new();
        for (view, unknown_weight) in list("unknown_weights")?.iter().enumerate() {
            let prefix = format!("{prefix}view{view}.");
            views.push(View::load_from(&prefix, (labels.len(), number(unknown_weight)?), stored)?);
        }
        let texts = stored.take_u64(&format!("{prefix}memory_texts"))?;
        let owners = stored.take_u32(&format!("{prefix}memory_labels"))?;
        if texts.len() != owners.len() || owners.iter().any(|label| *label as usize >= labels.len()) {
            return Err(Unreadable::new("the remembered messages do not fit the labels"));
        }
        Ok(Self {
            views,
            sharpness: number(&state["sharpness"])?,
            familiarity: number(&state["familiarity"])?,
            memory: texts.into_iter().zip(owners).collect(),
            labels,
        })
    }
}

/// What the views of a model are trained on.
struct Task<'a> {
    samples: &'a [Sample<'a>],
    targets: &'a [u32],
    /// Fold of each sample.
    of_row: &'a [u32],
    classes: usize,
}

impl View {
    /// Trains a view and adds its scores of held-out samples.
    fn train(
        view: usize,
        task: &Task<'_>,
        settings: &Settings<'_>,
        (threads, held_out): (usize, &mut [Vec<f32>]),
    ) -> Self {
        let (index, weights, rows) = vectorize(task.samples, view);
        let options = svm::Options { cost: 2.0, passes: 30, tolerance: 0.1, seed: settings.seed, threads };
        let machine = svm::train(&rows, task.targets, &[], task.classes, &options);
        let centroids = Centroids::of(&rows, task.targets, task.classes);
        let folds = svm::Folds { of_row: task.of_row, count: FOLDS, costs: &[] };
        let again = svm::Options { passes: 6, ..options };
        let mut scores = machine.held_out(&rows, task.targets, &folds, &again);
        centroids.add_held_out(&rows, task.targets, &mut scores);
        for (sums, scores) in held_out.iter_mut().zip(scores) {
            sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
        }
        let matrix = centroids.combined(&machine, index.len());
        Self { index, weights, unknown_weight: inverse_frequency(task.samples.len(), 0), matrix }
    }

    /// Adds the scores of all labels; returns how much of the text is known, from 0 to 1.
    fn add_scores(&self, features: &mut Vec<u64>, scores: &mut [f32]) -> f32 {
        let mut squares = [0.0; BLOCKS];
        let mut known: Vec<u32> = Vec::with_capacity(features.len());
        for hash in features.drain(..) {
            match self.index.get(hash) {
                Some(column) => known.push(column),
                None => squares[block(hash)] += self.unknown_weight * self.unknown_weight,
            }
        }
        known.sort_unstable();
        let values = counted(&known, &self.weights);
        let mut known_squares = [0.0; BLOCKS];
        for (column, value) in &values {
            known_squares[block(self.index.keys()[*column as usize])] += value * value;
        }
        let lengths = [0, 1].map(|block: usize| (squares[block] + known_squares[block]).sqrt().max(1e-6));
        for (column, value) in values {
            let length = lengths[block(self.index.keys()[column as usize])];
            self.matrix.add_row(column, value / length, scores);
        }
        let total: f32 = squares.iter().chain(&known_squares).sum();
        (known_squares.iter().sum::<f32>() / total.max(1e-6)).sqrt()
    }

    fn store_into(&self, prefix: &str, stored: &mut Stored) {
        let mut put = |name: &str, data: TensorData| {
            stored.tensors.insert(format!("{prefix}{name}"), Tensor::flat(data));
        };
        put("features", TensorData::U64(self.index.keys().to_vec()));
        put("feature_weights", TensorData::F32(self.weights.clone()));
        let (starts, scales, bytes) = self.matrix.parts();
        put("row_starts", TensorData::U32(starts.to_vec()));
        put("row_scales", TensorData::F32(scales.to_vec()));
        put("rows", TensorData::U8(bytes.to_vec()));
    }

    fn load_from(
        prefix: &str,
        (classes, unknown_weight): (usize, f32),
        stored: &mut Stored,
    ) -> Result<Self, Unreadable> {
        let index = Index::from_keys(&stored.take_u64(&format!("{prefix}features"))?);
        let weights = stored.take_f32(&format!("{prefix}feature_weights"))?;
        let matrix = Matrix::from_parts(
            classes,
            stored.take_u32(&format!("{prefix}row_starts"))?,
            stored.take_f32(&format!("{prefix}row_scales"))?,
            stored.take_u8(&format!("{prefix}rows"))?,
        );
        let matrix = matrix.ok_or_else(|| Unreadable::new("the weight matrix does not fit its size"))?;
        if matrix.rows() != index.len() || weights.len() != index.len() {
            return Err(Unreadable::new("the intent model's parts do not fit each other"));
        }
        Ok(Self { index, weights, unknown_weight, matrix })
    }
}

/// The block of features that a hash belongs to; each block is brought to length 1.
fn block(hash: u64) -> usize {
    (hash & ngrams::PIECE_BLOCK) as usize
}

fn memory_key(text: &str) -> u64 {
    intendant_numeric::random::hash_bytes(77, ngrams::normal_form(text).as_bytes())
}

/// Every message with its labels, sorted, each pair once.
fn remember(samples: &[Sample<'_>]) -> Vec<(u64, u32)> {
    let mut memory: Vec<(u64, u32)> =
        samples.iter().map(|sample| (memory_key(sample.text), sample.label)).collect();
    memory.sort_unstable();
    memory.dedup();
    memory
}

fn inverse_frequency(documents: usize, containing: u32) -> f32 {
    (((1.0 + documents as f32) / (1.0 + containing as f32)).ln() + 1.0).sqrt()
}

/// Sorted columns to columns with values.
fn counted(columns: &[u32], weights: &[f32]) -> Vec<(u32, f32)> {
    let mut values: Vec<(u32, f32)> = Vec::with_capacity(columns.len());
    for run in columns.chunk_by(|a, b| a == b) {
        let damped = 1.0 + (run.len() as f32).ln();
        values.push((run[0], damped * weights[run[0] as usize]));
    }
    values
}

fn vectorize(samples: &[Sample<'_>], view: usize) -> (Index, Vec<f32>, Rows) {
    let mut index = Index::with_capacity(samples.len() * 16);
    let columns: Vec<Vec<u32>> = samples
        .iter()
        .map(|sample| {
            let mut columns: Vec<u32> =
                sample.features[view].iter().map(|hash| index.insert(*hash)).collect();
            columns.sort_unstable();
            columns
        })
        .collect();
    let mut containing = vec![0u32; index.len()];
    for columns in &columns {
        for run in columns.chunk_by(|a, b| a == b) {
            containing[run[0] as usize] += 1;
        }
    }
    let weights: Vec<f32> =
        containing.iter().map(|containing| inverse_frequency(samples.len(), *containing)).collect();
    let mut rows = Rows::default();
    for columns in &columns {
        let values = counted(columns, &weights);
        let mut squares = [0.0; BLOCKS];
        for (column, value) in &values {
            squares[block(index.keys()[*column as usize])] += value * value;
        }
        let lengths = squares.map(|square: f32| square.sqrt().max(1e-6));
        let normal = |(column, value)| (column, value / lengths[block(index.keys()[column as usize])]);
        rows.push(values.into_iter().map(normal));
    }
    (index, weights, rows)
}

/// A fold for each example; each class is spread evenly.
pub(crate) fn stratified_folds(targets: &[u32], folds: usize, seed: u64) -> Vec<u32> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, target) in targets.iter().enumerate() {
        members.entry(*target).or_default().push(row);
    }
    let mut random = Random::new(seed ^ 0xF01D);
    let mut of_row = vec![0; targets.len()];
    let mut next = 0;
    for rows in members.values_mut() {
        random.shuffle(rows);
        for row in rows {
            of_row[*row] = (next % folds) as u32;
            next += 1;
        }
    }
    of_row
}

/// Mean directions of the classes and how much they count beside the machines.
struct Centroids {
    share: f32,
    /// `[classes]`, columns with values, of length 1.
    means: Vec<Vec<(u32, f32)>>,
    /// Length of the sum of each class's rows.
    lengths: Vec<f32>,
}

impl Centroids {
    fn of(rows: &Rows, targets: &[u32], classes: usize) -> Self {
        let share = if rows.len() < FEW_EXAMPLES * classes { 0.25 } else { 0.0 };
        let mut sums: Vec<BTreeMap<u32, f32>> = vec![BTreeMap::new(); classes];
        if share > 0.0 {
            for (row, target) in targets.iter().enumerate() {
                let (columns, values) = rows.row(row);
                for (column, value) in columns.iter().zip(values) {
                    *sums[*target as usize].entry(*column).or_insert(0.0) += value;
                }
            }
        }
        let lengths: Vec<f32> =
            sums.iter().map(|sum| sum.values().map(|v| v * v).sum::<f32>().sqrt().max(1e-6)).collect();
        let means = sums
            .into_iter()
            .zip(&lengths)
            .map(|(sum, length)| sum.into_iter().map(|(column, value)| (column, value / length)).collect())
            .collect();
        Self { share, means, lengths }
    }

    /// Adds the centroids' part to scores of held-out rows, each row taken out of its own class.
    fn add_held_out(&self, rows: &Rows, targets: &[u32], scores: &mut [Vec<f32>]) {
        if self.share == 0.0 {
            return;
        }
        let mut by_column: BTreeMap<u32, Vec<(u32, f32)>> = BTreeMap::new();
        for (class, mean) in self.means.iter().enumerate() {
            for (column, value) in mean {
                by_column.entry(*column).or_default().push((class as u32, *value));
            }
        }
        for (row, scores) in scores.iter_mut().enumerate() {
            let (columns, values) = rows.row(row);
            let own = targets[row] as usize;
            let mut sims = vec![0.0f32; self.means.len()];
            for (column, value) in columns.iter().zip(values) {
                for (class, weight) in by_column.get(column).map_or(&[][..], Vec::as_slice) {
                    sims[*class as usize] += weight * value;
                }
            }
            // The class's sum without this row.
            let square: f32 = values.iter().map(|value| value * value).sum();
            let total = self.lengths[own];
            let without = (total * total - 2.0 * total * sims[own] + square).max(1e-6).sqrt();
            sims[own] = (total * sims[own] - square).max(0.0) / without;
            for (score, similarity) in scores.iter_mut().zip(sims) {
                *score += self.share * similarity;
            }
        }
    }

    /// Weights of machines and centroids together.
    fn combined(&self, machine: &svm::Machine, features: usize) -> Matrix {
        let mut extra: Vec<Vec<(usize, f32)>> = vec![Vec::new(); if self.share > 0.0 { features } else { 0 }];
        for (class, mean) in self.means.iter().enumerate() {
            for (column, value) in mean {
                extra[*column as usize].push((class, value * self.share));
            }
        }
        let mut row = Vec::with_capacity(machine.classes + svm::LANES);
        Matrix::build(machine.classes, features, |feature| {
            row.clear();
            for block in &machine.blocks {
                match block.weights.get(feature) {
                    Some(weights) => row.extend_from_slice(weights),
                    None => row.extend_from_slice(&[0.0; svm::LANES]),
                }
            }
            row.truncate(machine.classes);
            for (class, value) in extra.get(feature).map_or(&[][..], Vec::as_slice) {
                row[*class] += value;
            }
            row.clone()
        })
    }
}
