//! Implicit feedback as factors: alternating least squares.
//!
//! Source: Hu, Koren, Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets"; rows are solved by a
//! few steps of conjugate gradients (Takács, Pilászy, Tikk 2011). A user's factors are solved from the history at
//! hand, so that only items' factors are kept.

use intendant_numeric::parallel;
use intendant_numeric::positive::{add, dot};
use intendant_numeric::random::Random;
use intendant_numeric::sparse::Rows;

/// Rows that a thread solves at a time.
const BATCH: usize = 128;
/// Steps of conjugate gradients in a round of training, and for a user who asks.
const STEPS_TRAINING: usize = 3;
const STEPS_ANSWER: usize = 16;

/// How to factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Factors of every item.
    pub(crate) factors: usize,
    /// How much more a rating counts than none.
    pub(crate) confidence: f32,
    /// Weight of the size of the factors.
    pub(crate) penalty: f32,
    /// Rounds over users and items.
    pub(crate) rounds: usize,
}

/// Items' factors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factors {
    pub(crate) settings: Settings,
    /// `[items][factors]`.
    pub(crate) items: Vec<f32>,
    /// Products of factors over all items, `[factors][factors]`.
    products: Vec<f32>,
    /// Items by the length of their factors, the longest first.
    by_length: Vec<(f32, u32)>,
}

impl Factors {
    /// Factors ratings; the result does not depend on `threads`.
    pub(crate) fn train(
        (by_user, by_item): (&Rows, &Rows),
        settings: &Settings,
        (seed, threads): (u64, usize),
    ) -> Self {
        let mut random = Random::new(seed);
        let mut start = |rows: usize| -> Vec<f32> {
            (0..rows * settings.factors).map(|_| (random.unit() as f32 - 0.5) * 0.1).collect()
        };
        let (mut users, mut items) = (start(by_user.len()), start(by_item.len()));
        let mut products = squared(&items, settings.factors, threads);
        for _ in 0..settings.rounds {
            let side = Side { others: &items, products: &products, settings, steps: STEPS_TRAINING };
            users = side.solve_all(by_user, &users, threads);
            let of_users = squared(&users, settings.factors, threads);
            let side = Side { others: &users, products: &of_users, settings, steps: STEPS_TRAINING };
            items = side.solve_all(by_item, &items, threads);
            products = squared(&items, settings.factors, threads);
        }
        Self::with(*settings, items, products)
    }

    /// Factors of stored items.
    pub(crate) fn of(settings: Settings, items: Vec<f32>) -> Self {
        let products = squared(&items, settings.factors, 1);
        Self::with(settings, items, products)
    }

    fn with(settings: Settings, items: Vec<f32>, products: Vec<f32>) -> Self {
        let lengths = items.chunks_exact(settings.factors).map(|factors| dot(factors, factors).sqrt());
        let mut by_length: Vec<(f32, u32)> = lengths.zip(0..).collect();
        by_length.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Self { settings, items, products, by_length }
    }

    /// The `count` items that suit these factors best, of those that `keeps` lets pass, in no order.
    ///
    /// Exact: an item's score is at most the product of both lengths, so that the shortest items, which are most of
    /// a large catalogue, are never looked at.
    pub(crate) fn best(&self, user: &[f32], count: usize, keeps: &dyn Fn(u32) -> bool) -> Vec<(u32, f32)> {
        let length = dot(user, user).sqrt();
        let mut least = f32::NEG_INFINITY;
        let mut found: Vec<(u32, f32)> = Vec::with_capacity(2 * count + 1);
        for (of_item, item) in &self.by_length {
            // Rounding must not leave out what is equal.
            if found.len() >= count && length * of_item * 1.000_1 < least {
                break;
            }
            if !keeps(*item) {
                continue;
            }
            let score = self.score(user, *item);
            if score > least || found.len() < count {
                found.push((*item, score));
            }
            if found.len() > 2 * count {
                least = keep_highest(&mut found, count);
            }
        }
        keep_highest(&mut found, count);
        found
    }

    /// The factors of who has this history.
    pub(crate) fn user(&self, history: &[u32]) -> Vec<f32> {
        let side = Side {
            others: &self.items,
            products: &self.products,
            settings: &self.settings,
            steps: STEPS_ANSWER,
        };
        let mut user = vec![0.0; self.settings.factors];
        side.solve(history, &mut user);
        user
    }

    /// How much an item suits these factors.
    pub(crate) fn score(&self, user: &[f32], item: u32) -> f32 {
        dot(user, self.item(item))
    }

    /// The factors of an item.
    pub(crate) fn item(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.settings.factors..][..self.settings.factors]
    }
}

