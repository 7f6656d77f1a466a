//! Requests and answers.

use intendant_text::normal::normal_form;

use crate::recommender::{Learnt, Profile, Recommender, Scores};
use crate::validate::best;

/// Items that an answer lists, at most.
const COUNT_MAX: usize = 1000;
/// Words that explain an item, at most.
const WORDS_MAX: usize = 5;
/// Items of a history that explain are looked for among so many, the latest.
const REASONS_MAX: usize = 500;
/// What is asked for. Any of user, history and text may be given; without all of them the answer is what is popular.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A user the recommender was trained on; unknown ones have no history of their own.
    pub user: Option<&'a str>,
    /// Further items and their ratings; unknown items are passed over.
    pub history: &'a [(&'a str, f32)],
    /// What the items shall be about.
    pub text: Option<&'a str>,
    /// Items wanted.
    pub count: usize,
    /// Only items that pass all of these.
    pub filters: &'a [Filter<'a>],
    /// What happens to items of the history.
    pub seen: Seen,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self { user: None, history: &[], text: None, count: 10, filters: &[], seen: Seen::LeftOut }
    }
}

/// Passes items of the catalogue with one of some values in a field.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// `id`, `author`, `genre`, `publisher`, `title`, or one of the items' further fields.
    pub field: &'a str,
    /// Case and punctuation do not matter.
    pub values: &'a [&'a str],
}

/// What happens to items that a user has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// They are not recommended.
    #[default]
    LeftOut,
    /// They may be recommended again.
    Kept,
}

/// What an answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What users with a similar history rated.
    Collaborative,
    /// That, and how alike items are by the catalogue.
    Hybrid,
    /// How alike items are by the catalogue, or what fits a text.
    Content,
    /// What is popular.
    Popular,
}

impl Mode {
    /// The name that answers use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Collaborative => "collaborative",
            Self::Hybrid => "hybrid",
            Self::Content => "content",
            Self::Popular => "popular",
        }
    }
}

/// Recommended items.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What the answer rests on; single items at its end may be there because they are popular.
    pub mode: Mode,
    /// Best first; equal ones by number.
    pub items: Vec<Recommended>,
}

/// A recommended item.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommended {
    /// Its number, as [`Recommender::items`] has it.
    pub item: u32,
    /// How well it fits; comparable within an answer only.
    pub score: f32,
    /// Why it is there.
    pub reason: Reason,
}

/// Why an item is recommended.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Who rated this item of the history rated the recommended one, too.
    RatedWith(u32),
    /// It has the author of this item of the history.
    SameAuthor(u32),
    /// It resembles this item of the history by title, genre or description.
    Similar(u32),
    /// It has these words or names of the text.
    Words(Vec<String>),
    /// So many rated it.
    Popular(u32),
}

impl Recommender {
    /// Answers a request.
    ///
    /// Costs about one addition per neighbour of an item of the history and per item that shares a term with it;
    /// factors are compared with the items whose factors are long enough to matter.
    pub fn recommend(&self, request: &Request<'_>) -> Answer {
        let history = self.history(request);
        let text = match (&self.content, request.text) {
            (Some(content), Some(text)) => content.of_text(text),
            _ => Vec::new(),
        };
        let weights: Vec<(u32, f32)> = history.iter().map(|(item, _)| (*item, 1.0)).collect();
        let count = request.count.min(COUNT_MAX);
        let filters: Vec<(&str, Vec<String>)> = request
            .filters
            .iter()
            .map(|filter| (filter.field, filter.values.iter().map(|value| normal_form(value)).collect()))
            .collect();
        let keeps = |item: u32| {
            (request.seen == Seen::Kept || history.binary_search_by_key(&item, |(seen, _)| *seen).is_err())
                && filters.iter().all(|(field, values)| self.passes(item, field, values))
        };
        let mut scores = Scores::new(self.items.len());
        let profile = Profile { history: &weights, text: &text, count };
        self.scorer().score(&profile, &keeps, &mut scores);
        let share = if text.is_empty() { self.content_share } else { self.content_share.max(1.0) };
        let scored = scores.blended(share, keeps);
        let mode = if scored.is_empty() {
            Mode::Popular
        } else if scores.learnt.touched().is_empty() {
            Mode::Content
        } else if share > 0.0 && !scores.content.touched().is_empty() {
            Mode::Hybrid
        } else {
            Mode::Collaborative
        };
        let mut items: Vec<Recommended> = best(scored, count)
            .into_iter()
            .map(|(item, score)| {
                let by_content = share * scores.content.get(item) > scores.learnt.get(item);
                Recommended { item, score, reason: self.reason(item, by_content, (&history, request.text)) }
            })
            .collect();
        self.fill_up(&mut items, count, keeps);
        Answer { mode, items }
    }

