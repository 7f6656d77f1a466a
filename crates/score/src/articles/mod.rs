//! Articles kept once, with one row for every entity that they speak of.
//!
//! [`Articles::take`] judges articles and keeps them; what is known with the same content, judged by the same version,
//! is left as it is, so that a message may come any number of times. An article, its pairs and its books are written in
//! one transaction. [`asked`] counts and tells.

pub mod asked;
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use intendant_component::predictor::{Opinion, Prediction};
use intendant_predictor::spec;
use intendant_table::Moment;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::database::{Database, Error, Parameter};
use crate::service::{Answers, Explain, Failure, Served};

/// Labels of judgements, by what the tables hold: -1, 0, 1.
pub const LABELS: [&str; 3] = ["negative", "neutral", "positive"];
/// Where articles come from that do not say so.
const SOURCE: &str = "http";

/// The tables of articles of one predictor.
#[derive(Debug)]
pub struct Articles {
    declared: spec::Articles,
    /// The column with the text that is judged: the headline.
    text: String,
    language: String,
    database: Database,
    is_ready: OnceCell<()>,
}

/// What became of articles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// New ones.
    pub added: usize,
    /// Known ones whose content changed, or that another version judged.
    pub updated: usize,
    /// Known ones.
    pub known: usize,
}

/// Why articles were not taken. Nothing was changed.
#[derive(Debug)]
pub enum Failed {
    /// Articles that lack something: position, field and what is wrong.
    Invalid(Vec<(usize, String, String)>),
    /// They cannot be judged.
    Judging(Failure),
    /// The labels of the predictor are not those that the tables hold.
    Labels(Vec<String>),
    /// The database does not answer.
    Database(Error),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(problems) => {
                let told: Vec<String> = problems
                    .iter()
                    .map(|(row, field, problem)| format!("article {row}: `{field}` {problem}"))
                    .collect();
                f.write_str(&told.join("; "))
            }
            Self::Judging(failure) => write!(f, "the articles cannot be judged: {failure:?}"),
            Self::Labels(labels) => {
                let (known, wanted) = (labels.join(", "), LABELS.join(", "));
                write!(f, "the predictor tells {known}; articles are kept with {wanted}")
            }
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failed {}

/// An article ready to be kept.
struct Article<'a> {
    given: &'a Map<String, Value>,
    uri: &'a str,
    /// The row of the table.
    row: Map<String, Value>,
}

impl Articles {
    /// The tables that are declared, in a database that may be away.
    pub fn new(spec: &spec::Spec, declared: &spec::Articles, database: Database) -> Self {
        Self {
            declared: declared.clone(),
            text: spec.text.clone().unwrap_or_else(|| "headline".to_owned()),
            language: spec.language.clone().unwrap_or_else(|| "en".to_owned()),
            database,
            is_ready: OnceCell::new(),
        }
    }

    /// The recommender whose books are kept with every article.
    pub fn books(&self) -> Option<&str> {
        self.declared.books.as_deref()
    }

