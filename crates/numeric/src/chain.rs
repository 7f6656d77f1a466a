//! Linear-chain conditional random fields over sparse binary features.
//!
//! Source: Lafferty, McCallum, Pereira 2001; sums are taken in probability space, scaled at each
//! position (Rabiner 1989, section V.A). Weights exist only for pairs of feature and tag that
//! occur together in the data. Training is AdaGrad over small batches in seeded order, one
//! thread: the result is a function of data and seed.

use crate::random::Random;
use crate::svm::dispatch;

/// States with less than this share of the probability are left out of sums over predecessors.
const NEGLIGIBLE: f32 = 1e-7;
/// Sentences between two updates of the transition weights.
const BATCH: usize = 8;

/// Sequences of tokens, each a set of feature numbers.
#[derive(Clone, Debug)]
pub struct Sequences {
    sequence_starts: Vec<usize>,
    token_starts: Vec<usize>,
    features: Vec<u32>,
    tags: Vec<u16>,
}

impl Default for Sequences {
    fn default() -> Self {
        Self { sequence_starts: vec![0], token_starts: vec![0], features: Vec::new(), tags: Vec::new() }
    }
}

impl Sequences {
    /// Appends a token with its gold tag to the open sequence.
    pub fn push_token(&mut self, features: &[u32], tag: u16) {
        self.features.extend_from_slice(features);
        self.token_starts.push(self.features.len());
        self.tags.push(tag);
    }

    /// Copies a sequence of another set without some of its features.
    fn push_thinned(&mut self, from: &Self, sequence: usize, mut keeps: impl FnMut() -> bool) {
        for token in from.sequence_starts[sequence]..from.sequence_starts[sequence + 1] {
            self.features.extend(from.token(token).iter().filter(|_| keeps()));
            self.token_starts.push(self.features.len());
            self.tags.push(from.tags[token]);
        }
        self.end_sequence();
    }

    /// Closes the open sequence.
    pub fn end_sequence(&mut self) {
        self.sequence_starts.push(self.tags.len());
    }

    /// Number of closed sequences.
    pub fn len(&self) -> usize {
        self.sequence_starts.len() - 1
    }

    /// Whether there are no closed sequences.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn token(&self, token: usize) -> &[u32] {
        &self.features[self.token_starts[token]..self.token_starts[token + 1]]
    }
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Walks over the data.
    pub epochs: usize,
    /// Step size.
    pub rate: f32,
    /// What keeps weights small.
    pub penalty: Penalty,
    /// Share of the features that are left out at each visit of a sequence, so that words that
    /// are known do not make their surroundings redundant.
    pub dropout: f64,
    /// Seed of the order of sequences and of what is left out.
    pub seed: u64,
}

/// What keeps weights small.
#[derive(Clone, Copy, Debug)]
pub enum Penalty {
    /// Every touched weight is pulled towards zero by this share of it.
    Decay(f32),
    /// Sizes and squares of all weights count against the likelihood of the whole data, as in
    /// CRFsuite. Each visit of a feature takes its share, by proximal steps (Duchi and Singer 2009).
    #[allow(missing_docs)]
    Elastic { l1: f32, l2: f32 },
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
        if self.threshold == 0.0 {
            *weight -= rate * gradient / (squares.sqrt() + 1e-3);
            return;
        }
        let size = rate / (squares.sqrt() + 1e-3);
        let moved = *weight - size * gradient;
        *weight = moved.signum() * (moved.abs() - size * self.threshold).max(0.0);
    }
}

/// A trained tagger.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Number of tags.
    pub tags: usize,
    /// First entry of each feature, and the number of entries.
    pub starts: Vec<u32>,
    /// Tag of each entry.
    pub entry_tags: Vec<u16>,
    /// Weight of each entry.
    pub entry_weights: Vec<f32>,
    /// `[tags + 1][tags]`: from each tag, and from the start; negative infinity where forbidden.
    pub transitions: Vec<f32>,
}

