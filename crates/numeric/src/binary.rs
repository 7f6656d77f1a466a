//! A linear support vector machine with squared hinge loss for two sides, trained by dual coordinate
//! descent on rows whose columns are scaled on the way.
//!
//! Source: as [`crate::svm`], which serves many classes at a time; this one serves few, where the rows
//! are long and every side has its own scales (Wang and Manning 2012, "Baselines and Bigrams": features
//! scaled by naive Bayes log-count ratios). A column beside its copy scaled by `r` is the column scaled
//! by `sqrt(1 + r²)`, so that no copy is made.

use crate::random::Random;
use crate::sparse::Rows;

/// Violations of the optimality conditions below this are not worth a step.
const VIOLATION_MIN: f32 = 1e-3;

/// What to train on.
pub struct Problem<'a> {
    /// Examples.
    pub rows: &'a Rows,
    /// The rows to use.
    pub members: &'a [u32],
    /// Whether a row is on the positive side, of all rows.
    pub is_positive: &'a [bool],
    /// Weight of the loss of members of the negative and the positive side.
    pub costs: [f32; 2],
    /// Squared scale of every column.
    pub squared_scales: &'a [f32],
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Walks over the data, at most.
    pub passes: usize,
    /// Stops when the largest violation of the optimality conditions falls below this.
    pub tolerance: f32,
    /// Seed of the order in which examples are visited.
    pub seed: u64,
}

/// A trained machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// One weight per column, to be multiplied with unscaled values.
    pub weights: Vec<f32>,
    /// What is added to every margin.
    pub bias: f32,
}

impl Machine {
    /// The margin of a row; above zero it is on the positive side.
    pub fn margin(&self, (columns, values): (&[u32], &[f32])) -> f32 {
        self.bias + product(&self.weights, columns, values)
    }
}

/// Trains a machine; empty members give the zero machine.
pub fn train(problem: &Problem<'_>, options: &Options) -> Machine {
    let mut machine = Machine { weights: vec![0.0; problem.squared_scales.len()], bias: 0.0 };
    let mut random = Random::new(options.seed);
    // The constant column of the bias has value and scale one.
    let mut active: Vec<Active> = problem
        .members
        .iter()
        .map(|row| {
            let (columns, values) = problem.rows.row(*row as usize);
            let norm = columns.iter().zip(values).map(|(c, v)| v * v * problem.squared_scales[*c as usize]);
            let side = usize::from(problem.is_positive[*row as usize]);
            let diagonal = 0.5 / problem.costs[side].max(1e-6);
            let side = if side == 1 { 1.0 } else { -1.0 };
            Active { row: *row, side, dual: 0.0, diagonal, step: 1.0 / (1.0 + norm.sum::<f32>() + diagonal) }
        })
        .collect();
    for _ in 0..options.passes {
        random.shuffle(&mut active);
        let mut violation_max = 0.0f32;
        for example in &mut active {
            let (columns, values) = problem.rows.row(example.row as usize);
            let margin = machine.bias + product(&machine.weights, columns, values);
            let gradient = example.side * margin - 1.0 + example.dual * example.diagonal;
            let violation = if example.dual <= 0.0 { (-gradient).max(0.0) } else { gradient.abs() };
            violation_max = violation_max.max(violation);
            if violation <= VIOLATION_MIN {
                continue;
            }
            let dual = (example.dual - gradient * example.step).max(0.0);
            let change = (dual - example.dual) * example.side;
            example.dual = dual;
            machine.bias += change;
            for (column, value) in columns.iter().zip(values) {
                let column = *column as usize;
                machine.weights[column] += change * value * problem.squared_scales[column];
            }
        }
        if violation_max < options.tolerance {
            break;
        }
    }
    machine
}

struct Active {
    row: u32,
    side: f32,
    dual: f32,
    diagonal: f32,
    step: f32,
}

/// The product of a row with dense weights, summed in four lanes.
fn product(weights: &[f32], columns: &[u32], values: &[f32]) -> f32 {
    let mut sums = [0.0f32; 4];
    let (columns, columns_rest) = columns.as_chunks::<4>();
    let (values, values_rest) = values.as_chunks::<4>();
    for (columns, values) in columns.iter().zip(values) {
        for lane in 0..4 {
            sums[lane] += weights[columns[lane] as usize] * values[lane];
        }
    }
    for (column, value) in columns_rest.iter().zip(values_rest) {
        sums[0] += weights[*column as usize] * value;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sides_are_told_apart_and_copies_equal_scales() {
        let mut random = Random::new(5);
        let (mut rows, mut copied, mut is_positive) = (Rows::default(), Rows::default(), Vec::new());
        for at in 0..60u32 {
            let noise = 2 + random.below(9) as u32;
            let row = [(at % 2, 0.8f32), (noise, 0.6)];
            rows.push(row);
            // Every column once more, scaled by two.
            copied.push(row.into_iter().chain(row.map(|(column, value)| (column + 11, value * 2.0))));
            is_positive.push(at % 2 == 0);
        }
        let members: Vec<u32> = (0..60).collect();
        let options = Options { passes: 400, tolerance: 1e-4, seed: 1 };
        let trained = |rows, scales: &[f32]| {
            let problem = Problem {
                rows,
                members: &members,
                is_positive: &is_positive,
                costs: [1.0, 2.0],
                squared_scales: scales,
            };
            train(&problem, &options)
        };
        let scaled = trained(&rows, &[5.0; 11]);
        let doubled = trained(&copied, &[1.0; 22]);
        for (row, is_positive) in is_positive.iter().enumerate() {
            let margin = scaled.margin(rows.row(row));
            assert_eq!(margin > 0.0, *is_positive);
            assert!((margin - doubled.margin(copied.row(row))).abs() < 0.01);
        }
        assert_eq!(scaled, trained(&rows, &[5.0; 11]));
        let nothing = Problem {
            rows: &rows,
            members: &[],
            is_positive: &is_positive,
            costs: [1.0, 1.0],
            squared_scales: &[1.0; 11],
        };
        assert_eq!(train(&nothing, &options).margin(rows.row(0)), 0.0);
    }
}
