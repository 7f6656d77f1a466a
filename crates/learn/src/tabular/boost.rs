//! Gradient boosted trees on histograms, grown leaf by leaf.
//!
//! Sources: Friedman, "Greedy Function Approximation" (2001); Ke et al., "LightGBM" (2017) for leaf-wise growth,
//! histogram subtraction and sorted subsets of categories.

use intendant_numeric::random::Random;

use super::bins::Binned;
use super::objective::Goal;
use crate::forest::{Branch, Forest, Missing, Rule};

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub rounds: usize,
    pub rate: f64,
    pub leaves: usize,
    pub leaf_rows: usize,
    /// Added to the curvature of every leaf.
    pub ridge: f64,
    /// Share of inputs that each tree may ask about.
    pub inputs_share: f64,
    /// Share of rows each tree is grown on.
    pub rows_share: f64,
    /// Rounds without improvement on held-out rows after which nothing more is tried.
    pub patience: usize,
}

/// What one run of boosting gave.
pub(super) struct Boosted {
    /// Trees by round, one per output.
    pub rounds: Vec<Vec<Vec<Branch>>>,
    pub base: Vec<f64>,
    /// Loss on held-out rows after each round.
    pub losses: Vec<f64>,
    /// What each round added to the held-out rows' outputs: `[rounds][outputs][held-out rows]`.
    pub steps: Vec<Vec<Vec<f32>>>,
}

/// Categories are compared by their slope over curvature plus this.
const CATEGORY_SMOOTHING: f64 = 10.0;

/// Added to the curvature of leaves of a split by category, which chooses among many subsets.
const CATEGORY_RIDGE: f64 = 10.0;

/// Rows a category needs to be put on a side of its own.
const CATEGORY_ROWS: u32 = 10;

/// Gain below which a leaf is left alone.
const GAIN_MIN: f64 = 1e-9;

#[derive(Clone, Copy, Default)]
struct Bin {
    slope: f64,
    curve: f64,
    rows: u32,
}

struct Open {
    /// Range of `order` with the leaf's rows.
    start: usize,
    end: usize,
    total: Bin,
    histogram: Vec<Bin>,
    split: Option<Split>,
    /// Index among the tree's branches.
    branch: usize,
}

#[derive(Clone)]
struct Split {
    gain: f64,
    input: usize,
    /// Bins that go left, for codes; else those up to `bin`.
    set: Vec<u32>,
    bin: usize,
    missing_left: bool,
    left: Bin,
}

/// Grows trees on `train` until loss on `held` no longer falls.
pub(super) fn boost(
    inputs: &[Binned],
    goal: &Goal,
    parts: (&[usize], &[usize]),
    shape: Shape,
    seed: u64,
) -> Boosted {
    let (train, held) = parts;
    let base = goal.base(train);
    let rows = goal.target.len();
    let mut scores: Vec<Vec<f64>> = base.iter().map(|base| vec![*base; rows]).collect();
    let mut slopes = vec![vec![[0.0; 2]; train.len()]; goal.outputs];
    let mut random = Random::new(seed);
    let mut boosted = Boosted { rounds: Vec::new(), base, losses: Vec::new(), steps: Vec::new() };
    let mut grower = Grower::new(inputs, shape);
    let (mut best, mut best_round) = (f64::INFINITY, 0);
    for round in 0..shape.rounds {
        goal.slopes(&scores, train, &mut slopes);
        let mut trees = Vec::with_capacity(goal.outputs);
        let mut steps = Vec::with_capacity(goal.outputs);
        let allowed = sample(inputs.len(), shape.inputs_share, &mut random);
        let (chosen, others): (Vec<u32>, Vec<u32>) = if shape.rows_share < 1.0 {
            (0..train.len() as u32).partition(|_| random.unit() < shape.rows_share)
        } else {
            ((0..train.len() as u32).collect(), Vec::new())
        };
        for (slopes, scores) in slopes.iter().zip(&mut scores) {
            let tree = grower.grow(train, slopes, &chosen, &allowed);
            for (leaf, start, end) in &grower.finished {
                for row in &grower.order[*start..*end] {
                    scores[train[*row as usize]] += leaf;
                }
            }
            for row in &others {
                let row = train[*row as usize];
                scores[row] += value_of(&tree, inputs, row);
            }
            let mut step = Vec::with_capacity(held.len());
            for row in held {
                let value = value_of(&tree, inputs, *row);
                scores[*row] += value;
                step.push(value as f32);
            }
            steps.push(step);
            trees.push(tree.iter().map(|branch| raw(branch, inputs)).collect());
        }
        boosted.rounds.push(trees);
        // Nothing held out: the rounds were found before.
        if held.is_empty() {
            continue;
        }
        boosted.steps.push(steps);
        let loss = goal.loss(&scores, held);
        boosted.losses.push(loss);
        if loss < best {
            (best, best_round) = (loss, round);
        } else if round - best_round >= shape.patience {
            break;
        }
    }
    boosted
}

