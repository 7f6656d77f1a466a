//! Trains on the books under `INTENDANT_SHARED` and on made-up ratings, and prints what it reaches and costs.
//!
//! `INTENDANT_SHARED=DIR cargo run --release -p intendant-recommend --example measure_recommend [THREADS]`

#![allow(clippy::print_stdout)]

#[path = "../tests/it/sets.rs"]
mod sets;

use std::time::Instant;

use intendant_component::training::{Silent, TrainContext};
use intendant_recommend::{Item, Method, Options, Ratings, Request, train};

fn main() {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(2);
    match sets::books() {
        Some(books) => {
            let (ndcg, recall) = measure(
                "books",
                (threads, Method::Auto),
                books.catalogue.clone(),
                &books.ratings,
                Some(&books),
            );
            println!("books: NDCG@10 {ndcg:.4} recall@10 {recall:.4}");
        }
        None => println!("books: INTENDANT_SHARED names no folder with them"),
    }
    let ratings = sets::made_up(1_000_000, 50_000, 20_000);
    measure("1,000,000 made-up ratings", (threads, Method::Auto), Vec::new(), &ratings, None);
    let ratings = sets::made_up(3_000_000, 50_000, 1_000_000);
    measure("made-up ratings of many items", (threads, Method::Factors), Vec::new(), &ratings, None);
    let catalogue = sets::made_up_catalogue(1_000_000);
    measure("1,000,000 made-up items", (threads, Method::Auto), catalogue, &Ratings::default(), None);
}

fn measure(
    name: &str,
    (threads, method): (usize, Method),
    catalogue: Vec<Item>,
    ratings: &Ratings,
    books: Option<&sets::Books>,
) -> (f64, f64) {
    let context = TrainContext { seed: 1, threads, progress: &Silent };
    let titles: Vec<String> =
        catalogue.iter().step_by(catalogue.len() / 200 + 1).map(|item| item.title.clone()).collect();
    let start = Instant::now();
    let options = Options { method, liked_from: None };
    let (recommender, report) =
        train(catalogue, ratings, &options, &context).expect("there is something to learn");
    println!("{name}: {} items, trained in {:.2?}, {:?}", report.items, start.elapsed(), report.chosen);
    for tried in &report.tried {
        println!("  {tried:?}");
    }
    let start = Instant::now();
    let users: Vec<&str> = recommender.users().names().collect();
    let requests: Vec<Request<'_>> = match users.is_empty() {
        true => titles.iter().map(|title| Request { text: Some(title), ..Request::default() }).collect(),
        false => users
            .iter()
            .copied()
            .take(500)
            .map(|user| Request { user: Some(user), ..Request::default() })
            .collect(),
    };
    requests.iter().for_each(|request| assert!(!recommender.recommend(request).items.is_empty()));
    println!("{name}: one answer in {:.1?}", start.elapsed() / requests.len() as u32);
    let start = Instant::now();
    let stored = recommender.store();
    let stored_in = start.elapsed();
    let start = Instant::now();
    intendant_recommend::Recommender::load(stored).expect("what was stored can be loaded");
    println!("{name}: stored in {stored_in:.1?}, loaded in {:.1?}", start.elapsed());
    books.map_or((0.0, 0.0), |books| books.scores(&recommender))
}
