//! A trained pipeline.

use intendant_component::stored::{Stored, Unreadable};
use intendant_numeric::parallel;
use intendant_talk::data::ComponentSpec;
use intendant_talk::domain::Domain;
use intendant_talk::message::{Intent, Parse};

use serde_json::Value;

use crate::component::{Annotator, OutsideExtractor, Slot};
use crate::intent_message;
use crate::message::Message;
use crate::names::DomainNames;
use crate::options::Options;
use crate::{registry, selector};

/// The node that holds what belongs to no single component.
const NAMES_NODE: &str = "nlu";

/// A trained pipeline.
pub struct Pipeline {
    names: DomainNames,
    steps: Vec<Step>,
    wants_vectors: bool,
}

/// What comes with a message from outside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outside<'a> {
    /// When the message was written, in milliseconds since 1970 UTC.
    pub now_ms: Option<i64>,
    /// What servers said, by the position of the component that asks.
    pub told: &'a [(usize, Vec<Value>)],
}

/// A component at its place.
pub(crate) struct Step {
    pub(crate) node: String,
    pub(crate) annotator: Box<dyn Annotator>,
}

/// The name under which a component is stored.
pub(crate) fn node_name(component: &str, position: usize) -> String {
    format!("train_{component}{position}")
}

impl Pipeline {
    pub(crate) fn new(domain: &Domain, steps: Vec<Step>) -> Self {
        Self::of(DomainNames::of(domain), steps)
    }

    fn of(names: DomainNames, steps: Vec<Step>) -> Self {
        let wants_vectors = steps.iter().any(|step| step.annotator.wants_vectors());
        Self { names, steps, wants_vectors }
    }

    /// Understands one message; white space around it is left out.
    ///
    /// Expressions of time are not resolved, as nothing says when now is; see [`Pipeline::parse_at`].
    pub fn parse(&self, text: &str) -> Parse {
        self.parse_at(text, None).0
    }

    /// Understands a message written at a time, in milliseconds since 1970 UTC, and says what is
    /// worth a warning in the log.
    pub fn parse_at(&self, text: &str, now_ms: Option<i64>) -> (Parse, Vec<String>) {
        self.parse_with(text, Outside { now_ms, told: &[] })
    }

    /// What has to be asked before a message is understood, by position: answers go into
    /// [`Outside::told`]. Components that ask in vain find nothing.
    pub fn questions(&self, text: &str) -> Vec<(usize, OutsideExtractor)> {
        if text.trim().is_empty() || intent_message::read(text.trim(), &self.names).parse.is_some() {
            return Vec::new();
        }
        let steps = self.steps.iter().enumerate();
        steps.filter_map(|(position, step)| Some((position, step.annotator.outside()?))).collect()
    }

    /// Whether understanding a message takes milliseconds, as with a language model.
    pub fn is_slow(&self) -> bool {
        self.steps.iter().any(|step| step.annotator.is_slow())
    }

    /// Understands a message with what is known from outside; see [`Pipeline::parse_at`].
    pub fn parse_with(&self, text: &str, outside: Outside<'_>) -> (Parse, Vec<String>) {
        let text = text.trim();
        let spelled_out = intent_message::read(text, &self.names);
        if let Some(parse) = spelled_out.parse {
            return (parse, spelled_out.warnings);
        }
        let mut warnings = spelled_out.warnings;
        let mut message = Message::new(text, self.wants_vectors);
        message.now_ms = outside.now_ms;
        message.parse.intent = Intent::none();
        for (position, step) in self.steps.iter().enumerate() {
            let told = outside.told.iter().find(|(asking, _)| *asking == position);
            message.told = told.map(|(_, found)| found.as_slice());
            step.annotator.annotate(&mut message);
        }
        let mut parse = message.parse;
        parse.text = Some(text.to_owned());
        selector::set_full_intent(&mut parse);
        self.warn_unknown(&parse, &mut warnings);
        (parse, warnings)
    }

    fn warn_unknown(&self, parse: &Parse, warnings: &mut Vec<String>) {
        if let Some(intent) = parse.intent.name.as_ref().filter(|name| !self.names.knows_intent(name)) {
            warnings.push(format!("understood the intent `{intent}`, which is not in the domain"));
        }
        for entity in parse.entities.iter().filter(|entity| !self.names.knows_entity(&entity.entity)) {
            warnings.push(format!("understood the entity `{}`, which is not in the domain", entity.entity));
        }
    }

    /// Understands several messages on up to `threads` threads.
    pub fn parse_on(&self, threads: usize, texts: &[&str]) -> Vec<Parse> {
        parallel::map(threads, texts.len(), |at| self.parse(texts[at]))
    }

    /// The trained components as values, by node name.
    pub fn store(&self) -> Vec<(String, Stored)> {
        let names = std::iter::once((NAMES_NODE.to_owned(), self.names.store()));
        names.chain(self.steps.iter().map(|step| (step.node.clone(), step.annotator.store()))).collect()
    }

    /// The pipeline of stored components; `specs` are those it was trained with.
    ///
    /// # Errors
    /// When a component is missing or damaged.
    pub fn load(specs: &[ComponentSpec], mut stored: Vec<(String, Stored)>) -> Result<Self, Unreadable> {
        let mut take = |node: &str| {
            let at = stored.iter().position(|(name, _)| name == node);
            at.map(|at| stored.swap_remove(at).1)
                .ok_or_else(|| Unreadable::new(format!("component `{node}` is missing")))
        };
        let names = DomainNames::load(&take(NAMES_NODE)?)?;
        let mut steps = Vec::with_capacity(specs.len());
        for (position, spec) in specs.iter().enumerate() {
            let info = registry::find(spec).map_err(|diagnostic| Unreadable::new(diagnostic.message))?;
            let options = Options::read(spec, info.name, info.options, &mut Vec::new());
            let node = node_name(info.name, position);
            let annotator = (info.load)(&options, Slot { position }, take(&node)?)?;
            steps.push(Step { node, annotator });
        }
        Ok(Self::of(names, steps))
    }
}
