//! Searches item factors exactly and by the index of lists, and prints how long either takes and what the index finds.
//!
//! `cargo run --release -p intendant-recommend --example measure_index [THREADS]`

#![allow(clippy::print_stdout, dead_code)]

#[path = "../src/factors.rs"]
mod factors;
#[path = "../src/lists.rs"]
mod lists;

use std::time::Instant;

use factors::{Factors, Settings};
use intendant_numeric::random::Random;
use intendant_numeric::sparse::Rows;
use lists::Lists;

const SETTINGS: Settings = Settings { factors: 64, confidence: 20.0, penalty: 20.0, rounds: 6 };
/// Who asks.
const USERS: usize = 500;

fn main() {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let (items, users) = by_directions(200_000, 300);
    compare(
        "200,000 items in 300 directions",
        &Factors::of(SETTINGS, items.clone(), one(&items)),
        &users,
        threads,
    );
    for (ratings, items) in [(1_500_000, 150_000), (3_000_000, 1_000_000)] {
        let (by_user, count) = made_up(ratings, 50_000, items);
        let by_item = by_user.transposed(count);
        let start = Instant::now();
        let trained = Factors::train((&by_user, &by_item), &SETTINGS, (1, threads));
        let name = format!("{count} rated items, trained with their index in {:.1?}", start.elapsed());
        let users: Vec<f32> = (0..USERS).flat_map(|user| trained.user(by_user.row(user).0)).collect();
        let lists = one(&trained.items);
        compare(&name, &Factors::of(SETTINGS, trained.items, lists), &users, threads);
    }
}

/// Items with their scores.
type Best = Vec<(u32, f32)>;

fn one(items: &[f32]) -> Lists {
    Lists::one(items, SETTINGS.factors)
}

fn compare(name: &str, exact: &Factors, users: &[f32], threads: usize) {
    let start = Instant::now();
    let lists = Lists::divided((&exact.items, SETTINGS.factors), (1, threads));
    println!("{name}: index in {:.1?}", start.elapsed());
    for count in [10, 200] {
        for step in [1, 10, 1000] {
            let keeps = |item: u32| item % step == 3 % step;
            let ask = |best: &dyn Fn(&[f32]) -> Best| {
                let start = Instant::now();
                let found: Vec<_> = users.chunks_exact(SETTINGS.factors).map(best).collect();
                (start.elapsed() / USERS as u32, found)
            };
            let (exact_in, all) = ask(&|user| exact.best(user, count, &keeps));
            let (lists_in, found) =
                ask(&|user| lists.best(user, count, &keeps, &|item| exact.score(user, item)));
            let hits = |(all, found): (&Best, &Best)| {
                all.iter().filter(|(item, _)| found.iter().any(|(same, _)| same == item)).count()
            };
            let wanted: usize = all.iter().map(Vec::len).sum();
            let recall = all.iter().zip(&found).map(hits).sum::<usize>() as f64 / wanted.max(1) as f64;
            println!(
                "  {count} best of every {step}th item: exact {exact_in:.1?}, index {lists_in:.1?}, recall {recall:.4}"
            );
        }
    }
}

/// Items and users around directions; lengths of items are log-normal.
fn by_directions(items: usize, directions: usize) -> (Vec<f32>, Vec<f32>) {
    let mut random = Random::new(3);
    let mut normal = move || (0..6).map(|_| random.unit() as f32 - 0.5).sum::<f32>() * 1.41;
    let centres: Vec<Vec<f32>> =
        (0..directions).map(|_| (0..SETTINGS.factors).map(|_| normal()).collect()).collect();
    let mut around = |count: usize, are_lengths_equal: bool| -> Vec<f32> {
        let mut vectors = Vec::with_capacity(count * SETTINGS.factors);
        for at in 0..count {
            let length = if are_lengths_equal { 1.0 } else { (0.7 * normal()).exp() };
            vectors
                .extend(centres[at * 7 % directions].iter().map(|along| length * (along + 0.7 * normal())));
        }
        vectors
    };
    (around(items, false), around(USERS, true))
}

/// Who rated what, as `made_up` of the tests has it, and how many items were rated.
fn made_up(count: usize, users: usize, items: usize) -> (Rows, usize) {
    let mut random = Random::new(17);
    let mut numbers = std::collections::HashMap::new();
    let mut rated: Vec<Vec<u32>> = vec![Vec::new(); users];
    for _ in 0..count {
        let user = random.below(users);
        let kind = (user + random.below(3) * 7) % 100;
        let rank = random.unit().powi(3) * items as f64 / 100.0;
        let item = if random.below(5) == 0 { random.below(items) } else { kind + 100 * rank as usize };
        let next = numbers.len() as u32;
        rated[user].push(*numbers.entry(item).or_insert(next));
    }
    let mut rows = Rows::default();
    for mut items in rated {
        items.sort_unstable();
        items.dedup();
        rows.push(items.into_iter().map(|item| (item, 1.0)));
    }
    (rows, numbers.len())
}
