//! What `predictors/NAME.yml` declares, as typed values.
//!
//! [`read`] turns a file into a [`Spec`] and collects everything that is wrong with it, each with line, column
//! and a hint. The keys that exist, and for which kinds, stand in one table ([`crate::keys::KEYS`]); the
//! JSON Schema and the reference are made from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a predictor is learnt from and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rows with typed columns; a class or a number.
    Tabular,
    /// Texts, of a whole or about an entity in it; a class.
    Text,
    /// Users and items; the items that a user may like.
    Recommender,
    /// A model trained elsewhere.
    Foreign,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Tabular, Kind::Text, Kind::Recommender, Kind::Foreign];

    /// As written in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tabular => "tabular",
            Kind::Text => "text",
            Kind::Recommender => "recommender",
            Kind::Foreign => "foreign",
        }
    }

    /// The kind of this name.
    pub fn of(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A predictor as declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The file's name without its ending.
    #[serde(skip_deserializing, default)]
    pub name: String,
    /// What kind of predictor it is.
    pub kind: Kind,
    /// What it is for, for its card and the API's description.
    #[serde(default)]
    pub description: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The licence of the model or its data.
    #[serde(default)]
    pub licence: Option<String>,
    /// What it shall not be used for.
    #[serde(default)]
    pub limits: Option<String>,
    /// What it is trained with.
    #[serde(default)]
    pub data: Option<Data>,
    /// The column that is predicted.
    #[serde(default)]
    pub target: Option<String>,
    /// The value of `target` whose probability is told.
    #[serde(default)]
    pub positive: Option<String>,
    /// The column that names a row; it is given back with predictions and never learnt from.
    #[serde(default)]
    pub key: Option<String>,
    /// The columns that are learnt from; all others than target and key unless given.
    #[serde(default)]
    pub features: BTreeMap<String, Feature>,
    /// Columns that are not learnt from.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// The column with the text.
    #[serde(default)]
    pub text: Option<String>,
    /// The column with the entity that the text is judged about.
    #[serde(default)]
    pub entity: Option<String>,
    /// Entities to look for in texts, with their other names.
    #[serde(default)]
    pub gazetteer: Option<Gazetteer>,
    /// The language of the texts: `en`, `fr`, …
    #[serde(default)]
    pub language: Option<String>,
    /// The column with the user.
    #[serde(default)]
    pub user: Option<String>,
    /// The column with the item.
    #[serde(default)]
    pub item: Option<String>,
    /// The column with the rating.
    #[serde(default)]
    pub rating: Option<String>,
    /// Ratings from here on say that an item was liked.
    #[serde(default)]
    pub liked_from: Option<f64>,
    /// What is known of the items.
    #[serde(default)]
    pub catalogue: Option<Catalogue>,
    /// How many items are recommended.
    #[serde(default)]
    pub top: Option<usize>,
    /// The algorithm and its options, or the file of a model trained elsewhere.
    #[serde(default)]
    pub model: Model,
    /// What is held out to measure on.
    #[serde(default)]
    pub split: Option<Split>,
    /// The figure that training chooses by.
    #[serde(default)]
    pub metric: Option<String>,
    /// From which probability on the positive class is told; tuned on held-out rows unless given.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Columns by whose values figures are told separately.
    #[serde(default)]
    pub slices: Vec<String>,
    /// What a version must reach on held-out rows.
    #[serde(default)]
    pub gate: Vec<Gate>,
    /// The seed of everything that is drawn by lot.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Tables that files are loaded into, by name.
    #[serde(default)]
    pub tables: BTreeMap<String, TableFile>,
    /// Rows looked up in databases, by name.
    #[serde(default)]
    pub lookups: BTreeMap<String, Lookup>,
    /// How it is served.
    #[serde(default)]
    pub serve: Serve,
    /// Messages that it scores as they come, as a stream of `intendant.yml` declares them. It may hold secrets, and
    /// nothing is learnt from it: archives are without.
    #[serde(default, skip_serializing)]
    pub stream: Option<Map<String, Value>>,
}

