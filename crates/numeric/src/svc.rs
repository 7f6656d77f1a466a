//! Support vector machines with kernels for many classes, each pair of which has a machine of its own:
//! the optimum that LIBSVM's `C-SVC`, and so scikit-learn's `SVC`, looks for.
//!
//! Source: Fan, Chen and Lin 2005, "Working Set Selection Using Second Order Information for Training
//! Support Vector Machines", algorithm 2; probabilities by [`crate::coupling`]. Differs from LIBSVM:
//! dual variables carry the sign of their side, which makes one case of four, and the examples that
//! are held out for probabilities come from the seed.

use crate::coupling::{Sigmoid, couple};
use crate::dense::Linear;
use crate::parallel;
use crate::positive::{add, dot};
use crate::random::Random;
use crate::regression::Data;

/// Stops when the largest violation of the optimality conditions falls below this.
const TOLERANCE: f64 = 1e-3;
/// Least curvature along a step.
const CURVATURE_MIN: f64 = 1e-12;
/// Steps of a machine, at most: so many, and so many per example.
const STEPS: (usize, usize) = (100_000, 100);
/// Folds that are held out for probabilities.
const FOLDS: usize = 5;
/// Rows whose margins are computed together.
const AT_ONCE: usize = 64;
/// Products of examples that a machine keeps while it is trained: 64 MiB.
const KEPT: usize = 16 << 20;

/// How alike two vectors are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// Their product.
    Linear,
    /// `exp(-gamma |a - b|²)`.
    Rbf(f32),
    /// `(gamma ab)³`.
    Poly(f32),
    /// `tanh(gamma ab)`.
    Sigmoid(f32),
}

impl Kernel {
    /// The kernel of two vectors by their product and their squared lengths.
    fn of(self, product: f32, (a, b): (f32, f32)) -> f32 {
        match self {
            Self::Linear => product,
            Self::Rbf(gamma) => (-gamma * (a + b - 2.0 * product).max(0.0)).exp(),
            Self::Poly(gamma) => (gamma * product).powi(3),
            Self::Sigmoid(gamma) => (gamma * product).tanh(),
        }
    }
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How alike two vectors are.
    pub kernel: Kernel,
    /// Weights of the loss against the size of the weights; there is a result for each.
    pub costs: &'a [f32],
    /// Whether margins are to become probabilities, which takes six times as long.
    pub probabilities: Probabilities,
    /// Threads to use.
    pub threads: usize,
}

/// Whether margins are to become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probabilities {
    /// Votes are enough.
    No,
    /// By margins of held-out examples, which are drawn with this seed.
    Seeded(u64),
}

/// A machine for each pair of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Svc {
    /// Number of classes.
    pub classes: usize,
    /// How alike two vectors are.
    pub kernel: Kernel,
    /// Of a linear kernel `[pairs][width]`, the weights of each pair; else `[vectors][width]`.
    pub vectors: Vec<f32>,
    /// Where the vectors of each class start, and where the last end; empty of a linear kernel.
    pub starts: Vec<u32>,
    /// `[vectors][classes - 1]`: dual variables against each other class; empty of a linear kernel.
    pub duals: Vec<f32>,
    /// What is subtracted from the margin of each pair.
    pub thresholds: Vec<f32>,
    /// `[pairs][2]`: slope and offset of each pair's [`Sigmoid`]; empty without probabilities.
    pub sigmoids: Vec<f64>,
}

