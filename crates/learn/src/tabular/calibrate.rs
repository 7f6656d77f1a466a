//! From scores to probabilities, and where the positive class begins.

use super::linear;
use super::objective::{Goal, logit, sigmoid};
use super::settings::{Metric, Task};

/// How a score becomes a probability.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Curve {
    /// Sigmoid or softmax of the scores times slope plus offset.
    Line { slope: f64, offset: f64 },
    /// Log-odds between points by score, straight in between.
    Steps { scores: Vec<f64>, log_odds: Vec<f64> },
}

/// Rows from which on a staircase is no longer mostly noise.
pub(super) const STEPS_ROWS_MIN: usize = 20_000;

impl Curve {
    /// Scores as they are.
    pub const PLAIN: Self = Self::Line { slope: 1.0, offset: 0.0 };

    /// The calibrated log-odds of a score.
    pub fn of(&self, score: f64) -> f64 {
        match self {
            Self::Line { slope, offset } => score * slope + offset,
            Self::Steps { scores, log_odds } => {
                let at = scores.partition_point(|other| *other <= score);
                let (Some(first), Some(last)) = (log_odds.first(), log_odds.last()) else { return score };
                if at == 0 {
                    return *first;
                }
                if at == scores.len() {
                    return *last;
                }
                let share = (score - scores[at - 1]) / (scores[at] - scores[at - 1]);
                log_odds[at - 1] + share * (log_odds[at] - log_odds[at - 1])
            }
        }
    }

    /// How much a contribution to the score is one to the calibrated log-odds; 1 where that differs by place.
    pub fn slope(&self) -> f64 {
        if let Self::Line { slope, .. } = self { *slope } else { 1.0 }
    }

    /// The curve moved along the log-odds.
    pub fn moved(self, by: f64) -> Self {
        match self {
            Self::Line { slope, offset } => Self::Line { slope, offset: offset + by },
            Self::Steps { scores, log_odds } => {
                Self::Steps { scores, log_odds: log_odds.into_iter().map(|odds| odds + by).collect() }
            }
        }
    }
}

/// A line through the log-odds of held-out scores of two classes.
///
/// Source: Platt, "Probabilistic Outputs for Support Vector Machines" (1999).
pub(super) fn platt(scores: &[f64], goal: &Goal) -> Curve {
    let rows: Vec<usize> = (0..scores.len()).collect();
    let (weights, base) = linear::fit(&[scores.to_vec()], goal, &rows, 1e-6);
    let slope = weights[0][0];
    if slope > 0.0 && slope.is_finite() { Curve::Line { slope, offset: base[0] } } else { Curve::PLAIN }
}

/// A rising staircase, its steps' middles joined, so that no two scores become one.
///
/// Source: Zadrozny, Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates" (2002).
pub(super) fn isotonic(scores: &[f64], goal: &Goal) -> Curve {
    struct Block {
        score: f64,
        hits: f64,
        weight: f64,
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|left, right| scores[*left].total_cmp(&scores[*right]).then(left.cmp(right)));
    let mut blocks: Vec<Block> = Vec::new();
    for row in order {
        let weight = goal.weights[row];
        blocks.push(Block { score: scores[row] * weight, hits: goal.target[row] * weight, weight });
        while let [.., before, last] = blocks.as_slice() {
            if before.hits * last.weight < last.hits * before.weight {
                break;
            }
            let joined = Block {
                score: before.score + last.score,
                hits: before.hits + last.hits,
                weight: before.weight + last.weight,
            };
            blocks.truncate(blocks.len() - 2);
            blocks.push(joined);
        }
    }
    let mut curve = (Vec::new(), Vec::new());
    for block in blocks.iter().filter(|block| block.weight > 0.0) {
        let score = block.score / block.weight;
        // Half a row of either class keeps the ends from being certain.
        let odds = logit((block.hits + 0.5) / (block.weight + 1.0));
        if curve.0.last().is_none_or(|last| *last < score) && curve.1.last().is_none_or(|last| *last <= odds)
        {
            curve.0.push(score);
            curve.1.push(odds);
        }
    }
    if curve.0.len() < 2 { Curve::PLAIN } else { Curve::Steps { scores: curve.0, log_odds: curve.1 } }
}

/// What several classes' scores are multiplied by for the smallest held-out loss.
pub(super) fn temperature(scores: &[Vec<f64>], goal: &Goal) -> Curve {
    let rows: Vec<usize> = (0..goal.target.len()).collect();
    let loss = |slope: f64| {
        let scaled: Vec<Vec<f64>> =
            scores.iter().map(|scores| scores.iter().map(|score| score * slope).collect()).collect();
        goal.loss(&scaled, &rows)
    };
    let slope = intendant_numeric::calibration::minimize(0.2, 5.0, |slope| loss(f64::from(slope)));
    Curve::Line { slope: f64::from(slope), offset: 0.0 }
}

/// The probability at which the positive class begins, best for a metric on held-out rows.
///
/// The metric over the cut is jagged; its mean over neighbouring cuts decides, so that chance does less.
pub(super) fn threshold(shares: &[f64], goal: &Goal, metric: Metric) -> f64 {
    debug_assert_eq!(goal.task, Task::Binary);
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|left, right| shares[*right].total_cmp(&shares[*left]).then(left.cmp(right)));
    let positives: f64 = goal.target.iter().sum();
    let negatives = shares.len() as f64 - positives;
    let mut values = Vec::with_capacity(shares.len());
    let mut hits = 0.0;
    for (at, row) in order.iter().enumerate() {
        hits += goal.target[*row];
        let given = (at + 1) as f64;
        let false_hits = given - hits;
        let f1 = 2.0 * hits / (given + positives);
        let left_negatives = negatives - false_hits;
        values.push(match metric {
            Metric::Accuracy => (hits + left_negatives) / shares.len() as f64,
            Metric::MacroF1 => {
                let other = 2.0 * left_negatives / (shares.len() as f64 - given + negatives).max(1.0);
                (f1 + other) / 2.0
            }
            _ => f1,
        });
    }
    let reach = (shares.len() / 60).max(1);
    let mut sums = vec![0.0];
    for value in &values {
        sums.push(sums[sums.len() - 1] + value);
    }
    let mean = |at: usize| {
        let (start, end) = (at.saturating_sub(reach), (at + reach + 1).min(values.len()));
        (sums[end] - sums[start]) / (end - start) as f64
    };
    let Some(best) = (0..values.len()).max_by(|left, right| mean(*left).total_cmp(&mean(*right))) else {
        return 0.5;
    };
    let share = shares[order[best]];
    let next = order.get(best + 1).map_or(share, |row| shares[*row]);
    ((share + next) / 2.0).clamp(1e-6, 1.0 - 1e-6)
}

/// Probabilities of two classes from scores.
pub(super) fn shares(curve: &Curve, scores: &[f64]) -> Vec<f64> {
    scores.iter().map(|score| sigmoid(curve.of(*score))).collect()
}
