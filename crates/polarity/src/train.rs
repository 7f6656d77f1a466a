//! Training: features, a choice by cross-validation, the final model and its report.

use std::collections::{BTreeMap, HashMap};

use intendant_component::training::{TrainContext, Untrained};
use intendant_numeric::parallel;
use intendant_numeric::random::{Random, hash_bytes};
use intendant_text::Token;

use crate::calibrate::{Calibration, macro_f1};
use crate::features::Features;
use crate::model::Model;
use crate::solve::{Data, HeldOut, held_out};
use crate::vocabulary::Vocabulary;
use crate::words::Words;

/// Folds of cross-validation.
const FOLDS: u32 = 4;
/// Entries of all rows from which on only one fold is held out.
const ENTRIES_MANY: usize = 6_000_000;
/// Entries from which on features that occur in one text only are left out.
const ENTRIES_TOO_MANY: usize = 10_000_000;
/// How much naive Bayes may count beside the machines.
const BAYES_SHARES: [f32; 5] = [0.0, 0.25, 0.5, 1.0, 2.0];
/// Examples of a label, at least.
const EXAMPLES_MIN: usize = 2;
/// Texts whose features a thread reads at a time.
const BATCH: usize = 256;

/// A text and how it is to be judged.
#[derive(Clone, Debug)]
pub struct Example<'a> {
    /// The text.
    pub text: &'a str,
    /// Where the entity is mentioned that the label is about; empty when it is about the text.
    pub mentions: Vec<Token>,
    /// The label.
    pub label: &'a str,
}

impl<'a> Example<'a> {
    /// A text judged as a whole.
    pub fn document(text: &'a str, label: &'a str) -> Self {
        Self { text, mentions: Vec::new(), label }
    }

    /// What a text says of an entity; judged as a whole where the entity is not found in it.
    pub fn entity(text: &'a str, entity: &str, label: &'a str) -> Self {
        Self { text, mentions: crate::mentions(text, entity), label }
    }
}

/// What the labels are chosen for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// As many right answers as possible.
    #[default]
    Accuracy,
    /// The mean F1 of the labels, rare ones counting as much as frequent ones.
    MacroF1,
}

/// Whether rare labels weigh more in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// All labels weigh the same.
    #[default]
    Balanced,
    /// Every example weighs the same.
    AsIs,
}

/// How to train.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The labels in the order wanted; empty for those of the examples, sorted.
    pub labels: Vec<String>,
    /// What the labels are chosen for.
    pub metric: Metric,
    /// Whether rare labels weigh more.
    pub balance: Balance,
}

/// What training found out by cross-validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Examples of each label, in the order of [`Model::labels`].
    pub examples: Vec<usize>,
    /// Examples that were judged by models that had not seen them.
    pub tested: usize,
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean F1 of the labels.
    pub macro_f1: f64,
    /// Mean negative log-likelihood of the right labels.
    pub log_loss: f64,
    /// What naive Bayes counts beside the machines.
    pub bayes_share: f32,
    /// Features of the model.
    pub features: usize,
}

