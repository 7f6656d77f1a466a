//! Softmax regression through a narrow middle: each feature owns a short vector, a text is the sum
//! of its features' vectors, and classes are told apart by their own vectors.
//!
//! Features that occur with the same classes come to lie together, so that what is learnt of one
//! class serves its neighbours. There is no non-linearity: a trained model is a matrix of low
//! rank and can be added to other linear models.
//!
//! Source: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification". Differs from it:
//! steps are scaled by the squares of earlier gradients, one sum per vector (Duchi et al. 2011),
//! features are dropped at random while training, and examples that are learnt are visited less.

use crate::calibration::exponentiate_inline;
use crate::random::Random;
use crate::sparse::Rows;
use crate::svm::dispatch;

/// Length of the vectors.
pub const WIDTH: usize = 32;
/// An example whose class is surer than one less this teaches nothing and rests for one walk.
const UNSURE: f32 = 0.05;
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
    /// A vector for each class, [`LANES`] of them side by side.
    classes: Vec<Block>,
    /// Number of classes.
    count: usize,
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
    let mut rests = vec![false; examples.labels.len()];
    for _ in 0..options.epochs {
        trainer.random.shuffle(&mut order);
        for row in &order {
            let rate = options.rate * (1.0 - step / steps);
            step += 1.0;
            let row = *row as usize;
            if rests[row] {
                rests[row] = false;
                continue;
            }
            kept.draw(examples.rows.row(row), options.dropout, &mut trainer.random);
            rests[row] = !learn(&mut trainer, &kept, examples.labels[row] as usize, rate);
        }
    }
    trainer.model
}

impl Factored {
    /// Scores of one example for every class, `[classes]`; softmax makes them probabilities.
    pub fn scores(&self, columns: &[u32], values: &[f32]) -> Vec<f32> {
        let mut scores = vec![[0.0; LANES]; self.classes.len()];
        score(self, columns, values, &mut scores);
        let mut scores = scores.into_flattened();
        scores.truncate(self.count);
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
        let blocks = (0..count).flat_map(|block| models.iter().map(move |model| model.classes[block]));
        Self { models, blocks: blocks.collect() }
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
    pairs: Vec<(u32, f32)>,
    count: usize,
}

impl Kept {
    fn draw(&mut self, (columns, values): (&[u32], &[f32]), dropout: f64, random: &mut Random) {
        let scale = (1.0 / (1.0 - dropout)) as f32;
        let share = 256 - (dropout * 256.0) as u32;
        if self.pairs.len() < columns.len() {
            self.pairs.resize(columns.len(), (0, 0.0));
        }
        self.count = 0;
        for (columns, values) in columns.chunks(64).zip(values.chunks(64)) {
            let mut mask = random.mask(share) & (u64::MAX >> (64 - columns.len()));
            while mask != 0 {
                let at = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                self.pairs[self.count] = (columns[at], values[at] * scale);
                self.count += 1;
            }
        }
    }

