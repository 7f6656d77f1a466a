//! One-against-rest linear support vector machines with squared hinge loss, trained by dual
//! coordinate descent.
//!
//! Source: Hsieh et al. 2008, "A Dual Coordinate Descent Method for Large-scale Linear SVM",
//! algorithm 1 for the L2 loss. Differs from it: classes are taken [`LANES`] at a time, so that
//! one walk over an example's features serves all of them with vector instructions; classes of
//! different blocks do not see each other, so blocks run on any number of threads.

use crate::parallel;
use crate::random::Random;
use crate::sparse::Rows;

/// Classes that are trained together.
pub const LANES: usize = 16;

/// Share of the tolerance below which an example's violations count as none.
const SATISFIED: f32 = 0.3;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Weight of the loss against the size of the weights.
    pub cost: f32,
    /// Walks over the data, at most.
    pub passes: usize,
    /// Stops when the largest violation of the optimality conditions falls below this.
    pub tolerance: f32,
    /// Seed of the order in which examples are visited.
    pub seed: u64,
    /// Threads to use.
    pub threads: usize,
}

/// Weights of a block of [`LANES`] classes, by feature.
pub struct Block {
    /// `[features][LANES]`.
    pub weights: Vec<[f32; LANES]>,
    /// Dual variables, `[examples][LANES]`, signed by the side the example is on.
    duals: Vec<[f32; LANES]>,
}

/// A trained machine.
pub struct Machine {
    /// Blocks of classes in order.
    pub blocks: Vec<Block>,
    /// Number of classes.
    pub classes: usize,
}

/// Trains on rows with one class each.
///
/// `costs` are per example and multiply `options.cost`; empty means all 1.
pub fn train(rows: &Rows, labels: &[u32], costs: &[f32], classes: usize, options: &Options) -> Machine {
    let width = rows.width();
    let norms: Vec<f32> = (0..rows.len()).map(|row| rows.row(row).1.iter().map(|v| v * v).sum()).collect();
    let data = Data { rows, labels, costs, norms: &norms };
    let everything: Vec<u32> = (0..rows.len() as u32).collect();
    let blocks = parallel::map(options.threads, classes.div_ceil(LANES), |block| {
        let mut solver = Block { weights: vec![[0.0; LANES]; width], duals: vec![[0.0; LANES]; rows.len()] };
        solver.run(&data, block, &everything, options);
        solver
    });
    Machine { blocks, classes }
}

struct Data<'a> {
    rows: &'a Rows,
    labels: &'a [u32],
    costs: &'a [f32],
    norms: &'a [f32],
}

impl Data<'_> {
    fn diagonal(&self, row: usize, cost: f32) -> f32 {
        0.5 / (cost * self.costs.get(row).copied().unwrap_or(1.0)).max(1e-6)
    }
}

impl Machine {
    /// Margins of one example for every class, `[classes]`.
    pub fn margins(&self, columns: &[u32], values: &[f32]) -> Vec<f32> {
        let mut margins = Vec::with_capacity(self.blocks.len() * LANES);
        for block in &self.blocks {
            let mut scores = [0.0; LANES];
            add_scores(&block.weights, columns, values, &mut scores);
            margins.extend_from_slice(&scores);
        }
        margins.truncate(self.classes);
        margins
    }

    /// Margins that each example gets from a machine trained without its fold, `[examples][classes]`.
    ///
    /// `folds[row]` is the fold of a row; rows of folds in `0..count` are held out in turn. Each
    /// machine starts from the full solution minus the fold's part, so a few passes suffice.
    pub fn held_out(&self, rows: &Rows, labels: &[u32], folds: &Folds, options: &Options) -> Vec<Vec<f32>> {
        let norms: Vec<f32> =
            (0..rows.len()).map(|row| rows.row(row).1.iter().map(|v| v * v).sum()).collect();
        let data = Data { rows, labels, costs: folds.costs, norms: &norms };
        let units = folds.count * self.blocks.len();
        let results = parallel::map(options.threads, units, |unit| {
            let (fold, block) = (unit / self.blocks.len(), unit % self.blocks.len());
            self.blocks[block].without(&data, block, (folds, fold as u32), options)
        });
        let mut margins = vec![Vec::new(); rows.len()];
        for (unit, scores) in results.into_iter().enumerate() {
            let fold = (unit / self.blocks.len()) as u32;
            let members = (0..rows.len()).filter(|row| folds.of_row[*row] == fold);
            for (row, scores) in members.zip(scores) {
                margins[row].extend_from_slice(&scores);
            }
        }
        for row in &mut margins {
            row.truncate(self.classes);
        }
        margins
    }
}

