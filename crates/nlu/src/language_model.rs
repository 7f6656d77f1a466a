//! `LanguageModelFeaturizer` and the components of spaCy's names: vectors of a pretrained encoder.
//!
//! The encoder comes as a [`Resource`] of the component's specification; who loads projects and
//! archives reads it from the folder that an option names (see `resources`). An archive does not
//! hold the encoder, which is large and the same for every model of a project, but its digest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::{Cancelled, TrainContext};
use intendant_embed::{Encoder, Encoding};
use intendant_numeric::random::hash_bytes;
use intendant_talk::data::Resource;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::{DenseVector, Message};
use crate::options::{OptionInfo, OptionKind, Options, option};

/// Texts that are encoded between two looks at the progress.
const BATCH: usize = 256;

/// An encoder with the vectors of texts it has seen in training.
pub struct LanguageModel {
    encoder: Encoder,
    digest: String,
    seen: Mutex<HashMap<u64, Arc<[f32]>>>,
}

/// How vectors of pieces become one of the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// As the model's folder says.
    Own,
    Max,
}

impl LanguageModel {
    /// An encoder and the digest of the files it was read from, hexadecimal.
    pub fn new(encoder: Encoder, digest: String) -> Self {
        Self { encoder, digest, seen: Mutex::default() }
    }

    /// The digest of its files.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Numbers per vector.
    pub fn width(&self) -> usize {
        self.encoder.width()
    }

    /// The vectors kept of texts seen in training, sorted by the hash of the text.
    pub fn memory(&self) -> Vec<(u64, Arc<[f32]>)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory: Vec<_> = seen.iter().map(|(key, vector)| (*key, Arc::clone(vector))).collect();
        memory.sort_unstable_by_key(|(key, _)| *key);
        memory
    }

    /// Takes up what another process kept; vectors of another width are left out.
    pub fn remember(&self, memory: impl IntoIterator<Item = (u64, Arc<[f32]>)>) {
        let width = self.width();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(memory.into_iter().filter(|(_, vector)| vector.len() == width));
    }

    fn vector(&self, text: &str, pooling: Pooling) -> Arc<[f32]> {
        let encodings = self.encoder.encode(&[text], 1);
        encodings.into_iter().next().map(|encoding| pooled(encoding, pooling)).unwrap_or_default()
    }

    /// Vectors of texts; each text is encoded once and remembered.
    fn vectors(
        &self,
        texts: &[&str],
        pooling: Pooling,
        context: &TrainContext<'_>,
    ) -> Result<Vec<Arc<[f32]>>, Cancelled> {
        let key = |text: &str| hash_bytes(if pooling == Pooling::Max { 1 } else { 0 }, text.as_bytes());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<&str> =
            texts.iter().copied().filter(|text| !seen.contains_key(&key(text))).collect();
        // Texts of like length make even units.
        new.sort_unstable_by_key(|text| (text.len(), *text));
        new.dedup();
        for (number, batch) in new.chunks(BATCH).enumerate() {
            if context.progress.is_cancelled() {
                return Err(Cancelled);
            }
            context.progress.report("sentence vectors", (number * BATCH) as u64, new.len() as u64);
            let encodings = self.encoder.encode(batch, context.threads);
            seen.extend(
                batch.iter().map(|text| key(text)).zip(encodings.into_iter().map(|e| pooled(e, pooling))),
            );
        }
        Ok(texts.iter().map(|text| Arc::clone(&seen[&key(text)])).collect())
    }
}

fn pooled(encoding: Encoding, pooling: Pooling) -> Arc<[f32]> {
    let Encoding { mut sentence, pieces, .. } = encoding;
    if pooling == Pooling::Max && !pieces.is_empty() {
        let width = sentence.len();
        sentence.copy_from_slice(&pieces[..width]);
        for piece in pieces.chunks_exact(width).skip(1) {
            sentence.iter_mut().zip(piece).for_each(|(top, value)| *top = top.max(*value));
        }
    }
    sentence.into()
}

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "LanguageModelFeaturizer",
    kind: ComponentKind::DenseFeaturizer,
    requires: &[ComponentKind::Tokenizer],
    options: &OPTIONS,
    about: "Gives classifiers the sentence vector of a pretrained encoder: BERT, DistilBERT, MiniLM, BGE, E5, GTE, \
            LaBSE and others of their kind, in a local folder with `config.json`, `tokenizer.json` (or `vocab.txt`) \
            and `model.safetensors`. Sentences are pooled as the folder's `1_Pooling/config.json` says, else by the \
            mean. Nothing is downloaded. The archive holds the digest of the folder's files, not the files.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 5] = [
    option(
        "model_weights",
        OptionKind::Text,
        "null",
        "folder of the model; below `cache_dir` if that is given",
    ),
    option("cache_dir", OptionKind::Text, "null", "folder below which `model_weights` is looked for first"),
    option("model_name", OptionKind::Text, "\"bert\"", "accepted; the folder says what it holds"),
    option(
        "model_digest",
        OptionKind::Text,
        "null",
        "SHA-256 that the folder's files must have; any if missing",
    ),
    option("alias", OptionKind::Text, "null", "name by which `featurizers` options refer to it"),
];

