//! `ResponseSelector`: which answer of a retrieval intent.

use std::collections::{BTreeMap, BTreeSet};

use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_talk::domain::Domain;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::diet::{self, NO_EFFECT, Sources, ranked, samples};
use crate::fused::Fused;
use crate::intent_model::{self, Sample};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};

/// The key of a selector that is not bound to one intent.
const DEFAULT_KEY: &str = "default";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "ResponseSelector",
    kind: ComponentKind::ResponseSelector,
    requires: &[ComponentKind::SparseFeaturizer],
    options: &OPTIONS,
    about: "Chooses among the answers of retrieval intents (`faq/hours`, `faq/address`). Uses the same classifier \
            as DIETClassifier; options of Rasa's network are accepted and have no effect.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 40] = [
    option("retrieval_intent", OptionKind::Text, "null", "learns this intent's answers only"),
    option("use_text_as_label", OptionKind::Flag, "false", "learns from the words of the answers too"),
    option("ranking_length", OptionKind::Number, "10", "length of the ranking; 0 for all"),
    option("renormalize_confidences", OptionKind::Flag, "false", "confidences in the ranking sum up to 1"),
    option("random_seed", OptionKind::Number, "null", "seed of the training; the project's seed if missing"),
    option("featurizers", OptionKind::List, "[]", "uses only the featurizers with these aliases"),
    option("epochs", OptionKind::Number, "300", NO_EFFECT),
    option("hidden_layers_sizes", OptionKind::Any, r#"{"text":[256,128],"label":[256,128]}"#, NO_EFFECT),
    option("share_hidden_layers", OptionKind::Flag, "false", NO_EFFECT),
    option("transformer_size", OptionKind::Any, "null", NO_EFFECT),
    option("number_of_transformer_layers", OptionKind::Any, "0", NO_EFFECT),
    option("number_of_attention_heads", OptionKind::Number, "4", NO_EFFECT),
    option("use_key_relative_attention", OptionKind::Flag, "false", NO_EFFECT),
    option("use_value_relative_attention", OptionKind::Flag, "false", NO_EFFECT),
    option("max_relative_position", OptionKind::Any, "5", NO_EFFECT),
    option("unidirectional_encoder", OptionKind::Flag, "false", NO_EFFECT),
    option("batch_size", OptionKind::Any, "[64, 256]", NO_EFFECT),
    option("batch_strategy", OptionKind::Text, "\"balanced\"", NO_EFFECT),
    option("learning_rate", OptionKind::Number, "0.001", NO_EFFECT),
    option("embedding_dimension", OptionKind::Number, "20", NO_EFFECT),
    option("dense_dimension", OptionKind::Any, r#"{"text":512,"label":512}"#, NO_EFFECT),
    option("concat_dimension", OptionKind::Any, r#"{"text":512,"label":512}"#, NO_EFFECT),
    option("number_of_negative_examples", OptionKind::Number, "20", NO_EFFECT),
    option("similarity_type", OptionKind::Text, "\"auto\"", NO_EFFECT),
    option("loss_type", OptionKind::Text, "\"cross_entropy\"", NO_EFFECT),
    option("maximum_positive_similarity", OptionKind::Number, "0.8", NO_EFFECT),
    option("maximum_negative_similarity", OptionKind::Number, "-0.4", NO_EFFECT),
    option("use_maximum_negative_similarity", OptionKind::Flag, "true", NO_EFFECT),
    option("scale_loss", OptionKind::Flag, "true", NO_EFFECT),
    option("regularization_constant", OptionKind::Number, "0.002", NO_EFFECT),
    option("negative_margin_scale", OptionKind::Number, "0.8", NO_EFFECT),
    option("drop_rate", OptionKind::Number, "0.2", NO_EFFECT),
    option("drop_rate_attention", OptionKind::Number, "0", NO_EFFECT),
    option("connection_density", OptionKind::Number, "1.0", NO_EFFECT),
    option("use_sparse_input_dropout", OptionKind::Flag, "false", NO_EFFECT),
    option("use_dense_input_dropout", OptionKind::Flag, "false", NO_EFFECT),
    option("use_masked_language_model", OptionKind::Flag, "false", NO_EFFECT),
    option("constrain_similarities", OptionKind::Flag, "false", NO_EFFECT),
    option("model_confidence", OptionKind::Text, "\"softmax\"", "`softmax` is the only one"),
    option("intent_classification", OptionKind::Flag, "true", NO_EFFECT),
];

struct Selector {
    /// The retrieval intent, or `default`.
    key: String,
    retrieval_intents: Vec<String>,
    model: Option<Fused>,
    sources: Sources,
    /// Variations by intent response key.
    responses: BTreeMap<String, Value>,
    ranking_length: usize,
    is_renormalized: bool,
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    diet::check_options(options, INFO.name, training.diagnostics);
    let only = options.text("retrieval_intent");
    let sources = Sources::of(options, training.before);
    let label = |at: usize| {
        let example = training.examples[at];
        let wanted = only.is_none() || only == example.intent.as_deref();
        example.intent_response_key.as_deref().filter(|_| wanted)
    };
    let (labels, mut samples) = samples(training.messages, label, &sources);
    let responses = responses_of(training.domain, &labels);
    let texts: Vec<String> = labels.iter().map(|label| first_text(&responses[label])).collect();
    if options.flag("use_text_as_label") {
        let answers = texts.iter().enumerate().filter(|(_, text)| !text.is_empty());
        samples.extend(answers.map(|(label, text)| {
            let features = sources.features(&Message::new(text, false));
            Sample { text, features, dense: Vec::new(), label: label as u32, is_name: false }
        }));
    }
    let intents: BTreeSet<String> =
        labels.iter().filter_map(|key| Some(key.split_once('/')?.0.to_owned())).collect();
    let model = if labels.is_empty() {
        None
    } else {
        let seed = options.value("random_seed").as_u64().unwrap_or(training.context.seed);
        let settings = intent_model::Settings { phase: "responses", seed };
        Some(Fused::train(&samples, labels, &settings, training.context)?.0)
    };
    let intents = intents.into_iter().collect();
    Ok(Box::new(Selector::new(options, (intents, responses), model, sources)))
}

/// The variations of each key; a key without any gets itself as text.
fn responses_of(domain: &Domain, keys: &[String]) -> BTreeMap<String, Value> {
    keys.iter()
        .map(|key| {
            let variations = domain.response(&format!("utter_{key}")).unwrap_or_default();
            let variations: Vec<Value> =
                variations.iter().map(|variation| Value::Object(variation.dict.clone())).collect();
            let variations = if variations.is_empty() { vec![json!({ "text": key })] } else { variations };
            (key.clone(), Value::Array(variations))
        })
        .collect()
}

fn first_text(variations: &Value) -> String {
    variations[0]["text"].as_str().unwrap_or_default().to_owned()
}

fn load(options: &Options, _: Slot, mut stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let mut state = std::mem::take(&mut stored.state);
    let model = match &state["model"] {
        Value::Null => None,
        model => Some(Fused::load_from("", model, &mut stored)?),
    };
    let texts = |value: &Value| {
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<String>>()
    };
    let sources = Sources::stored(&state);
    let intents = texts(&state["retrieval_intents"]);
    let responses = match state["responses"].take() {
        Value::Object(responses) => responses.into_iter().collect(),
        _ => return Err(Unreadable::new("`responses` is not a map")),
    };
    Ok(Box::new(Selector::new(options, (intents, responses), model, sources)))
}

impl Selector {
    fn new(
        options: &Options,
        (retrieval_intents, responses): (Vec<String>, BTreeMap<String, Value>),
        model: Option<Fused>,
        sources: Sources,
    ) -> Self {
        Self {
            key: options.text("retrieval_intent").unwrap_or(DEFAULT_KEY).to_owned(),
            retrieval_intents,
            model,
            sources,
            responses,
            ranking_length: options.count("ranking_length"),
            is_renormalized: options.flag("renormalize_confidences"),
        }
    }

    fn answer(&self, message: &Message<'_>) -> Value {
        let ranking = match &self.model {
            None => Vec::new(),
            Some(model) => {
                let probabilities = model.probabilities(message, &self.sources);
                ranked(model.labels(), &probabilities, (self.ranking_length, self.is_renormalized))
            }
        };
        let response = match ranking.first() {
            None => json!({
                "responses": null, "confidence": 0.0, "intent_response_key": null, "utter_action": "utter_None",
            }),
            Some((key, confidence)) => json!({
                "responses": self.responses.get(key),
                "confidence": confidence,
                "intent_response_key": key,
                "utter_action": format!("utter_{key}"),
            }),
        };
        let ranking: Vec<Value> = ranking
            .into_iter()
            .map(|(key, confidence)| json!({"confidence": confidence, "intent_response_key": key}))
            .collect();
        json!({"response": response, "ranking": ranking})
    }
}

impl Annotator for Selector {
    fn annotate(&self, message: &mut Message<'_>) {
        let answer = self.answer(message);
        let property = message.parse.response_selector.get_or_insert_with(Object::new);
        let known = property.entry("all_retrieval_intents").or_insert_with(|| json!([]));
        if let Value::Array(known) = known {
            for intent in &self.retrieval_intents {
                if !known.iter().any(|name| name == intent) {
                    known.push(Value::from(intent.clone()));
                }
            }
        }
        property.insert(self.key.clone(), answer);
    }

    fn store(&self) -> Stored {
        let mut stored = Stored::default();
        let model = self.model.as_ref().map(|model| model.store_into("", &mut stored));
        stored.state = json!({
            "model": model,
            "retrieval_intents": self.retrieval_intents,
            "responses": self.responses,
            "reads_vectors": self.sources.reads_vectors,
            "origins": self.sources.origins,
        });
        stored
    }

    fn wants_vectors(&self) -> bool {
        self.sources.reads_vectors
    }
}

/// Completes the intent: the response key that the selector of the intent's own name chose.
pub(crate) fn set_full_intent(parse: &mut intendant_talk::message::Parse) {
    let (Some(property), Some(name)) = (&parse.response_selector, &parse.intent.name) else { return };
    let intents = property.get("all_retrieval_intents").and_then(Value::as_array);
    if intents.is_some_and(|intents| intents.iter().any(|intent| intent == name)) {
        let chosen = property.get(name).map(|answer| answer["response"]["intent_response_key"].clone());
        parse.intent.extra.insert("full_retrieval_intent_name".to_owned(), chosen.unwrap_or(Value::Null));
    }
}