/// The tags of one sequence and how sure they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tagging {
    /// The best sequence of tags.
    pub tags: Vec<u16>,
    /// Marginal probabilities, `[tokens][tags]`.
    pub marginals: Vec<Vec<f32>>,
}

/// Trains a tagger with `tags` tags over features below `features`.
///
/// `allowed(from, to)` forbids transitions; `from` is `None` at the start. `go_on(epoch)` is
/// asked before each epoch; `None` is returned when it says no.
pub fn train(
    sequences: &Sequences,
    (features, tags): (usize, usize),
    allowed: impl Fn(Option<usize>, usize) -> bool,
    options: &Options,
    mut go_on: impl FnMut(usize) -> bool,
) -> Option<Chain> {
    let mut trainer = Trainer::new(sequences, features, tags, &allowed);
    let of_transitions = options.penalty.pull(1.0 / sequences.len().div_ceil(BATCH).max(1) as f32);
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    let mut random = Random::new(options.seed);
    for epoch in 0..options.epochs {
        if !go_on(epoch) {
            return None;
        }
        random.shuffle(&mut order);
        // The last third of the epochs takes smaller and smaller steps, which settles the weights.
        let left = (options.epochs - epoch) as f32 / options.epochs as f32;
        let rate = options.rate * (left * 3.0).min(1.0);
        for batch in order.chunks(BATCH) {
            let mut thinned = Sequences::default();
            for sequence in batch {
                thinned.push_thinned(sequences, *sequence, || random.unit() >= options.dropout);
            }
            for sequence in 0..thinned.len() {
                trainer.learn(&thinned, sequence, (rate, options.penalty));
            }
            trainer.update_transitions(rate, of_transitions);
        }
    }
    // As many features as are seen in training on average weigh as much as all will.
    trainer.chain.scale_entries((1.0 - options.dropout) as f32);
    Some(trainer.chain)
}

/// The mean of chains that were trained on the same sequences; `None` of none.
pub fn mean(chains: Vec<Chain>) -> Option<Chain> {
    let share = 1.0 / chains.len().max(1) as f32;
    let mut chains = chains.into_iter();
    let mut mean = chains.next()?;
    let add = |sums: &mut [f32], weights: &[f32]| sums.iter_mut().zip(weights).for_each(|(s, w)| *s += w);
    for chain in chains {
        add(&mut mean.entry_weights, &chain.entry_weights);
        add(&mut mean.transitions, &chain.transitions);
    }
    mean.scale_entries(share);
    mean.transitions.iter_mut().for_each(|weight| *weight *= share);
    Some(mean)
}

struct Trainer {
    chain: Chain,
    /// One over the number of tokens that have each feature.
    shares: Vec<f32>,
    entry_squares: Vec<f32>,
    transition_squares: Vec<f32>,
    transition_gradient: Vec<f32>,
    lattice: Lattice,
}

impl Trainer {
    fn new(
        sequences: &Sequences,
        features: usize,
        tags: usize,
        allowed: &impl Fn(Option<usize>, usize) -> bool,
    ) -> Self {
        let mut seen: Vec<(u32, u16)> = Vec::with_capacity(sequences.features.len());
        for (token, tag) in sequences.tags.iter().enumerate() {
            seen.extend(sequences.token(token).iter().map(|feature| (*feature, *tag)));
        }
        let mut occurrences = vec![0u32; features];
        seen.iter().for_each(|(feature, _)| occurrences[*feature as usize] += 1);
        seen.sort_unstable();
        seen.dedup();
        let mut starts = vec![0u32; features + 1];
        for (feature, _) in &seen {
            starts[*feature as usize + 1] += 1;
        }
        for feature in 0..features {
            starts[feature + 1] += starts[feature];
        }
        let mut transitions = vec![f32::NEG_INFINITY; (tags + 1) * tags];
        for from in 0..=tags {
            for to in 0..tags {
                if allowed((from < tags).then_some(from), to) {
                    transitions[from * tags + to] = 0.0;
                }
            }
        }
        let chain = Chain {
            tags,
            starts,
            entry_tags: seen.iter().map(|(_, tag)| *tag).collect(),
            entry_weights: vec![0.0; seen.len()],
            transitions,
        };
        Self {
            shares: occurrences.iter().map(|count| 1.0 / (*count).max(1) as f32).collect(),
            lattice: Lattice::new(&chain),
            entry_squares: vec![0.0; seen.len()],
            transition_squares: vec![0.0; chain.transitions.len()],
            transition_gradient: vec![0.0; chain.transitions.len()],
            chain,
        }
    }