impl Boosted {
    /// The first `rounds` as a forest, leaves multiplied.
    pub fn forest(&self, inputs: usize, rounds: usize, factor: f64) -> Forest {
        let mut forest = Forest::new(inputs, self.base.len());
        for trees in self.rounds.iter().take(rounds) {
            for (output, tree) in trees.iter().enumerate() {
                forest.push(output, tree).expect("invariant: grown trees are trees");
            }
        }
        forest.scaled(factor)
    }
}

fn sample(count: usize, share: f64, random: &mut Random) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    if share < 1.0 {
        random.shuffle(&mut all);
        all.truncate(((count as f64 * share).ceil() as usize).max(1));
        all.sort_unstable();
    }
    all
}

/// Branches of a tree in terms of bins: thresholds are bins here.
fn value_of(tree: &[Branch], inputs: &[Binned], row: usize) -> f64 {
    let mut at = 0;
    loop {
        match &tree[at] {
            Branch::Leaf { value, .. } => return *value,
            Branch::Split { feature, rule, threshold, set, missing, left, right, .. } => {
                let input = &inputs[*feature];
                let bin = usize::from(input.bins[row]);
                let goes_left = if bin == input.count {
                    *missing == Missing::Left
                } else if *rule == Rule::OneOf {
                    set.contains(&(bin as u32))
                } else {
                    bin as f64 <= *threshold
                };
                at = if goes_left { *left } else { *right };
            }
        }
    }
}

/// A branch in terms of values.
fn raw(branch: &Branch, inputs: &[Binned]) -> Branch {
    let mut branch = branch.clone();
    if let Branch::Split { feature, rule: Rule::AtMost, threshold, .. } = &mut branch {
        // A split of known against missing has no cut to stand at.
        *threshold = inputs[*feature].cuts.get(*threshold as usize).copied().unwrap_or(f64::MAX);
    }
    branch
}

struct Grower<'a> {
    inputs: &'a [Binned],
    shape: Shape,
    /// Where each input's bins start in a histogram.
    starts: Vec<usize>,
    order: Vec<u32>,
    spare: Vec<u32>,
    gathered: Vec<[f64; 2]>,
    /// Value, start and end of each leaf of the tree grown last.
    finished: Vec<(f64, usize, usize)>,
}

