//! Implicit feedback as factors: alternating least squares.
//!
//! Source: Hu, Koren, Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets"; rows are solved by a
//! few steps of conjugate gradients (Takács, Pilászy, Tikk 2011). A user's factors are solved from the history at
//! hand, so that only items' factors are kept.

use intendant_numeric::parallel;
use intendant_numeric::positive::{add, dot};
use intendant_numeric::random::Random;
use intendant_numeric::sparse::Rows;

use crate::lists::{self, Lists};

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
    /// Items in the order in which they are looked through.
    pub(crate) lists: Lists,
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
        let lists = match by_item.len() < lists::ITEMS_MIN {
            true => Lists::one(&items, settings.factors),
            false => Lists::divided((&items, settings.factors), (seed, threads)),
        };
        Self { settings: *settings, items, products, lists }
    }

    /// Factors of stored items.
    pub(crate) fn of(settings: Settings, items: Vec<f32>, lists: Lists) -> Self {
        let products = squared(&items, settings.factors, 1);
        Self { settings, items, products, lists }
    }

    /// The `count` items that suit these factors best, of those that `keeps` lets pass, in no order.
    pub(crate) fn best(&self, user: &[f32], count: usize, keeps: &dyn Fn(u32) -> bool) -> Vec<(u32, f32)> {
        self.lists.best(user, count, keeps, &|item| self.score(user, item))
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