struct Featurizer {
    model: Arc<LanguageModel>,
    position: usize,
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    match model_of(options) {
        Ok(model) => Ok(Box::new(Featurizer { model, position: training.slot.position })),
        Err(why) => Ok(refused(options, training, (INFO.name, &why))),
    }
}

fn load(options: &Options, slot: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    Ok(Box::new(Featurizer { model: same_model(options, &stored)?, position: slot.position }))
}

/// The encoder that was read for a component.
fn model_of(options: &Options) -> Result<Arc<LanguageModel>, String> {
    match &options.resource {
        Some(Resource::Ready(model)) => {
            let model = Arc::clone(model).downcast::<LanguageModel>();
            model.map_err(|_| "something else than a language model was read for it".to_owned())
        }
        Some(Resource::Failed(why)) => Err(why.clone()),
        None => Err("its folder was not read".to_owned()),
    }
}

/// The encoder, if it is the one with which the component was trained.
fn same_model(options: &Options, stored: &Stored) -> Result<Arc<LanguageModel>, Unreadable> {
    let model = model_of(options).map_err(Unreadable::new)?;
    match stored.state["digest"].as_str() {
        Some(digest) if digest == model.digest => Ok(model),
        _ => Err(Unreadable::new(
            "the language model's folder holds other files than when this model was trained; put them back or train again",
        )),
    }
}

fn digest_of(model: &LanguageModel) -> Stored {
    Stored { state: json!({"digest": model.digest}), ..Stored::default() }
}

/// Reports why there is no encoder.
fn refused(options: &Options, training: &mut Training<'_>, (name, why): (&str, &str)) -> Box<dyn Annotator> {
    let error = Diagnostic::error(options.source.clone(), format!("`{name}`: {why}")).with_hint(
        "name a local folder with config.json, tokenizer.json and model.safetensors of a BERT-like model; nothing is \
         downloaded",
    );
    training.diagnostics.push(error);
    Box::new(Absent)
}

/// Stands where a component could not be made; training has failed already.
struct Absent;

impl Annotator for Absent {
    fn annotate(&self, _: &mut Message<'_>) {}
}

impl Featurizer {
    fn provided(&self) -> Provided {
        Provided { model: Arc::clone(&self.model), is_cased: true }
    }
}

impl Annotator for Featurizer {
    fn annotate(&self, message: &mut Message<'_>) {
        message.provided = Some(self.provided());
        if !message.text.is_empty() {
            let vector = self.model.vector(message.text, Pooling::Own);
            message.dense.push(DenseVector { origin: self.position, values: vector });
        }
    }