    fn learn(&mut self, sequences: &Sequences, sequence: usize, (rate, penalty): (f32, Penalty)) {
        let tokens = sequences.sequence_starts[sequence]..sequences.sequence_starts[sequence + 1];
        self.lattice.clear();
        for token in tokens.clone() {
            self.lattice.push(&self.chain, sequences.token(token));
        }
        self.lattice.sum();
        self.lattice.add_edges(&mut self.transition_gradient);
        let mut previous = self.chain.tags;
        for (position, token) in tokens.enumerate() {
            let gold = sequences.tags[token];
            self.transition_gradient[previous * self.chain.tags + usize::from(gold)] -= 1.0;
            previous = usize::from(gold);
            let marginals = self.lattice.marginals(position);
            for feature in sequences.token(token) {
                let pull = penalty.pull(self.shares[*feature as usize]);
                let span = self.chain.starts[*feature as usize] as usize
                    ..self.chain.starts[*feature as usize + 1] as usize;
                for entry in span {
                    let tag = self.chain.entry_tags[entry];
                    let mut gradient = marginals[usize::from(tag)];
                    if tag == gold {
                        gradient -= 1.0;
                    }
                    let weight = &mut self.chain.entry_weights[entry];
                    gradient += pull.slope * *weight;
                    if gradient.abs() > 1e-5 {
                        pull.step(weight, &mut self.entry_squares[entry], gradient, rate);
                    }
                }
            }
        }
    }

    fn update_transitions(&mut self, rate: f32, pull: Pull) {
        for (entry, gradient) in self.transition_gradient.iter_mut().enumerate() {
            if gradient.abs() > 1e-6 {
                let weight = &mut self.chain.transitions[entry];
                let total = *gradient + pull.slope * *weight;
                pull.step(weight, &mut self.transition_squares[entry], total, rate);
                self.lattice.set_transition(entry, *weight);
            }
            *gradient = 0.0;
        }
    }
}

impl Chain {
    /// Prepares tagging; one lattice serves any number of sequences.
    pub fn lattice(&self) -> Lattice {
        Lattice::new(self)
    }

    fn scale_entries(&mut self, factor: f32) {
        self.entry_weights.iter_mut().for_each(|weight| *weight *= factor);
    }

    /// The same chain without entries too light to matter.
    pub fn compact(mut self) -> Self {
        let (mut kept, mut starts) = (0, vec![0u32; self.starts.len()]);
        for feature in 0..self.starts.len() - 1 {
            for entry in self.starts[feature] as usize..self.starts[feature + 1] as usize {
                if self.entry_weights[entry].abs() > 1e-3 {
                    self.entry_weights[kept] = self.entry_weights[entry];
                    self.entry_tags[kept] = self.entry_tags[entry];
                    kept += 1;
                }
            }
            starts[feature + 1] = kept as u32;
        }
        self.entry_weights.truncate(kept);
        self.entry_tags.truncate(kept);
        self.starts = starts;
        self
    }

    /// Whether all parts fit each other for this number of features.
    pub fn is_sound(&self, features: usize) -> bool {
        let entries = self.entry_tags.len();
        self.tags > 0
            && self.transitions.len() == (self.tags + 1) * self.tags
            && self.starts.len() == features + 1
            && self.starts.windows(2).all(|pair| pair[0] <= pair[1])
            && self.starts.last().is_some_and(|end| *end as usize == entries)
            && self.entry_weights.len() == entries
            && self.entry_tags.iter().all(|tag| usize::from(*tag) < self.tags)
    }

