//! What is told of articles that are kept.

use std::collections::BTreeMap;

use intendant_polarity::aggregate::{self, Judgement, Share};
use serde_json::{Map, Value, json};

use super::{Articles, LABELS, instant, schema};
use crate::database::{Database, Error, Parameter, Row};

/// Rows told at most when nobody says how many, and whoever says what.
const ROWS: u64 = 1_000;
const ROWS_MAX: u64 = 10_000;
/// Entities and books told when nobody says how many.
const TOP: usize = 5;

/// Which articles, and how they are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Published then or later.
    pub since: Option<String>,
    /// Published then or before.
    pub until: Option<String>,
    /// Only from this source.
    pub source: Option<String>,
    /// Only about this entity.
    pub entity: Option<String>,
    /// The label that is counted; all without one.
    pub label: Option<String>,
    /// What judgements are counted by.
    pub group: Group,
    /// Entities with fewer judgements are not told.
    pub support_min: usize,
    /// How many are told at most.
    pub most: Option<u64>,
    /// How many are left out before.
    pub offset: u64,
}

/// What judgements are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// All together.
    #[default]
    All,
    /// The month of publication.
    Month,
    /// Its year.
    Year,
    /// Where articles come from.
    Source,
}

/// How lists of entities are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those with the most judgements first.
    Most,
    /// Those whose share is surely large first.
    Surest,
}

impl Wishes {
    /// Takes one wish by name.
    ///
    /// # Errors
    /// What is wrong with its value.
    pub fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || value.parse::<u64>().map_err(|_| format!("must be a whole number, found `{value}`"));
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "since" => self.since = Some(instant(value).ok_or_else(|| no_date(value))?),
            // A day is meant to its end.
            "until" => {
                let until = instant(value).ok_or_else(|| no_date(value))?;
                let is_day = !value.contains([':', 'T']);
                self.until = Some(if is_day { format!("{}T23:59:59Z", &until[..10]) } else { until });
            }
            "source" => self.source = text(),
            "entity" => self.entity = text(),
            "label" if LABELS.contains(&value) => self.label = text(),
            "label" => return Err(format!("must be one of {}, found `{value}`", LABELS.join(", "))),
            "group_by" => {
                self.group = match value {
                    "month" => Group::Month,
                    "year" => Group::Year,
                    "source" => Group::Source,
                    _ => return Err(format!("must be one of month, year, source, found `{value}`")),
                }
            }
            "min_support" => self.support_min = usize::try_from(number()?).unwrap_or(usize::MAX),
            "n" => self.most = Some(number()?),
            "offset" => self.offset = number()?,
            _ => {}
        }
        Ok(())
    }

    /// Conditions on `article` with their parameters.
    fn conditions(&self, database: &Database) -> (String, Vec<Parameter>) {
        let mut conditions = vec!["true".to_owned()];
        let mut parameters = Vec::new();
        let mut add = |value: &Option<String>, condition: &dyn Fn(usize) -> String| {
            if let Some(value) = value {
                parameters.push(Parameter::Text(value.clone()));
                conditions.push(condition(parameters.len()));
            }
        };
        add(&self.since, &|at| format!("article.pub_date >= {}", schema::moment(database, at)));
        add(&self.until, &|at| format!("article.pub_date <= {}", schema::moment(database, at)));
        add(&self.source, &|at| format!("article.source = {}", database.placeholder(at)));
        add(&self.entity, &|at| {
            format!(
                "exists (select 1 from article_entity as one join entity as named on named.id = one.entity_id \
                 where one.article_id = article.id and lower(named.canonical) = lower({}))",
                database.placeholder(at)
            )
        });
        (conditions.join(" and "), parameters)
    }

    /// How many entities or books are told.
    fn top(&self) -> usize {
        self.most.map_or(TOP, |most| usize::try_from(most).unwrap_or(usize::MAX))
    }
}

