//! Softmax regression through a narrow middle: each feature owns a short vector, a text is the sum
//! of its features' vectors, and classes are told apart by their own vectors.
//!
//! Features that occur with the same classes come to lie together, so that what is learnt of one
//! class serves its neighbours. There is no non-linearity: a trained model is a matrix of low
//! rank and can be added to other linear models.
//!
//! Source: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification". Differs from it:
//! steps are scaled by the squares of earlier gradients, one sum per vector (Duchi et al. 2011),
//! and features are dropped at random while training.

use crate::calibration::exponentiate_inline;
use crate::random::Random;
use crate::sparse::Rows;
use crate::svm::dispatch;

/// Length of the vectors.
pub const WIDTH: usize = 32;
/// Square of a pull below which an example counts as learnt.
const LEARNT: f32 = 1e-8;
/// Sum of squared gradients that a vector starts with.
const FIRST_SQUARE: f32 = 1e-3;
/// Classes that are worked on side by side.
pub const LANES: usize = 8;
/// Vectors of [`LANES`] classes, by unit.
type Block = [[f32; LANES]; WIDTH];
/// Classes whose error is smaller are left alone.
const NEGLIGIBLE: f32 = 1e-4;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Walks over the data.
    pub epochs: usize,
    /// Size of the first step; later ones become smaller, down to nothing at the end.
    pub rate: f32,
    /// Share of the features that are left out at each visit of an example.
    pub dropout: f64,
    /// Seed of the first vectors, the order of examples and what is dropped.
    pub seed: u64,
}

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Factored {
    /// A vector for each feature.
    pub features: Vec<[f32; WIDTH]>,
    /// A vector for each class.
    pub classes: Vec<[f32; WIDTH]>,
}

/// What to train on.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// Features of each example.
    pub rows: &'a Rows,
    /// The class of each example.
    pub labels: &'a [u32],
    /// Numbers of the examples that are learnt; the others are left out.
    pub members: &'a [u32],
}

/// How many features and classes there are.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Sizes {
    pub features: usize,
    pub classes: usize,
}

/// Trains on examples with one class each.
pub fn train(examples: &Examples<'_>, sizes: Sizes, options: &Options) -> Factored {
    let mut trainer = Trainer::new(sizes, options.seed);
    let mut order = examples.members.to_vec();
    let mut kept = Kept::default();
    let steps = (options.epochs * order.len()).max(1) as f32;
    let mut step = 0.0;
    for _ in 0..options.epochs {
        trainer.random.shuffle(&mut order);
        for row in &order {
            let rate = options.rate * (1.0 - step / steps);
            step += 1.0;
            let row = *row as usize;
            kept.draw(examples.rows.row(row), options.dropout, &mut trainer.random);
            learn(&mut trainer, &kept, examples.labels[row] as usize, rate);
        }
    }
    trainer.model
}

impl Factored {
    /// Scores of one example for every class, `[classes]`; softmax makes them probabilities.
    pub fn scores(&self, columns: &[u32], values: &[f32]) -> Vec<f32> {
        let mut scores = vec![0.0; self.classes.len()];
        score(self, columns, values, &mut scores);
        scores
    }
}

/// Several models of the same sizes as the matrix of weights that their mean is.
pub struct Mean<'a> {
    models: &'a [Factored],
    /// The vectors of all models, one block of classes after the other.
    blocks: Vec<Block>,
}

impl<'a> Mean<'a> {
    /// The mean of models.
    pub fn of(models: &'a [Factored]) -> Self {
        let count = models.first().map_or(0, |model| model.classes.len());
        let mut blocks = Vec::with_capacity(count.div_ceil(LANES) * models.len());
        for first in (0..count).step_by(LANES) {
            for model in models {
                let mut block = [[0.0; LANES]; WIDTH];
                for (lane, vector) in model.classes[first..].iter().take(LANES).enumerate() {
                    block.iter_mut().zip(vector).for_each(|(units, unit)| units[lane] = *unit);
                }
                blocks.push(block);
            }
        }
        Self { models, blocks }
    }