    /// Tags one sequence of tokens, each a set of known feature numbers.
    pub fn tag<'a>(&self, lattice: &mut Lattice, tokens: impl Iterator<Item = &'a [u32]>) -> Tagging {
        lattice.clear();
        for token in tokens {
            lattice.push(self, token);
        }
        if lattice.length == 0 {
            return Tagging::default();
        }
        lattice.sum();
        let marginals: Vec<Vec<f32>> =
            (0..lattice.length).map(|position| lattice.marginals(position)).collect();
        Tagging { tags: lattice.best(self, &marginals), marginals }
    }
}

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
}

impl Lattice {
    fn new(chain: &Chain) -> Self {
        let width = chain.tags.next_multiple_of(8);
        let mut transitions = vec![0.0; (chain.tags + 1) * width];
        for from in 0..=chain.tags {
            for to in 0..chain.tags {
                transitions[from * width + to] = chain.transitions[from * chain.tags + to].exp();
            }
        }
        Self {
            tags: chain.tags,
            width,
            transitions,
            length: 0,
            scores: Vec::new(),
            emissions: Vec::new(),
            forward: Vec::new(),
            backward: Vec::new(),
            scales: Vec::new(),
        }
    }

    fn set_transition(&mut self, entry: usize, weight: f32) {
        self.transitions[entry / self.tags * self.width + entry % self.tags] = weight.exp();
    }

    fn clear(&mut self) {
        self.length = 0;
        self.scores.clear();
        self.emissions.clear();
    }

    fn push(&mut self, chain: &Chain, features: &[u32]) {
        let start = self.scores.len();
        self.scores.resize(start + self.width, 0.0);
        let scores = &mut self.scores[start..];
        for feature in features {
            let span = chain.starts[*feature as usize] as usize..chain.starts[*feature as usize + 1] as usize;
            for entry in span {
                scores[usize::from(chain.entry_tags[entry])] += chain.entry_weights[entry];
            }
        }
        let top = scores[..self.tags].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.emissions.extend(
            scores.iter().enumerate().map(
                |(tag, score)| {
                    if tag < self.tags { (score - top).exp() } else { 0.0 }
                },
            ),
        );
        self.length += 1;
    }

    /// Forward and backward sums.
    fn sum(&mut self) {
        let size = self.length * self.width;
        self.forward.clear();
        self.forward.resize(size, 0.0);
        self.backward.clear();
        self.backward.resize(size, 0.0);
        self.scales.clear();
        self.scales.resize(self.length, 1.0);
        sums(self);
    }

    fn marginals(&self, position: usize) -> Vec<f32> {
        let span = position * self.width..position * self.width + self.tags;
        let mut marginals: Vec<f32> = self.forward[span.clone()]
            .iter()
            .zip(&self.backward[span])
            .map(|(forward, backward)| forward * backward)
            .collect();
        let total: f32 = marginals.iter().sum();
        if total > 0.0 {
            marginals.iter_mut().for_each(|marginal| *marginal /= total);
        }
        marginals
    }

    /// Adds the expected number of uses of each transition.
    fn add_edges(&self, gradient: &mut [f32]) {
        edges(self, gradient);
    }

