//! An agent that was trained and can be talked to.

use std::collections::BTreeSet;

use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;

use crate::matcher::{Matcher, chain, languages};
use crate::values::Agent;

/// A trained agent. Immutable; may be shared between threads.
pub struct Assistant {
    pub(crate) agent: Agent,
    matchers: Vec<(String, Matcher)>,
    /// Names of contexts and events, in lower case.
    pub(crate) context_names: BTreeSet<String>,
}

impl Assistant {
    /// Trains an agent: one classifier for each language in which it has phrases.
    ///
    /// # Errors
    /// When training was cancelled or refused, with the reason.
    pub fn train(agent: Agent, context: &TrainContext<'_>) -> Result<Self, String> {
        let mut matchers = Vec::new();
        for language in languages(&agent) {
            let matcher = Matcher::train(&agent, &language, context)?;
            matchers.push((language, matcher));
        }
        Ok(Self::of(agent, matchers))
    }

    /// What was learnt, as values by name; the agent itself is not among them.
    pub fn store(&self) -> Vec<(String, Stored)> {
        let mut all = Vec::new();
        for (language, matcher) in &self.matchers {
            let parts = matcher.store().into_iter();
            all.extend(parts.map(|(name, stored)| (format!("{language}.{name}"), stored)));
        }
        all
    }

    /// What [`Assistant::train`] gave, from the agent and what was stored.
    ///
    /// # Errors
    /// When a part is missing or damaged.
    pub fn load(agent: Agent, stored: Vec<(String, Stored)>) -> Result<Self, Unreadable> {
        let mut matchers = Vec::new();
        for language in languages(&agent) {
            let prefix = format!("{language}.");
            let mine = stored
                .iter()
                .filter_map(|(name, part)| Some((name.strip_prefix(&prefix)?.to_owned(), part.clone())));
            let matcher = Matcher::load(&agent, &language, mine.collect())?;
            matchers.push((language, matcher));
        }
        Ok(Self::of(agent, matchers))
    }

    fn of(agent: Agent, matchers: Vec<(String, Matcher)>) -> Self {
        let mut context_names = BTreeSet::new();
        for intent in &agent.intents {
            context_names.extend(intent.input_contexts.iter().map(|name| name.to_lowercase()));
            context_names.extend(intent.events.iter().map(|event| event.name.to_lowercase()));
            let outputs = intent.responses.iter().flat_map(|response| &response.output_contexts);
            context_names.extend(outputs.map(|context| context.name.to_lowercase()));
        }
        context_names.retain(|name| !name.is_empty());
        Self { agent, matchers, context_names }
    }

    /// The agent as its author wrote it.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The languages in which it understands, its own first.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.matchers.iter().map(|(language, _)| language.as_str())
    }

    /// The matcher for a language: its own, that of its root, of a sister, or of the agent.
    pub(crate) fn matcher(&self, language: &str) -> Option<&Matcher> {
        let wanted = chain(language);
        let by_name = |name: &String| self.matchers.iter().find(|(language, _)| language == name);
        let root = wanted.last().map(String::as_str).unwrap_or("");
        let sister = || {
            let is_sister = |(language, _): &&(String, Matcher)| language.split('-').next() == Some(root);
            self.matchers.iter().find(is_sister)
        };
        let found = wanted.iter().find_map(by_name).or_else(sister).or_else(|| self.matchers.first());
        found.map(|(_, matcher)| matcher)
    }
}
