//! The table of keys of a predictor's file: for which kinds they are, which kinds need them, and what they mean.

use crate::spec::Kind;
use Kind::{Foreign, Recommender, Tabular, Text};

/// One key of a predictor's file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// The shape of its value, for the JSON Schema.
    pub shape: Shape,
    /// The kinds that know it.
    pub kinds: &'static [Kind],
    /// The kinds that cannot do without it.
    pub needed_by: &'static [Kind],
    /// What it means.
    pub about: &'static str,
}

/// The shape of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// A list of texts.
    Texts,
    /// What a definition of the schema says.
    Definition(&'static str),
}

const ALL: &[Kind] = &Kind::ALL;
const LEARNT: &[Kind] = &[Tabular, Text, Recommender];
const CLASSES: &[Kind] = &[Tabular, Text, Foreign];

const fn key(
    name: &'static str,
    shape: Shape,
    kinds: &'static [Kind],
    needed_by: &'static [Kind],
    about: &'static str,
) -> Key {
    Key { name, shape, kinds, needed_by, about }
}

/// Every key.
pub const KEYS: &[Key] = &[
    key("kind", Shape::Definition("kind"), ALL, ALL, "`tabular`, `text`, `recommender` or `foreign`"),
    key(
        "description",
        Shape::Text,
        ALL,
        &[],
        "what it is for; shown on its card and in the API's description",
    ),
    key("owner", Shape::Text, ALL, &[], "who answers for it"),
    key("licence", Shape::Text, ALL, &[], "the licence of the model or its data"),
    key("limits", Shape::Text, ALL, &[], "what it shall not be used for"),
    key(
        "data",
        Shape::Definition("data"),
        ALL,
        &[Tabular, Text],
        "what it is trained with: a file, or a map",
    ),
    key("target", Shape::Text, CLASSES, &[Tabular, Text], "the column that is predicted"),
    key("positive", Shape::Text, CLASSES, &[], "the value of `target` whose probability is told"),
    key("key", Shape::Text, CLASSES, &[], "the column that names a row; given back, never learnt from"),
    key(
        "features",
        Shape::Definition("features"),
        &[Tabular, Foreign],
        &[],
        "the columns learnt from; all unless given",
    ),
    key("ignore", Shape::Texts, &[Tabular, Foreign], &[], "columns that are not learnt from"),
    key("text", Shape::Text, &[Text, Recommender], &[Text], "the column with the text"),
    key("entity", Shape::Text, &[Text], &[], "the column with the entity that the text is judged about"),
    key(
        "gazetteer",
        Shape::Definition("gazetteer"),
        &[Text],
        &[],
        "entities to look for in texts, with their other names",
    ),
    key("language", Shape::Text, &[Text, Recommender], &[], "the language of the texts: `en`, `fr`, …"),
    key("user", Shape::Text, &[Recommender], &[], "the column with the user"),
    key("item", Shape::Text, &[Recommender], &[], "the column with the item"),
    key("rating", Shape::Text, &[Recommender], &[], "the column with the rating"),
    key("liked_from", Shape::Number, &[Recommender], &[], "ratings from here on say that an item was liked"),
    key("catalogue", Shape::Definition("catalogue"), &[Recommender], &[], "what is known of the items"),
    key("top", Shape::Integer, &[Recommender], &[], "how many items are recommended; 10 unless given"),
    key(
        "model",
        Shape::Definition("model"),
        ALL,
        &[Foreign],
        "the algorithm and its options, or the file of a model",
    ),
    key("split", Shape::Definition("split"), LEARNT, &[], "what is held out to measure on"),
    key("metric", Shape::Text, LEARNT, &[], "the figure that training chooses by"),
    key(
        "threshold",
        Shape::Number,
        CLASSES,
        &[],
        "from which probability on `positive` is told; tuned unless given",
    ),
    key("slices", Shape::Texts, CLASSES, &[], "columns by whose values figures are told separately"),
    key("gate", Shape::Definition("gate"), ALL, &[], "what a version must reach on held-out rows"),
    key("seed", Shape::Integer, LEARNT, &[], "the seed of everything that is drawn by lot"),
    key(
        "tables",
        Shape::Definition("tables"),
        ALL,
        &[],
        "tables of the database that CSV files are loaded into, by name",
    ),
    key("lookups", Shape::Definition("lookups"), ALL, &[], "rows looked up in databases, by name"),
    key("serve", Shape::Definition("serve"), ALL, &[], "how it is served"),
    key("stream", Shape::Definition("stream"), ALL, &[], "messages that it scores as they come"),
];

/// The figures that training can choose by, and that gates can ask for.
pub const METRICS: &[(&str, &[Kind])] = &[
    ("accuracy", CLASSES),
    ("f1", CLASSES),
    ("macro_f1", CLASSES),
    ("precision", CLASSES),
    ("recall", CLASSES),
    ("roc_auc", CLASSES),
    ("pr_auc", CLASSES),
    ("log_loss", CLASSES),
    ("brier", CLASSES),
    ("rmse", &[Tabular]),
    ("mae", &[Tabular]),
    ("r2", &[Tabular]),
    ("ndcg@10", &[Recommender]),
    ("recall@10", &[Recommender]),
];

/// Figures of which smaller ones are better.
pub const SMALLER_IS_BETTER: &[&str] = &["log_loss", "brier", "rmse", "mae"];

/// Types that a feature can be declared to have.
pub const FEATURE_TYPES: &[&str] = &["number", "integer", "category", "boolean", "date", "text"];

/// Keys of `stream`: those of a stream in `intendant.yml`, without what scores.
pub const STREAM_KEYS: &[&str] = &[
    "topic",
    "key",
    "repeats",
    "transport",
    "database",
    "source",
    "output",
    "batch",
    "keep_input",
    "remember_days",
    "test_hook",
];

/// What can stand for missing values.
pub const IMPUTATIONS: &[&str] = &["keep", "median", "mean", "zero"];

/// What can become of numbers beyond `minimum` and `maximum`.
pub const OUTLIERS: &[&str] = &["missing", "clip"];
