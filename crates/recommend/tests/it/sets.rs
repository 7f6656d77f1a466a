//! Data to learn from: books from `INTENDANT_SHARED`, and made up.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use intendant_numeric::random::Random;
use intendant_recommend::{Item, Ratings, Recommender, Request};

/// Ratings of books, some of them held out.
pub struct Books {
    pub catalogue: Vec<Item>,
    pub ratings: Ratings,
    /// What users turned out to like.
    pub liked: BTreeMap<String, Vec<String>>,
}

/// The books, if the folder with data sets is there.
pub fn books() -> Option<Books> {
    let folder = PathBuf::from(std::env::var_os("INTENDANT_SHARED")?).join("data/books");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
    let (ratings_text, books_text) = (read("ratings.csv")?, read("books.csv")?);
    let mut books = Books { catalogue: Vec::new(), ratings: Ratings::default(), liked: BTreeMap::new() };
    for row in books_text.lines().skip(1).map(cells) {
        books.catalogue.push(Item {
            id: row[0].clone(),
            title: row[1].clone(),
            author: row[2].clone(),
            publisher: row[4].clone(),
            ..Item::default()
        });
    }
    for row in ratings_text.lines().skip(1).map(cells) {
        let rating: f32 = row[2].parse().ok()?;
        if row[3] == "train" {
            books.ratings.push(&row[0], &row[1], rating);
        } else if rating >= 7.0 {
            books.liked.entry(row[0].clone()).or_default().push(row[1].clone());
        }
    }
    Some(books)
}

impl Books {
    /// NDCG and recall of ten recommendations.
    pub fn scores(&self, recommender: &Recommender) -> (f64, f64) {
        let numbers: HashMap<&str, u32> = recommender.items().names().zip(0..).collect();
        let gain = |place: usize| 1.0 / ((place + 2) as f64).log2();
        let (mut ndcg, mut recall) = (0.0, 0.0);
        for (user, liked) in &self.liked {
            let answer = recommender.recommend(&Request { user: Some(user), ..Request::default() });
            let liked: Vec<u32> = liked.iter().filter_map(|id| numbers.get(id.as_str()).copied()).collect();
            let hits: Vec<usize> =
                (0..answer.items.len()).filter(|at| liked.contains(&answer.items[*at].item)).collect();
            let ideal: f64 = (0..self.liked[user].len().min(10)).map(gain).sum();
            ndcg += hits.iter().map(|place| gain(*place)).sum::<f64>() / ideal;
            recall += hits.len() as f64 / self.liked[user].len() as f64;
        }
        (ndcg / self.liked.len() as f64, recall / self.liked.len() as f64)
    }
}

/// The cells of a line of a CSV file.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().expect("there is always a cell").push(c),
        }
    }
    cells
}

/// Ratings of users who each like some of a hundred kinds of items; items are rated the more the lower their number.
pub fn made_up(count: usize, users: usize, items: usize) -> Ratings {
    let mut random = Random::new(17);
    let mut ratings = Ratings::default();
    for _ in 0..count {
        let user = random.below(users);
        let kind = (user + random.below(3) * 7) % 100;
        let rank = random.unit().powi(3) * items as f64 / 100.0;
        let item = if random.below(5) == 0 { random.below(items) } else { kind + 100 * rank as usize };
        ratings.push(&format!("u{user}"), &format!("i{item}"), (1 + random.below(5)) as f32);
    }
    ratings
}

/// Items with titles, authors and genres of made-up words.
pub fn made_up_catalogue(count: usize) -> Vec<Item> {
    let mut random = Random::new(23);
    let word = |random: &mut Random, words: usize| {
        let rank = (random.unit().powi(4) * words as f64) as usize;
        format!("w{rank}")
    };
    (0..count)
        .map(|at| {
            let mut words = |count: usize, of: usize| {
                (0..count).map(|_| word(&mut random, of)).collect::<Vec<_>>().join(" ")
            };
            Item {
                id: format!("i{at}"),
                title: words(5, 200_000),
                author: words(1, 300_000),
                genre: format!("g{}", at % 40),
                description: words(20, 200_000),
                ..Item::default()
            }
        })
        .collect()
}