/// Trains on the members, weighing classes against each other by how rare they are; one result for
/// each cost. `None` when `go_on` says no, which is asked before every pair.
pub fn train(
    data: &Data<'_>,
    members: &[u32],
    options: &Options<'_>,
    go_on: impl Fn() -> bool + Sync,
) -> Option<Vec<Svc>> {
    let mut of_class: Vec<Vec<u32>> = vec![Vec::new(); data.classes];
    members.iter().for_each(|member| of_class[data.targets[*member as usize] as usize].push(*member));
    let present = of_class.iter().filter(|members| !members.is_empty()).count();
    let weight = |class: usize| members.len() as f32 / (present * of_class[class].len()).max(1) as f32;
    let pairs = pairs(data.classes);
    let solutions = parallel::map(options.threads, pairs.len(), |number| {
        let (one, other) = pairs[number];
        let mut side = Pair::new(data, options.kernel, [&of_class[one], &of_class[other]]);
        let weights = [weight(one), weight(other)];
        let seed = match options.probabilities {
            Probabilities::No => None,
            Probabilities::Seeded(seed) => Some(seed ^ (number as u64) << 32),
        };
        go_on().then(|| {
            let solve = |cost: &f32| side.solve_with(weights.map(|weight| weight * cost), seed);
            options.costs.iter().map(solve).collect::<Vec<_>>()
        })
    });
    let solutions = solutions.into_iter().collect::<Option<Vec<_>>>()?;
    let assemble = |cost: usize| {
        let of_pairs = solutions.iter().map(|solutions| &solutions[cost]);
        assemble(data, &of_class, options.kernel, of_pairs)
    };
    Some((0..options.costs.len()).map(assemble).collect())
}

/// All pairs of classes, in the order of the first, then the second.
fn pairs(classes: usize) -> Vec<(usize, usize)> {
    (0..classes).flat_map(|one| (one + 1..classes).map(move |other| (one, other))).collect()
}

/// Dual variables of the examples of a pair, its threshold, and its sigmoid.
struct Solution {
    duals: Vec<f32>,
    threshold: f64,
    sigmoid: Option<Sigmoid>,
}

/// The examples of two classes with the kernels between them, as far as they were needed.
struct Pair<'a> {
    data: &'a Data<'a>,
    kernel: Kernel,
    /// Examples of the first class, then those of the second.
    members: Vec<u32>,
    positives: usize,
    squares: Vec<f32>,
    linear: Linear,
    rows: Vec<Vec<f32>>,
    /// Members whose rows are kept, the oldest first.
    kept: std::collections::VecDeque<usize>,
}

impl<'a> Pair<'a> {
    fn new(data: &'a Data<'a>, kernel: Kernel, sides: [&[u32]; 2]) -> Self {
        let members: Vec<u32> = sides.concat();
        let vectors: Vec<f32> = members.iter().flat_map(|member| data.row(*member)).copied().collect();
        Self {
            data,
            kernel,
            positives: sides[0].len(),
            squares: members.iter().map(|member| dot(data.row(*member), data.row(*member))).collect(),
            linear: Linear::new(&vectors, vec![0.0; members.len()]),
            rows: vec![Vec::new(); members.len()],
            kept: std::collections::VecDeque::new(),
            members,
        }
    }

    fn sign(&self, at: usize) -> f64 {
        if at < self.positives { 1.0 } else { -1.0 }
    }

    /// The kernel of an example with itself.
    fn own(&self, at: usize) -> f64 {
        f64::from(self.kernel.of(self.squares[at], (self.squares[at], self.squares[at])))
    }

    /// Sees to it that the kernels of an example with all others are there.
    fn want(&mut self, at: usize) {
        if !self.rows[at].is_empty() {
            return;
        }
        let mut row = self.linear.apply(self.data.row(self.members[at]));
        for (value, square) in row.iter_mut().zip(&self.squares) {
            *value = self.kernel.of(*value, (self.squares[at], *square));
        }
        // Two rows are looked at together, so that two are always kept.
        if (self.kept.len() + 1) * self.members.len() > KEPT.max(2 * self.members.len())
            && let Some(oldest) = self.kept.pop_front()
        {
            self.rows[oldest] = Vec::new();
        }
        self.rows[at] = row;
        self.kept.push_back(at);
    }