    fn annotate_all(
        &self,
        messages: &mut [Message<'_>],
        context: &TrainContext<'_>,
    ) -> Result<(), Cancelled> {
        let texts: Vec<&str> = messages.iter().map(|message| message.text).collect();
        let vectors = self.model.vectors(&texts, Pooling::Own, context)?;
        messages.iter_mut().for_each(|message| message.provided = Some(self.provided()));
        for (message, values) in
            messages.iter_mut().zip(vectors).filter(|(message, _)| !message.text.is_empty())
        {
            message.dense.push(DenseVector { origin: self.position, values });
        }
        Ok(())
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn store(&self) -> Stored {
        digest_of(&self.model)
    }
}

pub(crate) const SPACY: ComponentInfo = ComponentInfo {
    name: "SpacyNLP",
    kind: ComponentKind::LanguageModel,
    requires: &[],
    options: &SPACY_OPTIONS,
    about: "Provides the vectors that `SpacyFeaturizer` passes on. spaCy's own models are Python code and cannot be \
            loaded; `model` names the folder of an encoder instead, as `model_weights` of `LanguageModelFeaturizer` does.",
    train: train_spacy,
    load: load_spacy,
};

const SPACY_OPTIONS: [OptionInfo; 3] = [
    option("model", OptionKind::Text, "null", "folder of the model"),
    option("case_sensitive", OptionKind::Flag, "false", "otherwise texts are written in small letters first"),
    option(
        "model_digest",
        OptionKind::Text,
        "null",
        "SHA-256 that the folder's files must have; any if missing",
    ),
];

/// The encoder that a component hands on to later ones.
#[derive(Clone)]
pub(crate) struct Provided {
    model: Arc<LanguageModel>,
    is_cased: bool,
}

fn train_spacy(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    match model_of(options) {
        Ok(model) => Ok(Box::new(Provided { model, is_cased: options.flag("case_sensitive") })),
        Err(why) => Ok(refused(options, training, (SPACY.name, &why))),
    }
}

fn load_spacy(options: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    Ok(Box::new(Provided { model: same_model(options, &stored)?, is_cased: options.flag("case_sensitive") }))
}

impl Annotator for Provided {
    fn annotate(&self, message: &mut Message<'_>) {
        message.provided = Some(self.clone());
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn store(&self) -> Stored {
        digest_of(&self.model)
    }
}

impl Provided {
    /// Vectors of words of the training data; each is encoded once and remembered.
    pub(crate) fn vectors(
        &self,
        words: &[&str],
        context: &TrainContext<'_>,
    ) -> Result<Vec<Arc<[f32]>>, Cancelled> {
        self.model.vectors(words, Pooling::Own, context)
    }

    /// Vectors of words met later.
    pub(crate) fn new_vectors(&self, words: &[&str]) -> Vec<Arc<[f32]>> {
        self.model
            .encoder
            .encode(words, 1)
            .into_iter()
            .map(|encoding| pooled(encoding, Pooling::Own))
            .collect()
    }

    fn cased<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.is_cased { text.into() } else { text.to_lowercase().into() }
    }
}

pub(crate) const SPACY_FEATURIZER: ComponentInfo = ComponentInfo {
    name: "SpacyFeaturizer",
    kind: ComponentKind::DenseFeaturizer,
    requires: &[ComponentKind::LanguageModel, ComponentKind::Tokenizer],
    options: &SPACY_FEATURIZER_OPTIONS,
    about: "Gives classifiers the sentence vector of the model that `SpacyNLP` provides.",
    train: train_spacy_featurizer,
    load: load_spacy_featurizer,
};

const SPACY_FEATURIZER_OPTIONS: [OptionInfo; 2] = [
    option(
        "pooling",
        OptionKind::Text,
        "\"mean\"",
        "`mean`: as the model's folder says, else the mean; or `max`",
    ),
    option("alias", OptionKind::Text, "null", "name by which `featurizers` options refer to it"),
];

struct SpacyFeaturizer {
    position: usize,
    pooling: Pooling,
}

fn train_spacy_featurizer(
    options: &Options,
    training: &mut Training<'_>,
) -> Result<Box<dyn Annotator>, Cancelled> {
    let pooling = options.text("pooling").unwrap_or_default();
    if !["mean", "max"].contains(&pooling) {
        let message = format!("option `pooling` of `SpacyFeaturizer` cannot be `{pooling}`");
        training
            .diagnostics
            .push(Diagnostic::error(options.source.clone(), message).with_hint("it is `mean` or `max`"));
    }
    Ok(Box::new(SpacyFeaturizer::new(options, training.slot)))
}

fn load_spacy_featurizer(options: &Options, slot: Slot, _: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    Ok(Box::new(SpacyFeaturizer::new(options, slot)))
}

impl SpacyFeaturizer {
    fn new(options: &Options, slot: Slot) -> Self {
        let pooling =
            if options.value("pooling") == &Value::from("max") { Pooling::Max } else { Pooling::Own };
        Self { position: slot.position, pooling }
    }
}

impl Annotator for SpacyFeaturizer {
    fn annotate(&self, message: &mut Message<'_>) {
        if let Some(provided) = message.provided.as_ref().filter(|_| !message.text.is_empty()) {
            let values = provided.model.vector(&provided.cased(message.text), self.pooling);
            message.dense.push(DenseVector { origin: self.position, values });
        }
    }

    fn annotate_all(
        &self,
        messages: &mut [Message<'_>],
        context: &TrainContext<'_>,
    ) -> Result<(), Cancelled> {
        let Some(provided) = messages.first().and_then(|message| message.provided.clone()) else {
            return Ok(());
        };
        let texts: Vec<_> = messages.iter().map(|message| provided.cased(message.text)).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let vectors = provided.model.vectors(&texts, self.pooling, context)?;
        for (message, values) in
            messages.iter_mut().zip(vectors).filter(|(message, _)| !message.text.is_empty())
        {
            message.dense.push(DenseVector { origin: self.position, values });
        }
        Ok(())
    }
}
