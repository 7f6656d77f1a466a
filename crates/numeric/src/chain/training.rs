//! Learning of taggers.

use super::{Chain, Lattice, Options, Penalty, Sequences};
use crate::index::Index;
use crate::random::{Random, mix};
use crate::svm::dispatch;

/// Sentences between two updates of the transition weights.
const BATCH: usize = 8;
/// Gradients below this move no transition.
const SETTLED: f32 = 1e-6;
/// Where weights merely decay, tokens whose tag is surer than one less this teach nothing, and a
/// sequence of such tokens rests for one walk.
const UNSURE: f32 = 0.01;
/// Tags less probable than this are left out of sums while learning.
const NEGLIGIBLE: f32 = 1e-4;
/// A group that occurs with at least one of so many tags has a place for each, and all are worked
/// on side by side.
const DENSE: usize = 5;

/// Sequences as trainers read them.
///
/// Features that occur in the same tokens, as most of a rare word's do, are one group, which counts
/// as much as all of them: their weights are the same at any time.
pub struct Lessons {
    /// Features are numbers of groups.
    sequences: Sequences,
    /// The group of each feature.
    groups: Vec<u32>,
    /// How many features each group has.
    sizes: Vec<u32>,
    /// How many tokens have each group.
    occurrences: Vec<u32>,
    /// First entry of each group, and the number of entries: the tags that it occurs with.
    starts: Vec<u32>,
    entry_tags: Vec<u16>,
    tags: usize,
}

impl Lessons {
    /// Sequences of features below `features` and tags below `tags`.
    pub fn of(sequences: &Sequences, (features, tags): (usize, usize)) -> Self {
        let mut prints = vec![0u64; features];
        for token in 0..sequences.tags.len() {
            let print = mix(token as u64 ^ 0x1E55_0115);
            for feature in sequences.token(token) {
                let sum = &mut prints[*feature as usize];
                *sum = sum.wrapping_add(print);
            }
        }
        let mut known = Index::with_capacity(features);
        let groups: Vec<u32> = prints.iter().map(|print| known.insert(*print)).collect();
        let mut sizes = vec![0u32; known.len()];
        // The first feature of a group stands for it in the sequences.
        let is_first: Vec<bool> = groups
            .iter()
            .map(|group| {
                sizes[*group as usize] += 1;
                sizes[*group as usize] == 1
            })
            .collect();
        let mut grouped =
            Sequences { sequence_starts: sequences.sequence_starts.clone(), ..Default::default() };
        for (token, tag) in sequences.tags.iter().enumerate() {
            let firsts = sequences.token(token).iter().filter(|feature| is_first[**feature as usize]);
            grouped.features.extend(firsts.map(|feature| groups[*feature as usize]));
            grouped.token_starts.push(grouped.features.len());
            grouped.tags.push(*tag);
        }
        let (occurrences, starts, entry_tags) = entries(&grouped, known.len());
        Self { sequences: grouped, groups, sizes, occurrences, starts, entry_tags, tags }
    }

    /// Trains a tagger.
    ///
    /// `allowed(from, to)` forbids transitions; `from` is `None` at the start. `go_on(epoch)` is
    /// asked before each epoch; `None` is returned when it says no.
    pub fn train(
        &self,
        allowed: impl Fn(Option<usize>, usize) -> bool,
        options: &Options,
        mut go_on: impl FnMut(usize) -> bool,
    ) -> Option<Chain> {
        let mut trainer = Trainer::new(self, &allowed, options.penalty);
        let mut order: Vec<usize> = (0..self.sequences.len()).collect();
        let mut rests = vec![false; order.len()];
        let mut random = Random::new(options.seed);
        let kept_of_256 = 256 - (options.dropout * 256.0) as u32;
        for epoch in 0..options.epochs {
            if !go_on(epoch) {
                return None;
            }
            random.shuffle(&mut order);
            // The last third of the epochs takes smaller and smaller steps, which settles the weights.
            let left = (options.epochs - epoch) as f32 / options.epochs as f32;
            let rate = options.rate * (left * 3.0).min(1.0);
            for batch in order.chunks(BATCH) {
                for sequence in batch {
                    let rests = &mut rests[*sequence];
                    if *rests {
                        *rests = false;
                        continue;
                    }
                    trainer.draw(*sequence, kept_of_256, &mut random);
                    *rests = !trainer.learn(rate);
                }
                trainer.update_transitions(rate);
            }
        }
        Some(trainer.chain((1.0 - options.dropout) as f32))
    }
}

