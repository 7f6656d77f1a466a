//! `kind: recommender`: items that a user may like, from ratings, from a catalogue, or from both.
//!
//! ```yaml
//! kind: recommender
//! data: data/ratings.csv
//! user: u
//! item: i
//! rating: r
//! catalogue: {file: data/books.csv, item: ISBN, title: Book-Title, author: Book-Author}
//! top: 10
//! ```
//!
//! A row may give a user, a text, and a history: items with commas between.

use std::sync::Arc;

use intendant_component::predictor::{Item as Recommended, Prediction, Predictor, Refused};
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;
use intendant_recommend::{Filter, Item, Method, Options, Ratings, Reason, Recommender, Request, Seen};
use intendant_table::{Field, Kind as ColumnKind, Signature, Table};

use super::Material;
use crate::spec::{Catalogue, Spec};
use crate::{Failed, files};

/// Items recommended unless declared otherwise.
const TOP: usize = 10;
/// The column with items that a caller names as history.
pub const HISTORY: &str = "history";
/// The column with a text to recommend for, unless declared otherwise.
pub const TEXT: &str = "text";
/// The column with how many items are wanted.
pub const COUNT: &str = "n";
/// The column with filters, as `field=value` with `;` between.
pub const FILTERS: &str = "filters";
/// The column that says whether items of the history are left out.
pub const EXCLUDE_SEEN: &str = "exclude_seen";

struct Books {
    recommender: Recommender,
    signature: Signature,
    user: String,
    text: String,
    top: usize,
}

/// Trains on ratings and a catalogue.
pub fn train(
    spec: &Spec,
    material: &Material,
    context: &TrainContext<'_>,
) -> Result<Arc<dyn Predictor>, Failed> {
    let mut ratings = Ratings::default();
    if let (Some(user), Some(item)) = (&spec.user, &spec.item) {
        let (users, items) = (files::texts(&material.rows, user)?, files::texts(&material.rows, item)?);
        let values = spec.rating.as_ref().map(|rating| files::numbers(&material.rows, rating)).transpose()?;
        for (row, (user, item)) in users.iter().zip(&items).enumerate() {
            if let (Some(user), Some(item)) = (user, item) {
                ratings.push(user, item, values.as_ref().map_or(1.0, |values| values[row]) as f32);
            }
        }
    }
    let catalogue = match (&spec.catalogue, &material.catalogue) {
        (Some(declared), Some(table)) => items(declared, table)?,
        _ => Vec::new(),
    };
    let method = match &spec.model.algorithm {
        None => Method::Auto,
        Some(name) => Method::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
            Failed::new(format!("`model` cannot be `{name}`; it can be {}", known.join(", ")))
        })?,
    };
    let options = Options { method, liked_from: spec.liked_from.map(|from| from as f32) };
    let (recommender, _) = intendant_recommend::train(catalogue, &ratings, &options, context)
        .map_err(|error| Failed::new(error.to_string()))?;
    Ok(Arc::new(Books::new(spec, recommender)))
}

/// Loads what [`train`] gave.
pub fn load(spec: &Spec, stored: Stored) -> Result<Arc<dyn Predictor>, Unreadable> {
    Ok(Arc::new(Books::new(spec, Recommender::load(stored)?)))
}

fn items(declared: &Catalogue, table: &Table) -> Result<Vec<Item>, Failed> {
    let read = |name: &Option<String>| name.as_ref().map(|name| files::texts(table, name)).transpose();
    let ids = files::texts(table, &declared.item)?;
    let (titles, authors) = (read(&declared.title)?, read(&declared.author)?);
    let (genres, descriptions) = (read(&declared.genre)?, read(&declared.description)?);
    let shown: Vec<(&String, Vec<Option<String>>)> = declared
        .show
        .iter()
        .map(|name| Ok((name, files::texts(table, name)?)))
        .collect::<Result<_, Failed>>()?;
    let cell = |column: &Option<Vec<Option<String>>>, row: usize| -> String {
        column.as_ref().and_then(|column| column[row].clone()).unwrap_or_default()
    };
    let mut seen = std::collections::HashSet::new();
    let mut items = Vec::with_capacity(ids.len());
    for (row, id) in ids.iter().enumerate() {
        let Some(id) = id else { continue };
        if !seen.insert(id) {
            continue;
        }
        let fields =
            shown.iter().map(|(name, values)| ((*name).clone(), values[row].clone().unwrap_or_default()));
        items.push(Item {
            id: id.clone(),
            title: cell(&titles, row),
            author: cell(&authors, row),
            genre: cell(&genres, row),
            publisher: String::new(),
            description: cell(&descriptions, row),
            fields: fields.collect(),
        });
    }
    Ok(items)
}

