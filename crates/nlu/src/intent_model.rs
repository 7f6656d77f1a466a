//! The intent model behind `DIETClassifier`, `ResponseSelector` and `SklearnIntentClassifier`.
//!
//! Sparse features weighted by inverse document frequency, one support vector machine per class
//! against the rest, trained by dual coordinate descent, plus a little of each class's centroid
//! when there are few examples. Scores become probabilities by a softmax whose sharpness is
//! fitted on scores of held-out folds, and multiplied by how much of a text is known: the fewer of
//! its features occurred in training, the less sure the answer. Messages that were literally in
//! the training data are remembered.

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
/// Blocks of features of equal weight: words and pieces of words.
const BLOCKS: usize = 2;
/// Below this many examples per class, centroids help.
const FEW_EXAMPLES: usize = 15;

/// One example to train on.
pub(crate) struct Sample<'a> {
    pub(crate) text: &'a str,
    /// Hashed features, once per occurrence.
    pub(crate) features: Vec<u64>,
    pub(crate) label: u32,
}

/// A trained intent model.
#[derive(Clone, Debug)]
pub(crate) struct IntentModel {
    pub(crate) labels: Vec<String>,
    index: Index,
    /// Weight of each feature.
    weights: Vec<f32>,
    /// Weight of a feature that was never seen.
    unknown_weight: f32,
    matrix: Matrix,
    sharpness: f32,
    /// Hashes of remembered messages, sorted, each with its label.
    memory: Vec<(u64, u32)>,
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
        let report = |done| context.progress.report(settings.phase, done, 4);
        let check = || if context.progress.is_cancelled() { Err(Cancelled) } else { Ok(()) };
        report(0);
        let (index, weights, rows) = vectorize(samples);
        check()?;
        report(1);
        let targets: Vec<u32> = samples.iter().map(|sample| sample.label).collect();
        let options = svm::Options {
            cost: 1.5,
            passes: 30,
            tolerance: 0.1,
            seed: settings.seed,
            threads: context.threads,
        };
        let machine = svm::train(&rows, &targets, &[], labels.len(), &options);
        check()?;
        report(2);
        let unknown_weight = inverse_frequency(samples.len(), 0);
        let mut model = Self {
            matrix: Matrix::default(),
            index,
            weights,
            unknown_weight,
            sharpness: 1.0,
            memory: remember(samples),
            labels,
        };
        let centroids = Centroids::of(&rows, &targets, model.labels.len());
        model.calibrate(&rows, &targets, (&machine, &centroids), &options);
        report(3);
        check()?;
        model.matrix = centroids.combined(&machine, model.index.len());
        report(4);
        Ok(model)
    }

    fn calibrate(
        &mut self,
        rows: &Rows,
        targets: &[u32],
        (machine, centroids): (&svm::Machine, &Centroids),
        options: &svm::Options,
    ) {
        let of_row = stratified_folds(targets, FOLDS, options.seed);
        let folds = svm::Folds { of_row: &of_row, count: FOLDS, costs: &[] };
        let mut scores = machine.held_out(rows, targets, &folds, &svm::Options { passes: 6, ..*options });
        centroids.add_held_out(rows, targets, &mut scores);
        self.sharpness =
            calibration::minimize(0.1, 60.0, |s| calibration::loss(&scores, targets, |_| s, 0.02));
    }

    /// Probabilities of all labels, in their order; uniform when the text has no features.
    pub(crate) fn probabilities(&self, text: &str, features: &mut Vec<u64>) -> Vec<f32> {
        let mut scores = vec![0.0; self.labels.len()];
        let familiar = self.add_scores(features, &mut scores);
        calibration::softmax(&mut scores, self.sharpness * familiar);
        let remembered = self.remembered(text);
        if !remembered.is_empty() {
            let share = MEMORY_SHARE / remembered.len() as f32;
            scores.iter_mut().for_each(|score| *score *= 1.0 - MEMORY_SHARE);
            remembered.iter().for_each(|(_, label)| scores[*label as usize] += share);
        }
        scores
    }

    /// Adds the scores of all labels; returns how much of the text is known, from 0 to 1.
    fn add_scores(&self, features: &mut Vec<u64>, scores: &mut [f32]) -> f32 {
        let mut unknown = 0.0;
        let mut known: Vec<u32> = Vec::with_capacity(features.len());
        for hash in features.drain(..) {
            match self.index.get(hash) {
                Some(column) => known.push(column),
                None => unknown += self.unknown_weight * self.unknown_weight,
            }
        }
        known.sort_unstable();
        let values = counted(&known, &self.weights);
        let squares = block_squares(&values, &self.index);
        let lengths = squares.map(|square| square.sqrt().max(1e-6));
        for (column, value) in values {
            let length = lengths[block(self.index.keys()[column as usize])];
            self.matrix.add_row(column, value / length, scores);
        }
        let known: f32 = squares.iter().sum();
        (known / (known + unknown).max(1e-6)).sqrt()
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
        put("features", TensorData::U64(self.index.keys().to_vec()));
        put("feature_weights", TensorData::F32(self.weights.clone()));
        let (starts, scales, bytes) = self.matrix.parts();
        put("row_starts", TensorData::U32(starts.to_vec()));
        put("row_scales", TensorData::F32(scales.to_vec()));
        put("rows", TensorData::U8(bytes.to_vec()));
        put("memory_texts", TensorData::U64(self.memory.iter().map(|(hash, _)| *hash).collect()));
        put("memory_labels", TensorData::U32(self.memory.iter().map(|(_, label)| *label).collect()));
        json!({
            "labels": self.labels,
            "unknown_weight": self.unknown_weight,
            "sharpness": self.sharpness,
        })
    }

    pub(crate) fn load_from(prefix: &str, state: &Value, stored: &mut Stored) -> Result<Self, Unreadable> {
        let number = |key: &str| {
            let number = state.get(key).and_then(Value::as_f64);
            number.map(|number| number as f32).ok_or_else(|| Unreadable::new(format!("`{key}` is no number")))
        };
        let labels = state.get("labels").and_then(Value::as_array);
        let labels = labels.ok_or_else(|| Unreadable::new("`labels` is not a list"))?;
        let labels: Vec<String> = labels.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let index = Index::from_keys(&stored.take_u64(&format!("{prefix}features"))?);
        let weights = stored.take_f32(&format!("{prefix}feature_weights"))?;
        let matrix = Matrix::from_parts(
            labels.len(),
            stored.take_u32(&format!("{prefix}row_starts"))?,
            stored.take_f32(&format!("{prefix}row_scales"))?,
            stored.take_u8(&format!("{prefix}rows"))?,
        );
        let matrix = matrix.ok_or_else(|| Unreadable::new("the weight matrix does not fit its size"))?;
        let texts = stored.take_u64(&format!("{prefix}memory_texts"))?;
        let owners = stored.take_u32(&format!("{prefix}memory_labels"))?;
        let is_sound = matrix.rows() == index.len()
            && weights.len() == index.len()
            && texts.len() == owners.len()
            && owners.iter().all(|label| (*label as usize) < labels.len());
        if !is_sound {
            return Err(Unreadable::new("the intent model's parts do not fit each other"));
        }
        Ok(Self {
            index,
            weights,
            unknown_weight: number("unknown_weight")?,
            matrix,
            sharpness: number("sharpness")?,
            memory: texts.into_iter().zip(owners).collect(),
            labels,
        })
    }
}

/// The block of features that a hash belongs to; each block of a text is brought to length 1.
fn block(hash: u64) -> usize {
    (hash & ngrams::PIECE_BLOCK) as usize
}

/// The squared length of each block.
fn block_squares(values: &[(u32, f32)], index: &Index) -> [f32; BLOCKS] {
    let mut squares = [0.0; BLOCKS];
    for (column, value) in values {
        squares[block(index.keys()[*column as usize])] += value * value;
    }
    squares
}

fn memory_key(text: &str) -> u64 {
    intendant_numeric::random::hash_bytes(77, ngrams::level_numbers(ngrams::normal_form(text)).as_bytes())
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

fn vectorize(samples: &[Sample<'_>]) -> (Index, Vec<f32>, Rows) {
    let mut index = Index::with_capacity(samples.len() * 16);
    let columns: Vec<Vec<u32>> = samples
        .iter()
        .map(|sample| {
            let mut columns: Vec<u32> = sample.features.iter().map(|hash| index.insert(*hash)).collect();
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
        let lengths = block_squares(&values, &index).map(|square| square.sqrt().max(1e-6));
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