/// Where rows come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// A file: CSV, NDJSON or Parquet.
    pub file: Option<String>,
    /// `csv`, `ndjson` or `parquet`; told by the file's ending unless given.
    pub format: Option<String>,
    /// What stands between the columns of a CSV file; found out unless given.
    pub separator: Option<String>,
    /// The encoding of a CSV file; found out unless given.
    pub encoding: Option<String>,
    /// Files with more columns of the same rows.
    pub join: Vec<Join>,
    /// Rows of a database instead of a file.
    pub sql: Option<SqlSource>,
}

/// A file with more columns of the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The file.
    pub file: String,
    /// The column that both have.
    pub on: String,
}

/// Rows of a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlSource {
    /// Its URL: `postgres://…` or `sqlite://…`.
    #[serde(skip_serializing)]
    #[serde(default)]
    pub database: String,
    /// The query.
    pub query: String,
}

/// One column that is learnt from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feature {
    /// `number`, `integer`, `category`, `boolean`, `date` or `text`; found out unless given.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Smaller values are mistakes.
    pub minimum: Option<f64>,
    /// Larger values are mistakes.
    pub maximum: Option<f64>,
    /// What becomes of mistakes: `missing` unless given, or `clip`, the nearest value allowed.
    pub outliers: Option<String>,
    /// What stands for missing values: `keep`, `median`, `mean` or `zero`.
    pub missing: Option<String>,
    /// Whether zero stands for "not known".
    pub zero_is_missing: bool,
    /// Values a request may give; others are refused.
    pub values: Vec<String>,
    /// Whether a request must give it.
    pub required: bool,
}

/// Entities to look for in texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gazetteer {
    /// Names with their other names.
    pub entities: BTreeMap<String, Vec<String>>,
    /// A JSON or YAML file of such a map, or of one such map per year.
    pub file: Option<String>,
    /// The request's field with the date that chooses the year.
    pub year_of: Option<String>,
}

/// What is known of items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Catalogue {
    /// A file: CSV, NDJSON or Parquet.
    pub file: String,
    /// The column with the item.
    pub item: String,
    /// The column with its title.
    pub title: Option<String>,
    /// The column with its author.
    pub author: Option<String>,
    /// The column with its genre.
    pub genre: Option<String>,
    /// The column with its description.
    pub description: Option<String>,
    /// Columns that are told with a recommendation.
    pub show: Vec<String>,
}

/// The algorithm and its options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// Its name; chosen by cross-validation unless given.
    pub algorithm: Option<String>,
    /// The file, or URL, of a model trained elsewhere.
    pub file: Option<String>,
    /// The format of that file; found out unless given.
    pub format: Option<String>,
    /// The SHA-256 that the file must have, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Options of the algorithm.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

/// What is held out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// This share of the rows, stratified by class, by lot.
    pub share: Option<f64>,
    /// Or the rows with `test` in this column.
    pub column: Option<String>,
    /// Or the rows of this file.
    pub file: Option<String>,
    /// Or the latest rows by this column with dates.
    pub date: Option<String>,
}

/// What a version must reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The figure.
    pub metric: String,
    /// It must not be below this.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// It must not be above this.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Only for rows of this slice: `PAYS=France`.
    #[serde(default)]
    pub slice: Option<String>,
}

/// A table that a file is loaded into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFile {
    /// The file that is loaded unless another one is named: CSV.
    #[serde(default)]
    pub file: Option<String>,
    /// The column that names a row.
    pub key: String,
}

/// A row looked up in a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The database's URL; that of `serve.store` unless given.
    #[serde(default, skip_serializing)]
    pub database: Option<String>,
    /// The query, with parameters as `:name`.
    pub query: String,
    /// Types of parameters: `integer`, `number`, `text` (the default).
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// How long an answer may be given again.
    #[serde(default)]
    pub cache_secs: u64,
}