impl<'a> Grower<'a> {
    fn new(inputs: &'a [Binned], shape: Shape) -> Self {
        let mut starts = vec![0];
        for input in inputs {
            starts.push(starts[starts.len() - 1] + input.count + 1);
        }
        Self {
            inputs,
            shape,
            starts,
            order: Vec::new(),
            spare: Vec::new(),
            gathered: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// A tree; `order` then holds positions within `train`, leaf by leaf.
    fn grow(
        &mut self,
        train: &[usize],
        slopes: &[[f64; 2]],
        chosen: &[u32],
        allowed: &[usize],
    ) -> Vec<Branch> {
        self.order.clear();
        self.order.extend_from_slice(chosen);
        self.finished.clear();
        let mut branches = vec![Branch::Leaf { value: 0.0, cover: 1.0 }];
        let mut root = Open {
            start: 0,
            end: self.order.len(),
            total: Bin::default(),
            histogram: Vec::new(),
            split: None,
            branch: 0,
        };
        for row in &self.order {
            let [slope, curve] = slopes[*row as usize];
            root.total.slope += slope;
            root.total.curve += curve;
        }
        root.total.rows = self.order.len() as u32;
        root.histogram = self.histogram(train, slopes, (root.start, root.end), allowed);
        root.split = self.best_split(&root, allowed);
        let mut open = vec![root];
        let mut leaves = 1;
        while leaves < self.shape.leaves {
            let gain = |leaf: &Open| leaf.split.as_ref().map_or(0.0, |split| split.gain);
            // The first of equals, so that the order of leaves decides and nothing else.
            let Some(at) = (0..open.len()).rev().max_by(|a, b| gain(&open[*a]).total_cmp(&gain(&open[*b])))
            else {
                break;
            };
            if gain(&open[at]) <= GAIN_MIN {
                break;
            }
            let leaf = open.swap_remove(at);
            let (left, right) = self.divide(leaf, (train, slopes), allowed, &mut branches);
            open.push(left);
            open.push(right);
            leaves += 1;
        }
        for leaf in open {
            let value = -leaf.total.slope / (leaf.total.curve + self.shape.ridge) * self.shape.rate;
            let value = if value.is_finite() { value } else { 0.0 };
            branches[leaf.branch] = Branch::Leaf { value, cover: f64::from(leaf.total.rows.max(1)) };
            self.finished.push((value, leaf.start, leaf.end));
        }
        branches
    }

    /// Carries out a leaf's split.
    fn divide(
        &mut self,
        leaf: Open,
        data: (&[usize], &[[f64; 2]]),
        allowed: &[usize],
        branches: &mut Vec<Branch>,
    ) -> (Open, Open) {
        let (train, slopes) = data;
        let split = leaf.split.expect("invariant: only leaves with a split are divided");
        let inputs = self.inputs;
        let input = &inputs[split.input];
        let mut goes_left = vec![false; input.count + 1];
        if input.is_code {
            for bin in &split.set {
                goes_left[*bin as usize] = true;
            }
        } else {
            goes_left[..=split.bin.min(input.count - 1)].fill(true);
        }
        goes_left[input.count] = split.missing_left;
        self.spare.clear();
        let mut middle = leaf.start;
        for at in leaf.start..leaf.end {
            let row = self.order[at];
            if goes_left[usize::from(input.bins[train[row as usize]])] {
                self.order[middle] = row;
                middle += 1;
            } else {
                self.spare.push(row);
            }
        }
        self.order[middle..leaf.end].copy_from_slice(&self.spare);
        let right_total = Bin {
            slope: leaf.total.slope - split.left.slope,
            curve: leaf.total.curve - split.left.curve,
            rows: leaf.total.rows - split.left.rows,
        };
        let first = branches.len();
        branches.extend([Branch::Leaf { value: 0.0, cover: 1.0 }, Branch::Leaf { value: 0.0, cover: 1.0 }]);
        branches[leaf.branch] = Branch::Split {
            feature: split.input,
            rule: if input.is_code { Rule::OneOf } else { Rule::AtMost },
            threshold: split.bin as f64,
            set: split.set.iter().copied().filter(|bin| (*bin as usize) < input.count).collect(),
            missing: if split.missing_left { Missing::Left } else { Missing::Right },
            cover: f64::from(leaf.total.rows.max(1)),
            left: first,
            right: first + 1,
        };
        let open = |start, end, total, branch| Open {
            start,
            end,
            total,
            histogram: Vec::new(),
            split: None,
            branch,
        };
        let mut left = open(leaf.start, middle, split.left, first);
        let mut right = open(middle, leaf.end, right_total, first + 1);
        // The larger child's histogram is the parent's without the smaller one's.
        let (small, large) = if left.end - left.start <= right.end - right.start {
            (&mut left, &mut right)
        } else {
            (&mut right, &mut left)
        };
        small.histogram = self.histogram(train, slopes, (small.start, small.end), allowed);
        large.histogram = leaf.histogram;
        for (bin, other) in large.histogram.iter_mut().zip(&small.histogram) {
            bin.slope -= other.slope;
            bin.curve -= other.curve;
            bin.rows -= other.rows;
        }
        left.split = self.best_split(&left, allowed);
        right.split = self.best_split(&right, allowed);
        (left, right)
    }

    fn histogram(
        &mut self,
        train: &[usize],
        slopes: &[[f64; 2]],
        range: (usize, usize),
        allowed: &[usize],
    ) -> Vec<Bin> {
        let mut histogram = vec![Bin::default(); self.starts[self.inputs.len()]];
        let order = &self.order[range.0..range.1];
        self.gathered.clear();
        self.gathered.extend(order.iter().map(|row| slopes[*row as usize]));
        for input in allowed {
            let bins = &self.inputs[*input].bins;
            let histogram = &mut histogram[self.starts[*input]..self.starts[*input + 1]];
            for (row, [slope, curve]) in order.iter().zip(&self.gathered) {
                let bin = &mut histogram[usize::from(bins[train[*row as usize]])];
                bin.slope += slope;
                bin.curve += curve;
                bin.rows += 1;
            }
        }
        histogram
    }

    fn best_split(&self, leaf: &Open, allowed: &[usize]) -> Option<Split> {
        let mut best: Option<Split> = None;
        if (leaf.total.rows as usize) < 2 * self.shape.leaf_rows {
            return None;
        }
        for input in allowed {
            let bins = &leaf.histogram[self.starts[*input]..self.starts[*input + 1]];
            let search = Search { input: *input, bins, total: leaf.total, shape: self.shape };
            if self.inputs[*input].is_code { search.codes(&mut best) } else { search.numbers(&mut best) }
        }
        best
    }
}

/// The search for the best split of one leaf by one input.
struct Search<'a> {
    input: usize,
    bins: &'a [Bin],
    total: Bin,
    shape: Shape,
}

/// Where a split could be.
struct Place<'a> {
    bin: usize,
    missing_left: bool,
    ridge: f64,
    set: &'a [u32],
}

