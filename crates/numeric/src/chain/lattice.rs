//! Sums over all ways to tag a sequence.

use super::Chain;
use crate::calibration::exp;
use crate::svm::dispatch;

/// What is negligible unless said otherwise.
const NEGLIGIBLE: f32 = 1e-7;
/// Exponentials of smaller numbers are 0.
const EXPONENT_MIN: f32 = -80.0;

/// Reusable room for the sums over one sequence.
#[derive(Clone, Debug)]
pub struct Lattice {
    tags: usize,
    /// `tags` rounded up to whole vectors.
    width: usize,
    /// Exponentials of the transitions, `[tags + 1][width]`.
    transitions: Vec<f32>,
    length: usize,
    scores: Vec<f32>,
    emissions: Vec<f32>,
    forward: Vec<f32>,
    backward: Vec<f32>,
    scales: Vec<f32>,
    /// States with less than this share of the probability are left out of sums over predecessors.
    pub(super) negligible: f32,
}

impl Lattice {
    pub(super) fn new(chain: &Chain) -> Self {
        let width = chain.tags.next_multiple_of(8);
        let mut lattice = Self {
            tags: chain.tags,
            width,
            transitions: vec![0.0; (chain.tags + 1) * width],
            length: 0,
            scores: Vec::new(),
            emissions: Vec::new(),
            forward: Vec::new(),
            backward: Vec::new(),
            scales: Vec::new(),
            negligible: NEGLIGIBLE,
        };
        for (from, weights) in chain.transitions.chunks_exact(chain.tags.max(1)).enumerate() {
            lattice.set_transitions(from, weights);
        }
        lattice
    }

    /// Takes over the weights of the transitions from one tag, or from the start.
    pub(super) fn set_transitions(&mut self, from: usize, weights: &[f32]) {
        let row = &mut self.transitions[from * self.width..][..weights.len()];
        row.copy_from_slice(weights);
        exponentials(row);
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.scores.clear();
        self.emissions.clear();
    }

    /// Number of tags, rounded up to whole vectors.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Number of tokens.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Appends a token; `add_scores` adds up what its features say of each tag.
    pub(super) fn push(&mut self, add_scores: impl FnOnce(&mut [f32])) {
        let start = self.scores.len();
        self.scores.resize(start + self.width, 0.0);
        let scores = &mut self.scores[start..];
        add_scores(scores);
        let top = scores[..self.tags].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.emissions.extend(scores.iter().map(|score| score - top));
        exponentials(&mut self.emissions[start..]);
        self.emissions[start + self.tags..].fill(0.0);
        self.length += 1;
    }

    /// Forward and backward sums.
    pub(super) fn sum(&mut self) {
        let size = self.length * self.width;
        self.forward.clear();
        self.forward.resize(size, 0.0);
        self.backward.clear();
        self.backward.resize(size, 0.0);
        self.scales.clear();
        self.scales.resize(self.length, 1.0);
        sums(self);
    }

    /// Probabilities of the tags of a token.
    pub(super) fn marginals(&self, position: usize) -> Vec<f32> {
        let mut marginals = Vec::new();
        self.marginals_into(position, &mut marginals);
        marginals
    }

    /// As [`Lattice::marginals`], into room that is there.
    pub(super) fn marginals_into(&self, position: usize, marginals: &mut Vec<f32>) {
        let span = position * self.width..position * self.width + self.tags;
        let pairs = self.forward[span.clone()].iter().zip(&self.backward[span]);
        marginals.clear();
        marginals.extend(pairs.map(|(forward, backward)| forward * backward));
        let total: f32 = marginals.iter().sum();
        if total > 0.0 {
            marginals.iter_mut().for_each(|marginal| *marginal /= total);
        }
    }

    /// Adds the expected number of uses of each transition, and marks the tags they come from.
    pub(super) fn add_edges(&self, gradient: &mut [f32], touched: &mut [bool]) {
        edges(self, gradient, touched);
    }