/// Which rows are held out together.
pub struct Folds<'a> {
    /// The fold of each row.
    pub of_row: &'a [u32],
    /// Number of folds to hold out in turn; rows of higher folds are always trained on.
    pub count: usize,
    /// Costs per example, as in [`train`].
    pub costs: &'a [f32],
}

impl Block {
    fn without(
        &self,
        data: &Data<'_>,
        block: usize,
        (folds, fold): (&Folds<'_>, u32),
        options: &Options,
    ) -> Vec<[f32; LANES]> {
        let mut solver = Self { weights: self.weights.clone(), duals: self.duals.clone() };
        let mut rest = Vec::with_capacity(data.rows.len());
        for row in 0..data.rows.len() {
            if folds.of_row[row] != fold {
                rest.push(row as u32);
                continue;
            }
            let dual = solver.duals[row].map(|dual| -dual);
            let (columns, values) = data.rows.row(row);
            add_row(&mut solver.weights, columns, values, &dual);
        }
        solver.run(data, block, &rest, options);
        (0..data.rows.len())
            .filter(|row| folds.of_row[*row] == fold)
            .map(|row| {
                let mut scores = [0.0; LANES];
                let (columns, values) = data.rows.row(row);
                add_scores(&solver.weights, columns, values, &mut scores);
                scores
            })
            .collect()
    }

    fn run(&mut self, data: &Data<'_>, block: usize, members: &[u32], options: &Options) {
        // Examples that are satisfied are left out until all others are, then looked at again
        // (the paper's section 3.2, by examples instead of by variables).
        let mut active = members.to_vec();
        let mut satisfied = Vec::new();
        let mut random = Random::new(options.seed ^ (block as u64) << 32);
        for _ in 0..options.passes {
            random.shuffle(&mut active);
            let sees_all = satisfied.is_empty();
            let first_class = (block * LANES) as u32;
            let violation = pass(self, data, first_class, &mut active, (&mut satisfied, options));
            if violation < options.tolerance && sees_all {
                break;
            }
            if violation < options.tolerance || active.is_empty() {
                active.append(&mut satisfied);
            }
        }
    }
}

macro_rules! dispatch {
    ($(#[$meta:meta])* $visible:vis fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $visible fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn plain($($arg: $type),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $type),*) $(-> $ret)? {
                    plain($($arg),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: both features were just found.
                    return unsafe { wide($($arg),*) };
                }
            }
            plain($($arg),*)
        }
    };
}
pub(crate) use dispatch;