    fn pairs(&self) -> &[(u32, f32)] {
        &self.pairs[..self.count]
    }
}

struct Trainer {
    model: Factored,
    feature_squares: Vec<f32>,
    class_squares: Vec<[f32; LANES]>,
    random: Random,
    /// Room for the scores of one example.
    scores: Vec<[f32; LANES]>,
}

impl Trainer {
    fn new(sizes: Sizes, seed: u64) -> Self {
        let mut random = Random::new(seed);
        // Of variance 1 / WIDTH: a uniform number has a twelfth of its range squared.
        let spread = (12.0 / WIDTH as f32).sqrt();
        let blocks = sizes.classes.div_ceil(LANES);
        let mut classes = vec![[[0.0; LANES]; WIDTH]; blocks];
        for class in 0..sizes.classes {
            let block: &mut Block = &mut classes[class / LANES];
            block.iter_mut().for_each(|units| units[class % LANES] = (random.unit() as f32 - 0.5) * spread);
        }
        Self {
            model: Factored { features: vec![[0.0; WIDTH]; sizes.features], classes, count: sizes.classes },
            feature_squares: vec![FIRST_SQUARE; sizes.features],
            class_squares: vec![[FIRST_SQUARE; LANES]; blocks],
            random,
            scores: vec![[0.0; LANES]; blocks],
        }
    }
}

#[inline(always)]
fn middle_of(model: &Factored, pairs: impl Iterator<Item = (u32, f32)>) -> [f32; WIDTH] {
    let mut middle = [0.0; WIDTH];
    for (column, value) in pairs {
        let vector = &model.features[column as usize];
        for unit in 0..WIDTH {
            middle[unit] += vector[unit] * value;
        }
    }
    middle
}

#[inline(always)]
fn score_classes(model: &Factored, middle: &[f32; WIDTH], scores: &mut [[f32; LANES]]) {
    scores.fill([0.0; LANES]);
    scores.iter_mut().zip(&model.classes).for_each(|(scores, block)| add_product(block, middle, scores));
}

/// Adds the products of a vector with those of a block's classes.
#[inline(always)]
fn add_product(block: &Block, vector: &[f32; WIDTH], sums: &mut [f32; LANES]) {
    // Two sums, so that one addition need not wait for the other.
    let (mut even, mut odd) = ([0.0f32; LANES], [0.0f32; LANES]);
    for (units, own) in block.as_chunks::<2>().0.iter().zip(vector.as_chunks::<2>().0) {
        for lane in 0..LANES {
            even[lane] += units[0][lane] * own[0];
            odd[lane] += units[1][lane] * own[1];
        }
    }
    for lane in 0..LANES {
        sums[lane] += even[lane] + odd[lane];
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
    fn score(model: &Factored, columns: &[u32], values: &[f32], scores: &mut [[f32; LANES]]) {
        score_classes(model, &middle_of(model, columns.iter().copied().zip(values.iter().copied())), scores);
    }
}

dispatch! {
    /// Adds the products of a feature's vectors with those of all classes.
    fn add_products(blocks: &[Block], vectors: &[[f32; WIDTH]], weights: &mut [[f32; LANES]]) {
        for (sums, blocks) in weights.iter_mut().zip(blocks.chunks_exact(vectors.len().max(1))) {
            blocks.iter().zip(vectors).for_each(|(block, vector)| add_product(block, vector, sums));
        }
    }
}

dispatch! {
    /// One step on one example; whether there was anything to learn.
    fn learn(trainer: &mut Trainer, kept: &Kept, label: usize, rate: f32) -> bool {
        let middle = middle_of(&trainer.model, kept.pairs().iter().copied());
        score_classes(&trainer.model, &middle, &mut trainer.scores);
        let scores = trainer.scores.as_flattened_mut();
        let total = exponentiate_inline(&mut scores[..trainer.model.count], 1.0);
        scores[..trainer.model.count].iter_mut().for_each(|score| *score /= total);
        // Classes that are not there have no error.
        scores[trainer.model.count..].fill(0.0);
        scores[label] -= 1.0;
        if scores[label] > -UNSURE {
            return false;
        }
        let mut pulls = [[0.0f32; LANES]; WIDTH];
        let blocks = trainer.model.classes.iter_mut().zip(&mut trainer.class_squares);
        for ((block, squares), errors) in blocks.zip(&trainer.scores) {
            let errors = errors.map(|error| if error.abs() < NEGLIGIBLE { 0.0 } else { error });
            if errors == [0.0; LANES] {
                continue;
            }
            let mut steps = [0.0f32; LANES];
            for lane in 0..LANES {
                squares[lane] += errors[lane] * errors[lane];
                steps[lane] = rate * errors[lane] / squares[lane].sqrt();
            }
            for unit in 0..WIDTH {
                for lane in 0..LANES {
                    pulls[unit][lane] += errors[lane] * block[unit][lane];
                    block[unit][lane] -= steps[lane] * middle[unit];
                }
            }
        }
        let pull = pulls.map(|lanes| lanes.iter().sum::<f32>());
        let square = product(&pull, &pull);
        for (column, value) in kept.pairs() {
            let squares = &mut trainer.feature_squares[*column as usize];
            *squares += value * value * square;
            let step = rate * value / squares.sqrt();
            let vector = &mut trainer.model.features[*column as usize];
            for unit in 0..WIDTH {
                vector[unit] -= step * pull[unit];
            }
        }
        true
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
