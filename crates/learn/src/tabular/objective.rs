//! What is minimised: losses with their slopes, for one output or one per class.

use super::settings::Task;

/// Targets and weights of the training rows.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    pub task: Task,
    /// Class index, or the number to predict.
    pub target: Vec<f64>,
    pub weights: Vec<f64>,
    /// 1 for two classes and for numbers, else one per class.
    pub outputs: usize,
}

impl Goal {
    /// The outputs that fit best without any input.
    pub fn base(&self, rows: &[usize]) -> Vec<f64> {
        let weight: f64 = rows.iter().map(|row| self.weights[*row]).sum();
        let share = |is_hit: &dyn Fn(f64) -> bool| {
            let hit: f64 =
                rows.iter().filter(|row| is_hit(self.target[**row])).map(|row| self.weights[*row]).sum();
            ((hit + 0.5) / (weight + 1.0)).clamp(1e-6, 1.0 - 1e-6)
        };
        match self.task {
            Task::Regression => {
                let total: f64 = rows.iter().map(|row| self.weights[*row] * self.target[*row]).sum();
                vec![if weight > 0.0 { total / weight } else { 0.0 }]
            }
            Task::Binary => {
                let share = share(&|target| target > 0.5);
                vec![(share / (1.0 - share)).ln()]
            }
            Task::Multiclass => {
                (0..self.outputs).map(|class| share(&|target| target as usize == class).ln()).collect()
            }
        }
    }

    /// Slope and curvature of the loss at these scores, output by output: `[outputs, rows]`.
    ///
    /// `scores` is `[outputs, all rows]`; results are in the order of `rows`.
    pub fn slopes(&self, scores: &[Vec<f64>], rows: &[usize], into: &mut [Vec<[f64; 2]>]) {
        match self.task {
            Task::Regression => {
                for (slot, row) in into[0].iter_mut().zip(rows) {
                    let weight = self.weights[*row];
                    *slot = [weight * (scores[0][*row] - self.target[*row]), weight];
                }
            }
            Task::Binary => {
                for (slot, row) in into[0].iter_mut().zip(rows) {
                    let (weight, share) = (self.weights[*row], sigmoid(scores[0][*row]));
                    *slot =
                        [weight * (share - self.target[*row]), (weight * share * (1.0 - share)).max(1e-16)];
                }
            }
            Task::Multiclass => {
                let mut shares = vec![0.0; self.outputs];
                for (at, row) in rows.iter().enumerate() {
                    for (share, scores) in shares.iter_mut().zip(scores) {
                        *share = scores[*row];
                    }
                    softmax(&mut shares);
                    for (class, share) in shares.iter().enumerate() {
                        let hit = f64::from(u8::from(self.target[*row] as usize == class));
                        let weight = self.weights[*row];
                        // Twice the diagonal bounds the curvature of the softmax.
                        into[class][at] =
                            [weight * (share - hit), (2.0 * weight * share * (1.0 - share)).max(1e-16)];
                    }
                }
            }
        }
    }

    /// Mean loss over these rows.
    pub fn loss(&self, scores: &[Vec<f64>], rows: &[usize]) -> f64 {
        let (mut total, mut weight) = (0.0, 0.0);
        let mut row_scores = vec![0.0; self.outputs];
        for row in rows {
            let loss = match self.task {
                Task::Regression => (scores[0][*row] - self.target[*row]).powi(2),
                Task::Binary => {
                    let score = scores[0][*row];
                    // ln(1 + e^s) - y s, without overflow.
                    score.max(0.0) + (-score.abs()).exp().ln_1p() - self.target[*row] * score
                }
                Task::Multiclass => {
                    for (score, scores) in row_scores.iter_mut().zip(scores) {
                        *score = scores[*row];
                    }
                    softmax(&mut row_scores);
                    -row_scores[self.target[*row] as usize].max(1e-15).ln()
                }
            };
            total += self.weights[*row] * loss;
            weight += self.weights[*row];
        }
        if weight > 0.0 { total / weight } else { 0.0 }
    }
}

/// 1 / (1 + e^-x).
pub(crate) fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// ln(p / (1 - p)), finite.
pub(crate) fn logit(share: f64) -> f64 {
    let share = share.clamp(1e-9, 1.0 - 1e-9);
    (share / (1.0 - share)).ln()
}

/// Scores become shares that sum to one.
pub(crate) fn softmax(scores: &mut [f64]) {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - top).exp();
        total += *score;
    }
    scores.iter_mut().for_each(|score| *score /= total);
}
