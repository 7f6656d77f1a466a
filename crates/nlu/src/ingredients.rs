//! What each component learns from, so that one whose ingredients are as before is not trained again.
//!
//! A component that is not named in [`ignored`] is taken to look at everything: forgetting to list
//! one costs time, never a stale model.

use intendant_talk::data::ComponentSpec;
use intendant_talk::message::Object;
use serde_json::Value;

use crate::component::{ComponentInfo, ComponentKind};
use crate::options::Options;
use crate::pipeline::node_name;
use crate::train;

/// A part of the training data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Section {
    Language,
    Texts,
    Intents,
    ResponseKeys,
    Entities,
    Synonyms,
    Regexes,
    Lookups,
    /// Responses of retrieval intents.
    Responses,
}

impl Section {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Language,
        Self::Texts,
        Self::Intents,
        Self::ResponseKeys,
        Self::Entities,
        Self::Synonyms,
        Self::Regexes,
        Self::Lookups,
        Self::Responses,
    ];
}

/// What the training of one component depends on, beside the seed and the components named.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingredients {
    /// The name under which it is stored.
    pub node: String,
    /// The component's name.
    pub name: &'static str,
    /// Its options, defaults filled in, those without effect left out.
    pub options: Object,
    /// Parts of the training data it looks at.
    pub sections: Vec<Section>,
    /// It looks at what tokenizers and featurizers before it made of the messages.
    pub reads_features: bool,
    /// Later components look at what it makes of the messages.
    pub makes_features: bool,
    /// Some component of the pipeline reads the vectors of featurizers.
    pub has_vectors: bool,
}

/// The ingredients of every component of a pipeline, in order; empty when a component is unknown.
pub fn ingredients(specs: &[ComponentSpec]) -> Vec<Ingredients> {
    let plan = train::plan(specs).0;
    if plan.len() != specs.len() {
        return Vec::new();
    }
    let has_vectors = train::wants_vectors(&plan);
    plan.iter()
        .map(|planned| {
            let ignored = ignored(planned.info.name);
            Ingredients {
                node: node_name(planned.info.name, planned.position),
                name: planned.info.name,
                options: effective(planned.info, &planned.options),
                sections: Section::ALL.into_iter().filter(|section| !ignored.contains(section)).collect(),
                reads_features: reads_features(planned.info.kind),
                makes_features: makes_features(planned.info.kind),
                has_vectors,
            }
        })
        .collect()
}

/// Whether messages under training pass through components of this kind on their way.
pub(crate) fn makes_features(kind: ComponentKind) -> bool {
    !matches!(
        kind,
        ComponentKind::IntentClassifier
            | ComponentKind::EntityExtractor
            | ComponentKind::IntentAndEntities
            | ComponentKind::ResponseSelector
            | ComponentKind::EntityMapper
            | ComponentKind::Fallback
    )
}

fn reads_features(kind: ComponentKind) -> bool {
    !matches!(kind, ComponentKind::Tokenizer | ComponentKind::EntityMapper | ComponentKind::Fallback)
}

fn effective(info: &ComponentInfo, options: &Options) -> Object {
    let kept = info.options.iter().filter(|option| !option.about.starts_with("accepted"));
    kept.map(|option| (option.name.to_owned(), settled(options.value(option.name)))).collect()
}

/// Whole numbers are the same however they are written.
fn settled(value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => Value::from(number as i64),
        _ => value.clone(),
    }
}

/// What a component does not look at. A test changes each of these and compares what was learnt.
fn ignored(component: &str) -> &'static [Section] {
    use Section::*;
    match component {
        "WhitespaceTokenizer"
        | "SpacyNLP"
        | "SpacyTokenizer"
        | "LanguageModelFeaturizer"
        | "SpacyFeaturizer"
        | "LexicalSyntacticFeaturizer"
        | "FallbackClassifier"
        | "DucklingEntityExtractor" => {
            &[Texts, Intents, ResponseKeys, Entities, Synonyms, Regexes, Lookups, Responses]
        }
        "RegexFeaturizer" => &[Language, Texts, Intents, ResponseKeys, Entities, Synonyms, Responses],
        "CountVectorsFeaturizer" => {
            &[Language, Intents, ResponseKeys, Entities, Synonyms, Regexes, Lookups, Responses]
        }
        "DIETClassifier" => &[ResponseKeys, Responses],
        "CRFEntityExtractor" => &[Intents, ResponseKeys, Responses],
        "LogisticRegressionClassifier" | "SklearnIntentClassifier" | "KeywordIntentClassifier" => {
            &[Language, ResponseKeys, Entities, Synonyms, Regexes, Lookups, Responses]
        }
        "RegexEntityExtractor" => &[Language, Texts, Intents, ResponseKeys, Synonyms, Responses],
        "EntitySynonymMapper" => &[Language, Intents, ResponseKeys, Regexes, Lookups, Responses],
        "ResponseSelector" => &[Entities, Synonyms],
        _ => &[],
    }
}