    /// The best path through the tags that are not negligible.
    fn best(&self, chain: &Chain, marginals: &[Vec<f32>]) -> Vec<u16> {
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
                    if *share > NEGLIGIBLE {
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
                if forward[from] > NEGLIGIBLE {
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
    fn edges(lattice: &Lattice, gradient: &mut [f32]) {
        let (width, tags) = (lattice.width, lattice.tags);
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
                if *share > NEGLIGIBLE {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Feature 0 is "name", 1 "filler", 2 "from before", 3 "to before"; tags: 0 other, 1 origin, 2 goal.
    fn flights() -> Sequences {
        let mut sequences = Sequences::default();
        for forwards in [true, false, true, false] {
            let (first, second) = if forwards { (2, 3) } else { (3, 2) };
            sequences.push_token(&[1], 0);
            sequences.push_token(&[0, first], if forwards { 1 } else { 2 });
            sequences.push_token(&[1], 0);
            sequences.push_token(&[0, second], if forwards { 2 } else { 1 });
            sequences.end_sequence();
        }
        sequences
    }

    #[test]
    fn context_decides() {
        let options = Options { epochs: 30, rate: 0.3, penalty: Penalty::Decay(0.0), dropout: 0.0, seed: 1 };
        let chain = train(&flights(), (4, 3), |_, _| true, &options, |_| true).unwrap();
        let mut lattice = chain.lattice();
        let tokens: [&[u32]; 3] = [&[1], &[0, 3], &[0, 2]];
        let tagging = chain.tag(&mut lattice, tokens.into_iter());
        assert_eq!(tagging.tags, [0, 2, 1]);
        assert!(tagging.marginals[1][2] > 0.7, "{:?}", tagging.marginals);
        for marginals in &tagging.marginals {
            assert!((marginals.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        assert_eq!(chain.tag(&mut lattice, std::iter::empty()), Tagging::default());
    }

    #[test]
    fn forbidden_transitions_never_happen() {
        let options = Options { epochs: 5, rate: 0.3, penalty: Penalty::Decay(0.0), dropout: 0.0, seed: 1 };
        let never_twice = |from: Option<usize>, to: usize| !(to == 1 && from != Some(0));
        let chain = train(&flights(), (4, 3), never_twice, &options, |_| true).unwrap();
        let tokens: [&[u32]; 2] = [&[0, 2], &[0, 2]];
        let tagging = chain.tag(&mut chain.lattice(), tokens.into_iter());
        assert_ne!(tagging.tags[0], 1);
        assert!(tagging.tags[1] != 1 || tagging.tags[0] == 0);
    }

    #[test]
    fn the_mean_of_chains_decides_as_they_do() {
        let chain = |seed| {
            let options = Options { epochs: 30, rate: 0.3, penalty: Penalty::Decay(0.0), dropout: 0.2, seed };
            train(&flights(), (4, 3), |_, _| true, &options, |_| true).unwrap()
        };
        let mean = mean(vec![chain(1), chain(2)]).unwrap();
        assert_ne!(mean, chain(1));
        let tokens: [&[u32]; 3] = [&[1], &[0, 3], &[0, 2]];
        assert_eq!(mean.tag(&mut mean.lattice(), tokens.into_iter()).tags, [0, 2, 1]);
        assert!(super::mean(Vec::new()).is_none());
    }

    #[test]
    fn sizes_that_count_leave_few_weights_and_squares_leave_small_ones() {
        let weights = |l1, l2| {
            let penalty = Penalty::Elastic { l1, l2 };
            let options = Options { epochs: 60, rate: 0.3, penalty, dropout: 0.0, seed: 1 };
            let chain = train(&flights(), (4, 3), |_, _| true, &options, |_| true).unwrap();
            let used = chain.entry_weights.iter().filter(|weight| **weight != 0.0).count();
            (used, chain.entry_weights.iter().map(|weight| weight.abs()).fold(0.0, f32::max))
        };
        let (all, free) = weights(0.0, 0.0);
        let (few, _) = weights(1.0, 0.0);
        let (_, small) = weights(0.0, 1.0);
        assert!(few > 0 && few < all, "{few} of {all}");
        assert!(small > 0.0 && small < free / 2.0, "{small} of {free}");
        assert_eq!(weights(1e6, 0.0).0, 0);
    }

    #[test]
    fn training_can_be_stopped() {
        let options = Options { epochs: 5, rate: 0.3, penalty: Penalty::Decay(0.0), dropout: 0.0, seed: 1 };
        assert!(train(&flights(), (4, 3), |_, _| true, &options, |epoch| epoch < 2).is_none());
    }
}
