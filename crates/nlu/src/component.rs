//! What the pipeline asks of its components.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::{Cancelled, TrainContext};
use intendant_talk::data::{Example, NluData};
use intendant_talk::domain::Domain;

use crate::message::Message;
use crate::options::{OptionInfo, Options};

/// A trained component.
pub(crate) trait Annotator: Send + Sync {
    /// Adds to the message what this component finds.
    fn annotate(&self, message: &mut Message<'_>);

    /// Annotates many messages; components that gain from it use several threads.
    fn annotate_all(
        &self,
        messages: &mut [Message<'_>],
        context: &TrainContext<'_>,
    ) -> Result<(), Cancelled> {
        let _ = context;
        messages.iter_mut().for_each(|message| self.annotate(message));
        Ok(())
    }

    /// What is needed to load it again beside its options.
    fn store(&self) -> Stored {
        Stored::default()
    }

    /// What has to be asked of others before a message can be annotated.
    fn outside(&self) -> Option<OutsideExtractor> {
        None
    }

    /// Whether annotating a message takes milliseconds.
    fn is_slow(&self) -> bool {
        false
    }

    /// Whether it reads the sentence vectors of featurizers.
    fn wants_vectors(&self) -> bool {
        false
    }
}

/// What a component does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ComponentKind {
    Tokenizer,
    SparseFeaturizer,
    /// Gives vectors to components that ask for them.
    LanguageModel,
    DenseFeaturizer,
    IntentClassifier,
    EntityExtractor,
    IntentAndEntities,
    ResponseSelector,
    EntityMapper,
    Fallback,
}

impl ComponentKind {
    /// In words, for messages and reference pages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tokenizer => "tokenizer",
            Self::SparseFeaturizer => "featurizer",
            Self::DenseFeaturizer => "dense featurizer",
            Self::LanguageModel => "language model",
            Self::IntentClassifier => "intent classifier",
            Self::EntityExtractor => "entity extractor",
            Self::IntentAndEntities => "intent classifier and entity extractor",
            Self::ResponseSelector => "response selector",
            Self::EntityMapper => "entity mapper",
            Self::Fallback => "fallback classifier",
        }
    }

    /// Whether a component of this kind will do where `wanted` is required.
    pub(crate) fn stands_for(self, wanted: Self) -> bool {
        self == wanted || (wanted == Self::SparseFeaturizer && self == Self::DenseFeaturizer)
    }

    pub(crate) fn classifies_intents(self) -> bool {
        matches!(self, Self::IntentClassifier | Self::IntentAndEntities)
    }
}

/// An entity extractor that may be a server: Duckling's.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsideExtractor {
    /// The server; `None` to work in process unless something else is told.
    pub url: Option<String>,
    /// Language and region.
    pub locale: String,
    /// Name of the zone in which times are meant.
    pub timezone: Option<String>,
    /// What to find; everything if empty.
    pub dimensions: Vec<String>,
    /// The time limit of an answer.
    pub timeout_secs: f64,
}

/// A component by its name in configuration files.
pub struct ComponentInfo {
    /// The name.
    pub name: &'static str,
    /// What it does.
    pub kind: ComponentKind,
    /// Kinds of which one must stand before it.
    pub requires: &'static [ComponentKind],
    /// Its options.
    pub options: &'static [OptionInfo],
    /// What it does, in a sentence or two.
    pub about: &'static str,
    pub(crate) train: TrainFn,
    pub(crate) load: LoadFn,
}

pub(crate) type TrainFn = fn(&Options, &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled>;
pub(crate) type LoadFn = fn(&Options, Slot, Stored) -> Result<Box<dyn Annotator>, Unreadable>;

/// Where a component stands in its pipeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) position: usize,
}

/// A step of the pipeline under training, as later components see it.
#[derive(Clone, Debug)]
pub(crate) struct StepInfo {
    pub(crate) name: &'static str,
    pub(crate) position: usize,
    pub(crate) options: Options,
}

/// What a component is trained on. Errors go into `diagnostics`.
pub(crate) struct Training<'a> {
    pub(crate) slot: Slot,
    pub(crate) data: &'a NluData,
    pub(crate) domain: &'a Domain,
    pub(crate) language: &'a str,
    /// `data.examples` with a text, processed by the components so far.
    pub(crate) messages: &'a [Message<'a>],
    pub(crate) examples: &'a [&'a Example],
    /// The components so far.
    pub(crate) before: &'a [StepInfo],
    pub(crate) context: &'a TrainContext<'a>,
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
}

impl Training<'_> {
    pub(crate) fn check_cancelled(&self) -> Result<(), Cancelled> {
        if self.context.progress.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }
}