/// Trains a model on examples of at least two labels.
///
/// # Errors
/// When there are fewer than two labels, when a label has fewer than two examples or is not declared,
/// and when training is stopped.
pub fn train(
    examples: &[Example<'_>],
    options: &Options,
    context: &TrainContext<'_>,
) -> Result<(Model, Report), Untrained> {
    let step = |done| context.step("polarity", done, 4);
    step(0)?;
    let (labels, targets) = number_labels(examples, &options.labels)?;
    let texts = read(examples, context.threads);
    step(1)?;
    let entries: usize = texts.iter().flat_map(|text| &text.views).map(Vec::len).sum();
    let vocabulary = Vocabulary::new(&texts, if entries > ENTRIES_TOO_MANY { 2 } else { 1 });
    let (rows, views) = vocabulary.rows(&texts, context.threads);
    drop(texts);
    let data = Data {
        rows,
        views,
        labels: targets,
        label_count: labels.len(),
        is_balanced: options.balance == Balance::Balanced,
    };
    step(2)?;
    let folds = folds(examples, &data.labels, context.seed);
    let everything: Vec<u32> = (0..data.labels.len() as u32).collect();
    let ((bayes_weight, calibration, findings), outputs) = parallel::join(
        context.threads,
        || choose(&data, (&folds, entries), options.metric, context),
        || {
            parallel::map(context.threads, data.outputs(), |output| {
                data.solve(output, &everything, context.seed)
            })
        },
    );
    step(3)?;
    let mut weights = vec![0.0; vocabulary.len() * outputs.len()];
    for (output, solved) in outputs.iter().enumerate() {
        for (column, (weight, ratio)) in solved.machine.weights.iter().zip(&solved.ratios).enumerate() {
            weights[column * outputs.len() + output] = weight + bayes_weight * ratio;
        }
    }
    let model = Model {
        labels,
        vocabulary,
        weights,
        bias: outputs.iter().map(|solved| solved.machine.bias).collect(),
        calibration,
        judges_entities: examples.iter().any(|example| !example.mentions.is_empty()),
    };
    step(4)?;
    Ok((model, findings))
}

/// The labels in order, and the number of each example's.
fn number_labels(
    examples: &[Example<'_>],
    declared: &[String],
) -> Result<(Vec<String>, Vec<u32>), Untrained> {
    let error = Untrained::Data;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    examples.iter().for_each(|example| *counts.entry(example.label).or_default() += 1);
    let labels: Vec<String> = match declared {
        [] => counts.keys().map(|label| (*label).to_owned()).collect(),
        declared => declared.to_vec(),
    };
    if labels.len() < 2 {
        return Err(error(format!("the examples have {} label(s), at least 2 are needed", labels.len())));
    }
    for label in &labels {
        let count = counts.get(label.as_str()).copied().unwrap_or(0);
        if count < EXAMPLES_MIN {
            let message =
                format!("label `{label}` has {count} example(s), at least {EXAMPLES_MIN} are needed");
            return Err(error(message));
        }
    }
    let numbers: HashMap<&str, u32> = labels.iter().map(String::as_str).zip(0..).collect();
    let number = |(at, example): (usize, &Example<'_>)| {
        numbers.get(example.label).copied().ok_or_else(|| {
            error(format!("example {} has the label `{}`, which is not declared", at + 1, example.label))
        })
    };
    let targets: Result<Vec<u32>, Untrained> = examples.iter().enumerate().map(number).collect();
    let targets = targets?;
    Ok((labels, targets))
}

fn read(examples: &[Example<'_>], threads: usize) -> Vec<Features> {
    let batches: Vec<&[Example<'_>]> = examples.chunks(BATCH).collect();
    let work = |batch: usize| -> Vec<Features> {
        let read = |example: &Example<'_>| {
            let target = example.mentions.first().map_or("", |mention| mention.text(example.text));
            let mut features = Features::default();
            features.read(&Words::of(example.text, &example.mentions), target);
            features
        };
        batches[batch].iter().map(read).collect()
    };
    parallel::map(threads, batches.len(), work).into_iter().flatten().collect()
}

/// A fold for each example: labels spread evenly, examples of the same text together, so that none is tested by
/// a model that knows its text.
fn folds(examples: &[Example<'_>], labels: &[u32], seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut first_of: HashMap<u64, usize> = HashMap::new();
    let mut order: Vec<(u32, u64, usize)> = Vec::new();
    let keys: Vec<u64> = examples.iter().map(|example| hash_bytes(7, example.text.as_bytes())).collect();
    for (at, key) in keys.iter().enumerate() {
        first_of.entry(*key).or_insert_with(|| {
            order.push((labels[at], random.next_u64(), at));
            at
        });
    }
    order.sort_unstable();
    let mut of_first = vec![0; examples.len()];
    for (place, (_, _, at)) in order.into_iter().enumerate() {
        of_first[at] = place as u32 % FOLDS;
    }
    keys.iter().map(|key| of_first[first_of[key]]).collect()
}

/// Holds out folds to find what naive Bayes shall count, and fits the calibration; with them comes its weight.
fn choose(
    data: &Data,
    (folds, entries): (&[u32], usize),
    metric: Metric,
    context: &TrainContext<'_>,
) -> (f32, Calibration, Report) {
    let fold_count = if entries > ENTRIES_MANY { 1 } else { FOLDS };
    let held = held_out(data, (folds, fold_count), (context.seed, context.threads));
    let labels: Vec<u32> = held.rows.iter().map(|row| data.labels[*row as usize]).collect();
    let mut examples = vec![0; data.label_count];
    data.labels.iter().for_each(|label| examples[*label as usize] += 1);
    let unit = spread(&held.machines) / spread(&held.bayes).max(1e-9);
    let tried = parallel::map(context.threads, BAYES_SHARES.len(), |at| {
        let outputs = added(&held, BAYES_SHARES[at] * unit);
        let calibration = Calibration::fit(&outputs, &labels, (data.label_count, metric));
        let found = calibration.labels(&outputs);
        let right = found.iter().zip(&labels).filter(|(found, wanted)| found == wanted).count();
        let report = Report {
            examples: examples.clone(),
            tested: labels.len(),
            accuracy: right as f64 / labels.len().max(1) as f64,
            macro_f1: macro_f1(&labels, &found, data.label_count),
            log_loss: calibration.loss(&outputs, &labels),
            bayes_share: BAYES_SHARES[at],
            features: data.views.len(),
        };
        (BAYES_SHARES[at] * unit, calibration, report)
    });
    let best = tried.into_iter().min_by(|a, b| a.2.log_loss.total_cmp(&b.2.log_loss));
    best.expect("invariant: there is at least one share")
}

fn added(held: &HeldOut, bayes_weight: f32) -> Vec<Vec<f32>> {
    let add = |(machines, bayes): (&Vec<f32>, &Vec<f32>)| {
        machines.iter().zip(bayes).map(|(machine, bayes)| machine + bayes_weight * bayes).collect()
    };
    held.machines.iter().zip(&held.bayes).map(add).collect()
}

/// Standard deviation of all outputs.
fn spread(outputs: &[Vec<f32>]) -> f32 {
    let count = outputs.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let values = || outputs.iter().flatten().map(|value| f64::from(*value));
    let mean = values().sum::<f64>() / count;
    (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt() as f32
}