fn no_date(value: &str) -> String {
    format!("must be a date, found `{value}`")
}

impl Articles {
    /// Articles, the latest first, each with what it says of whom and the books recommended with it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, wishes: &Wishes) -> Result<Vec<Row>, Error> {
        let database = self.ready().await?;
        let (conditions, parameters) = wishes.conditions(database);
        let published = schema::published(database);
        let query = format!(
            "select article.id, uri, headline, abstract, lead_paragraph, web_url, {published} as pub_date, section_name, \
             document_type, byline, keywords, election_id, source, lang from article where {conditions} \
             order by article.pub_date desc, article.id desc limit {} offset {}",
            wishes.most.unwrap_or(ROWS).min(ROWS_MAX),
            wishes.offset
        );
        let mut articles = database.select(&database.selecting(&query), &parameters).await?;
        let ids: Vec<Value> = articles.iter().map(|article| json!({"id": article["id"]})).collect();
        let ids = Parameter::Text(json!(ids).to_string());
        let given = database.given(&[("id", "bigint")]);
        let pairs = format!(
            "select article_id, canonical as entity, polarity from {given} \
             join article_entity on article_entity.article_id = given.id \
             join entity on entity.id = article_entity.entity_id order by article_id, mention_start, canonical"
        );
        let books = format!(
            "select article_id, title, author, publisher from {given} \
             join article_book on article_book.article_id = given.id \
             join book on book.id = article_book.book_id order by article_id, article_book.rank"
        );
        let mut polarities =
            by_article(database.select(&database.selecting(&pairs), std::slice::from_ref(&ids)).await?);
        let mut recommended = by_article(database.select(&database.selecting(&books), &[ids]).await?);
        for article in &mut articles {
            let id = article.shift_remove("id").and_then(|id| id.as_i64()).unwrap_or_default();
            for list in ["byline", "keywords"] {
                // SQLite keeps lists as JSON.
                if let Some(Value::String(text)) = article.get(list) {
                    article[list] = serde_json::from_str(text).unwrap_or_default();
                }
            }
            let said = polarities.remove(&id).unwrap_or_default();
            let said = said
                .iter()
                .map(|pair| json!({"entity": pair["entity"], "prediction": label(&pair["polarity"])}));
            article.insert("polarity".to_owned(), said.collect());
            let books = recommended.remove(&id).unwrap_or_default().into_iter().map(Value::Object);
            article.insert("recommended_book".to_owned(), books.collect());
        }
        Ok(articles)
    }

    /// The article that was published last.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn latest(&self, wishes: &Wishes) -> Result<Option<Row>, Error> {
        let wishes = Wishes { most: Some(1), ..wishes.clone() };
        Ok(self.list(&wishes).await?.into_iter().next())
    }

    /// Names of entities, sorted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn entities(&self) -> Result<Vec<Value>, Error> {
        let database = self.ready().await?;
        let query = "select canonical from entity where exists \
                     (select 1 from article_entity where entity_id = entity.id) order by canonical";
        let rows = database.select(&database.selecting(query), &[]).await?;
        Ok(rows.into_iter().map(|mut row| row["canonical"].take()).collect())
    }

    /// How often what is said of whom, with 95 % intervals.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn shares(&self, wishes: &Wishes, order: Order) -> Result<Vec<Share>, Error> {
        let database = self.ready().await?;
        let whom = wishes.entity.clone();
        let wishes = Wishes { entity: None, ..wishes.clone() };
        let (mut conditions, mut parameters) = wishes.conditions(database);
        if let Some(entity) = whom {
            parameters.push(Parameter::Text(entity));
            let placeholder = database.placeholder(parameters.len());
            conditions.push_str(&format!(" and lower(entity.canonical) = lower({placeholder})"));
        }
        let published = schema::published(database);
        let group = match wishes.group {
            Group::All => "cast('' as text)".to_owned(),
            Group::Month => format!("substr({published}, 1, 7)"),
            Group::Year => format!("substr({published}, 1, 4)"),
            Group::Source => "article.source".to_owned(),
        };
        let query = format!(
            "select canonical, {group} as \"group\", polarity, count(*) as count from article_entity \
             join article on article.id = article_entity.article_id \
             join entity on entity.id = article_entity.entity_id where {conditions} group by 1, 2, 3"
        );
        let rows = database.select(&database.selecting(&query), &parameters).await?;
        let judgements = rows.iter().map(|row| {
            let text = |column: &str| row[column].as_str().unwrap_or_default();
            let label = if wishes.label.is_some() { label(&row["polarity"]) } else { "" };
            let count = row["count"].as_u64().unwrap_or_default() as usize;
            (Judgement { entity: text("canonical"), label, group: text("group") }, count)
        });
        let mut shares = aggregate::shares(judgements, wishes.support_min);
        let label = wishes.label.as_deref().unwrap_or_default();
        match order {
            Order::Surest => return Ok(aggregate::top(shares, label, wishes.top())),
            Order::Most => shares.retain(|share| share.label == label),
        }
        shares.sort_by(|left, right| {
            right
                .count
                .cmp(&left.count)
                .then_with(|| (&left.entity, &left.group).cmp(&(&right.entity, &right.group)))
        });
        shares.truncate(wishes.top());
        Ok(shares)
    }

    /// Books recommended most often.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn books_of(&self, wishes: &Wishes) -> Result<Vec<Row>, Error> {
        let database = self.ready().await?;
        let (conditions, parameters) = wishes.conditions(database);
        let query = format!(
            "select title, author, publisher, count(*) as count from article_book \
             join article on article.id = article_book.article_id join book on book.id = article_book.book_id \
             where {conditions} group by title, author, publisher order by count(*) desc, title, author limit {}",
            wishes.top().min(ROWS_MAX as usize)
        );
        database.select(&database.selecting(&query), &parameters).await
    }
}

