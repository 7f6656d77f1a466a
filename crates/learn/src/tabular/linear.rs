//! Linear models: ridge, logistic and multinomial regression by limited-memory quasi-Newton steps.
//!
//! Source: Nocedal, "Updating Quasi-Newton Matrices with Limited Storage" (1980).

use super::encode::{Encoder, median};
use super::objective::Goal;

/// A linear model over expanded inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Linear {
    pub columns: Vec<Expanded>,
    /// `[outputs][columns]`.
    pub weights: Vec<Vec<f64>>,
    pub base: Vec<f64>,
}

/// One column of the design.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expanded {
    pub input: usize,
    pub form: Form,
    /// What is taken away, then divided by.
    pub mean: f64,
    pub deviation: f64,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// The number, or this one when it is missing.
    Number { fill: f64 },
    /// One when the input is missing.
    IsMissing,
    /// One when the input has this code.
    IsCode(usize),
}

/// Codes that get a column.
const CODES_MAX: usize = 50;

/// Steps at most.
const STEPS_MAX: usize = 100;

/// Steps whose curvature is remembered.
const MEMORY: usize = 8;

/// Standardised values beyond are cut off: one wild number shall not decide.
const REACH: f64 = 8.0;

impl Expanded {
    /// The column's value for a row of inputs.
    pub fn value(&self, row: &[f64]) -> f64 {
        self.of(row[self.input])
    }

    fn of(&self, value: f64) -> f64 {
        ((self.plain(value) - self.mean) / self.deviation).clamp(-REACH, REACH)
    }

    fn plain(&self, value: f64) -> f64 {
        match self.form {
            Form::Number { fill } => {
                if value.is_nan() {
                    fill
                } else {
                    value
                }
            }
            Form::IsMissing => f64::from(u8::from(value.is_nan())),
            Form::IsCode(code) => f64::from(u8::from(value == code as f64)),
        }
    }
}

/// The design of these inputs and its columns, standardised.
pub(super) fn design(encoder: &Encoder, inputs: &[Vec<f64>]) -> (Vec<Expanded>, Vec<Vec<f64>>) {
    let mut columns = Vec::new();
    for (input, values) in inputs.iter().enumerate() {
        let mut forms = Vec::new();
        let has_missing = values.iter().any(|value| value.is_nan());
        if encoder.is_code(input) {
            forms.extend((0..encoder.codes(input).min(CODES_MAX)).map(Form::IsCode));
        } else {
            let mut known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            forms.push(Form::Number { fill: median(&mut known).unwrap_or(0.0) });
        }
        if has_missing {
            forms.push(Form::IsMissing);
        }
        columns.extend(forms.into_iter().map(|form| Expanded { input, form, mean: 0.0, deviation: 1.0 }));
    }
    let mut design = Vec::with_capacity(columns.len());
    for column in &mut columns {
        let values = &inputs[column.input];
        let count = values.len().max(1) as f64;
        let mean = values.iter().map(|value| column.plain(*value)).sum::<f64>() / count;
        let variance = values.iter().map(|value| (column.plain(*value) - mean).powi(2)).sum::<f64>() / count;
        column.mean = mean;
        column.deviation = if variance > 1e-24 { variance.sqrt() } else { 1.0 };
        design.push(values.iter().map(|value| column.of(*value)).collect());
    }
    (columns, design)
}

/// Weights, `[outputs][columns]`, and base values that minimise the loss on `rows` plus the ridge.
pub(super) fn fit(design: &[Vec<f64>], goal: &Goal, rows: &[usize], ridge: f64) -> (Vec<Vec<f64>>, Vec<f64>) {
    let columns = design.len();
    let stride = columns + 1;
    let local = Goal {
        task: goal.task,
        target: rows.iter().map(|row| goal.target[*row]).collect(),
        weights: rows.iter().map(|row| goal.weights[*row]).collect(),
        outputs: goal.outputs,
    };
    let compact: Vec<Vec<f64>> =
        design.iter().map(|column| rows.iter().map(|row| column[*row]).collect()).collect();
    let problem = Problem { design: compact, all: (0..rows.len()).collect(), local, ridge };
    let mut point = vec![0.0; stride * goal.outputs];
    for (output, base) in goal.base(rows).into_iter().enumerate() {
        point[output * stride + columns] = base;
    }
    problem.minimise(&mut point);
    let weights = (0..goal.outputs).map(|output| point[output * stride..output * stride + columns].to_vec());
    let base = (0..goal.outputs).map(|output| point[output * stride + columns]);
    (weights.collect(), base.collect())
}

