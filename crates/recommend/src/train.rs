//! Training: what ratings tell is learnt in several ways, and the best is kept.

use intendant_component::training::{TrainContext, Untrained};
use intendant_numeric::sparse::Rows;

use crate::catalogue::Catalogue;
use crate::content::{Content, Item};
use crate::factors::{Factors, Settings};
use crate::neighbours::Neighbours;
use crate::ratings::Ratings;
use crate::recommender::{Learnt, Popularity, Recommender, Scorer};
use crate::texts::Ids;
use crate::validate::{Split, split};

/// Neighbours of an item that are added up.
const NEIGHBOURS: usize = 200;
/// Neighbours that a regression is solved on: where items are few, and where they are many.
const REGRESSION_NEIGHBOURS: [usize; 2] = [200, 64];
/// Items that are many.
const ITEMS_MANY: usize = 4000;
/// What the size of a regression's weights may weigh: less where ratings are few.
const REGRESSION_PENALTIES: [f32; 2] = [40.0, 200.0];
/// Factors, and how they are trained.
const FACTORS: Settings = Settings { factors: 64, confidence: 20.0, penalty: 20.0, rounds: 6 };
/// What content may count beside what was learnt.
const CONTENT_SHARES: [f32; 5] = [0.0, 0.2, 0.4, 0.6, 0.8];
/// Where between the lowest and the highest rating liking begins, unless said.
const LIKED_SHARE: f32 = 2.0 / 3.0;

/// How ratings are learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The best of neighbours, regression and factors on held-out ratings.
    #[default]
    Auto,
    /// Items whose users are alike, by cosine.
    Neighbours,
    /// Weights between items by ridge regression (EASE, on neighbours).
    Regression,
    /// Factors by alternating least squares (implicit feedback).
    Factors,
    /// The catalogue alone.
    Content,
    /// The most popular items for everyone.
    Popularity,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 6] =
        [Self::Auto, Self::Neighbours, Self::Regression, Self::Factors, Self::Content, Self::Popularity];

    /// The name that specs and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Neighbours => "item_knn",
            Self::Regression => "ease",
            Self::Factors => "als",
            Self::Content => "content",
            Self::Popularity => "popularity",
        }
    }

    /// The method of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// How to train.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How ratings are learnt.
    pub method: Method,
    /// From which rating on an item was liked; two thirds between the lowest and the highest unless said.
    pub liked_from: Option<f32>,
}

/// One way that was tried on held-out ratings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// How ratings were learnt.
    pub method: Method,
    /// Weight of the size of a regression's weights; 0 for other methods.
    pub penalty: f32,
    /// What content counted beside.
    pub content_share: f32,
    /// Mean normalised discounted cumulative gain of ten recommendations.
    pub ndcg: f64,
    /// Mean share of what was liked among ten recommendations.
    pub recall: f64,
}

/// What training found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Users, items and ratings, each pair once.
    pub users: usize,
    /// Items of the catalogue and of the ratings.
    pub items: usize,
    /// Ratings, each pair of user and item once.
    pub ratings: usize,
    /// From which rating on an item counted as liked.
    pub liked_from: f32,
    /// Users whose held-out ratings were to be foreseen.
    pub tested: usize,
    /// All that was tried; empty without ratings to hold out.
    pub tried: Vec<Tried>,
    /// What was taken.
    pub chosen: Tried,
}

/// Trains a recommender on a catalogue, on ratings, or on both; either may be empty.
///
/// # Errors
/// When there is nothing to learn from, when an id occurs twice in the catalogue or is empty, and when training is
/// stopped.
pub fn train(
    catalogue: Vec<Item>,
    ratings: &Ratings,
    options: &Options,
    context: &TrainContext<'_>,
) -> Result<(Recommender, Report), Untrained> {
    let step = |done| context.step("recommendations", done, 4);
    step(0)?;
    let items = number(&catalogue, ratings)?;
    let method = usable(options.method, &catalogue, ratings)?;
    let content = (!catalogue.is_empty()).then(|| Content::new(&catalogue));
    step(1)?;
    let by_user = ratings.by_user(&items);
    let range = if ratings.is_empty() { (0.0, 0.0) } else { ratings.range() };
    let liked_from = options.liked_from.unwrap_or(range.0 + (range.1 - range.0) * LIKED_SHARE);
    let data = Data { content: content.as_ref(), items: items.len(), context };
    let (tested, tried) = data.try_all(&by_user, (method, liked_from));
    let chosen = best(&tried, method, content.is_some());
    step(2)?;
    let by_item = by_user.transposed(items.len());
    let learnt = data.learn((chosen.method, chosen.penalty), (&by_user, &by_item), &mut None);
    step(3)?;
    let findings = Report {
        users: ratings.users.len(),
        items: items.len(),
        ratings: by_user.parts().1.len(),
        liked_from,
        tested,
        tried,
        chosen,
    };
    let recommender = Recommender {
        items,
        catalogue: Catalogue::new(&catalogue),
        content,
        method: chosen.method,
        learnt,
        content_share: chosen.content_share,
        popularity: Popularity::new(&by_item),
        users: ratings.users.clone(),
        histories: by_user,
        liked_from,
    };
    step(4)?;
    Ok((recommender, findings))
}