    fn solve_with(&mut self, costs: [f32; 2], seed: Option<u64>) -> Solution {
        let all: Vec<usize> = (0..self.members.len()).collect();
        let (duals, threshold) = self.solve(&all, costs);
        let sigmoid = seed.map(|seed| self.sigmoid(costs, seed));
        Solution { duals: duals.into_iter().map(|dual| dual as f32).collect(), threshold, sigmoid }
    }

    /// Dual variables of the pair's examples, zero of those that are not active, and the threshold.
    fn solve(&mut self, active: &[usize], costs: [f32; 2]) -> (Vec<f64>, f64) {
        let count = self.members.len();
        let bounds = |at: usize| match at < self.positives {
            true => (0.0, f64::from(costs[0])),
            false => (-f64::from(costs[1]), 0.0),
        };
        let bounds: Vec<(f64, f64)> = (0..count).map(bounds).collect();
        let mut duals = vec![0.0f64; count];
        let mut slopes: Vec<f64> = (0..count).map(|at| -self.sign(at)).collect();
        let own: Vec<f64> = (0..count).map(|at| self.own(at)).collect();
        for _ in 0..STEPS.0 + STEPS.1 * count {
            let rises = active.iter().copied().filter(|at| duals[*at] < bounds[*at].1);
            let Some(up) = rises.min_by(|a, b| slopes[*a].total_cmp(&slopes[*b])) else { break };
            self.want(up);
            let mut steepest = f64::NEG_INFINITY;
            let mut best = (0.0, None);
            for at in active.iter().copied().filter(|at| duals[*at] > bounds[*at].0) {
                steepest = steepest.max(slopes[at]);
                let drop = slopes[at] - slopes[up];
                if drop > 0.0 {
                    let curvature =
                        (own[up] + own[at] - 2.0 * f64::from(self.rows[up][at])).max(CURVATURE_MIN);
                    let gain = drop * drop / curvature;
                    if gain > best.0 {
                        best = (gain, Some((at, drop / curvature)));
                    }
                }
            }
            let Some((down, step)) = best.1.filter(|_| steepest - slopes[up] >= TOLERANCE) else { break };
            self.want(down);
            let step = step.min(bounds[up].1 - duals[up]).min(duals[down] - bounds[down].0);
            // A variable that reaches its bound is set to it, so that rounding leaves none beside it.
            let moved = |dual: f64, bound: f64| if (dual - bound).abs() < 1e-12 { bound } else { dual };
            duals[up] = moved(duals[up] + step, bounds[up].1);
            duals[down] = moved(duals[down] - step, bounds[down].0);
            let (up, down) = (&self.rows[up], &self.rows[down]);
            for at in active {
                slopes[*at] += step * f64::from(up[*at] - down[*at]);
            }
        }
        let threshold = threshold(active, &duals, (&slopes, &bounds));
        (duals, threshold)
    }

    /// The sigmoid over margins of examples by machines that did not see them.
    fn sigmoid(&mut self, costs: [f32; 2], seed: u64) -> Sigmoid {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        Random::new(seed).shuffle(&mut order);
        let mut margins = vec![0.0f64; order.len()];
        for fold in 0..FOLDS {
            let cut = |fold: usize| fold * order.len() / FOLDS;
            let held_out = &order[cut(fold)..cut(fold + 1)];
            let rest: Vec<usize> = [&order[..cut(fold)], &order[cut(fold + 1)..]].concat();
            let positives = rest.iter().filter(|at| **at < self.positives).count();
            let one_side = match (positives, rest.len() - positives) {
                (0, 0) => Some(0.0),
                (_, 0) => Some(1.0),
                (0, _) => Some(-1.0),
                _ => None,
            };
            if let Some(margin) = one_side {
                held_out.iter().for_each(|at| margins[*at] = margin);
                continue;
            }
            let (duals, threshold) = self.solve(&rest, costs);
            held_out.iter().for_each(|at| margins[*at] = -threshold);
            for at in rest.into_iter().filter(|at| duals[*at] != 0.0) {
                self.want(at);
                for other in held_out {
                    margins[*other] += duals[at] * f64::from(self.rows[at][*other]);
                }
            }
        }
        let is_positive: Vec<bool> = (0..margins.len()).map(|at| at < self.positives).collect();
        Sigmoid::fit(&margins, &is_positive)
    }
}

