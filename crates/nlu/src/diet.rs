//! `DIETClassifier`: intents and entities.

use std::collections::BTreeSet;

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_numeric::chain::Penalty;
use intendant_talk::data::NluData;
use intendant_talk::message::{Intent, Parse};
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, StepInfo, Training};
use crate::fused::Fused;
use crate::intent_model::{self, Sample};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::spans::{self, CommaRule};
use crate::tagger::{self, Corpus, Tagger};
use crate::token_features::Extraction;
use crate::{counts, label_name, ngrams, token_features, vectors};

/// Pull of the tagger's weights towards zero.
const DECAY: f32 = 0.002;
/// What the extractor calls itself in results.
const NAME: &str = "DIETClassifier";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: NAME,
    kind: ComponentKind::IntentAndEntities,
    requires: &[ComponentKind::SparseFeaturizer],
    options: &OPTIONS,
    about: "Classifies intents and finds entities with roles and groups. The name and the results are Rasa's; \
            the algorithm is not its transformer but a calibrated linear classifier over words and pieces of \
            words, and conditional random fields for entities: more accurate on the datasets measured, and \
            trained in a thousandth of the time. Options of the network are accepted and have no effect.",
    train,
    load,
};

/// Marks options of Rasa's network that mean nothing here.
pub(crate) const NO_EFFECT: &str = "accepted, no effect";