impl Search<'_> {
    fn numbers(&self, best: &mut Option<Split>) {
        let ridge = self.shape.ridge;
        let last = self.bins.len() - 1;
        let missing = self.bins[last];
        let mut left = Bin::default();
        for (at, bin) in self.bins[..last].iter().enumerate() {
            left.slope += bin.slope;
            left.curve += bin.curve;
            left.rows += bin.rows;
            if bin.rows == 0 {
                continue;
            }
            // Where none was missing, missing values go with the larger side.
            let missing_left = missing.rows == 0 && left.rows * 2 >= self.total.rows;
            self.offer(left, Place { bin: at, missing_left, ridge, set: &[] }, best);
            if missing.rows > 0 {
                let with = Bin {
                    slope: left.slope + missing.slope,
                    curve: left.curve + missing.curve,
                    rows: left.rows + missing.rows,
                };
                self.offer(with, Place { bin: at, missing_left: true, ridge, set: &[] }, best);
            }
        }
    }

    fn codes(&self, best: &mut Option<Split>) {
        let last = self.bins.len() - 1;
        let mut order: Vec<usize> = (0..=last).filter(|bin| self.bins[*bin].rows >= CATEGORY_ROWS).collect();
        let rank = |bin: &usize| self.bins[*bin].slope / (self.bins[*bin].curve + CATEGORY_SMOOTHING);
        order.sort_by(|left, right| rank(left).total_cmp(&rank(right)).then(left.cmp(right)));
        let ridge = self.shape.ridge + if order.len() > 4 { CATEGORY_RIDGE } else { 0.0 };
        // Rare names and missing values stay on the right: a set from either end puts them with either side.
        let forward: Vec<usize> = order.clone();
        order.reverse();
        for order in [forward, order] {
            let mut left = Bin::default();
            let mut set = Vec::new();
            for bin in order.iter().take(order.len().saturating_sub(1).max(1)) {
                left.slope += self.bins[*bin].slope;
                left.curve += self.bins[*bin].curve;
                left.rows += self.bins[*bin].rows;
                set.push(*bin as u32);
                let missing_left = set.contains(&(last as u32));
                self.offer(left, Place { bin: 0, missing_left, ridge, set: &set }, best);
            }
        }
    }

    fn offer(&self, left: Bin, place: Place<'_>, best: &mut Option<Split>) {
        let Place { bin, missing_left, ridge, set } = place;
        let rows = self.shape.leaf_rows as u32;
        let right_rows = self.total.rows - left.rows;
        if left.rows < rows || right_rows < rows {
            return;
        }
        let right_slope = self.total.slope - left.slope;
        let right_curve = self.total.curve - left.curve;
        let gain = left.slope * left.slope / (left.curve + ridge)
            + right_slope * right_slope / (right_curve + ridge)
            - self.total.slope * self.total.slope / (self.total.curve + self.shape.ridge);
        if gain > best.as_ref().map_or(GAIN_MIN, |best| best.gain) {
            *best = Some(Split { gain, input: self.input, set: set.to_vec(), bin, missing_left, left });
        }
    }
}