/// The margin at which sides meet: the slope of the free variables, else between what bounds allow.
fn threshold(active: &[usize], duals: &[f64], (slopes, bounds): (&[f64], &[(f64, f64)])) -> f64 {
    let (mut free, mut count) = (0.0, 0usize);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for at in active.iter().copied() {
        match (duals[at] > bounds[at].0, duals[at] < bounds[at].1) {
            (true, true) => {
                free += slopes[at];
                count += 1;
            }
            (false, _) => least = least.min(slopes[at]),
            (true, false) => most = most.max(slopes[at]),
        }
    }
    match count {
        0 if least.is_finite() && most.is_finite() => (least + most) / 2.0,
        0 => [least, most].into_iter().find(|bound| bound.is_finite()).unwrap_or(0.0),
        _ => free / count as f64,
    }
}

/// Puts the solutions of all pairs together.
fn assemble<'a>(
    data: &Data<'_>,
    of_class: &[Vec<u32>],
    kernel: Kernel,
    solutions: impl Iterator<Item = &'a Solution>,
) -> Svc {
    let (classes, width) = (data.classes, data.width);
    let mut svc = Svc {
        classes,
        kernel,
        vectors: Vec::new(),
        starts: Vec::new(),
        duals: Vec::new(),
        thresholds: Vec::new(),
        sigmoids: Vec::new(),
    };
    // Dual variables `[examples of the class][classes - 1]`.
    let mut duals: Vec<Vec<f32>> =
        of_class.iter().map(|members| vec![0.0; members.len() * (classes - 1)]).collect();
    for ((one, other), solution) in pairs(classes).into_iter().zip(solutions) {
        let (of_one, of_other) = solution.duals.split_at(of_class[one].len());
        if kernel == Kernel::Linear {
            let members = of_class[one].iter().chain(&of_class[other]);
            let mut weights = vec![0.0; width];
            for (member, dual) in members.zip(&solution.duals).filter(|(_, dual)| **dual != 0.0) {
                add(&mut weights, *dual, data.row(*member));
            }
            svc.vectors.extend(weights);
        } else {
            let mut put = |class: usize, column: usize, values: &[f32]| {
                for (row, value) in duals[class].chunks_exact_mut(classes - 1).zip(values) {
                    row[column] = *value;
                }
            };
            put(one, other - 1, of_one);
            put(other, one, of_other);
        }
        svc.thresholds.push(solution.threshold as f32);
        svc.sigmoids.extend(solution.sigmoid.iter().flat_map(|sigmoid| [sigmoid.slope, sigmoid.offset]));
    }
    if kernel != Kernel::Linear {
        svc.starts.push(0);
        for (members, duals) in of_class.iter().zip(&duals) {
            let rows = members.iter().zip(duals.chunks_exact(classes - 1));
            for (member, duals) in rows.filter(|(_, duals)| duals.iter().any(|dual| *dual != 0.0)) {
                svc.vectors.extend_from_slice(data.row(*member));
                svc.duals.extend_from_slice(duals);
            }
            svc.starts.push((svc.duals.len() / (classes - 1)) as u32);
        }
    }
    svc
}

impl Svc {
    /// Whether all parts fit each other and vectors of this many numbers.
    pub fn is_sound(&self, width: usize) -> bool {
        let pairs = self.classes.saturating_mul(self.classes.saturating_sub(1)) / 2;
        let vectors = self.duals.len() / self.classes.saturating_sub(1).max(1);
        let is_filled = match self.kernel {
            Kernel::Linear => self.vectors.len() == pairs.saturating_mul(width),
            _ => {
                self.starts.len() == self.classes + 1
                    && self.starts.first() == Some(&0)
                    && self.starts.is_sorted()
                    && self.starts.last() == Some(&(vectors as u32))
                    && self.vectors.len() == vectors.saturating_mul(width)
                    && self.duals.len() == vectors * (self.classes - 1)
            }
        };
        self.classes > 1
            && width > 0
            && is_filled
            && self.thresholds.len() == pairs
            && [0, 2 * pairs].contains(&self.sigmoids.len())
    }