/// How many tokens have each group, where its entries begin, and their tags.
fn entries(sequences: &Sequences, groups: usize) -> (Vec<u32>, Vec<u32>, Vec<u16>) {
    let mut occurrences = vec![0u32; groups];
    sequences.features.iter().for_each(|group| occurrences[*group as usize] += 1);
    let mut ends: Vec<usize> = Vec::with_capacity(groups);
    let mut total = 0;
    for count in &occurrences {
        ends.push(total);
        total += *count as usize;
    }
    let mut found = vec![0u16; total];
    for (token, tag) in sequences.tags.iter().enumerate() {
        for group in sequences.token(token) {
            let end = &mut ends[*group as usize];
            found[*end] = *tag;
            *end += 1;
        }
    }
    let (mut starts, mut entry_tags) = (vec![0u32], Vec::new());
    for (count, end) in occurrences.iter().zip(ends) {
        let tags = &mut found[end - *count as usize..end];
        tags.sort_unstable();
        entry_tags.extend(tags.chunk_by(|a, b| a == b).map(|run| run[0]));
        starts.push(entry_tags.len() as u32);
    }
    (occurrences, starts, entry_tags)
}

impl Penalty {
    /// The pull at one of `1 / share` visits in a walk over the data.
    fn pull(self, share: f32) -> Pull {
        match self {
            Self::Decay(decay) => Pull { slope: decay, threshold: 0.0 },
            Self::Elastic { l1, l2 } => Pull { slope: 2.0 * l2 * share, threshold: l1 * share },
        }
    }
}

/// A penalty at one step.
#[derive(Clone, Copy)]
struct Pull {
    /// Factor of a weight in its gradient.
    slope: f32,
    /// By how much a step of size 1 shrinks a weight.
    threshold: f32,
}

impl Pull {
    #[inline(always)]
    fn step(self, weight: &mut f32, squares: &mut f32, gradient: f32, rate: f32) {
        *squares += gradient * gradient;
        let size = rate / (squares.sqrt() + 1e-3);
        let moved = *weight - size * gradient;
        *weight = if self.threshold == 0.0 {
            moved
        } else {
            moved.signum() * (moved.abs() - size * self.threshold).max(0.0)
        };
    }
}

/// A group of features while learning.
#[derive(Clone, Copy)]
struct Group {
    /// Its entries, or its places.
    first: u32,
    end: u32,
    is_dense: bool,
    /// How many features it has.
    size: f32,
    pull: Pull,
}

/// A group with a tag while learning.
#[derive(Clone, Copy)]
struct Entry {
    /// The weights of all features of the group together.
    weight: f32,
    squares: f32,
    tag: u32,
}

/// Weights of all groups.
#[derive(Default)]
struct Weights {
    groups: Vec<Group>,
    /// Of groups with few tags.
    entries: Vec<Entry>,
    /// Of the others, a place for each tag. Where a group does not occur with a tag, the sum of
    /// squares is infinite, so that no step moves its weight.
    places: Vec<f32>,
    place_squares: Vec<f32>,
}

impl Weights {
    fn new(lessons: &Lessons, width: usize, penalty: Penalty) -> Self {
        let mut weights = Self::default();
        for (group, span) in lessons.starts.windows(2).enumerate() {
            let tags = &lessons.entry_tags[span[0] as usize..span[1] as usize];
            let size = lessons.sizes[group] as f32;
            let pull = penalty.pull(1.0 / lessons.occurrences[group].max(1) as f32);
            // Entries hold the sum of so many weights.
            let pull = Pull { slope: pull.slope / size, ..pull };
            let is_dense = tags.len() * DENSE >= width;
            let first = if is_dense { weights.places.len() } else { weights.entries.len() } as u32;
            if is_dense {
                weights.places.resize(first as usize + width, 0.0);
                weights.place_squares.resize(first as usize + width, f32::INFINITY);
                tags.iter().for_each(|tag| weights.place_squares[first as usize + usize::from(*tag)] = 0.0);
            } else {
                let entry = |tag: &u16| Entry { weight: 0.0, squares: 0.0, tag: u32::from(*tag) };
                weights.entries.extend(tags.iter().map(entry));
            }
            let end = if is_dense { weights.places.len() } else { weights.entries.len() } as u32;
            weights.groups.push(Group { first, end, is_dense, size, pull });
        }
        weights
    }