/// Shares as placeholders of answers stand for them.
pub fn figures(shares: &[Share]) -> Vec<(&'static str, Value)> {
    vec![
        ("$shares", told(shares)),
        ("$counts", by_entity(shares, |share| share.count.into())),
        ("$proportions", by_entity(shares, |share| (share.share.value * 100.0).into())),
    ]
}

/// Shares as JSON: one object each.
fn told(shares: &[Share]) -> Value {
    let one = |share: &Share| {
        let mut told = json!({"entity": share.entity});
        for (name, value) in [("group", &share.group), ("label", &share.label)] {
            if !value.is_empty() {
                told[name] = value.as_str().into();
            }
        }
        told["count"] = share.count.into();
        told["total"] = share.total.into();
        told["share"] = share.share.value.into();
        told["low"] = share.share.low.into();
        told["high"] = share.share.high.into();
        told
    };
    shares.iter().map(one).collect()
}

/// A figure of shares by entity; within their groups where there are any.
fn by_entity(shares: &[Share], figure: impl Fn(&Share) -> Value) -> Value {
    let mut all = Map::new();
    for share in shares {
        let told = figure(share);
        if share.group.is_empty() {
            all.insert(share.entity.clone(), told);
        } else {
            let group = all.entry(share.group.clone()).or_insert_with(|| json!({}));
            group[&share.entity] = told;
        }
    }
    Value::Object(all)
}

fn label(polarity: &Value) -> &'static str {
    let at = polarity.as_i64().and_then(|polarity| usize::try_from(polarity + 1).ok());
    at.and_then(|at| LABELS.get(at)).copied().unwrap_or_default()
}

fn by_article(rows: Vec<Row>) -> BTreeMap<i64, Vec<Row>> {
    let mut by_article: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for mut row in rows {
        let id = row.shift_remove("article_id").and_then(|id| id.as_i64()).unwrap_or_default();
        by_article.entry(id).or_default().push(row);
    }
    by_article
}