    /// Lays it out for use.
    pub fn ready(self) -> Ready {
        let linear = match self.kernel {
            Kernel::Linear => {
                let bias = self.thresholds.iter().map(|threshold| -threshold);
                Linear::new(&self.vectors, bias.collect())
            }
            _ => Linear::new(&self.vectors, vec![0.0; self.duals.len() / (self.classes - 1)]),
        };
        let width = self.vectors.len() / linear.outputs().max(1);
        let squares = self.vectors.chunks_exact(width.max(1)).map(|vector| dot(vector, vector)).collect();
        Ready { linear, squares, svc: self }
    }
}

/// A machine laid out for use.
pub struct Ready {
    /// Weights of pairs, or vectors.
    linear: Linear,
    /// The squared length of each vector.
    squares: Vec<f32>,
    svc: Svc,
}

impl Ready {
    /// As it is stored.
    pub fn svc(&self) -> &Svc {
        &self.svc
    }

    /// The margins of each pair of classes for rows, `[rows][pairs]`; above zero it is the first of both.
    fn margins(&self, rows: &[f32]) -> Vec<f32> {
        let mut values = self.linear.apply(rows);
        if self.svc.kernel == Kernel::Linear || values.is_empty() {
            return values;
        }
        let vectors = self.linear.outputs();
        let width = rows.len() / (values.len() / vectors);
        let rows = values.chunks_exact_mut(vectors).zip(rows.chunks_exact(width));
        rows.flat_map(|(values, row)| self.margins_of(values, dot(row, row))).collect()
    }

    /// The margins of a row by its products with the vectors, which are replaced, and its squared length.
    fn margins_of(&self, values: &mut [f32], square: f32) -> Vec<f32> {
        for (value, own) in values.iter_mut().zip(&self.squares) {
            *value = self.svc.kernel.of(*value, (*own, square));
        }
        let others = self.svc.classes - 1;
        // What the vectors of each class say against each other class.
        let mut sums = vec![0.0; self.svc.classes * others];
        for (class, span) in self.svc.starts.windows(2).enumerate() {
            let span = span[0] as usize..span[1] as usize;
            let duals = self.svc.duals[span.start * others..span.end * others].chunks_exact(others);
            for (value, duals) in values[span].iter().zip(duals) {
                add(&mut sums[class * others..][..others], *value, duals);
            }
        }
        let margin = |((one, other), threshold): ((usize, usize), &f32)| {
            sums[one * others + other - 1] + sums[other * others + one] - threshold
        };
        pairs(self.svc.classes).into_iter().zip(&self.svc.thresholds).map(margin).collect()
    }

    /// For each member the class for which most pairs vote; of several the first.
    pub fn votes(&self, data: &Data<'_>, members: &[u32], threads: usize) -> Vec<u32> {
        let pairs = pairs(self.svc.classes);
        let chunks: Vec<&[u32]> = members.chunks(AT_ONCE).collect();
        let votes = parallel::map(threads, chunks.len(), |chunk| {
            let rows: Vec<f32> = chunks[chunk].iter().flat_map(|at| data.row(*at)).copied().collect();
            let margins = self.margins(&rows);
            margins.chunks_exact(pairs.len()).map(|margins| self.vote(&pairs, margins)).collect::<Vec<u32>>()
        });
        votes.concat()
    }

    fn vote(&self, pairs: &[(usize, usize)], margins: &[f32]) -> u32 {
        let mut votes = vec![0u32; self.svc.classes];
        for ((one, other), margin) in pairs.iter().zip(margins) {
            votes[if *margin > 0.0 { *one } else { *other }] += 1;
        }
        let best = (0..votes.len()).max_by_key(|class| (votes[*class], std::cmp::Reverse(*class)));
        best.unwrap_or(0) as u32
    }