    /// The weight of a group for each tag that it occurs with.
    fn of(&self, group: Group) -> impl Iterator<Item = (u16, f32)> {
        let span = group.first as usize..group.end as usize;
        let (entries, places) = if group.is_dense { (0..0, span) } else { (span, 0..0) };
        let squares = &self.place_squares[places.clone()];
        let placed = self.places[places].iter().zip(squares).enumerate();
        let placed = placed.filter(|(_, (_, squares))| squares.is_finite());
        let placed = placed.map(|(tag, (weight, _))| (tag as u16, *weight));
        self.entries[entries].iter().map(|entry| (entry.tag as u16, entry.weight)).chain(placed)
    }
}

dispatch! {
    /// Adds what groups say of each tag.
    fn add_scores(weights: &Weights, groups: &[u32], scores: &mut [f32]) {
        for group in groups.iter().map(|group| weights.groups[*group as usize]) {
            let span = group.first as usize..group.end as usize;
            if group.is_dense {
                scores.iter_mut().zip(&weights.places[span]).for_each(|(sum, weight)| *sum += weight);
            } else {
                for entry in &weights.entries[span] {
                    scores[entry.tag as usize] += entry.weight;
                }
            }
        }
    }
}

dispatch! {
    /// One step of groups against the errors of a token's tags.
    fn step(weights: &mut Weights, groups: &[u32], errors: &[f32], rate: f32) {
        for group in groups {
            let Group { first, end, is_dense, size, pull } = weights.groups[*group as usize];
            let (span, rate) = (first as usize..end as usize, rate * size);
            if is_dense {
                let squares = weights.place_squares[span.clone()].iter_mut();
                for ((weight, squares), error) in weights.places[span].iter_mut().zip(squares).zip(errors) {
                    pull.step(weight, squares, error + pull.slope * *weight, rate);
                }
            } else {
                for entry in &mut weights.entries[span] {
                    let gradient = errors[entry.tag as usize] + pull.slope * entry.weight;
                    pull.step(&mut entry.weight, &mut entry.squares, gradient, rate);
                }
            }
        }
    }
}

struct Trainer<'a> {
    lessons: &'a Lessons,
    weights: Weights,
    transitions: Vec<f32>,
    transition_pull: Pull,
    unsure: f32,
    transition_squares: Vec<f32>,
    transition_gradient: Vec<f32>,
    /// Tags, and the start, from which transitions have gradients.
    touched: Vec<bool>,
    lattice: Lattice,
    /// The sequence in hand without what is left out: where tokens end, their groups, their tags.
    ends: Vec<usize>,
    kept: Vec<u32>,
    gold: Vec<u16>,
    /// Room for the gradients of a token's tags.
    errors: Vec<f32>,
}