dispatch! {
    /// One walk over the active examples; returns the largest violation met. Those of which no
    /// class is far from its optimum become satisfied.
    fn pass(
        solver: &mut Block,
        data: &Data<'_>,
        first_class: u32,
        active: &mut Vec<u32>,
        rest: (&mut Vec<u32>, &Options)
    ) -> f32 {
        let (satisfied, options) = rest;
        let mut violation_max = 0.0f32;
        let enough = options.tolerance * SATISFIED;
        let mut kept = 0;
        for at in 0..active.len() {
            let row = active[at] as usize;
            let (columns, values) = data.rows.row(row);
            let mut scores = [0.0f32; LANES];
            scores_of(&solver.weights, columns, values, &mut scores);
            let diagonal = data.diagonal(row, options.cost);
            let step = 1.0 / (data.norms[row] + diagonal);
            let own = data.labels[row].wrapping_sub(first_class);
            let duals = &mut solver.duals[row];
            let mut delta = [0.0f32; LANES];
            let mut violations = [0.0f32; LANES];
            let mut any = false;
            for lane in 0..LANES {
                let side = if own == lane as u32 { 1.0 } else { -1.0 };
                let dual = duals[lane] * side;
                let gradient = side * scores[lane] - 1.0 + dual * diagonal;
                let violation = if dual <= 0.0 { (-gradient).max(0.0) } else { gradient.abs() };
                violations[lane] = violation;
                let updated = (dual - gradient * step).max(0.0);
                let change = if violation > 1e-3 { updated - dual } else { 0.0 };
                any |= change != 0.0;
                delta[lane] = change * side;
                duals[lane] += delta[lane];
            }
            if any {
                add(&mut solver.weights, columns, values, &delta);
            }
            let violation = violations.into_iter().fold(0.0, f32::max);
            violation_max = violation_max.max(violation);
            if violation < enough {
                satisfied.push(row as u32);
            } else {
                active[kept] = row as u32;
                kept += 1;
            }
        }
        active.truncate(kept);
        violation_max
    }
}

dispatch! {
    fn add_scores(weights: &[[f32; LANES]], columns: &[u32], values: &[f32], scores: &mut [f32; LANES]) {
        scores_of(weights, columns, values, scores);
    }
}

dispatch! {
    fn add_row(weights: &mut [[f32; LANES]], columns: &[u32], values: &[f32], delta: &[f32; LANES]) {
        add(weights, columns, values, delta);
    }
}

#[inline(always)]
fn scores_of(weights: &[[f32; LANES]], columns: &[u32], values: &[f32], scores: &mut [f32; LANES]) {
    for (column, value) in columns.iter().zip(values) {
        let weights = &weights[*column as usize];
        for lane in 0..LANES {
            scores[lane] += weights[lane] * value;
        }
    }
}

#[inline(always)]
fn add(weights: &mut [[f32; LANES]], columns: &[u32], values: &[f32], delta: &[f32; LANES]) {
    for (column, value) in columns.iter().zip(values) {
        let weights = &mut weights[*column as usize];
        for lane in 0..LANES {
            weights[lane] += delta[lane] * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(classes: u32, per_class: u32) -> (Rows, Vec<u32>) {
        let (mut rows, mut labels) = (Rows::default(), Vec::new());
        let mut random = Random::new(3);
        for class in 0..classes {
            for _ in 0..per_class {
                let noise = random.below(20) as u32;
                rows.push([(class, 0.8), (classes + noise, 0.6)]);
                labels.push(class);
            }
        }
        (rows, labels)
    }

    fn best(margins: &[f32]) -> u32 {
        (0..margins.len()).max_by(|a, b| margins[*a].total_cmp(&margins[*b])).unwrap() as u32
    }

    const OPTIONS: Options = Options { cost: 1.0, passes: 30, tolerance: 0.01, seed: 1, threads: 1 };

    #[test]
    fn separable_classes_are_told_apart_in_and_out_of_sample() {
        let (rows, labels) = blobs(20, 10);
        let machine = train(&rows, &labels, &[], 20, &OPTIONS);
        let of_row: Vec<u32> = (0..rows.len() as u32).map(|row| row % 5).collect();
        let folds = Folds { of_row: &of_row, count: 5, costs: &[] };
        let held_out = machine.held_out(&rows, &labels, &folds, &OPTIONS);
        for row in 0..rows.len() {
            let (columns, values) = rows.row(row);
            assert_eq!(best(&machine.margins(columns, values)), labels[row]);
            assert_eq!(best(&held_out[row]), labels[row]);
        }
    }

    #[test]
    fn weights_do_not_depend_on_threads() {
        let (rows, labels) = blobs(40, 5);
        let machine = |threads| train(&rows, &labels, &[], 40, &Options { threads, ..OPTIONS });
        let (one, two) = (machine(1), machine(2));
        for (one, two) in one.blocks.iter().zip(&two.blocks) {
            assert_eq!(one.weights, two.weights);
        }
    }
}
