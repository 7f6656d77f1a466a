//! Logistic regression over sparse rows: the optimum that scikit-learn's `LogisticRegression` looks for.
//!
//! Minimises the weighted negative log-likelihood of the examples plus half the sum of squares of the
//! weights divided by the cost. The gradient is summed by columns, so that threads share nothing.

use crate::calibration::softmax;
use crate::lbfgs;
use crate::parallel;
use crate::sparse::Rows;
use crate::svm::dispatch;

/// Rows or columns of a unit of work.
const CHUNK: usize = 512;
/// Classes are filled up to a multiple of so many.
const LANES: usize = 8;

/// How classes see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One distribution over all classes; biases are free. Two classes have one boundary.
    Joint,
    /// Each class against the rest, biases held as weights are; probabilities are brought to sum 1.
    Apart,
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How classes see each other.
    pub kind: Kind,
    /// Weight of the loss against the size of the weights.
    pub cost: f32,
    /// Steps, at most.
    pub steps_max: usize,
    /// Stops when no entry of the gradient is larger.
    pub tolerance: f32,
    /// Threads to use.
    pub threads: usize,
}

/// Rows with a class each.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// Examples.
    pub rows: &'a Rows,
    /// One more than the largest column.
    pub width: usize,
    /// The class of each row.
    pub targets: &'a [u32],
    /// How much an example of each class counts.
    pub class_weights: &'a [f32],
}

/// Weights of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    /// How classes see each other.
    pub link: Link,
    /// Number of classes.
    pub classes: usize,
    /// `[width + 1][classes]`; biases last.
    pub weights: Vec<f32>,
}

/// How scores become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Exponentials, divided by their sum.
    Softmax,
    /// Each score by itself, divided by the sum.
    Sigmoid,
}

/// Trains on examples of at least two classes; `None` when `go_on` says no, which is told the number
/// of each step before it. The flag says whether the steps sufficed.
pub fn train(data: &Data<'_>, options: &Options, go_on: impl Fn(usize) -> bool) -> Option<(Logistic, bool)> {
    let classes = data.class_weights.len();
    let problem = Problem::new(data, options);
    let size = (data.width + 1) * problem.stride;
    let tolerance = lbfgs::Tolerance::Largest(options.tolerance);
    let way = lbfgs::Options { steps_max: options.steps_max, tolerance };
    let minimum = lbfgs::minimize(size, &way, |point| problem.evaluate(point), go_on)?;
    let weights = minimum.point.chunks_exact(problem.stride).flat_map(|row| &row[..classes]).copied();
    Some((Logistic { link: problem.link, classes, weights: weights.collect() }, minimum.is_settled))
}

impl Logistic {
    /// Probabilities of the classes for a row.
    pub fn probabilities(&self, row: impl IntoIterator<Item = (u32, f32)>) -> Vec<f32> {
        let mut scores = self.weights[self.weights.len() - self.classes..].to_vec();
        for (column, value) in row {
            let weights = &self.weights[column as usize * self.classes..][..self.classes];
            scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += weight * value);
        }
        match self.link {
            Link::Softmax => softmax(&mut scores, 1.0),
            Link::Sigmoid => {
                scores.iter_mut().for_each(|score| *score = sigmoid(*score));
                let total = scores.iter().sum::<f32>().max(1e-30);
                scores.iter_mut().for_each(|score| *score /= total);
            }
        }
        scores
    }
}

fn sigmoid(score: f32) -> f32 {
    1.0 / (1.0 + (-score).exp())
}

struct Problem<'a> {
    data: &'a Data<'a>,
    options: &'a Options,
    link: Link,
    /// The rows with a column of ones for the biases, and the columns of that.
    rows: Rows,
    columns: Rows,
    /// Classes with what fills them up.
    stride: usize,
}

impl<'a> Problem<'a> {
    fn new(data: &'a Data<'a>, options: &'a Options) -> Self {
        let mut rows = Rows::default();
        for row in 0..data.rows.len() {
            let (columns, values) = data.rows.row(row);
            let own = columns.iter().copied().zip(values.iter().copied());
            rows.push(own.chain([(data.width as u32, 1.0)]));
        }
        let classes = data.class_weights.len();
        let is_joint = options.kind == Kind::Joint && classes > 2;
        Self {
            columns: rows.transposed(data.width + 1),
            rows,
            link: if is_joint { Link::Softmax } else { Link::Sigmoid },
            stride: classes.next_multiple_of(LANES),
            data,
            options,
        }
    }

    /// Loss and gradient at a point `[width + 1][stride]`.
    fn evaluate(&self, point: &[f32]) -> (f64, Vec<f32>) {
        let parts = self.in_chunks(self.rows.len(), |rows| self.errors(point, rows));
        let mut loss: f64 = parts.iter().map(|(loss, _)| loss).sum();
        let errors: Vec<f32> = parts.into_iter().flat_map(|(_, errors)| errors).collect();
        let width = self.data.width + 1;
        let parts = self.in_chunks(width, |columns| {
            let mut slopes = vec![0.0; columns.len() * self.stride];
            for (slopes, column) in slopes.chunks_exact_mut(self.stride).zip(columns) {
                let (rows, values) = self.columns.row(column);
                add_products(&errors, rows, values, slopes);
            }
            slopes
        });
        let mut gradient = parts.concat();
        let penalty = 1.0 / self.options.cost;
        let held = match self.options.kind {
            Kind::Joint => point.len() - self.stride,
            Kind::Apart => point.len(),
        };
        loss += 0.5 * f64::from(penalty) * lbfgs::dot(&point[..held], &point[..held]);
        gradient.iter_mut().zip(&point[..held]).for_each(|(slope, weight)| *slope += penalty * weight);
        (loss, gradient)
    }