    /// Weights of one feature by class, rounded up to whole blocks of classes.
    pub fn weights(&self, feature: usize) -> Vec<[f32; LANES]> {
        let share = 1.0 / self.models.len().max(1) as f32;
        let vectors: Vec<[f32; WIDTH]> =
            self.models.iter().map(|model| model.features[feature].map(|unit| unit * share)).collect();
        let mut weights = vec![[0.0; LANES]; self.blocks.len() / self.models.len().max(1)];
        add_products(&self.blocks, &vectors, &mut weights);
        weights
    }
}

/// The features of an example that were not dropped.
#[derive(Default)]
struct Kept {
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Kept {
    fn draw(&mut self, (columns, values): (&[u32], &[f32]), dropout: f64, random: &mut Random) {
        self.columns.clear();
        self.values.clear();
        let scale = (1.0 / (1.0 - dropout)) as f32;
        let share = 256 - (dropout * 256.0) as u32;
        for (columns, values) in columns.chunks(64).zip(values.chunks(64)) {
            let mut mask = chances(share, random) & (u64::MAX >> (64 - columns.len()));
            while mask != 0 {
                let at = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                self.columns.push(columns[at]);
                self.values.push(values[at] * scale);
            }
        }
    }
}

/// 64 bits, each set with a probability of `share` of 256, `1..=256`.
fn chances(share: u32, random: &mut Random) -> u64 {
    if share >= 256 {
        return u64::MAX;
    }
    // One more bit of the share, from the lowest to the highest: `or` with a fair bit makes (1 + p) / 2
    // of a probability p, `and` makes p / 2.
    let mut mask = 0;
    for bit in share.trailing_zeros()..8 {
        let fair = random.next_u64();
        mask = if share >> bit & 1 == 1 { mask | fair } else { mask & fair };
    }
    mask
}

struct Trainer {
    model: Factored,
    feature_squares: Vec<f32>,
    class_squares: Vec<f32>,
    random: Random,
    /// Room for the scores of one example.
    scores: Vec<f32>,
}

impl Trainer {
    fn new(sizes: Sizes, seed: u64) -> Self {
        let mut random = Random::new(seed);
        // Of variance 1 / WIDTH: a uniform number has a twelfth of its range squared.
        let spread = (12.0 / WIDTH as f32).sqrt();
        let classes = (0..sizes.classes).map(|_| [(); WIDTH].map(|()| (random.unit() as f32 - 0.5) * spread));
        let classes = classes.collect();
        Self {
            model: Factored { features: vec![[0.0; WIDTH]; sizes.features], classes },
            feature_squares: vec![FIRST_SQUARE; sizes.features],
            class_squares: vec![FIRST_SQUARE; sizes.classes],
            random,
            scores: vec![0.0; sizes.classes],
        }
    }
}

#[inline(always)]
fn middle_of(model: &Factored, columns: &[u32], values: &[f32]) -> [f32; WIDTH] {
    let mut middle = [0.0; WIDTH];
    for (column, value) in columns.iter().zip(values) {
        let vector = &model.features[*column as usize];
        for unit in 0..WIDTH {
            middle[unit] += vector[unit] * value;
        }
    }
    middle
}

#[inline(always)]
fn score_classes(model: &Factored, middle: &[f32; WIDTH], scores: &mut [f32]) {
    for (score, class) in scores.iter_mut().zip(&model.classes) {
        *score = product(middle, class);
    }
}

#[inline(always)]
fn product(left: &[f32; WIDTH], right: &[f32; WIDTH]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (left, right) in left.chunks_exact(LANES).zip(right.chunks_exact(LANES)) {
        for lane in 0..LANES {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    lanes.iter().sum()
}

dispatch! {
    fn score(model: &Factored, columns: &[u32], values: &[f32], scores: &mut [f32]) {
        score_classes(model, &middle_of(model, columns, values), scores);
    }
}

dispatch! {
    /// Adds the products of a feature's vectors with those of all classes.
    fn add_products(blocks: &[Block], vectors: &[[f32; WIDTH]], weights: &mut [[f32; LANES]]) {
        for (sums, blocks) in weights.iter_mut().zip(blocks.chunks_exact(vectors.len().max(1))) {
            let (mut even, mut odd) = ([0.0f32; LANES], [0.0f32; LANES]);
            for (block, vector) in blocks.iter().zip(vectors) {
                for (units, own) in block.chunks_exact(2).zip(vector.chunks_exact(2)) {
                    for lane in 0..LANES {
                        even[lane] += units[0][lane] * own[0];
                        odd[lane] += units[1][lane] * own[1];
                    }
                }
            }
            for lane in 0..LANES {
                sums[lane] += even[lane] + odd[lane];
            }
        }
    }
}

dispatch! {
    /// One step on one example.
    fn learn(trainer: &mut Trainer, kept: &Kept, label: usize, rate: f32) {
        let middle = middle_of(&trainer.model, &kept.columns, &kept.values);
        score_classes(&trainer.model, &middle, &mut trainer.scores);
        let total = exponentiate_inline(&mut trainer.scores, 1.0);
        let mut pull = [0.0f32; WIDTH];
        for (class, score) in trainer.scores.iter().enumerate() {
            let error = score / total - if class == label { 1.0 } else { 0.0 };
            if error.abs() < NEGLIGIBLE {
                continue;
            }
            let squares = &mut trainer.class_squares[class];
            *squares += error * error;
            let step = rate * error / squares.sqrt();
            let vector = &mut trainer.model.classes[class];
            for unit in 0..WIDTH {
                pull[unit] += error * vector[unit];
                vector[unit] -= step * middle[unit];
            }
        }
        let square = product(&pull, &pull);
        if square < LEARNT {
            return;
        }
        for (column, value) in kept.columns.iter().zip(&kept.values) {
            let squares = &mut trainer.feature_squares[*column as usize];
            *squares += value * value * square;
            let step = rate * value / squares.sqrt();
            let vector = &mut trainer.model.features[*column as usize];
            for unit in 0..WIDTH {
                vector[unit] -= step * pull[unit];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options { epochs: 20, rate: 0.4, dropout: 0.2, seed: 1 };

    fn best(scores: &[f32]) -> usize {
        (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
    }

    #[test]
    fn classes_are_told_apart_and_weights_are_what_scores_are_made_of() {
        let (mut rows, mut labels) = (Rows::default(), Vec::new());
        for example in 0..60u32 {
            rows.push([(example % 6, 0.8), (6 + example / 6, 0.6)]);
            labels.push(example % 6);
        }
        let sizes = Sizes { features: 16, classes: 6 };
        let members: Vec<u32> = (0..50).collect();
        let examples = Examples { rows: &rows, labels: &labels, members: &members };
        let model = train(&examples, sizes, &OPTIONS);
        let models = [model.clone(), model.clone()];
        let mean = Mean::of(&models);
        for (row, label) in labels.iter().enumerate() {
            let (columns, values) = rows.row(row);
            let scores = model.scores(columns, values);
            assert_eq!(best(&scores), *label as usize);
            let mut sums = [0.0; LANES];
            for (column, value) in columns.iter().zip(values) {
                let weights = mean.weights(*column as usize);
                sums.iter_mut().zip(weights[0]).for_each(|(sum, weight)| *sum += weight * value);
            }
            for (score, sum) in scores.iter().zip(&sums) {
                assert!((score - sum).abs() < 1e-4, "{scores:?} {sums:?}");
            }
        }
        assert_eq!(model, train(&examples, sizes, &OPTIONS));
        assert_ne!(model, train(&examples, sizes, &Options { seed: 2, ..OPTIONS }));
    }

    #[test]
    fn chances_are_as_asked() {
        let mut random = Random::new(5);
        for share in [1, 77, 128, 180, 255, 256] {
            let set: u32 = (0..2000).map(|_| chances(share, &mut random).count_ones()).sum();
            let wanted = f64::from(share) / 256.0;
            assert!((f64::from(set) / 128_000.0 - wanted).abs() < 0.01, "{share}: {set}");
        }
    }

    #[test]
    fn features_of_no_member_weigh_nothing() {
        let mut rows = Rows::default();
        rows.push([(0, 1.0)]);
        rows.push([(1, 1.0)]);
        rows.push([(2, 1.0)]);
        let examples = Examples { rows: &rows, labels: &[0, 1, 1], members: &[0, 1] };
        let model = train(&examples, Sizes { features: 3, classes: 2 }, &OPTIONS);
        assert_eq!(model.features[2], [0.0; WIDTH]);
    }
}
