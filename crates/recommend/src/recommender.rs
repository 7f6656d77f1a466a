//! A trained recommender, and how items are scored.

use intendant_numeric::sparse::Rows;

use crate::catalogue::Catalogue;
use crate::content::{Content, Item};
use crate::factors::Factors;
use crate::ratings::Sums;
use crate::texts::Ids;
use crate::train::Method;

/// A trained recommender. Immutable, cheap to share between threads.
#[derive(Clone, Debug)]
pub struct Recommender {
    /// Items of the catalogue first, in its order, then those only rated.
    pub(crate) items: Ids,
    /// The catalogue without descriptions.
    pub(crate) catalogue: Catalogue,
    pub(crate) content: Option<Content>,
    pub(crate) method: Method,
    pub(crate) learnt: Learnt,
    /// What content counts beside what was learnt.
    pub(crate) content_share: f32,
    pub(crate) popularity: Popularity,
    pub(crate) users: Ids,
    /// `[users][items]`.
    pub(crate) histories: Rows,
    /// From which rating on an item was liked.
    pub(crate) liked_from: f32,
}

/// What ratings tell of items.
#[derive(Clone, Debug)]
pub(crate) enum Learnt {
    /// Nothing.
    Nothing,
    /// Weights from items of a history to others.
    Weights(Rows),
    /// Factors.
    Factors(Factors),
}

/// How much items are rated and liked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Popularity {
    /// Ratings of each item.
    pub(crate) counts: Vec<u32>,
    /// How popular each item is, up to 1.
    pub(crate) scores: Vec<f32>,
    /// Items from the most popular on.
    pub(crate) order: Vec<u32>,
}

/// Ratings of the mean of all that every item gets in addition, before its own mean counts.
const DAMPING: f32 = 10.0;

impl Popularity {
    /// Counts ratings `[items][users]`: the damped mean, by the logarithm of the count.
    pub(crate) fn new(by_item: &Rows) -> Self {
        let total = |item: usize| by_item.row(item).1.iter().sum::<f32>();
        let count = |item: usize| by_item.row(item).0.len();
        let items = by_item.len();
        let ratings = (0..items).map(count).sum::<usize>().max(1);
        let mean = (0..items).map(|item| f64::from(total(item))).sum::<f64>() as f32 / ratings as f32;
        let score = |item: usize| {
            let damped = (total(item) + DAMPING * mean) / (count(item) as f32 + DAMPING);
            (1.0 + count(item) as f32).ln() * damped.max(0.0)
        };
        let mut scores: Vec<f32> = (0..items).map(score).collect();
        let most = scores.iter().copied().fold(1e-9, f32::max);
        scores.iter_mut().for_each(|score| *score /= most);
        Self::of((0..items).map(|item| count(item) as u32).collect(), scores)
    }

    /// Puts parts together.
    pub(crate) fn of(counts: Vec<u32>, scores: Vec<f32>) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
        Self { counts, scores, order }
    }
}

impl Recommender {
    /// Ids of all items by number: those of the catalogue first, in its order.
    pub fn items(&self) -> &Ids {
        &self.items
    }

    /// What the catalogue says of an item, without the description.
    pub fn item(&self, number: u32) -> Option<Item> {
        ((number as usize) < self.catalogue.len())
            .then(|| self.catalogue.item(self.items.name(number), number))
    }

    /// Ids of the users whose ratings it was trained on.
    pub fn users(&self) -> &Ids {
        &self.users
    }

    /// What was chosen or named.
    pub fn method(&self) -> Method {
        self.method
    }

    pub(crate) fn scorer(&self) -> Scorer<'_> {
        Scorer { learnt: &self.learnt, content: self.content.as_ref(), items: self.items.len() }
    }
}

/// Scores items for histories.
#[derive(Clone, Copy)]
pub(crate) struct Scorer<'a> {
    pub(crate) learnt: &'a Learnt,
    pub(crate) content: Option<&'a Content>,
    pub(crate) items: usize,
}

/// Buffers that are used again.
pub(crate) struct Scores {
    pub(crate) learnt: Sums,
    pub(crate) content: Sums,
}

impl Scores {
    pub(crate) fn new(items: usize) -> Self {
        Self { learnt: Sums::new(items), content: Sums::new(items) }
    }

    /// Both kinds of scores, each brought to 1 at its best, for items that `keeps` lets pass.
    pub(crate) fn blended(&self, content_share: f32, keeps: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
        let best = |sums: &Sums| {
            let scores = sums.touched().iter().filter(|item| keeps(**item)).map(|item| sums.get(*item));
            scores.fold(0.0, f32::max).max(1e-9)
        };
        let share = if self.learnt.touched().is_empty() { 1.0 } else { content_share };
        let (of_learnt, of_content) = (1.0 / best(&self.learnt), share / best(&self.content));
        let mut items: Vec<u32> =
            self.learnt.touched().iter().filter(|item| keeps(**item)).copied().collect();
        if share > 0.0 {
            items.extend(self.content.touched().iter().filter(|item| keeps(**item)));
            items.sort_unstable();
            items.dedup();
        }
        let score =
            |item: u32| (item, of_learnt * self.learnt.get(item) + of_content * self.content.get(item));
        items.into_iter().map(score).filter(|(_, score)| *score > 0.0).collect()
    }
}

/// Items that factors are asked for, at least, where content counts too; those that content finds are scored as well.
const BEST_BY_FACTORS: usize = 200;

/// Whom items are scored for.
pub(crate) struct Profile<'a> {
    /// Items with weights.
    pub(crate) history: &'a [(u32, f32)],
    /// The vector of a text.
    pub(crate) text: &'a [(u32, f32)],
    /// Items wanted.
    pub(crate) count: usize,
}

impl Scorer<'_> {
    /// Scores the items that have something in common with a profile; of others, `keeps` tells which matter.
    pub(crate) fn score(&self, profile: &Profile<'_>, keeps: &dyn Fn(u32) -> bool, scores: &mut Scores) {
        scores.learnt.clear();
        scores.content.clear();
        if let Some(content) = self.content {
            if !profile.history.is_empty() {
                content.score(&content.profile(profile.history), &mut scores.content);
            }
            content.score(profile.text, &mut scores.content);
        }
        match self.learnt {
            Learnt::Nothing => {}
            Learnt::Weights(weights) => {
                for (item, weight) in profile.history {
                    let (others, values) = weights.row(*item as usize);
                    others
                        .iter()
                        .zip(values)
                        .for_each(|(other, value)| scores.learnt.add(*other, value * weight));
                }
            }
            Learnt::Factors(factors) => {
                let items: Vec<u32> = profile.history.iter().map(|(item, _)| *item).collect();
                let user = factors.user(&items);
                if user.iter().all(|factor| *factor == 0.0) {
                    return;
                }
                let least = if self.content.is_some() { BEST_BY_FACTORS } else { 1 };
                for (item, score) in factors.best(&user, profile.count.max(least), keeps) {
                    scores.learnt.add(item, score);
                }
                for item in scores.content.touched().iter().filter(|item| keeps(**item)) {
                    if !scores.learnt.has(*item) {
                        scores.learnt.add(*item, factors.score(&user, *item));
                    }
                }
            }
        }
    }
}
