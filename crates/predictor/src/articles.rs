//! Routes over articles that are kept: what they do, what their answers can name, what callers can ask for.
//!
//! A predictor of texts that declares `serve.articles` keeps every article once, and one row for every entity that an
//! article speaks of. Its routes add articles and tell what is known of them.

use crate::routes::Path;
use crate::spec::{Route, Spec};

/// What a route does with articles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Do {
    /// Judges and keeps them.
    Add,
    /// Tells the one that was published last.
    Latest,
    /// Tells them, the latest first.
    List,
    /// Names entities.
    Entities,
    /// Counts judgements, the most first.
    Counts,
    /// Shares of a label, the surest first.
    Shares,
    /// Books recommended most often.
    Books,
}

/// One thing that a route can do with articles.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// As written.
    pub name: &'static str,
    /// What it does.
    pub does: Do,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// What it does, in words.
    pub about: &'static str,
    /// What its answer can name; the first is the answer unless declared otherwise.
    pub placeholders: &'static [(&'static str, &'static str)],
    /// Parameters of its query, with what they mean.
    pub query: &'static [(&'static str, &'static str)],
}

const PERIOD: [(&str, &str); 3] = [
    ("since", "published on this day or later"),
    ("until", "published on this day or before"),
    ("source", "only from this source"),
];
const TOP: (&str, &str) = ("n", "how many are told at most");
const ENTITY: (&str, &str) = ("entity", "only about this entity");
const SHARES: &[(&str, &str)] = &[
    (
        "$shares",
        "`entity`, `label`, `count`, `total`, `share` with the 95 % interval `low` to `high`, and `group`",
    ),
    ("$counts", "how many judgements by entity, within `group` if asked for"),
    ("$proportions", "per cent of an entity's judgements by entity, within `group` if asked for"),
];
const COUNTED: &[(&str, &str)] = &[
    PERIOD[0],
    PERIOD[1],
    PERIOD[2],
    ENTITY,
    ("label", "the label that is counted"),
    ("group_by", "`month`, `year` or `source`"),
    ("min_support", "entities with fewer judgements are not told"),
    TOP,
];

/// Everything that a route can do with articles.
pub const ACTIONS: [Action; 7] = [
    Action {
        name: "add",
        does: Do::Add,
        method: "POST",
        about: "judges an article, a list or lines of them, and keeps them; what is known already stays as it is",
        placeholders: &[
            ("$kept", "all of the following"),
            ("$added", "how many are new"),
            ("$updated", "how many were known with another content, or judged by another version"),
            ("$known", "how many were known"),
        ],
        query: &[],
    },
    Action {
        name: "latest",
        does: Do::Latest,
        method: "GET",
        about: "the article that was published last",
        placeholders: &[("$article", "the article with `polarity` and `recommended_book`")],
        query: &[PERIOD[2], ENTITY],
    },
    Action {
        name: "list",
        does: Do::List,
        method: "GET",
        about: "articles, the latest first",
        placeholders: &[("$articles", "articles with `polarity` and `recommended_book`")],
        query: &[PERIOD[0], PERIOD[1], PERIOD[2], ENTITY, TOP, ("offset", "how many are left out before")],
    },
    Action {
        name: "entities",
        does: Do::Entities,
        method: "GET",
        about: "names of all entities that articles speak of",
        placeholders: &[("$names", "their names")],
        query: &[],
    },
    Action {
        name: "counts",
        does: Do::Counts,
        method: "GET",
        about: "judgements by entity, the most first",
        placeholders: SHARES,
        query: COUNTED,
    },
    Action {
        name: "shares",
        does: Do::Shares,
        method: "GET",
        about: "shares of a label by entity, those first that are surely large",
        placeholders: SHARES,
        query: COUNTED,
    },
    Action {
        name: "books",
        does: Do::Books,
        method: "GET",
        about: "books that were recommended most often",
        placeholders: &[("$books", "`title`, `author`, `publisher` and `count`")],
        query: &[PERIOD[0], PERIOD[1], PERIOD[2], ENTITY, TOP],
    },
];

/// The action of this name.
pub fn action(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// What is wrong with a route over articles: field, message, hint.
pub(crate) fn problems(spec: &Spec, route: &Route, path: &Path<'_>) -> Vec<(&'static str, String, String)> {
    let Some(name) = &route.articles else {
        let unused = [("label", route.label.is_some()), ("min_support", route.min_support.is_some())];
        let unused = unused.into_iter().filter(|(_, is_given)| *is_given);
        return unused
            .map(|(key, _)| {
                let message = format!("`{key}` has no meaning for a route without `articles`");
                (key, message, "remove it, or say what the route does with `articles`".to_owned())
            })
            .collect();
    };
    let Some(action) = action(name) else {
        let known = ACTIONS.map(|action| action.name);
        let hint = intendant_rasa_format::suggest::did_you_mean(name, known);
        let hint = hint.unwrap_or_else(|| format!("it can be {}", known.join(", ")));
        return vec![("articles", format!("`articles` cannot be `{name}`"), hint)];
    };
    let mut problems = Vec::new();
    if spec.serve.articles.is_none() {
        let hint = "add `serve.articles: {database: sqlite://press.db?mode=rwc}`".to_owned();
        problems.push(("articles", "no articles are kept".to_owned(), hint));
    }
    if path.method != action.method {
        let message = format!("`articles: {name}` is asked with {}", action.method);
        problems.push(("path", message, format!("write `{} {}`", action.method, path.path)));
    }
    for parameter in &path.parameters {
        if !action.query.iter().any(|(known, _)| known == parameter) {
            let known: Vec<&str> = action.query.iter().map(|(name, _)| *name).collect();
            let message = format!("`articles: {name}` knows no parameter `{parameter}`");
            problems.push(("path", message, format!("there are: {}", known.join(", "))));
        }
    }
    if action.does == Do::Books && spec.serve.articles.as_ref().is_some_and(|kept| kept.books.is_none()) {
        let hint = "name a recommender: `serve.articles.books`".to_owned();
        problems.push(("articles", "no books are kept with articles".to_owned(), hint));
    }
    if action.does == Do::Shares && route.label.is_none() && !path.parameters.contains(&"label") {
        let hint = "add `label: positive`".to_owned();
        problems.push(("articles", "of which label shares are told is not said".to_owned(), hint));
    }
    problems
}