/// Keeps the `count` highest scores, equal ones by number, and tells the least of them.
fn keep_highest(found: &mut Vec<(u32, f32)>, count: usize) -> f32 {
    if found.len() > count && count > 0 {
        found.select_nth_unstable_by(count - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(count);
    }
    found.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min)
}

/// What stays the same while one side is solved.
struct Side<'a> {
    others: &'a [f32],
    products: &'a [f32],
    settings: &'a Settings,
    steps: usize,
}

impl Side<'_> {
    fn solve_all(&self, rows: &Rows, start: &[f32], threads: usize) -> Vec<f32> {
        let size = self.settings.factors;
        let parts = parallel::map(threads, rows.len().div_ceil(BATCH), |batch| {
            let own = batch * BATCH..((batch + 1) * BATCH).min(rows.len());
            let mut solved = start[own.start * size..own.end * size].to_vec();
            for (row, factors) in own.zip(solved.chunks_exact_mut(size)) {
                self.solve(rows.row(row).0, factors);
            }
            solved
        });
        parts.concat()
    }

    /// Improves the factors of who has this history.
    fn solve(&self, history: &[u32], factors: &mut [f32]) {
        if history.is_empty() {
            return factors.fill(0.0);
        }
        let confidence = self.settings.confidence;
        let mut residual: Vec<f32> = self.applied(history, factors).iter().map(|value| -value).collect();
        history.iter().for_each(|other| add(&mut residual, 1.0 + confidence, self.other(*other)));
        let mut direction = residual.clone();
        let mut length = dot(&residual, &residual);
        for _ in 0..self.steps {
            if length < 1e-12 {
                return;
            }
            let applied = self.applied(history, &direction);
            let step = length / dot(&direction, &applied).max(1e-20);
            add(factors, step, &direction);
            add(&mut residual, -step, &applied);
            let next = dot(&residual, &residual);
            direction
                .iter_mut()
                .zip(&residual)
                .for_each(|(along, rest)| *along = rest + next / length * *along);
            length = next;
        }
    }

    /// The system's matrix times a vector.
    fn applied(&self, history: &[u32], vector: &[f32]) -> Vec<f32> {
        let size = vector.len();
        let mut applied: Vec<f32> = vector.iter().map(|value| self.settings.penalty * value).collect();
        for (row, value) in self.products.chunks_exact(size).zip(vector) {
            add(&mut applied, *value, row);
        }
        for other in history {
            let factors = self.other(*other);
            add(&mut applied, self.settings.confidence * dot(factors, vector), factors);
        }
        applied
    }

    fn other(&self, other: u32) -> &[f32] {
        &self.others[other as usize * self.settings.factors..][..self.settings.factors]
    }
}

/// `factorsᵀ factors`, summed over chunks in order.
fn squared(factors: &[f32], size: usize, threads: usize) -> Vec<f32> {
    const ROWS: usize = 4096;
    let chunks: Vec<&[f32]> = factors.chunks(ROWS * size.max(1)).collect();
    let parts = parallel::map(threads, chunks.len(), |chunk| {
        let mut sums = vec![0.0f32; size * size];
        for row in chunks[chunk].chunks_exact(size) {
            for (sums, factor) in sums.chunks_exact_mut(size).zip(row) {
                add(sums, *factor, row);
            }
        }
        sums
    });
    let mut sums = vec![0.0f32; size * size];
    parts.iter().for_each(|part| add(&mut sums, 1.0, part));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_found_without_looking_at_all() {
        let mut random = Random::new(8);
        let settings = Settings { factors: 4, confidence: 1.0, penalty: 1.0, rounds: 1 };
        // Few items are long, as popular ones are.
        let items: Vec<f32> = (0..4000)
            .flat_map(|item| {
                let length = 1.0 / (1.0 + item as f32 / 20.0);
                (0..4).map(|_| (random.unit() as f32 - 0.5) * length).collect::<Vec<_>>()
            })
            .collect();
        let factors = Factors::of(settings, items);
        let user = [0.3, -0.2, 0.9, 0.1];
        let looked_at = std::cell::Cell::new(0);
        let keeps = |item: u32| {
            looked_at.set(looked_at.get() + 1);
            !item.is_multiple_of(3)
        };
        let mut found = factors.best(&user, 10, &keeps);
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut all: Vec<(u32, f32)> = (0..4000u32)
            .filter(|item| !item.is_multiple_of(3))
            .map(|item| (item, factors.score(&user, item)))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        assert_eq!(found, all[..10]);
        assert!(looked_at.get() < 400, "{}", looked_at.get());
    }
}
