//! How good predictions are: figures of classes, probabilities and numbers, with how sure they are.

use intendant_numeric::random::Random;

use crate::tabular::{Metric, Task};

/// A figure with the interval that holds it 95 times of 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// On all rows.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What is predicted and what is true, row by row.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// What kind of prediction.
    pub task: Task,
    /// Class index, or the number.
    pub truth: Vec<f64>,
    /// Probabilities, `[rows, classes]` row-major; numbers for regression, `[rows]`.
    pub scores: Vec<f64>,
    /// Number of classes; 1 for regression.
    pub classes: usize,
    /// The class each row was given; empty for regression.
    pub labels: Vec<u32>,
}

/// Repetitions for intervals.
const RESAMPLES: usize = 200;

/// Rows beyond which intervals are taken from a part of them and narrowed accordingly.
const RESAMPLE_ROWS_MAX: usize = 20_000;

impl Outcomes {
    /// The metrics that make sense for a task.
    pub fn metrics(task: Task) -> &'static [Metric] {
        match task {
            Task::Binary => &[
                Metric::RocAuc,
                Metric::PrAuc,
                Metric::F1,
                Metric::MacroF1,
                Metric::Accuracy,
                Metric::LogLoss,
                Metric::Brier,
            ],
            Task::Multiclass => {
                &[Metric::RocAuc, Metric::MacroF1, Metric::Accuracy, Metric::LogLoss, Metric::Brier]
            }
            Task::Regression => &[Metric::Rmse, Metric::Mae, Metric::R2],
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.truth.len()
    }

    /// Outcomes of these rows only.
    pub fn take(&self, rows: &[usize]) -> Self {
        let scores = rows.iter().flat_map(|row| &self.scores[row * self.classes..(row + 1) * self.classes]);
        Self {
            task: self.task,
            truth: rows.iter().map(|row| self.truth[*row]).collect(),
            scores: scores.copied().collect(),
            classes: self.classes,
            labels: if self.labels.is_empty() {
                Vec::new()
            } else {
                rows.iter().map(|row| self.labels[*row]).collect()
            },
        }
    }

    /// A metric; `NaN` where it has no meaning, as the area under a curve of one class.
    pub fn metric(&self, metric: Metric) -> f64 {
        if self.rows() == 0 {
            return f64::NAN;
        }
        match metric {
            Metric::RocAuc => self.mean_over_classes(roc_auc),
            Metric::PrAuc => self.mean_over_classes(average_precision),
            Metric::F1 if self.classes == 2 => self.f1(1),
            Metric::F1 | Metric::MacroF1 => {
                let present: Vec<usize> = (0..self.classes)
                    .filter(|class| self.truth.iter().any(|truth| *truth as usize == *class))
                    .collect();
                present.iter().map(|class| self.f1(*class)).sum::<f64>() / present.len().max(1) as f64
            }
            Metric::Accuracy => {
                let right = self
                    .truth
                    .iter()
                    .zip(&self.labels)
                    .filter(|(truth, label)| **truth == f64::from(**label));
                right.count() as f64 / self.rows() as f64
            }
            Metric::LogLoss => self.mean(|truth, shares| -shares[truth as usize].clamp(1e-15, 1.0).ln()),
            Metric::Brier if self.classes == 2 => self.mean(|truth, shares| (shares[1] - truth).powi(2)),
            Metric::Brier => self.mean(|truth, shares| {
                let hit = |class: usize| f64::from(u8::from(class == truth as usize));
                shares.iter().enumerate().map(|(class, share)| (share - hit(class)).powi(2)).sum()
            }),
            Metric::Rmse => self.mean(|truth, found| (found[0] - truth).powi(2)).sqrt(),
            Metric::Mae => self.mean(|truth, found| (found[0] - truth).abs()),
            Metric::R2 => {
                let mean = self.truth.iter().sum::<f64>() / self.rows() as f64;
                let spread: f64 = self.truth.iter().map(|truth| (truth - mean).powi(2)).sum();
                1.0 - self.mean(|truth, found| (found[0] - truth).powi(2)) * self.rows() as f64 / spread
            }
        }
    }