    fn in_chunks<T: Send>(&self, count: usize, work: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
        parallel::map(self.options.threads, count.div_ceil(CHUNK), |chunk| {
            work(chunk * CHUNK..((chunk + 1) * CHUNK).min(count))
        })
    }

    /// The loss of some rows and its derivatives by their scores, `[rows][stride]`.
    fn errors(&self, point: &[f32], rows: std::ops::Range<usize>) -> (f64, Vec<f32>) {
        let weights = self.data.class_weights;
        let mut errors = vec![0.0f32; rows.len() * self.stride];
        let mut loss = 0.0;
        for (errors, row) in errors.chunks_exact_mut(self.stride).zip(rows) {
            let (columns, values) = self.rows.row(row);
            add_products(point, columns, values, errors);
            let (errors, filling) = errors.split_at_mut(weights.len());
            filling.fill(0.0);
            let target = self.data.targets[row] as usize;
            let own = weights[target];
            match self.link {
                Link::Softmax => {
                    softmax(errors, 1.0);
                    loss -= f64::from(own) * f64::from(errors[target].max(1e-30)).ln();
                    errors[target] -= 1.0;
                    errors.iter_mut().for_each(|error| *error *= own);
                }
                Link::Sigmoid => {
                    // Of two classes each is the other's rest; of more the rest counts once.
                    let of_rest = if errors.len() == 2 { own } else { 1.0 };
                    for (class, error) in errors.iter_mut().enumerate() {
                        let is_own = class == target;
                        let (side, weight) = if is_own { (1.0, own) } else { (-1.0, of_rest) };
                        let margin = f64::from(*error * side);
                        loss += f64::from(weight) * ((-margin.abs()).exp().ln_1p() + (-margin).max(0.0));
                        *error = weight * (sigmoid(*error) - f32::from(u8::from(is_own)));
                    }
                }
            }
        }
        (loss, errors)
    }
}

dispatch! {
    /// Adds to `sums` the rows of a matrix that are as long as it, each times its value.
    fn add_products(matrix: &[f32], rows: &[u32], values: &[f32], sums: &mut [f32]) {
        for (row, value) in rows.iter().zip(values) {
            let row = &matrix[*row as usize * sums.len()..][..sums.len()];
            for (sum, entry) in sums.iter_mut().zip(row) {
                *sum += value * entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Examples of classes of different sizes, whose columns overlap.
    fn examples(classes: u32) -> (Rows, Vec<u32>) {
        let mut random = Random::new(7);
        let (mut rows, mut targets) = (Rows::default(), Vec::new());
        for class in 0..classes {
            for _ in 0..8 + 4 * class {
                let mut columns = [class, classes + random.below(6) as u32, classes + 6];
                if random.below(4) == 0 {
                    columns[0] = random.below(classes as usize) as u32;
                }
                rows.push(columns.map(|column| (column, 1.0 + random.below(2) as f32)));
                targets.push(class);
            }
        }
        (rows, targets)
    }

    fn options(kind: Kind, threads: usize) -> Options {
        Options { kind, cost: 1.0, steps_max: 300, tolerance: 1e-3, threads }
    }

    #[test]
    fn the_gradient_vanishes_at_the_optimum_on_any_number_of_threads() {
        for (kind, classes) in [(Kind::Joint, 4), (Kind::Joint, 2), (Kind::Apart, 4), (Kind::Apart, 2)] {
            let (rows, targets) = examples(classes);
            let class_weights: Vec<f32> = (0..classes).map(|class| 2.0 / (class + 1) as f32).collect();
            let width = rows.width();
            let data = Data { rows: &rows, width, targets: &targets, class_weights: &class_weights };
            let (model, is_settled) = train(&data, &options(kind, 1), |_| true).unwrap();
            assert!(is_settled, "{kind:?} {classes}");
            assert_eq!(train(&data, &options(kind, 3), |_| true).unwrap().0, model);
            assert!(train(&data, &options(kind, 1), |step| step < 3).is_none());
            let options = options(kind, 1);
            let problem = Problem::new(&data, &options);
            let mut point = Vec::new();
            for row in model.weights.chunks_exact(classes as usize) {
                point.extend_from_slice(row);
                point.resize(point.len().next_multiple_of(LANES), 0.0);
            }
            let (lowest, gradient) = problem.evaluate(&point);
            assert!(gradient.iter().all(|slope| slope.abs() < 2e-3), "{kind:?} {classes}: {gradient:?}");
            // And it is the gradient of the loss: moving any weight costs.
            for at in [0, 1, LANES * width, LANES * width + 1] {
                for by in [-0.1, 0.1] {
                    let mut moved = point.clone();
                    moved[at] += by;
                    assert!(problem.evaluate(&moved).0 > lowest, "{kind:?} {classes} {at}");
                }
            }
            let (columns, values) = rows.row(0);
            let probabilities = model.probabilities(columns.iter().copied().zip(values.iter().copied()));
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}
