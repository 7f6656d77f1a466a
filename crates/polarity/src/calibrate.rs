//! From scores to probabilities and labels, fitted on scores of examples that the model did not see.

use intendant_numeric::calibration::{minimize, softmax};

use crate::model::Prediction;
use crate::train::Metric;

/// Rounds in which sharpness and offsets are fitted in turn.
const ROUNDS: usize = 6;
/// Examples that sharpness and offsets are fitted on, at most; evenly taken.
const EXAMPLES_MAX: usize = 10_000;
/// Steps of the offsets that favour labels, and how many there are to each side.
const STEP: f32 = 0.1;
const STEPS: i32 = 10;

/// Probabilities are the softmax of `sharpness * score + offset`; the label is the one with the highest probability
/// times its favour.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calibration {
    pub(crate) sharpness: f32,
    /// One per label.
    pub(crate) offsets: Vec<f32>,
    /// Logarithms, one per label.
    pub(crate) favours: Vec<f32>,
}

impl Calibration {
    /// Fits outputs `[examples][outputs]` of unseen examples.
    pub(crate) fn fit(outputs: &[Vec<f32>], labels: &[u32], (count, metric): (usize, Metric)) -> Self {
        let mut fitted = Self { sharpness: 1.0, offsets: vec![0.0; count], favours: vec![0.0; count] };
        let (all, all_labels, step) = (outputs, labels, outputs.len().div_ceil(EXAMPLES_MAX).max(1));
        let outputs: Vec<Vec<f32>> = all.iter().step_by(step).cloned().collect();
        let labels: Vec<u32> = all_labels.iter().step_by(step).copied().collect();
        let mut wanted = vec![0.5f64; count];
        labels.iter().for_each(|label| wanted[*label as usize] += 1.0);
        for _ in 0..ROUNDS {
            fitted.sharpness = minimize(0.01, 100.0, |sharpness| {
                Self { sharpness, ..fitted.clone() }.loss(&outputs, &labels)
            });
            let mut found = vec![0.5f64; count];
            for outputs in &outputs {
                let mut probabilities = fitted.logits(outputs);
                softmax(&mut probabilities, 1.0);
                found.iter_mut().zip(probabilities).for_each(|(sum, share)| *sum += f64::from(share));
            }
            for label in 0..count {
                fitted.offsets[label] += (wanted[label] / found[label]).ln() as f32;
            }
        }
        if metric == Metric::MacroF1 {
            fitted.favour(all, all_labels);
        }
        fitted
    }

    /// Logits of all labels.
    pub(crate) fn logits(&self, outputs: &[f32]) -> Vec<f32> {
        // One output speaks for the second label.
        let skipped = self.offsets.len() - outputs.len();
        let scores = std::iter::repeat_n(&0.0, skipped).chain(outputs);
        scores.zip(&self.offsets).map(|(score, offset)| self.sharpness * score + offset).collect()
    }

    /// Label and probabilities of logits.
    pub(crate) fn prediction(&self, logits: &[f32]) -> Prediction {
        let mut probabilities = logits.to_vec();
        softmax(&mut probabilities, 1.0);
        Prediction { label: self.label(logits), probabilities }
    }

    fn label(&self, logits: &[f32]) -> usize {
        let score = |label: usize| logits[label] + self.favours[label];
        (0..logits.len()).max_by(|a, b| score(*a).total_cmp(&score(*b)).then(b.cmp(a))).unwrap_or(0)
    }

    /// Mean negative log-likelihood.
    pub(crate) fn loss(&self, outputs: &[Vec<f32>], labels: &[u32]) -> f64 {
        let mut total = 0.0;
        for (outputs, label) in outputs.iter().zip(labels) {
            let mut probabilities = self.logits(outputs);
            softmax(&mut probabilities, 1.0);
            total -= f64::from(probabilities[*label as usize].max(1e-9)).ln();
        }
        total / labels.len().max(1) as f64
    }

    /// The labels of outputs.
    pub(crate) fn labels(&self, outputs: &[Vec<f32>]) -> Vec<u32> {
        outputs.iter().map(|outputs| self.label(&self.logits(outputs)) as u32).collect()
    }

    /// Favours labels so that their mean F1 is highest; among equals, the middle of the favours that give it.
    fn favour(&mut self, outputs: &[Vec<f32>], labels: &[u32]) {
        let logits: Vec<Vec<f32>> = outputs.iter().map(|outputs| self.logits(outputs)).collect();
        for _ in 0..2 {
            for favoured in 0..self.favours.len() {
                let curve: Vec<(f32, f64)> = (-STEPS..=STEPS)
                    .map(|step| {
                        let mut tried = self.clone();
                        tried.favours[favoured] = step as f32 * STEP;
                        let found: Vec<u32> =
                            logits.iter().map(|logits| tried.label(logits) as u32).collect();
                        (tried.favours[favoured], macro_f1(labels, &found, self.favours.len()))
                    })
                    .collect();
                // Single peaks are chance: neighbours count as well.
                let smooth = |at: usize| {
                    let around = &curve[at.saturating_sub(2)..(at + 3).min(curve.len())];
                    around.iter().map(|(_, score)| score).sum::<f64>() / around.len() as f64
                };
                let best = (0..curve.len()).max_by(|a, b| smooth(*a).total_cmp(&smooth(*b)));
                self.favours[favoured] = best.map_or(0.0, |best| curve[best].0);
            }
        }
    }
}

/// Mean F1 over the labels that occur.
pub(crate) fn macro_f1(wanted: &[u32], found: &[u32], count: usize) -> f64 {
    let (mut right, mut total) = (vec![0usize; count], vec![0usize; count]);
    let mut occurs = vec![false; count];
    for (wanted, found) in wanted.iter().zip(found) {
        right[*wanted as usize] += usize::from(wanted == found);
        total[*wanted as usize] += 1;
        total[*found as usize] += 1;
        occurs[*wanted as usize] = true;
    }
    let scores: Vec<f64> = (0..count)
        .filter(|label| occurs[*label])
        .map(|label| 2.0 * right[label] as f64 / total[label].max(1) as f64)
        .collect();
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}
