//! Linear machines and naive Bayes over the same rows.

use intendant_numeric::binary::{self, Machine, Problem};
use intendant_numeric::parallel;
use intendant_numeric::sparse::Rows;

use crate::features::VIEWS;

/// Added to every count of naive Bayes; counts are weights below one, so that one would level them.
const SMOOTHING: f64 = 0.1;
/// Weight of the loss against the size of the weights; a third and three times as much change little.
const COST: f32 = 0.3;
/// How much features are scaled by how they tell the labels apart.
const CONTRAST: f32 = 1.0;
/// Walks over the examples, at most, and when they have led far enough; more changes no label that matters.
const PASSES: usize = 10;
const TOLERANCE: f32 = 0.1;

/// Examples as numbers.
pub(crate) struct Data {
    pub(crate) rows: Rows,
    /// The view of each column.
    pub(crate) views: Vec<u8>,
    pub(crate) labels: Vec<u32>,
    pub(crate) label_count: usize,
    pub(crate) is_balanced: bool,
}

/// A machine and the log-count ratios of one output.
pub(crate) struct Solved {
    pub(crate) machine: Machine,
    pub(crate) ratios: Vec<f32>,
}

impl Data {
    /// Outputs that tell the labels apart.
    pub(crate) fn outputs(&self) -> usize {
        if self.label_count == 2 { 1 } else { self.label_count }
    }

    /// Trains an output on some of the rows.
    pub(crate) fn solve(&self, output: usize, members: &[u32], seed: u64) -> Solved {
        let positive = if self.label_count == 2 { 1 } else { output as u32 };
        let is_positive: Vec<bool> = self.labels.iter().map(|label| *label == positive).collect();
        let ratios = self.ratios(members, &is_positive);
        let squared_scales = self.squared_scales(members, &ratios);
        let count = members.iter().filter(|row| is_positive[**row as usize]).count().max(1);
        let share = members.len() as f32 / (self.label_count * count) as f32;
        let costs = match (self.is_balanced, self.label_count) {
            (false, _) => [COST; 2],
            (true, 2) => {
                let others = members.len() as f32 / (2 * (members.len() - count).max(1)) as f32;
                [COST * others, COST * share]
            }
            (true, _) => [COST, COST * share],
        };
        let problem = Problem {
            rows: &self.rows,
            members,
            is_positive: &is_positive,
            costs,
            squared_scales: &squared_scales,
        };
        let options =
            binary::Options { passes: PASSES, tolerance: TOLERANCE, seed: seed ^ ((output as u64) << 32) };
        Solved { machine: binary::train(&problem, &options), ratios }
    }

    /// Logarithms of how much likelier each feature is on the positive side, by view.
    fn ratios(&self, members: &[u32], is_positive: &[bool]) -> Vec<f32> {
        let mut sums = vec![[0.0f32; 2]; self.views.len()];
        for row in members {
            let side = usize::from(is_positive[*row as usize]);
            let (columns, values) = self.rows.row(*row as usize);
            for (column, value) in columns.iter().zip(values) {
                sums[*column as usize][side] += value;
            }
        }
        let mut totals = [[0.0f64; 2]; VIEWS];
        for (sums, view) in sums.iter().zip(&self.views) {
            for side in 0..2 {
                totals[usize::from(*view)][side] += f64::from(sums[side]) + SMOOTHING;
            }
        }
        let ratio = |(sums, view): (&[f32; 2], &u8)| {
            let share = |side: usize| (f64::from(sums[side]) + SMOOTHING) / totals[usize::from(*view)][side];
            (share(1) / share(0)).ln() as f32
        };
        sums.iter().zip(&self.views).map(ratio).collect()
    }

    /// `1 + (CONTRAST * ratio / mean length of a row of ratios)²`, the length being that of the column's view.
    fn squared_scales(&self, members: &[u32], ratios: &[f32]) -> Vec<f32> {
        let mut lengths = [0.0f64; VIEWS];
        for row in members {
            let (columns, values) = self.rows.row(*row as usize);
            let mut squares = [0.0f32; VIEWS];
            for (column, value) in columns.iter().zip(values) {
                let scaled = value * ratios[*column as usize];
                squares[usize::from(self.views[*column as usize])] += scaled * scaled;
            }
            lengths.iter_mut().zip(squares).for_each(|(sum, square)| *sum += f64::from(square.sqrt()));
        }
        let factors = lengths.map(|sum| CONTRAST * (members.len().max(1) as f64 / sum.max(1e-6)) as f32);
        let scale = |(ratio, view): (&f32, &u8)| 1.0 + (ratio * factors[usize::from(*view)]).powi(2);
        ratios.iter().zip(&self.views).map(scale).collect()
    }
}

/// What unseen examples get: outputs of the machines and of naive Bayes, `[examples][outputs]`.
pub(crate) struct HeldOut {
    pub(crate) rows: Vec<u32>,
    pub(crate) machines: Vec<Vec<f32>>,
    pub(crate) bayes: Vec<Vec<f32>>,
}

/// Holds out each of the first `count` folds in turn; `folds[row]` is the fold of a row.
pub(crate) fn held_out(data: &Data, (folds, count): (&[u32], u32), (seed, threads): (u64, usize)) -> HeldOut {
    let outputs = data.outputs();
    let all = 0..folds.len() as u32;
    let results = parallel::map(threads, count as usize * outputs, |unit| {
        let (fold, output) = ((unit / outputs) as u32, unit % outputs);
        let (tested, members): (Vec<u32>, Vec<u32>) =
            all.clone().partition(|row| folds[*row as usize] == fold);
        let solved = data.solve(output, &members, seed);
        let bayes = Machine { weights: solved.ratios, bias: 0.0 };
        tested
            .iter()
            .map(|row| {
                let row = data.rows.row(*row as usize);
                (solved.machine.margin(row), bayes.margin(row))
            })
            .collect::<Vec<_>>()
    });
    let mut held = HeldOut { rows: Vec::new(), machines: Vec::new(), bayes: Vec::new() };
    for (fold, of_fold) in results.chunks(outputs).enumerate() {
        held.rows.extend(all.clone().filter(|row| folds[*row as usize] == fold as u32));
        for at in 0..of_fold[0].len() {
            held.machines.push(of_fold.iter().map(|output| output[at].0).collect());
            held.bayes.push(of_fold.iter().map(|output| output[at].1).collect());
        }
    }
    held
}