impl Books {
    fn new(spec: &Spec, recommender: Recommender) -> Self {
        let user = spec.user.clone().unwrap_or_else(|| "user".to_owned());
        let text = spec.text.clone().unwrap_or_else(|| TEXT.to_owned());
        let field = |name: &str, kind: ColumnKind| Field {
            name: name.to_owned(),
            kind,
            is_optional: true,
            categories: Vec::new(),
        };
        let fields = vec![
            field(&user, ColumnKind::Text),
            field(&text, ColumnKind::Text),
            field(HISTORY, ColumnKind::Text),
            field(COUNT, ColumnKind::Number),
            field(FILTERS, ColumnKind::Text),
            field(EXCLUDE_SEEN, ColumnKind::Boolean),
        ];
        Self { recommender, signature: Signature { fields }, user, text, top: spec.top.unwrap_or(TOP) }
    }

    fn name(&self, item: u32) -> String {
        let title = self.recommender.item(item).map(|item| item.title).filter(|title| !title.is_empty());
        title.unwrap_or_else(|| self.recommender.items().name(item).to_owned())
    }

    fn reason(&self, reason: &Reason) -> String {
        match reason {
            Reason::RatedWith(item) => format!("rated together with {}", self.name(*item)),
            Reason::SameAuthor(item) => format!("by the author of {}", self.name(*item)),
            Reason::Similar(item) => format!("resembles {}", self.name(*item)),
            Reason::Words(words) => format!("about {}", words.join(", ")),
            Reason::Popular(count) => format!("rated by {count}"),
        }
    }
}

impl Predictor for Books {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, rows: &Table) -> Result<Vec<Prediction>, Refused> {
        let cell = |name: &str, row: usize| {
            let text = rows.column(name).and_then(|column| column.value(row).to_text());
            text.map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
        };
        let one = |row: usize| {
            let (user, text) = (cell(&self.user, row), cell(&self.text, row));
            let history = cell(HISTORY, row).unwrap_or_default();
            let history: Vec<(&str, f32)> = history
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| (item, 10.0))
                .collect();
            let filters = cell(FILTERS, row).unwrap_or_default();
            let filters: Vec<(&str, [&str; 1])> = filters
                .split(';')
                .filter_map(|filter| filter.split_once('='))
                .map(|(name, value)| (name, [value]))
                .collect();
            let filters: Vec<Filter<'_>> =
                filters.iter().map(|(field, values)| Filter { field, values }).collect();
            let count =
                cell(COUNT, row).and_then(|count| count.parse::<f64>().ok()).map(|count| count as usize);
            let answer = self.recommender.recommend(&Request {
                user: user.as_deref(),
                history: &history,
                text: text.as_deref(),
                count: count.unwrap_or(self.top),
                filters: &filters,
                seen: if cell(EXCLUDE_SEEN, row).as_deref() == Some("false") {
                    Seen::Kept
                } else {
                    Seen::LeftOut
                },
            });
            let items = answer.items.iter().map(|item| Recommended {
                id: self.recommender.items().name(item.item).to_owned(),
                score: f64::from(item.score),
                reason: Some(self.reason(&item.reason)),
            });
            Prediction::Items { mode: answer.mode.name().to_owned(), items: items.collect() }
        };
        Ok((0..rows.rows()).map(one).collect())
    }

    fn describe(&self, id: &str) -> Vec<(String, String)> {
        let Some(item) = self.recommender.items().get(id).and_then(|number| self.recommender.item(number))
        else {
            return Vec::new();
        };
        let own = [
            ("title", item.title),
            ("author", item.author),
            ("genre", item.genre),
            ("publisher", item.publisher),
        ];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        own.map(|(name, value)| (name.to_owned(), value)).chain(item.fields).collect()
    }

    fn stored(&self) -> Stored {
        self.recommender.store()
    }
}