    /// The items and ratings that count as the request's history, by item.
    fn history(&self, request: &Request<'_>) -> Vec<(u32, f32)> {
        let own =
            request.user.and_then(|user| self.users.get(user)).map(|user| self.histories.row(user as usize));
        let own =
            own.into_iter().flat_map(|(items, ratings)| items.iter().copied().zip(ratings.iter().copied()));
        let given = request.history.iter().filter_map(|(id, rating)| Some((self.items.get(id)?, *rating)));
        let mut history: Vec<(u32, f32)> = own.chain(given).collect();
        // Given ratings come after one's own and win.
        history.reverse();
        history.sort_by_key(|(item, _)| *item);
        history.dedup_by_key(|(item, _)| *item);
        history
    }

    fn passes(&self, item: u32, field: &str, values: &[String]) -> bool {
        if item as usize >= self.catalogue.len() {
            return false;
        }
        let has = |value: &str| values.contains(&normal_form(value));
        let any = |names: &str| has(names) || names.split([';', ',']).any(has);
        match field {
            "id" => has(self.items.name(item)),
            "title" => self.catalogue.value(field, item).is_some_and(has),
            field => self.catalogue.value(field, item).is_some_and(any),
        }
    }

    fn fill_up(&self, items: &mut Vec<Recommended>, count: usize, keeps: impl Fn(u32) -> bool) {
        if items.len() >= count {
            return;
        }
        let listed: Vec<u32> = items.iter().map(|item| item.item).collect();
        let lowest = items.last().map_or(1.0, |last| last.score);
        let popular = self.popularity.order.iter().filter(|item| !listed.contains(item) && keeps(**item));
        let rest: Vec<u32> = popular.take(count - items.len()).copied().collect();
        items.extend(rest.into_iter().map(|item| Recommended {
            item,
            score: lowest * self.popularity.scores[item as usize],
            reason: Reason::Popular(self.popularity.counts[item as usize]),
        }));
    }

    fn reason(&self, item: u32, by_content: bool, (history, text): (&[(u32, f32)], Option<&str>)) -> Reason {
        let history = &history[..history.len().min(REASONS_MAX)];
        let liked = || history.iter().filter(|(_, rating)| *rating >= self.liked_from);
        let most = |score: &dyn Fn(u32) -> f32| {
            let scored = liked().map(|(of, _)| (*of, score(*of))).filter(|(_, score)| *score > 0.0);
            scored.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(of, _)| of)
        };
        let words = || {
            let shared = self.content.as_ref()?.shared_words(text?, item, WORDS_MAX);
            (!shared.is_empty()).then_some(Reason::Words(shared))
        };
        let rated_with = || most(&|of| self.rated_with(of, item)).map(Reason::RatedWith);
        let same_author =
            || most(&|of| f32::from(u8::from(self.same_author(of, item)))).map(Reason::SameAuthor);
        let similar = || {
            let content = self.content.as_ref()?;
            most(&|of| content.alike(of, item)).map(Reason::Similar)
        };
        let reason = if by_content {
            words().or_else(same_author).or_else(similar).or_else(rated_with)
        } else {
            rated_with().or_else(same_author).or_else(similar).or_else(words)
        };
        reason.unwrap_or_else(|| Reason::Popular(self.popularity.counts[item as usize]))
    }

    /// How much one item of a history speaks for another.
    fn rated_with(&self, from: u32, to: u32) -> f32 {
        match &self.learnt {
            Learnt::Nothing => 0.0,
            Learnt::Weights(weights) => {
                let (items, values) = weights.row(from as usize);
                items.binary_search(&to).map_or(0.0, |at| values[at])
            }
            Learnt::Factors(factors) => factors.score(factors.item(from), to),
        }
    }

    fn same_author(&self, a: u32, b: u32) -> bool {
        let author =
            |item: u32| self.catalogue.value("author", item).map(normal_form).filter(|name| !name.is_empty());
        author(a).is_some_and(|name| author(b).as_ref() == Some(&name))
    }
}
