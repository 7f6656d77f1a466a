//! Linear-chain conditional random fields over sparse binary features.
//!
//! Source: Lafferty, McCallum, Pereira 2001; sums are taken in probability space, scaled at each
//! position (Rabiner 1989, section V.A). Weights exist only for pairs of feature and tag that
//! occur together in the data. Training is AdaGrad over small batches in seeded order, one
//! thread: the result is a function of data and seed.

mod lattice;
mod training;

pub use lattice::Lattice;
pub use training::Lessons;

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

impl Chain {
    /// Prepares tagging; one lattice serves any number of sequences.
    pub fn lattice(&self) -> Lattice {
        Lattice::new(self)
    }

    /// Adds what features say of each tag.
    fn add_scores(&self, features: &[u32], scores: &mut [f32]) {
        for feature in features {
            let span = self.starts[*feature as usize] as usize..self.starts[*feature as usize + 1] as usize;
            for (tag, weight) in self.entry_tags[span.clone()].iter().zip(&self.entry_weights[span]) {
                scores[usize::from(*tag)] += weight;
            }
        }
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
            lattice.push(|scores| self.add_scores(token, scores));
        }
        if lattice.length() == 0 {
            return Tagging::default();
        }
        lattice.sum();
        let marginals: Vec<Vec<f32>> =
            (0..lattice.length()).map(|position| lattice.marginals(position)).collect();
        Tagging { tags: lattice.best(self, &marginals), marginals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(
        sequences: &Sequences,
        sizes: (usize, usize),
        allowed: impl Fn(Option<usize>, usize) -> bool,
        options: &Options,
        go_on: impl FnMut(usize) -> bool,
    ) -> Option<Chain> {
        Lessons::of(sequences, sizes).train(allowed, options, go_on)
    }

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
