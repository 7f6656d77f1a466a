//! Multinomial logistic regression over dense rows.
//!
//! Minimises the mean negative log-likelihood plus a penalty on the squares of the weights. Rows are
//! worked on in chunks whose sums are added in order.

use crate::calibration::softmax;
use crate::dense::Linear;
use crate::lbfgs::{self, dot};
use crate::parallel;

/// Rows of a chunk.
const CHUNK: usize = 512;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Weight of half the sum of squares against the mean loss.
    pub penalty: f32,
    /// Steps, at most.
    pub steps_max: usize,
    /// Stops when the gradient is this much smaller than at the start.
    pub tolerance: f32,
    /// Threads to use.
    pub threads: usize,
}

/// Rows with a class each.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// `[examples][width]`.
    pub rows: &'a [f32],
    /// Numbers per row.
    pub width: usize,
    /// The class of each row.
    pub targets: &'a [u32],
    /// Number of classes.
    pub classes: usize,
}

impl<'a> Data<'a> {
    /// One row.
    pub(crate) fn row(&self, at: u32) -> &'a [f32] {
        &self.rows[at as usize * self.width..][..self.width]
    }
}

/// Weights of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// `[classes][width]`.
    pub weights: Vec<f32>,
    /// `[classes]`.
    pub bias: Vec<f32>,
}

/// Trains; `None` when `go_on` says no, which is asked before every step.
pub fn train(data: &Data<'_>, options: &Options, go_on: impl Fn() -> bool) -> Option<Regression> {
    let problem = Problem::new(data, options);
    let size = data.classes * (data.width + 1);
    let tolerance = lbfgs::Tolerance::OfStart(options.tolerance);
    let way = lbfgs::Options { steps_max: options.steps_max, tolerance };
    let mut point = lbfgs::minimize(size, &way, |point| problem.evaluate(point), |_| go_on())?.point;
    let bias = point.split_off(data.classes * data.width);
    Some(Regression { weights: point, bias })
}

impl Regression {
    /// The classes' scores of rows, `[examples][classes]`; their softmax are probabilities.
    pub fn linear(&self) -> Linear {
        Linear::new(&self.weights, self.bias.clone())
    }
}

struct Problem<'a> {
    data: &'a Data<'a>,
    options: &'a Options,
    /// Each chunk's rows as columns.
    columns: Vec<Linear>,
}

impl<'a> Problem<'a> {
    fn new(data: &'a Data<'a>, options: &'a Options) -> Self {
        let columns = data
            .rows
            .chunks(CHUNK * data.width)
            .map(|rows| Linear::new(&transposed(rows, data.width), vec![0.0; data.width]));
        Self { columns: columns.collect(), data, options }
    }

    /// Loss and gradient at a point: weights first, biases last.
    fn evaluate(&self, point: &[f32]) -> (f64, Vec<f32>) {
        let Data { rows, width, targets, classes } = *self.data;
        let (weights, bias) = point.split_at(classes * width);
        let linear = Linear::new(weights, bias.to_vec());
        let parts = parallel::map(self.options.threads, self.columns.len(), |chunk| {
            let own = chunk * CHUNK..((chunk + 1) * CHUNK).min(targets.len());
            let mut errors = linear.apply(&rows[own.start * width..own.end * width]);
            let mut loss = 0.0;
            for (row, target) in errors.chunks_exact_mut(classes).zip(&targets[own]) {
                softmax(row, 1.0);
                let right = &mut row[*target as usize];
                loss -= f64::from(right.max(1e-30)).ln();
                *right -= 1.0;
            }
            let errors = transposed(&errors, classes);
            let count = errors.len() / classes;
            let biases: Vec<f32> = errors.chunks_exact(count).map(|of_class| of_class.iter().sum()).collect();
            (loss, self.columns[chunk].apply(&errors), biases)
        });
        let share = 1.0 / targets.len().max(1) as f32;
        let mut loss = 0.0;
        let mut gradient: Vec<f32> = vec![0.0; point.len()];
        for (part, slopes, biases) in parts {
            loss += part * f64::from(share);
            for (sum, slope) in gradient.iter_mut().zip(slopes.iter().chain(&biases)) {
                *sum += slope * share;
            }
        }
        let penalty = self.options.penalty;
        loss += 0.5 * f64::from(penalty) * dot(weights, weights);
        gradient.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += penalty * weight);
        (loss, gradient)
    }
}

/// Rows of `width` numbers as `width` rows.
fn transposed(rows: &[f32], width: usize) -> Vec<f32> {
    let count = rows.len() / width.max(1);
    let mut columns = vec![0.0; rows.len()];
    for (at, row) in rows.chunks_exact(width.max(1)).enumerate() {
        for (column, value) in row.iter().enumerate() {
            columns[column * count + at] = *value;
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lbfgs::length;
    use crate::random::Random;

    fn blobs(classes: usize, per_class: usize, width: usize) -> (Vec<f32>, Vec<u32>) {
        let mut random = Random::new(11);
        let centres: Vec<f32> = (0..classes * width).map(|_| random.unit() as f32 - 0.5).collect();
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for class in 0..classes {
            for _ in 0..per_class {
                rows.extend(
                    (0..width).map(|at| centres[class * width + at] + 0.3 * (random.unit() as f32 - 0.5)),
                );
                targets.push(class as u32);
            }
        }
        (rows, targets)
    }

    #[test]
    fn the_gradient_vanishes_at_the_solution_on_any_number_of_threads() {
        let (rows, targets) = blobs(5, 250, 12);
        let data = Data { rows: &rows, width: 12, targets: &targets, classes: 5 };
        let options = |threads| Options { penalty: 1e-3, steps_max: 300, tolerance: 1e-3, threads };
        let solved = train(&data, &options(1), || true).unwrap();
        assert_eq!(Some(&solved), train(&data, &options(2), || true).as_ref());
        let point: Vec<f32> = solved.weights.iter().chain(&solved.bias).copied().collect();
        let options = options(1);
        let problem = Problem::new(&data, &options);
        let start = length(&problem.evaluate(&vec![0.0; point.len()]).1);
        assert!(length(&problem.evaluate(&point).1) < 2e-3 * start);
        let scores = solved.linear().apply(&rows);
        let best = |scores: &[f32]| (0..5).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap() as u32;
        let right =
            scores.chunks_exact(5).zip(&targets).filter(|(scores, target)| best(scores) == **target).count();
        assert!(right > 1200, "{right} of 1250");
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let (rows, targets) = blobs(3, 4, 2);
        let data = Data { rows: &rows, width: 2, targets: &targets, classes: 3 };
        let options = Options { penalty: 0.1, steps_max: 1, tolerance: 0.0, threads: 1 };
        let problem = Problem::new(&data, &options);
        let point: Vec<f32> = (0..9).map(|at| at as f32 * 0.1 - 0.3).collect();
        let gradient = problem.evaluate(&point).1;
        for at in 0..point.len() {
            let moved = |by: f32| {
                let mut point = point.clone();
                point[at] += by;
                problem.evaluate(&point).0
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - f64::from(gradient[at])).abs() < 1e-4, "{slope} {}", gradient[at]);
        }
    }

    #[test]
    fn training_stops_on_request() {
        let (rows, targets) = blobs(2, 3, 2);
        let data = Data { rows: &rows, width: 2, targets: &targets, classes: 2 };
        assert!(
            train(&data, &Options { penalty: 0.1, steps_max: 9, tolerance: 0.0, threads: 1 }, || false)
                .is_none()
        );
    }
}