    /// A metric with its interval, by drawing rows again.
    pub fn figure(&self, metric: Metric, seed: u64) -> Figure {
        let value = self.metric(metric);
        let mut random = Random::new(seed);
        let drawn = self.rows().min(RESAMPLE_ROWS_MAX);
        let mut values: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let rows: Vec<usize> = (0..drawn).map(|_| random.below(self.rows())).collect();
                self.take(&rows).metric(metric)
            })
            .filter(|value| !value.is_nan())
            .collect();
        if values.is_empty() {
            return Figure { value, low: value, high: value };
        }
        values.sort_by(f64::total_cmp);
        let narrowed = (drawn as f64 / self.rows() as f64).sqrt();
        let at = |share: f64| {
            let drawn = values[((values.len() - 1) as f64 * share).round() as usize];
            value + (drawn - value) * narrowed
        };
        Figure { value, low: at(0.025), high: at(0.975) }
    }

    /// Rows by true class and given class.
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; self.classes]; self.classes];
        for (truth, label) in self.truth.iter().zip(&self.labels) {
            counts[*truth as usize][*label as usize] += 1;
        }
        counts
    }

    /// Mean probability and share of the positive class in ten parts of equal size, and their rows.
    pub fn reliability(&self) -> Vec<(f64, f64, usize)> {
        if self.classes != 2 {
            return Vec::new();
        }
        let mut pairs: Vec<(f64, f64)> =
            self.scores.iter().skip(1).step_by(2).copied().zip(self.truth.iter().copied()).collect();
        pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
        let size = pairs.len().div_ceil(10).max(1);
        let mean = |part: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
            part.iter().map(of).sum::<f64>() / part.len() as f64
        };
        pairs
            .chunks(size)
            .map(|part| (mean(part, |pair| pair.0), mean(part, |pair| pair.1), part.len()))
            .collect()
    }

    fn mean(&self, of: impl Fn(f64, &[f64]) -> f64) -> f64 {
        let pairs = self.truth.iter().zip(self.scores.chunks(self.classes.max(1)));
        pairs.map(|(truth, scores)| of(*truth, scores)).sum::<f64>() / self.rows() as f64
    }

    fn mean_over_classes(&self, of: fn(&mut [(f64, bool)]) -> f64) -> f64 {
        let one = |class: usize| {
            let scores = self.scores.iter().skip(class).step_by(self.classes);
            let mut pairs: Vec<(f64, bool)> =
                scores.zip(&self.truth).map(|(score, truth)| (*score, *truth as usize == class)).collect();
            of(&mut pairs)
        };
        if self.classes == 2 {
            return one(1);
        }
        let values: Vec<f64> = (0..self.classes).map(one).filter(|value| !value.is_nan()).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn f1(&self, class: usize) -> f64 {
        let (hits, given, there) = self.counts(class);
        if given + there > 0.0 { 2.0 * hits / (given + there) } else { 0.0 }
    }

    fn counts(&self, class: usize) -> (f64, f64, f64) {
        let (mut hits, mut given, mut there) = (0.0, 0.0, 0.0);
        for (truth, label) in self.truth.iter().zip(&self.labels) {
            let (is_there, is_given) = (*truth as usize == class, *label as usize == class);
            hits += f64::from(u8::from(is_there && is_given));
            given += f64::from(u8::from(is_given));
            there += f64::from(u8::from(is_there));
        }
        (hits, given, there)
    }
}

/// The share of pairs of a positive and a negative that are in the right order; ties count half.
fn roc_auc(pairs: &mut [(f64, bool)]) -> f64 {
    pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut ranks, mut positives, mut start) = (0.0, 0.0, 0);
    while start < pairs.len() {
        let ties = pairs[start..].iter().take_while(|pair| pair.0 == pairs[start].0).count();
        let hits = pairs[start..start + ties].iter().filter(|pair| pair.1).count() as f64;
        ranks += hits * (start as f64 + (ties as f64 + 1.0) / 2.0);
        positives += hits;
        start += ties;
    }
    let negatives = pairs.len() as f64 - positives;
    (ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

/// Precision averaged over the recall that each score adds.
fn average_precision(pairs: &mut [(f64, bool)]) -> f64 {
    pairs.sort_by(|left, right| right.0.total_cmp(&left.0));
    let positives = pairs.iter().filter(|pair| pair.1).count() as f64;
    let (mut hits, mut area, mut start) = (0.0, 0.0, 0);
    while start < pairs.len() {
        let ties = pairs[start..].iter().take_while(|pair| pair.0 == pairs[start].0).count();
        let gained = pairs[start..start + ties].iter().filter(|pair| pair.1).count() as f64;
        hits += gained;
        start += ties;
        area += gained / positives * hits / start as f64;
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(truth: &[f64], scores: &[f64], threshold: f64) -> Outcomes {
        Outcomes {
            task: Task::Binary,
            truth: truth.to_vec(),
            scores: scores.iter().flat_map(|score| [1.0 - score, *score]).collect(),
            classes: 2,
            labels: scores.iter().map(|score| u32::from(*score > threshold)).collect(),
        }
    }

    #[test]
    fn figures_agree_with_hand_counts() {
        let outcomes = outcomes(&[0.0, 0.0, 1.0, 1.0, 1.0], &[0.1, 0.4, 0.35, 0.8, 0.4], 0.38);
        let close = |metric, expected: f64| {
            assert!(
                (outcomes.metric(metric) - expected).abs() < 1e-9,
                "{metric} {}",
                outcomes.metric(metric)
            );
        };
        // Pairs: .35>.1, .35<.4, .8>.1, .8>.4, .4>.1, .4=.4.
        close(Metric::RocAuc, 4.5 / 6.0);
        close(Metric::PrAuc, 1.0 / 3.0 + 2.0 / 9.0 + 0.25);
        close(Metric::F1, 2.0 * 2.0 / 6.0);
        close(Metric::Accuracy, 3.0 / 5.0);
        assert_eq!(outcomes.confusion(), [[1, 1], [1, 2]]);
        assert!(outcomes.take(&[0, 1]).metric(Metric::RocAuc).is_nan());
        let figure = outcomes.figure(Metric::Accuracy, 1);
        assert!(figure.low <= figure.value && figure.value <= figure.high && figure.low < figure.high);
    }
}