    /// Probabilities of the classes of a row; equal ones of a machine that was trained without.
    pub fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        let classes = self.svc.classes;
        let mut of_pairs = vec![0.5; classes * classes];
        let sigmoids = self.svc.sigmoids.as_chunks::<2>().0;
        let margins = self.margins(row);
        for (((one, other), margin), [slope, offset]) in pairs(classes).into_iter().zip(margins).zip(sigmoids)
        {
            let p = Sigmoid { slope: *slope, offset: *offset }.probability(f64::from(margin));
            of_pairs[one * classes + other] = p;
            of_pairs[other * classes + one] = 1.0 - p;
        }
        couple(&of_pairs, classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rings around the origin, which no straight line tells apart, or blobs beside each other.
    fn examples(classes: usize, is_ring: bool) -> (Vec<f32>, Vec<u32>) {
        let mut random = Random::new(9);
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for class in 0..classes {
            for _ in 0..20 + 10 * class {
                let angle = random.unit() as f32 * std::f32::consts::TAU;
                let noise = (random.unit() as f32 - 0.5) * 0.6;
                let radius = if is_ring { 1.0 + class as f32 + noise } else { noise };
                let centre = if is_ring { 0.0 } else { class as f32 };
                rows.extend([centre + radius * angle.cos(), centre * centre + radius * angle.sin()]);
                targets.push(class as u32);
            }
        }
        (rows, targets)
    }

    fn trained(data: &Data<'_>, kernel: Kernel, threads: usize) -> Svc {
        let members: Vec<u32> = (0..data.targets.len() as u32).collect();
        let options =
            Options { kernel, costs: &[1.0, 20.0], probabilities: Probabilities::Seeded(4), threads };
        train(data, &members, &options, || true).unwrap().remove(1)
    }

    #[test]
    fn classes_are_told_apart_by_the_kernels_that_can() {
        for (is_ring, kernel) in [
            (false, Kernel::Linear),
            (false, Kernel::Rbf(1.0)),
            (true, Kernel::Rbf(1.0)),
            (false, Kernel::Poly(1.0)),
        ] {
            for classes in [2, 4] {
                let (rows, targets) = examples(classes, is_ring);
                let data = Data { rows: &rows, width: 2, targets: &targets, classes };
                let svc = trained(&data, kernel, 1);
                assert!(svc.is_sound(2) && !svc.is_sound(3));
                assert_eq!(svc, trained(&data, kernel, 3), "{kernel:?}");
                let ready = svc.ready();
                let (mut votes, mut likeliest) = (0, 0);
                let members: Vec<u32> = (0..targets.len() as u32).collect();
                let voted = ready.votes(&data, &members, 2);
                for ((row, target), voted) in rows.chunks_exact(2).zip(&targets).zip(voted) {
                    votes += usize::from(voted == *target);
                    let p = ready.probabilities(row);
                    assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{p:?}");
                    likeliest += usize::from(p.iter().all(|other| *other <= p[*target as usize]));
                }
                let enough = targets.len() * 9 / 10;
                assert!(votes >= enough && likeliest >= enough, "{kernel:?} {classes}: {votes} {likeliest}");
            }
        }
    }

    #[test]
    fn duals_satisfy_the_conditions_of_the_optimum() {
        let (rows, targets) = examples(2, true);
        let data = Data { rows: &rows, width: 2, targets: &targets, classes: 2 };
        let sides: Vec<Vec<u32>> = (0..2)
            .map(|class| (0..targets.len() as u32).filter(|at| targets[*at as usize] == class).collect())
            .collect();
        let mut pair = Pair::new(&data, Kernel::Rbf(0.5), [&sides[0], &sides[1]]);
        let costs = [2.0, 1.0];
        let all: Vec<usize> = (0..targets.len()).collect();
        let (duals, threshold) = pair.solve(&all, costs);
        assert!(duals.iter().sum::<f64>().abs() < 1e-9);
        for at in 0..duals.len() {
            pair.want(at);
            let margin: f64 =
                (0..duals.len()).map(|other| duals[other] * f64::from(pair.rows[at][other])).sum();
            let (lead, size) = (pair.sign(at) * (margin - threshold), duals[at] * pair.sign(at));
            let cost = f64::from(costs[usize::from(at >= pair.positives)]);
            assert!((0.0..=cost).contains(&size));
            assert!(size == 0.0 || lead < 1.0 + 2e-3, "{at}: {size} {lead}");
            assert!(size == cost || lead > 1.0 - 2e-3, "{at}: {size} {lead}");
        }
    }

    #[test]
    fn margins_are_those_of_scikit_learn() {
        // Found by scikit-learn 1.1.3 with `SVC(class_weight="balanced", tol=1e-6)`.
        let at = |at: f64, class: f64| {
            [(1.3 * at).sin() + 0.8 * class, (0.7 * at).cos() + 0.5 * class * class].map(|value| value as f32)
        };
        let rows: Vec<f32> = (0..36u32).flat_map(|i| at(i.into(), (i % 3).into())).collect();
        let targets: Vec<u32> = (0..36).map(|i| if i % 4 == 0 { 2 } else { i % 3 }).collect();
        let data = Data { rows: &rows, width: 2, targets: &targets, classes: 3 };
        let check = |kernel: Kernel, cost: f32, expected: [[f32; 3]; 3], votes: [u32; 12]| {
            let members: Vec<u32> = (0..36).collect();
            let options = Options { kernel, costs: &[cost], probabilities: Probabilities::No, threads: 1 };
            let ready = train(&data, &members, &options, || true).unwrap().remove(0).ready();
            let margins = ready.margins(&[0.0, 0.0, 1.0, 1.0, 2.0, 2.5]);
            for (margin, expected) in margins.iter().zip(expected.as_flattened()) {
                assert!((margin - expected).abs() < 5e-3 * (1.0 + expected.abs()), "{kernel:?}: {margins:?}");
            }
            assert_eq!(ready.votes(&data, &members[..12], 1), votes, "{kernel:?}");
        };
        check(
            Kernel::Linear,
            2.0,
            [[1.2149, 1.3146, 0.5488], [-1.2986, -0.9203, -0.0363], [-4.4166, -3.7635, -1.2109]],
            [0, 1, 2, 0, 0, 1, 0, 1, 2, 0, 2, 2],
        );
        check(
            Kernel::Rbf(0.5),
            5.0,
            [[0.1717, -0.1175, -0.3111], [-1.377, -1.8636, 0.9464], [0.0275, -1.176, -1.512]],
            [2, 1, 2, 0, 0, 1, 0, 1, 2, 0, 1, 2],
        );
        check(
            Kernel::Poly(0.3),
            1.0,
            [[0.7928, 0.9994, 0.996], [-0.1567, 0.3354, 0.7931], [-9.7949, -6.5001, -2.0347]],
            [0, 1, 2, 0, 0, 1, 0, 0, 2, 0, 1, 2],
        );
    }

    #[test]
    fn a_class_without_members_gets_no_votes_and_training_stops_on_request() {
        let (rows, targets) = examples(3, false);
        let data = Data { rows: &rows, width: 2, targets: &targets, classes: 3 };
        let members: Vec<u32> = (0..targets.len() as u32).filter(|at| targets[*at as usize] != 1).collect();
        let options =
            Options { kernel: Kernel::Linear, costs: &[1.0], probabilities: Probabilities::No, threads: 1 };
        let ready = train(&data, &members, &options, || true).unwrap().remove(0).ready();
        let right: Vec<u32> = members.iter().map(|at| targets[*at as usize]).collect();
        assert_eq!(ready.votes(&data, &members, 1), right);
        assert!(train(&data, &members, &options, || false).is_none());
    }
}