fn number(catalogue: &[Item], ratings: &Ratings) -> Result<Ids, Untrained> {
    let error = Untrained::Data;
    let mut items = Ids::default();
    for (at, item) in catalogue.iter().enumerate() {
        if item.id.is_empty() {
            return Err(error(format!("item {} of the catalogue has no id", at + 1)));
        }
        if items.insert(&item.id) as usize != at {
            return Err(error(format!("item `{}` is in the catalogue twice", item.id)));
        }
    }
    for item in ratings.items.names() {
        items.insert(item);
    }
    if items.is_empty() {
        return Err(error("there are neither ratings nor items of a catalogue".to_owned()));
    }
    Ok(items)
}

/// The method asked for, if the data allow it.
fn usable(method: Method, catalogue: &[Item], ratings: &Ratings) -> Result<Method, Untrained> {
    let error = |message: &str| Err(Untrained::Data(message.to_owned()));
    match method {
        Method::Auto if ratings.is_empty() => Ok(Method::Content),
        Method::Content if catalogue.is_empty() => error("method `content` needs a catalogue"),
        Method::Neighbours | Method::Regression | Method::Factors | Method::Popularity
            if ratings.is_empty() =>
        {
            error(&format!("method `{}` needs ratings", method.name()))
        }
        method => Ok(method),
    }
}

/// The best of what was tried; without anything, what was asked for.
fn best(tried: &[Tried], method: Method, has_content: bool) -> Tried {
    let method = if method == Method::Auto { Method::Neighbours } else { method };
    let content_share = if has_content && method != Method::Popularity { CONTENT_SHARES[2] } else { 0.0 };
    let penalty = if method == Method::Regression { REGRESSION_PENALTIES[0] } else { 0.0 };
    let first = Tried { method, penalty, content_share, ndcg: 0.0, recall: 0.0 };
    let better = |best: Tried, next: &Tried| if next.ndcg > best.ndcg { *next } else { best };
    tried.iter().fold(first, better)
}

struct Data<'a> {
    content: Option<&'a Content>,
    items: usize,
    context: &'a TrainContext<'a>,
}

impl Data<'_> {
    /// Tries methods and shares of content on held-out ratings; with it comes the number of users tested.
    fn try_all(&self, by_user: &Rows, (method, liked_from): (Method, f32)) -> (usize, Vec<Tried>) {
        let split = split(by_user, liked_from, self.context.seed);
        if split.users() == 0 {
            return (0, Vec::new());
        }
        let by_item = split.trained.transposed(self.items);
        let ratings = (&split.trained, &by_item);
        let candidates: Vec<(Method, f32)> = match method {
            Method::Popularity => Vec::new(),
            Method::Auto => [(Method::Neighbours, 0.0), (Method::Factors, 0.0)]
                .into_iter()
                .chain(REGRESSION_PENALTIES.map(|penalty| (Method::Regression, penalty)))
                .collect(),
            Method::Regression => REGRESSION_PENALTIES.map(|penalty| (method, penalty)).to_vec(),
            method => vec![(method, 0.0)],
        };
        let mut tried = Vec::new();
        let mut near = None;
        for candidate in candidates {
            if self.context.progress.is_cancelled() {
                break;
            }
            tried.extend(self.try_one(candidate, &split, &self.learn(candidate, ratings, &mut near)));
        }
        (split.users(), tried)
    }

    fn try_one(&self, (method, penalty): (Method, f32), split: &Split, learnt: &Learnt) -> Vec<Tried> {
        let shares = match (method, self.content) {
            (Method::Content, _) => &[1.0][..],
            (_, None) => &CONTENT_SHARES[..1],
            _ => &CONTENT_SHARES[..],
        };
        let scorer = Scorer { learnt, content: self.content, items: self.items };
        let figures = split.test(&scorer, shares, self.context.threads);
        let tried = |(share, (ndcg, recall)): (&f32, (f64, f64))| Tried {
            method,
            penalty,
            content_share: *share,
            ndcg,
            recall,
        };
        shares.iter().zip(figures).map(tried).collect()
    }

    /// Learns ratings; `near` keeps the neighbours that regressions are solved on, for the next one.
    fn learn(
        &self,
        (method, penalty): (Method, f32),
        ratings: (&Rows, &Rows),
        near: &mut Option<Neighbours>,
    ) -> Learnt {
        let threads = self.context.threads;
        match method {
            Method::Neighbours | Method::Auto => {
                Learnt::Weights(Neighbours::find(ratings, NEIGHBOURS, threads).cosines)
            }
            Method::Regression => {
                let count = REGRESSION_NEIGHBOURS[usize::from(self.items > ITEMS_MANY)];
                let near = near.get_or_insert_with(|| Neighbours::find(ratings, count, threads));
                Learnt::Weights(near.regression(penalty, threads))
            }
            Method::Factors => {
                Learnt::Factors(Factors::train(ratings, &FACTORS, (self.context.seed, threads)))
            }
            Method::Content | Method::Popularity => Learnt::Nothing,
        }
    }
}