const OPTIONS: [OptionInfo; 42] = [
    option("intent_classification", OptionKind::Flag, "true", "classifies intents"),
    option("entity_recognition", OptionKind::Flag, "true", "finds entities"),
    option("ranking_length", OptionKind::Number, "10", "length of the intent ranking; 0 for all"),
    option("renormalize_confidences", OptionKind::Flag, "false", "confidences in the ranking sum up to 1"),
    option("random_seed", OptionKind::Number, "null", "seed of the training; the project's seed if missing"),
    option("featurizers", OptionKind::List, "[]", "uses only the featurizers with these aliases"),
    option(
        "split_entities_by_comma",
        OptionKind::Any,
        "true",
        "commas end entities; a flag, or a flag per entity",
    ),
    option(
        "BILOU_flag",
        OptionKind::Flag,
        "true",
        "tags tell where entities begin, so that neighbours of one kind stay apart",
    ),
    option("epochs", OptionKind::Number, "300", NO_EFFECT),
    option("hidden_layers_sizes", OptionKind::Any, r#"{"text":[],"label":[]}"#, NO_EFFECT),
    option("share_hidden_layers", OptionKind::Flag, "false", NO_EFFECT),
    option("transformer_size", OptionKind::Any, "256", NO_EFFECT),
    option("number_of_transformer_layers", OptionKind::Any, "2", NO_EFFECT),
    option("number_of_attention_heads", OptionKind::Number, "4", NO_EFFECT),
    option("use_key_relative_attention", OptionKind::Flag, "false", NO_EFFECT),
    option("use_value_relative_attention", OptionKind::Flag, "false", NO_EFFECT),
    option("max_relative_position", OptionKind::Any, "5", NO_EFFECT),
    option("unidirectional_encoder", OptionKind::Flag, "false", NO_EFFECT),
    option("batch_size", OptionKind::Any, "[64, 256]", NO_EFFECT),
    option("batch_strategy", OptionKind::Text, "\"balanced\"", NO_EFFECT),
    option("learning_rate", OptionKind::Number, "0.001", NO_EFFECT),
    option("embedding_dimension", OptionKind::Number, "20", NO_EFFECT),
    option("dense_dimension", OptionKind::Any, r#"{"text":128,"label":20}"#, NO_EFFECT),
    option("concat_dimension", OptionKind::Any, r#"{"text":128,"label":20}"#, NO_EFFECT),
    option("number_of_negative_examples", OptionKind::Number, "20", NO_EFFECT),
    option("similarity_type", OptionKind::Text, "\"auto\"", NO_EFFECT),
    option("loss_type", OptionKind::Text, "\"cross_entropy\"", NO_EFFECT),
    option("maximum_positive_similarity", OptionKind::Number, "0.8", NO_EFFECT),
    option("maximum_negative_similarity", OptionKind::Number, "-0.4", NO_EFFECT),
    option("use_maximum_negative_similarity", OptionKind::Flag, "true", NO_EFFECT),
    option("scale_loss", OptionKind::Flag, "false", NO_EFFECT),
    option("regularization_constant", OptionKind::Number, "0.002", NO_EFFECT),
    option("negative_margin_scale", OptionKind::Number, "0.8", NO_EFFECT),
    option("drop_rate", OptionKind::Number, "0.2", NO_EFFECT),
    option("drop_rate_attention", OptionKind::Number, "0", NO_EFFECT),
    option("connection_density", OptionKind::Number, "0.2", NO_EFFECT),
    option("use_sparse_input_dropout", OptionKind::Flag, "true", NO_EFFECT),
    option("use_dense_input_dropout", OptionKind::Flag, "true", NO_EFFECT),
    option("use_masked_language_model", OptionKind::Flag, "false", NO_EFFECT),
    option("constrain_similarities", OptionKind::Flag, "false", NO_EFFECT),
    option("model_confidence", OptionKind::Text, "\"softmax\"", "`softmax` is the only one"),
    option("run_options", OptionKind::Any, "null", NO_EFFECT),
];

/// Options of training bookkeeping that DIETClassifier and ResponseSelector share.
pub(crate) const BOOKKEEPING: [&str; 7] = [
    "evaluate_every_number_of_epochs",
    "evaluate_on_number_of_examples",
    "tensorboard_log_directory",
    "tensorboard_log_level",
    "checkpoint_model",
    "run_eagerly",
    "drop_small_last_batch",
];

struct Diet {
    intents: Option<Fused>,
    tagger: Option<Tagger>,
    sources: Sources,
    ranking_length: usize,
    is_renormalized: bool,
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    check_options(options, NAME, training.diagnostics);
    let seed = options.value("random_seed").as_u64().unwrap_or(training.context.seed);
    let sources = Sources::of(options, training.before);
    let context = training.context;
    let wants_entities = options.flag("entity_recognition");
    if wants_entities {
        warn_misaligned(training, NAME);
    }
    let intents =
        if options.flag("intent_classification") { train_intents(&sources, seed, training)? } else { None };
    let (intents, hints) = intents.unzip();
    let tagger = if wants_entities {
        let corpus = Corpus {
            messages: training.messages,
            examples: training.examples,
            hints: &hints.unwrap_or_default(),
        };
        let settings = tagger::Settings {
            phase: "entities",
            seed,
            epochs: None,
            extraction: Extraction::Rich,
            commas: CommaRule::of(options.value("split_entities_by_comma")),
            marks_starts: options.flag("BILOU_flag"),
            penalty: Penalty::Decay(DECAY),
        };
        Tagger::train(&corpus, settings, context)?
    } else {
        None
    };
    if intents.is_none() && options.flag("intent_classification") {
        let message = format!("`{NAME}` learns no intents: the examples have fewer than two");
        training.diagnostics.push(Diagnostic::warning(options.source.clone(), message));
    }
    Ok(Box::new(Diet::new(options, sources, intents, tagger)))
}

/// A model of intents with a hint for each example that has an intent.
type WithHints = (Fused, Vec<Option<u64>>);

/// A model of intents and, for each example, the hash of the intent that it seems to have to a
/// model that did not see it; `None` when there are fewer than two intents.
fn train_intents(
    sources: &Sources,
    seed: u64,
    training: &Training<'_>,
) -> Result<Option<WithHints>, Cancelled> {
    let label = |at: usize| training.examples[at].intent.as_deref();
    let (labels, samples) = samples(training.messages, label, sources);
    if labels.len() < 2 {
        return Ok(None);
    }
    let settings = intent_model::Settings { phase: "intents", seed };
    let (mut model, guesses) = Fused::train(&samples, labels, &settings, training.context)?;
    // Samples are in the order of the examples with an intent.
    let mut guesses = guesses.into_iter().map(|label| hint(&model.labels()[label as usize]));
    let hints = (0..training.examples.len()).map(|at| label(at).and_then(|_| guesses.next())).collect();
    drop(guesses);
    let variants = entity_messages(training.data, model.labels());
    model.remember_more(variants);
    Ok(Some((model, hints)))
}

/// What the tagger is told of an intent.
fn hint(intent: &str) -> u64 {
    token_features::text_hash("intent", intent)
}

/// Reports option values that cannot be honoured.
pub(crate) fn check_options(options: &Options, component: &str, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(name) = options.text("model_confidence").filter(|name| !["softmax", "auto"].contains(name)) {
        let message = format!("option `model_confidence` of `{component}` cannot be `{name}`");
        diagnostics.push(
            Diagnostic::error(options.source.clone(), message)
                .with_hint("confidences are `softmax` probabilities"),
        );
    }
}

/// Warns of entities whose ends are not where tokens end.
pub(crate) fn warn_misaligned(training: &mut Training<'_>, component: &str) {
    for (message, example) in training.messages.iter().zip(training.examples) {
        for entity in spans::aligned(message, example).1 {
            let span = (entity.start_chars.unwrap_or(0), entity.end_chars.unwrap_or(0));
            let written = message.offsets.slice(span.0, span.1);
            let text = format!(
                "entity `{}` at `{written}` in `{}` does not end where a token ends; `{component}` cannot learn it",
                entity.entity, example.text
            );
            training.diagnostics.push(
                Diagnostic::warning(example.source.clone(), text)
                    .with_hint("mark whole words, without the spaces and punctuation around them"),
            );
        }
    }
}

/// What the features of intents are read from.
pub(crate) struct Sources {
    /// Configured vectors instead of the richer built-in features.
    pub(crate) reads_vectors: bool,
    /// Positions of the featurizers used; empty for all.
    pub(crate) origins: Vec<usize>,
}

impl Sources {
    pub(crate) fn of(options: &Options, before: &[StepInfo]) -> Self {
        let aliases = options.texts("featurizers");
        let is_named = |step: &&StepInfo| {
            step.options.text("alias").is_some_and(|alias| aliases.iter().any(|wanted| wanted == alias))
        };
        let origins: Vec<usize> = before.iter().filter(is_named).map(|step| step.position).collect();
        let counts: Vec<&StepInfo> =
            before.iter().filter(|step| step.name == "CountVectorsFeaturizer").collect();
        let all_plain = counts.iter().all(|step| counts::is_plain(&step.options));
        Self { reads_vectors: !aliases.is_empty() || !all_plain, origins }
    }

    /// What the state of a trained component says.
    pub(crate) fn stored(state: &Value) -> Self {
        let origins = state["origins"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            reads_vectors: state["reads_vectors"].as_bool().unwrap_or(false),
            origins: origins.iter().filter_map(|origin| Some(origin.as_u64()? as usize)).collect(),
        }
    }

    /// Whether a featurizer at this position is one of them.
    pub(crate) fn uses(&self, origin: usize) -> bool {
        self.origins.is_empty() || self.origins.contains(&origin)
    }

    /// Vectors of language models, one after the other.
    pub(crate) fn dense(&self, message: &Message<'_>) -> Vec<f32> {
        message
            .dense
            .iter()
            .filter(|dense| self.uses(dense.origin))
            .flat_map(|dense| dense.values.iter().copied())
            .collect()
    }

    /// Hashed features of a message.
    pub(crate) fn features(&self, message: &Message<'_>) -> Vec<u64> {
        let mut features = Vec::with_capacity(256);
        if self.reads_vectors {
            vectors::emit(message, &self.origins, &mut features);
        } else {
            ngrams::emit(message.text, |hash| features.push(hash));
            vectors::emit_patterns(message, &mut features);
        }
        features
    }
}

/// The sorted labels, and a sample for every message that has one and for every label's name.
pub(crate) fn samples<'a>(
    messages: &'a [Message<'a>],
    label: impl Fn(usize) -> Option<&'a str>,
    sources: &Sources,
) -> (Vec<String>, Vec<Sample<'a>>) {
    let labels: BTreeSet<&str> = (0..messages.len()).filter_map(&label).collect();
    let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
    let mut samples: Vec<Sample<'a>> = messages
        .iter()
        .enumerate()
        .filter_map(|(at, message)| {
            let name = label(at)?;
            let label = labels.binary_search_by(|label| label.as_str().cmp(name)).ok()?;
            let (features, dense) = (sources.features(message), sources.dense(message));
            Some(Sample { text: message.text, features, dense, label: label as u32, is_name: false })
        })
        .collect();
    // Configured featurizers have not seen the names.
    for (label, name) in labels.iter().enumerate().filter(|_| !sources.reads_vectors) {
        let features = sources.features(&Message::new(&label_name::words(name), false));
        for _ in 0..label_name::REPEATS {
            samples.push(Sample {
                text: "",
                features: features.clone(),
                dense: Vec::new(),
                label: label as u32,
                is_name: true,
            });
        }
    }
    (labels, samples)
}

/// Other ways to write messages that are nothing but an entity: its synonyms and its lookup table.
fn entity_messages(data: &NluData, labels: &[String]) -> Vec<(String, u32)> {
    let mut messages = Vec::new();
    for example in &data.examples {
        let (Some(intent), [entity]) = (&example.intent, example.entities.as_slice()) else { continue };
        let is_whole =
            entity.start_chars == Some(0) && entity.end_chars == Some(example.text.chars().count());
        let Ok(label) = labels.binary_search(intent) else { continue };
        if !is_whole {
            continue;
        }
        let synonyms = data.synonyms.iter().filter(|(_, value)| entity.value.as_str() == Some(value));
        messages.extend(synonyms.map(|(text, _)| (text.clone(), label as u32)));
        for lookup in data.lookups.iter().filter(|lookup| lookup.name == entity.entity) {
            messages.extend(lookup.elements.iter().map(|text| (text.clone(), label as u32)));
        }
    }
    messages
}

fn load(options: &Options, _: Slot, mut stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let state = std::mem::take(&mut stored.state);
    let intents = match &state["intents"] {
        Value::Null => None,
        intents => Some(Fused::load_from("intents.", intents, &mut stored)?),
    };
    let commas = CommaRule::of(options.value("split_entities_by_comma"));
    let tagger = Tagger::load_from(&state["tagger"], &mut stored, (Extraction::Rich, commas))?;
    Ok(Box::new(Diet::new(options, Sources::stored(&state), intents, tagger)))
}

impl Diet {
    fn new(options: &Options, sources: Sources, intents: Option<Fused>, tagger: Option<Tagger>) -> Self {
        Self {
            intents,
            tagger,
            sources,
            ranking_length: options.count("ranking_length"),
            is_renormalized: options.flag("renormalize_confidences"),
        }
    }
}

impl Annotator for Diet {
    fn annotate(&self, message: &mut Message<'_>) {
        match &self.intents {
            Some(model) => {
                let probabilities = model.probabilities(message, &self.sources);
                let ranking =
                    ranked(model.labels(), &probabilities, (self.ranking_length, self.is_renormalized));
                set_ranking(&mut message.parse, ranking);
            }
            None => set_ranking(&mut message.parse, Vec::new()),
        }
        if let Some(tagger) = &self.tagger {
            let entities = {
                let hint = message.parse.intent.name.as_deref().map(hint);
                tagger.tag(message, hint.filter(|_| self.intents.is_some()), NAME)
            };
            message.parse.entities.extend(entities);
        }
    }

    fn store(&self) -> Stored {
        let mut stored = Stored::default();
        let intents = self.intents.as_ref().map(|model| model.store_into("intents.", &mut stored));
        let tagger = self.tagger.as_ref().map(|tagger| tagger.store_into(&mut stored));
        stored.state = json!({
            "intents": intents,
            "tagger": tagger,
            "reads_vectors": self.sources.reads_vectors,
            "origins": self.sources.origins,
        });
        stored
    }

    fn wants_vectors(&self) -> bool {
        self.sources.reads_vectors
    }
}

/// The best labels with their probabilities, best first; ties in the order of the labels.
pub(crate) fn ranked(
    labels: &[String],
    probabilities: &[f32],
    (length, is_renormalized): (usize, bool),
) -> Vec<(String, f64)> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b)));
    if length > 0 {
        order.truncate(length);
    }
    let kept: f64 = order.iter().map(|at| f64::from(probabilities[*at])).sum();
    let divisor = if is_renormalized && kept > 0.0 { kept } else { 1.0 };
    order.into_iter().map(|at| (labels[at].clone(), f64::from(probabilities[at]) / divisor)).collect()
}

/// Sets intent and ranking.
pub(crate) fn set_ranking(parse: &mut Parse, ranking: Vec<(String, f64)>) {
    let ranking: Vec<Intent> =
        ranking.into_iter().map(|(name, confidence)| Intent::new(name, confidence)).collect();
    parse.intent = ranking.first().cloned().unwrap_or_else(Intent::none);
    parse.intent_ranking = Some(ranking);
}