    /// Judges articles and keeps them, all or none; of several with the same `uri` the last counts.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn take(
        &self,
        (judge, books): (&Served, Option<&Arc<Served>>),
        given: &[&Map<String, Value>],
    ) -> Result<Taken, Failed> {
        let version = judge.version().ok_or(Failed::Judging(Failure::NoModel))?;
        let classes = version.model.predictor.classes();
        if classes.iter().any(|class| !LABELS.contains(&class.as_str())) {
            return Err(Failed::Labels(classes.to_vec()));
        }
        let by = format!("{}:{}", judge.spec.name, version.number);
        let articles = self.read(given, &by)?;
        let known = self.known(&articles).await.map_err(Failed::Database)?;
        let is_known = |article: &Article<'_>| {
            known.get(article.uri).is_some_and(|(content, judged_by)| {
                Some(content.as_str()) == article.row["content_hash"].as_str() && *judged_by == by
            })
        };
        let fresh: Vec<Article<'_>> = articles.into_iter().filter(|article| !is_known(article)).collect();
        let updated = fresh.iter().filter(|article| known.contains_key(article.uri)).count();
        let taken = Taken { added: fresh.len() - updated, updated, known: given.len() - fresh.len() };
        if fresh.is_empty() {
            return Ok(taken);
        }
        let rows: Vec<&Map<String, Value>> = fresh.iter().map(|article| article.given).collect();
        let answers = judge.predict_json(&rows, Explain::No).await.map_err(Failed::Judging)?;
        let recommended = match books {
            Some(recommender) => {
                let rows: Vec<Map<String, Value>> = rows.iter().map(|row| self.for_books(row)).collect();
                let rows: Vec<&Map<String, Value>> = rows.iter().collect();
                Some(recommender.predict_json(&rows, Explain::No).await.map_err(Failed::Judging)?)
            }
            None => None,
        };
        let steps = self.steps(&fresh, &answers, recommended.as_ref());
        self.database.together(steps).await.map_err(Failed::Database)?;
        Ok(taken)
    }

    /// Makes the tables, once.
    async fn ready(&self) -> Result<&Database, Error> {
        let make = async || {
            self.database
                .together(schema::setup(&self.database).into_iter().map(|step| (step, Vec::new())).collect())
                .await
        };
        self.is_ready.get_or_try_init(make).await?;
        Ok(&self.database)
    }

    /// Articles as rows of the table, in the order of their `uri`, so that servers which write the same ones wait for
    /// each other and never block each other.
    fn read<'a>(&self, given: &[&'a Map<String, Value>], by: &str) -> Result<Vec<Article<'a>>, Failed> {
        let mut problems = Vec::new();
        let mut articles: BTreeMap<&str, Article<'a>> = BTreeMap::new();
        for (at, given) in given.iter().enumerate() {
            let mut text = |field: &str| {
                let found = given.get(field).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
                if found.is_none() {
                    problems.push((at, field.to_owned(), "is required".to_owned()));
                }
                found
            };
            let (uri, headline, published) = (text("uri"), text(&self.text), text("pub_date"));
            let (Some(uri), Some(headline), Some(published)) = (uri, headline, published) else { continue };
            let Some(published) = instant(published) else {
                let problem = format!("must be a date, found `{published}`");
                problems.push((at, "pub_date".to_owned(), problem));
                continue;
            };
            articles
                .insert(uri, Article { given, uri, row: self.row(given, (uri, headline, &published), by) });
        }
        match problems.is_empty() {
            true => Ok(articles.into_values().collect()),
            false => Err(Failed::Invalid(problems)),
        }
    }

    fn row(
        &self,
        given: &Map<String, Value>,
        (uri, headline, published): (&str, &str, &str),
        by: &str,
    ) -> Map<String, Value> {
        let mut row = Map::new();
        for (column, kind) in schema::ARTICLE {
            let value = match (given.get(column), kind) {
                (Some(Value::Array(items)), "text[]") => {
                    items.iter().map(|item| Value::from(word(item))).collect()
                }
                (Some(Value::String(item)), "text[]") => json!([item]),
                (Some(value), "integer") => value.as_i64().into(),
                (Some(Value::Null) | None, _) | (_, "text[]") => Value::Null,
                (Some(value), _) => word(value).into(),
            };
            row.insert(column.to_owned(), value);
        }
        let mut otherwise = |column: &str, value: &str| {
            if row[column].is_null() {
                row.insert(column.to_owned(), value.into());
            }
        };
        otherwise("lang", &self.language);
        otherwise("source", self.declared.source.as_deref().unwrap_or(SOURCE));
        for (column, value) in
            [("uri", uri), ("headline", headline), ("pub_date", published), ("judged_by", by)]
        {
            row.insert(column.to_owned(), value.into());
        }
        // The order of fields says nothing.
        let sorted: BTreeMap<&String, &Value> = given.iter().collect();
        let digest = Sha256::digest(json!(sorted).to_string());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        row.insert("content_hash".to_owned(), format!("\\x{hex}").into());
        row
    }

    /// Digest of the content and the version that judged it, of articles that are there.
    async fn known(&self, articles: &[Article<'_>]) -> Result<HashMap<String, (String, String)>, Error> {
        let database = self.ready().await?;
        let uris: Vec<Value> = articles.iter().map(|article| json!({"uri": article.uri})).collect();
        let query = format!(
            "select article.uri, article.content_hash, article.judged_by from {} join article on article.uri = given.uri",
            database.given(&[("uri", "text")])
        );
        let rows =
            database.select(&database.selecting(&query), &[Parameter::Text(json!(uris).to_string())]).await?;
        let text =
            |row: &Map<String, Value>, column: &str| row[column].as_str().unwrap_or_default().to_owned();
        Ok(rows
            .iter()
            .map(|row| (text(row, "uri"), (text(row, "content_hash"), text(row, "judged_by"))))
            .collect())
    }

    /// An article as a recommender is asked about it.
    fn for_books(&self, given: &Map<String, Value>) -> Map<String, Value> {
        let mut row: Map<String, Value> = given
            .iter()
            .filter(|(_, value)| value.is_string())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !self.declared.filter.is_empty() {
            let filters: Vec<String> =
                self.declared.filter.iter().map(|(field, value)| format!("{field}={value}")).collect();
            row.insert("filters".to_owned(), filters.join(";").into());
        }
        row
    }

    /// Statements that write articles with their pairs and books.
    fn steps(
        &self,
        fresh: &[Article<'_>],
        answers: &Answers,
        books: Option<&Answers>,
    ) -> Vec<(String, Vec<Parameter>)> {
        let database = &self.database;
        let columns =
            |columns: &[(&str, &str)]| columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let rows: Vec<&Map<String, Value>> = fresh.iter().map(|article| &article.row).collect();
        let pairs = pairs(fresh, answers);
        let entities: BTreeSet<&str> = pairs.iter().filter_map(|pair| pair["entity"].as_str()).collect();
        let entities: Vec<Value> = entities.into_iter().map(|entity| json!({"canonical": entity})).collect();
        let uris: Vec<Value> = fresh.iter().map(|article| json!({"uri": article.uri})).collect();
        let changed: Vec<String> =
            schema::ARTICLE.iter().map(|(column, _)| format!("{column} = excluded.{column}")).collect();
        let article = columns(&schema::ARTICLE);
        let these = format!(
            "(select article.id from {} join article on article.uri = given.uri)",
            database.given(&[("uri", "text")])
        );
        let mut steps = vec![
            (
                format!(
                    "insert into article ({article}) select {article} from {} where true on conflict (uri) do update set {}",
                    database.given(&schema::ARTICLE),
                    changed.join(", ")
                ),
                json!(rows),
            ),
            (
                format!(
                    "insert into entity (canonical) select canonical from {} where true on conflict (canonical) do nothing",
                    database.given(&[("canonical", "text")])
                ),
                json!(entities),
            ),
            (format!("delete from article_entity where article_id in {these}"), json!(uris)),
            (
                format!(
                    "insert into article_entity (article_id, entity_id, mention_start, mention_end, surface, polarity, \
                     score, model_name, model_version) select article.id, entity.id, mention_start, mention_end, \
                     surface, polarity, score, model_name, model_version from {} \
                     join article on article.uri = given.uri join entity on entity.canonical = given.entity",
                    database.given(&schema::PAIR)
                ),
                json!(pairs),
            ),
        ];
        if let Some(books) = books {
            let books = recommended(fresh, books);
            let mut once: BTreeMap<String, &Value> = BTreeMap::new();
            once.extend(books.iter().map(|book| (word(&book["book_uri"]), book)));
            let given = database.given(&schema::BOOK);
            steps.push((
                format!(
                    "insert into book (book_uri, title, author, publisher, genre) select book_uri, title, author, \
                     publisher, genre from {given} where true on conflict (book_uri) do update set \
                     title = excluded.title, author = excluded.author, publisher = excluded.publisher, \
                     genre = excluded.genre"
                ),
                json!(once.into_values().collect::<Vec<_>>()),
            ));
            steps.push((format!("delete from article_book where article_id in {these}"), json!(uris)));
            steps.push((
                format!(
                    "insert into article_book (article_id, book_id, rank, score) select article.id, book.id, rank, score \
                     from {given} join article on article.uri = given.uri join book on book.book_uri = given.book_uri"
                ),
                json!(books),
            ));
        }
        steps
            .into_iter()
            .map(|(statement, given)| (statement, vec![Parameter::Text(given.to_string())]))
            .collect()
    }
}

/// What is said of whom; entities that are not mentioned make no pair.
fn pairs(fresh: &[Article<'_>], answers: &Answers) -> Vec<Value> {
    let version = &answers.version;
    let classes = version.model.predictor.classes();
    let pair = |article: &Article<'_>, opinion: &Opinion| {
        let class = opinion.class.as_ref()?;
        let label = classes.get(class.label)?;
        let polarity = LABELS.iter().position(|known| known == label)? as i64 - 1;
        let mention = opinion.mentions.first();
        Some(json!({
            "uri": article.uri, "entity": opinion.entity, "polarity": polarity,
            "mention_start": mention.map(|mention| mention.0), "mention_end": mention.map(|mention| mention.1),
            "surface": mention.map(|mention| &mention.2), "score": class.probabilities.get(class.label),
            "model_name": version.model.spec.name, "model_version": version.number.parse::<i64>().ok(),
        }))
    };
    let mut pairs = Vec::new();
    for (article, prediction) in fresh.iter().zip(&answers.predictions) {
        let Prediction::Polarity { opinions, .. } = prediction else { continue };
        let mut seen = BTreeSet::new();
        pairs.extend(
            opinions
                .iter()
                .filter(|opinion| seen.insert(opinion.entity.as_str()))
                .filter_map(|opinion| pair(article, opinion)),
        );
    }
    pairs
}

fn recommended(fresh: &[Article<'_>], answers: &Answers) -> Vec<Value> {
    let version = &answers.version;
    let mut books = Vec::new();
    for (article, prediction) in fresh.iter().zip(&answers.predictions) {
        let Prediction::Items { items, .. } = prediction else { continue };
        for (rank, item) in items.iter().enumerate() {
            let known: HashMap<String, String> =
                version.model.predictor.describe(&item.id).into_iter().collect();
            books.push(json!({
                "uri": article.uri, "book_uri": item.id, "title": known.get("title").unwrap_or(&item.id),
                "author": known.get("author"), "publisher": known.get("publisher"), "genre": known.get("genre"),
                "rank": rank + 1, "score": item.score,
            }));
        }
    }
    books
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A time in UTC as it is kept: `2024-05-01T08:30:00Z`. What says no zone is taken for UTC.
pub(crate) fn instant(text: &str) -> Option<String> {
    let seconds = match text.trim().parse::<jiff::Timestamp>() {
        Ok(timestamp) => timestamp.as_second(),
        Err(_) => Moment::parse(text)?.seconds(),
    };
    let moment = Moment::from_seconds(seconds);
    let (year, month, day) = moment.date();
    let second = moment.second_of_day();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}
