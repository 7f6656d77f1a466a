//! How much each feature moves a prediction of trees: path-dependent TreeSHAP.
//!
//! Source: Lundberg, Erion, Lee, "Consistent Individualized Feature Attribution for Tree Ensembles" (2018),
//! algorithm 2. Cost: leaves times the square of the depth, per tree and row.

use super::{Child, Forest};

/// A feature on the way to a leaf.
#[derive(Clone, Copy, Debug)]
struct Step {
    feature: usize,
    /// Share of training rows that go this way when the feature is not known.
    share_unknown: f64,
    /// Whether this row goes this way.
    share_known: f64,
    /// Weight of the subsets of each size.
    weight: f64,
}

impl Forest {
    /// What each feature adds to each output for this row: `[outputs, features]`, row-major, added to `into`.
    ///
    /// Together with [`Forest::expected`] they sum up to the forest's outputs. All zero without covers.
    ///
    /// # Panics
    /// When the row has fewer features than the forest or `into` is shorter than outputs times features.
    pub fn contributions(&self, row: &[f64], into: &mut [f64]) {
        if !self.has_covers() {
            return;
        }
        for (root, target) in self.roots.iter().zip(&self.targets) {
            let start = *target as usize * self.features;
            let into = &mut into[start..start + self.features];
            self.explain(
                *root,
                row,
                into,
                Arrival { path: &[], share_unknown: 1.0, share_known: 1.0, feature: None },
            );
        }
    }

    /// The mean of each output over the training rows.
    pub fn expected(&self) -> Vec<f64> {
        let mut expected = vec![0.0; self.outputs];
        for (root, target) in self.roots.iter().zip(&self.targets) {
            let (mut total, mut weight) = (0.0, 0.0);
            let mut open = vec![*root];
            while let Some(child) = open.pop() {
                if child >= 0 {
                    let node = &self.nodes[child as usize];
                    open.extend([node.left, node.right]);
                } else {
                    let leaf = self.leaves[!child as usize];
                    total += leaf.value * leaf.cover;
                    weight += leaf.cover;
                }
            }
            if weight > 0.0 {
                expected[*target as usize] += total / weight;
            }
        }
        expected
    }

    fn explain(&self, at: Child, row: &[f64], into: &mut [f64], arrival: Arrival<'_>) {
        let mut path = arrival.extended();
        if at < 0 {
            let value = self.leaves[!at as usize].value;
            for (idx, step) in path.iter().enumerate().skip(1) {
                let weight = unwound_sum(&path, idx);
                into[step.feature] += weight * (step.share_known - step.share_unknown) * value;
            }
            return;
        }
        let node = &self.nodes[at as usize];
        let feature = node.feature as usize;
        let (mut hot, mut cold) = (node.left, node.right);
        if !self.goes_left(node, row[feature]) {
            std::mem::swap(&mut hot, &mut cold);
        }
        // A feature asked twice counts once: its earlier step is taken back.
        let (mut share_unknown, mut share_known) = (1.0, 1.0);
        if let Some(earlier) = path.iter().skip(1).position(|step| step.feature == feature) {
            let earlier = earlier + 1;
            (share_unknown, share_known) = (path[earlier].share_unknown, path[earlier].share_known);
            unwind(&mut path, earlier);
        }
        for (child, is_known) in [(hot, share_known), (cold, 0.0)] {
            let share = self.cover(child) / node.cover;
            let arrival = Arrival {
                path: &path,
                share_unknown: share * share_unknown,
                share_known: is_known,
                feature: Some(feature),
            };
            self.explain(child, row, into, arrival);
        }
    }

    fn cover(&self, child: Child) -> f64 {
        if child >= 0 { self.nodes[child as usize].cover } else { self.leaves[!child as usize].cover }
    }
}

/// How a branch was reached.
struct Arrival<'a> {
    path: &'a [Step],
    share_unknown: f64,
    share_known: f64,
    feature: Option<usize>,
}

impl Arrival<'_> {
    /// The path with the last step on it, weights brought up to date.
    fn extended(&self) -> Vec<Step> {
        let length = self.path.len();
        let mut path = Vec::with_capacity(length + 1);
        path.extend_from_slice(self.path);
        path.push(Step {
            feature: self.feature.unwrap_or(usize::MAX),
            share_unknown: self.share_unknown,
            share_known: self.share_known,
            weight: if length == 0 { 1.0 } else { 0.0 },
        });
        for idx in (0..length).rev() {
            let whole = (length + 1) as f64;
            path[idx + 1].weight += self.share_known * path[idx].weight * (idx + 1) as f64 / whole;
            path[idx].weight = self.share_unknown * path[idx].weight * (length - idx) as f64 / whole;
        }
        path
    }
}

/// Takes a step back out of a path.
fn unwind(path: &mut Vec<Step>, at: usize) {
    let last = path.len() - 1;
    let Step { share_unknown, share_known, .. } = path[at];
    let mut next = path[last].weight;
    let whole = (last + 1) as f64;
    for idx in (0..last).rev() {
        if share_known == 0.0 {
            path[idx].weight = path[idx].weight * whole / (share_unknown * (last - idx) as f64);
        } else {
            let kept = path[idx].weight;
            path[idx].weight = next * whole / ((idx + 1) as f64 * share_known);
            next = kept - path[idx].weight * share_unknown * (last - idx) as f64 / whole;
        }
    }
    for idx in at..last {
        let Step { feature, share_unknown, share_known, .. } = path[idx + 1];
        path[idx] = Step { feature, share_unknown, share_known, weight: path[idx].weight };
    }
    path.pop();
}

/// The sum of weights of a path from which a step was taken back.
fn unwound_sum(path: &[Step], at: usize) -> f64 {
    let last = path.len() - 1;
    let Step { share_unknown, share_known, .. } = path[at];
    let (mut next, mut total) = (path[last].weight, 0.0);
    let whole = (last + 1) as f64;
    for idx in (0..last).rev() {
        if share_known == 0.0 {
            total += path[idx].weight * whole / (share_unknown * (last - idx) as f64);
        } else {
            let weight = next * whole / ((idx + 1) as f64 * share_known);
            total += weight;
            next = path[idx].weight - weight * share_unknown * (last - idx) as f64 / whole;
        }
    }
    total
}
