//! The language understanding pipeline: a text goes in, intent and entities come out.
//!
//! Components carry Rasa's names and options; the learning algorithms under the names are ours
//! (see `intent_model` and `tagger`). [`train`] checks a configuration against [`ALL`] and turns
//! examples into a [`Pipeline`], which is immutable and may be shared between threads.

mod checks;
mod component;
mod counts;
mod crf;
mod diet;
mod duckling;
mod error;
mod fallback;
mod fused;
mod ingredients;
mod intent_message;
mod intent_model;
mod jieba;
mod keyword;
mod label_name;
mod labels;
mod language_model;
mod lexical;
mod logistic;
mod message;
mod names;
mod ngrams;
mod options;
mod patterns;
mod pipeline;
mod regex_entities;
mod regex_featurizer;
mod registry;
mod resources;
mod scoring;
mod selector;
mod spans;
mod support_vectors;
mod synonyms;
mod tagger;
mod token_features;
mod tokenizer;
mod train;
mod vectors;
mod word_classes;

pub use component::{ComponentInfo, ComponentKind, OutsideExtractor};
pub use error::{Error, Kind};
pub use ingredients::{Ingredients, Section, ingredients};
pub use intent_message::{IntentMessage, parse_intent_message, parse_without_pipeline};
pub use jieba::Dictionaries;
pub use language_model::LanguageModel;
pub use options::{OptionInfo, OptionKind};
pub use pipeline::{Outside, Pipeline};
pub use registry::{ALL, find};
pub use resources::{Wanted, wanted};
pub use train::{Material, Trained, check, train, train_again};

use intendant_talk::data::ComponentSpec;
use intendant_talk::message::Object;
use serde_json::{Value, json};

/// The pipeline of an empty configuration under our recommendation.
pub fn recommended_pipeline() -> Vec<ComponentSpec> {
    default_pipeline()
}

/// A component with options, `null` for none, as a configuration would name it.
pub fn spec(name: &str, options: Value) -> ComponentSpec {
    let options = match options {
        Value::Object(options) => options,
        _ => Object::new(),
    };
    ComponentSpec { name: name.to_owned(), options, ..ComponentSpec::default() }
}

/// Rasa's default pipeline.
pub fn default_pipeline() -> Vec<ComponentSpec> {
    vec![
        spec("WhitespaceTokenizer", Value::Null),
        spec("RegexFeaturizer", Value::Null),
        spec("LexicalSyntacticFeaturizer", Value::Null),
        spec("CountVectorsFeaturizer", Value::Null),
        spec("CountVectorsFeaturizer", json!({"analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4})),
        spec("DIETClassifier", json!({"epochs": 100, "constrain_similarities": true})),
        spec("EntitySynonymMapper", Value::Null),
        spec("ResponseSelector", json!({"epochs": 100, "constrain_similarities": true})),
        spec("FallbackClassifier", json!({"threshold": 0.3, "ambiguity_threshold": 0.1})),
    ]
}