/// Scores of all rows, `[outputs][rows]`.
pub(super) fn scores(design: &[Vec<f64>], weights: &[Vec<f64>], base: &[f64], rows: usize) -> Vec<Vec<f64>> {
    let score = |(weights, base): (&Vec<f64>, &f64)| {
        let mut scores = vec![*base; rows];
        for (column, weight) in design.iter().zip(weights) {
            scores.iter_mut().zip(column).for_each(|(score, value)| *score += weight * value);
        }
        scores
    };
    weights.iter().zip(base).map(score).collect()
}

struct Problem {
    design: Vec<Vec<f64>>,
    all: Vec<usize>,
    local: Goal,
    ridge: f64,
}

impl Problem {
    /// Mean loss plus ridge, and its gradient.
    fn value(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let columns = self.design.len();
        let stride = columns + 1;
        let outputs = self.local.outputs;
        let weights: Vec<Vec<f64>> =
            (0..outputs).map(|output| point[output * stride..output * stride + columns].to_vec()).collect();
        let base: Vec<f64> = (0..outputs).map(|output| point[output * stride + columns]).collect();
        let scores = scores(&self.design, &weights, &base, self.all.len());
        let mut slopes = vec![vec![[0.0; 2]; self.all.len()]; outputs];
        self.local.slopes(&scores, &self.all, &mut slopes);
        let total: f64 = self.local.weights.iter().sum::<f64>().max(1e-12);
        // The loss of numbers is the square, its slope here half of that.
        let half = if self.local.task == super::settings::Task::Regression { 0.5 } else { 1.0 };
        let mut value = self.local.loss(&scores, &self.all) * half;
        for (output, slopes) in slopes.iter().enumerate() {
            let gradient = &mut gradient[output * stride..(output + 1) * stride];
            for (slot, column) in gradient.iter_mut().zip(&self.design) {
                *slot = slopes.iter().zip(column).map(|(slope, value)| slope[0] * value).sum::<f64>() / total;
            }
            gradient[columns] = slopes.iter().map(|slope| slope[0]).sum::<f64>() / total;
            for (slot, weight) in gradient.iter_mut().zip(&weights[output]) {
                *slot += self.ridge / total * weight;
                value += 0.5 * self.ridge / total * weight * weight;
            }
        }
        value
    }

    fn minimise(&self, point: &mut Vec<f64>) {
        let mut gradient = vec![0.0; point.len()];
        let mut value = self.value(point, &mut gradient);
        let mut memory: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
        for _ in 0..STEPS_MAX {
            let mut direction = descent(&gradient, &memory);
            let mut slope = dot(&direction, &gradient);
            if slope >= 0.0 {
                memory.clear();
                direction = gradient.iter().map(|slot| -slot).collect();
                slope = dot(&direction, &gradient);
            }
            if slope > -1e-12 {
                break;
            }
            let mut length = 1.0;
            let mut next_gradient = vec![0.0; point.len()];
            let found = (0..30).find_map(|_| {
                let next: Vec<f64> =
                    point.iter().zip(&direction).map(|(at, way)| at + length * way).collect();
                let next_value = self.value(&next, &mut next_gradient);
                if next_value <= value + 1e-4 * length * slope {
                    return Some((next, next_value));
                }
                length *= 0.5;
                None
            });
            let Some((next, next_value)) = found else { break };
            let moved: Vec<f64> = next.iter().zip(&*point).map(|(next, at)| next - at).collect();
            let turned: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(next, at)| next - at).collect();
            let curvature = dot(&moved, &turned);
            if curvature > 1e-16 {
                if memory.len() == MEMORY {
                    memory.remove(0);
                }
                memory.push((moved, turned, curvature));
            }
            let gained = value - next_value;
            *point = next;
            (value, gradient) = (next_value, next_gradient);
            if gained < 1e-9 * (1.0 + value.abs()) {
                break;
            }
        }
    }
}

/// The quasi-Newton direction: two loops over what is remembered.
fn descent(gradient: &[f64], memory: &[(Vec<f64>, Vec<f64>, f64)]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slot| -slot).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for (moved, turned, curvature) in memory.iter().rev() {
        let share = dot(moved, &direction) / curvature;
        direction.iter_mut().zip(turned).for_each(|(slot, turned)| *slot -= share * turned);
        shares.push(share);
    }
    if let Some((_, turned, curvature)) = memory.last() {
        let scale = curvature / dot(turned, turned).max(1e-300);
        direction.iter_mut().for_each(|slot| *slot *= scale);
    }
    for ((moved, turned, curvature), share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = dot(turned, &direction) / curvature;
        direction.iter_mut().zip(moved).for_each(|(slot, moved)| *slot += (share - back) * moved);
    }
    direction
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}