impl<'a> Trainer<'a> {
    fn new(lessons: &'a Lessons, allowed: &impl Fn(Option<usize>, usize) -> bool, penalty: Penalty) -> Self {
        let tags = lessons.tags;
        let mut transitions = vec![f32::NEG_INFINITY; (tags + 1) * tags];
        for from in 0..=tags {
            for to in 0..tags {
                if allowed((from < tags).then_some(from), to) {
                    transitions[from * tags + to] = 0.0;
                }
            }
        }
        let batches = lessons.sequences.len().div_ceil(BATCH).max(1);
        let empty = Chain {
            tags,
            starts: vec![0],
            entry_tags: Vec::new(),
            entry_weights: Vec::new(),
            transitions: transitions.clone(),
        };
        let mut lattice = empty.lattice();
        lattice.negligible = NEGLIGIBLE;
        Self {
            lessons,
            weights: Weights::new(lessons, lattice.width(), penalty),
            unsure: if matches!(penalty, Penalty::Decay(_)) { UNSURE } else { 0.0 },
            transition_pull: penalty.pull(1.0 / batches as f32),
            transition_squares: vec![0.0; transitions.len()],
            transition_gradient: vec![0.0; transitions.len()],
            touched: vec![false; tags + 1],
            transitions,
            lattice,
            ends: Vec::new(),
            kept: Vec::new(),
            gold: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Takes a sequence in hand without some of its features.
    fn draw(&mut self, sequence: usize, kept_of_256: u32, random: &mut Random) {
        let sequences = &self.lessons.sequences;
        let tokens = sequences.sequence_starts[sequence]..sequences.sequence_starts[sequence + 1];
        self.ends.clear();
        self.kept.clear();
        self.gold.clear();
        self.gold.extend_from_slice(&sequences.tags[tokens.clone()]);
        for token in tokens {
            for groups in sequences.token(token).chunks(64) {
                let mut mask = random.mask(kept_of_256) & (u64::MAX >> (64 - groups.len()));
                while mask != 0 {
                    self.kept.push(groups[mask.trailing_zeros() as usize]);
                    mask &= mask - 1;
                }
            }
            self.ends.push(self.kept.len());
        }
    }

    /// One step on the sequence in hand; whether there was anything to learn.
    fn learn(&mut self, rate: f32) -> bool {
        self.lattice.clear();
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        for (start, end) in starts.clone().zip(&self.ends) {
            self.lattice.push(|scores| add_scores(&self.weights, &self.kept[start..*end], scores));
        }
        if self.ends.is_empty() {
            return false;
        }
        self.lattice.sum();
        let mut is_sure = true;
        for ((position, gold), (start, end)) in self.gold.iter().enumerate().zip(starts.zip(&self.ends)) {
            self.lattice.marginals_into(position, &mut self.errors);
            let error = &mut self.errors[usize::from(*gold)];
            *error -= 1.0;
            if *error < -self.unsure {
                is_sure = false;
                step(&mut self.weights, &self.kept[start..*end], &self.errors, rate);
            }
        }
        if is_sure {
            return false;
        }
        self.lattice.add_edges(&mut self.transition_gradient, &mut self.touched);
        let mut previous = self.lessons.tags;
        for gold in self.gold.iter().map(|gold| usize::from(*gold)) {
            self.transition_gradient[previous * self.lessons.tags + gold] -= 1.0;
            self.touched[previous] = true;
            previous = gold;
        }
        true
    }

    fn update_transitions(&mut self, rate: f32) {
        let tags = self.lessons.tags;
        for from in (0..=tags).filter(|from| self.touched[*from]) {
            let row = from * tags..(from + 1) * tags;
            let weights = &mut self.transitions[row.clone()];
            let gradients = &mut self.transition_gradient[row.clone()];
            let squares = &mut self.transition_squares[row];
            for ((weight, gradient), squares) in weights.iter_mut().zip(gradients).zip(squares) {
                if gradient.abs() > SETTLED {
                    let total = *gradient + self.transition_pull.slope * *weight;
                    self.transition_pull.step(weight, squares, total, rate);
                }
                *gradient = 0.0;
            }
            self.lattice.set_transitions(from, weights);
        }
        self.touched.fill(false);
    }

    /// What was learnt, by feature; `share` of the features were seen on average, which weigh as
    /// much as all will.
    fn chain(self, share: f32) -> Chain {
        let lessons = self.lessons;
        let (mut starts, mut entry_tags, mut entry_weights) = (vec![0u32], Vec::new(), Vec::new());
        for group in lessons.groups.iter().map(|group| self.weights.groups[*group as usize]) {
            let share = share / group.size;
            for (tag, weight) in self.weights.of(group) {
                entry_tags.push(tag);
                entry_weights.push(weight * share);
            }
            starts.push(entry_tags.len() as u32);
        }
        Chain { tags: lessons.tags, starts, entry_tags, entry_weights, transitions: self.transitions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_occur_together_weigh_the_same_and_count_as_much_as_all() {
        // Features 0 and 1 tell tag 1, 2 tells tag 0, 3 is in every token, 4 in none.
        let mut sequences = Sequences::default();
        for _ in 0..4 {
            sequences.push_token(&[0, 1, 3], 1);
            sequences.push_token(&[2, 3], 0);
            sequences.end_sequence();
        }
        let lessons = Lessons::of(&sequences, (5, 2));
        assert_eq!(lessons.groups, [0, 0, 1, 2, 3]);
        assert_eq!(lessons.sizes, [2, 1, 1, 1]);
        let options =
            Options { epochs: 20, rate: 0.3, penalty: Penalty::Decay(0.001), dropout: 0.0, seed: 1 };
        let chain = lessons.train(|_, _| true, &options, |_| true).unwrap();
        assert!(chain.is_sound(5));
        let weights = |feature: usize| {
            let span = chain.starts[feature] as usize..chain.starts[feature + 1] as usize;
            (&chain.entry_tags[span.clone()], &chain.entry_weights[span])
        };
        assert_eq!(weights(0), weights(1));
        assert_eq!((weights(0).0, weights(2).0, weights(3).0), (&[1][..], &[0][..], &[0, 1][..]));
        assert!(weights(0).1[0] > 0.0 && weights(2).1[0] > 0.0 && weights(4).0.is_empty());
    }
}