/// How a predictor is served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// The tag whose version is served, as `NAME.TAG`; `production` unless given.
    pub tag: Option<String>,
    /// Routes of its own.
    pub routes: Vec<Route>,
    /// Most predictions at the same time; as many as cores unless given.
    pub concurrency: Option<usize>,
    /// Most predictions that wait; more are refused with 503.
    pub queue: Option<usize>,
    /// Most rows predicted together.
    pub batch_rows_max: Option<usize>,
    /// How long a row may wait for others to be predicted together with.
    pub batch_wait_micros: Option<u64>,
    /// Answers kept to be given again for the same row.
    pub cache_rows: Option<usize>,
    /// Most versions held beside the one in use, for callers that name a version; 2 unless given.
    pub versions_max: Option<usize>,
    /// Where predictions are kept.
    pub store: Option<Store>,
    /// How callers prove who they are.
    pub tokens: Option<Tokens>,
    /// Where articles are kept with what they say of whom.
    pub articles: Option<Articles>,
}

/// Tables that hold every article once, and every pair of an article and an entity once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Articles {
    /// The database's URL; that of `serve.store` unless given.
    #[serde(skip_serializing)]
    pub database: Option<String>,
    /// Where articles come from that do not say so in their field `source`.
    pub source: Option<String>,
    /// The recommender whose books are kept with every article.
    pub books: Option<String>,
    /// Filters of its books: field of its catalogue and value.
    pub filter: BTreeMap<String, String>,
}

/// A route of a predictor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Method and path: `POST /detect/`, `GET /customer/{id}`.
    pub path: String,
    /// What it is for.
    pub summary: Option<String>,
    /// Whether a token is asked for.
    pub token: bool,
    /// The look-up whose row is predicted, or answered when `answer` is not given; with `batch` all its rows are.
    pub lookup: Option<String>,
    /// Parameters of the look-up that a caller may give behind the path's `?`, with what they are otherwise.
    pub query: BTreeMap<String, Value>,
    /// The body of the answer: values that begin with `$` stand for parts of the prediction.
    pub answer: Option<Value>,
    /// The answer's body when there is nothing to predict from.
    pub empty: Option<Value>,
    /// The message when the look-up finds nothing; `{name}` stands for parameters.
    pub not_found: Option<String>,
    /// The field of the body with the text; the predictor's own column unless given.
    pub text: Option<String>,
    /// Fields that must be there, with their types.
    pub required: BTreeMap<String, String>,
    /// Whether the rows come as a list, or as CSV.
    pub batch: bool,
    /// Filters of recommendations: field of the catalogue and value.
    pub filter: BTreeMap<String, String>,
    /// How many items are recommended, or how many entities or books are told.
    pub top: Option<usize>,
    /// What is done with the articles that are kept: one of [`crate::articles::ACTIONS`].
    pub articles: Option<String>,
    /// The label that is counted.
    pub label: Option<String>,
    /// Entities with fewer judgements are not told.
    pub min_support: Option<usize>,
}

/// Where predictions are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Its URL: `postgres://…` or `sqlite://…`.
    #[serde(skip_serializing, default)]
    pub database: String,
    /// The table that every prediction is written to.
    #[serde(default)]
    pub table: Option<String>,
    /// The column of the table for the prediction; `prediction` unless given.
    #[serde(default)]
    pub prediction: Option<String>,
    /// Statements that make the tables, run at the start.
    #[serde(default)]
    pub setup: Vec<String>,
}

/// How callers get and show tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Where they are given out.
    #[serde(default)]
    pub path: Option<String>,
    /// What they are signed with.
    #[serde(skip_serializing, default)]
    pub secret: String,
    /// How long they are good for.
    #[serde(default)]
    pub minutes: Option<u64>,
    /// Names with hashes of their passwords (argon2 or bcrypt).
    #[serde(skip_serializing, default)]
    pub users: BTreeMap<String, String>,
}