    /// The best path through the tags that are not negligible.
    pub(super) fn best(&self, chain: &Chain, marginals: &[Vec<f32>]) -> Vec<u16> {
        let kept: Vec<Vec<usize>> = marginals
            .iter()
            .map(|marginals| {
                let kept: Vec<usize> = (0..self.tags).filter(|tag| marginals[*tag] > 1e-4).collect();
                if kept.is_empty() { (0..self.tags).collect() } else { kept }
            })
            .collect();
        let transition = |from: usize, to: usize| chain.transitions[from * self.tags + to];
        let score = |position: usize, tag: usize| self.scores[position * self.width + tag];
        let mut scores: Vec<f32> =
            kept[0].iter().map(|tag| score(0, *tag) + transition(self.tags, *tag)).collect();
        let mut back: Vec<Vec<usize>> = Vec::with_capacity(self.length);
        for position in 1..self.length {
            let (mut next, mut from) = (Vec::new(), Vec::new());
            for tag in &kept[position] {
                let (mut best, mut best_from) = (f32::NEG_INFINITY, 0);
                for (idx, previous) in kept[position - 1].iter().enumerate() {
                    let total = scores[idx] + transition(*previous, *tag);
                    if total > best {
                        (best, best_from) = (total, idx);
                    }
                }
                next.push(best + score(position, *tag));
                from.push(best_from);
            }
            scores = next;
            back.push(from);
        }
        let mut at = 0;
        for (idx, score) in scores.iter().enumerate() {
            if *score > scores[at] {
                at = idx;
            }
        }
        let mut path = vec![0u16; self.length];
        for position in (0..self.length).rev() {
            path[position] = kept[position][at] as u16;
            if position > 0 {
                at = back[position - 1][at];
            }
        }
        path
    }
}

dispatch! {
    /// Replaces numbers by their exponentials; what is forbidden, at negative infinity, becomes 0.
    fn exponentials(numbers: &mut [f32]) {
        for number in numbers {
            *number = if *number > EXPONENT_MIN { exp(*number) } else { 0.0 };
        }
    }
}

dispatch! {
    fn sums(lattice: &mut Lattice) {
        let (width, length) = (lattice.width, lattice.length);
        for position in 0..length {
            let (before, here) = lattice.forward.split_at_mut(position * width);
            let here = &mut here[..width];
            if position == 0 {
                here.copy_from_slice(&lattice.transitions[lattice.tags * width..]);
            } else {
                let before = &before[(position - 1) * width..];
                for (from, share) in before[..lattice.tags].iter().enumerate() {
                    if *share > lattice.negligible {
                        let row = &lattice.transitions[from * width..(from + 1) * width];
                        for (sum, transition) in here.iter_mut().zip(row) {
                            *sum += share * transition;
                        }
                    }
                }
            }
            let emissions = &lattice.emissions[position * width..(position + 1) * width];
            let mut total = 0.0;
            for (sum, emission) in here.iter_mut().zip(emissions) {
                *sum *= emission;
                total += *sum;
            }
            let scale = 1.0 / total.max(1e-30);
            here.iter_mut().for_each(|sum| *sum *= scale);
            lattice.scales[position] = scale;
        }
        lattice.backward[(length - 1) * width..].fill(1.0);
        let mut ahead = vec![0.0f32; width];
        for position in (0..length - 1).rev() {
            let (here, after) = lattice.backward.split_at_mut((position + 1) * width);
            let emissions = &lattice.emissions[(position + 1) * width..(position + 2) * width];
            let scale = lattice.scales[position + 1];
            for ((ahead, after), emission) in ahead.iter_mut().zip(&after[..width]).zip(emissions) {
                *ahead = after * emission * scale;
            }
            let here = &mut here[position * width..];
            let forward = &lattice.forward[position * width..(position + 1) * width];
            for from in 0..lattice.tags {
                if forward[from] > lattice.negligible {
                    let row = &lattice.transitions[from * width..(from + 1) * width];
                    let mut lanes = [0.0f32; 8];
                    for (row, ahead) in row.chunks_exact(8).zip(ahead.chunks_exact(8)) {
                        for lane in 0..8 {
                            lanes[lane] += row[lane] * ahead[lane];
                        }
                    }
                    here[from] = lanes.iter().sum();
                }
            }
        }
    }
}

dispatch! {
    fn edges(lattice: &Lattice, gradient: &mut [f32], touched: &mut [bool]) {
        let (width, tags) = (lattice.width, lattice.tags);
        touched[tags] = true;
        let first = lattice.marginals(0);
        for (sum, share) in gradient[tags * tags..].iter_mut().zip(first) {
            *sum += share;
        }
        let mut ahead = vec![0.0f32; width];
        for position in 1..lattice.length {
            let here = position * width..(position + 1) * width;
            let scale = lattice.scales[position];
            for ((ahead, after), emission) in
                ahead.iter_mut().zip(&lattice.backward[here.clone()]).zip(&lattice.emissions[here])
            {
                *ahead = after * emission * scale;
            }
            let before = &lattice.forward[(position - 1) * width..position * width];
            for (from, share) in before[..tags].iter().enumerate() {
                if *share > lattice.negligible {
                    touched[from] = true;
                    let row = &lattice.transitions[from * width..from * width + tags];
                    let sums = &mut gradient[from * tags..(from + 1) * tags];
                    for ((sum, transition), ahead) in sums.iter_mut().zip(row).zip(&ahead) {
                        *sum += share * transition * ahead;
                    }
                }
            }
        }
    }
}
