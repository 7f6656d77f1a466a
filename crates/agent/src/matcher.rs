//! Which intent a message means, in one language.
//!
//! Three ways, the surest first: a phrase literally; a phrase with other entities in its gaps; and a
//! classifier of the `nlu` crate, trained on the phrases. The classifier gives probabilities over all
//! intents; only those whose input contexts are active take part, and share what the others leave.

use std::collections::{BTreeMap, HashMap, HashSet};

use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;
use intendant_nlu::{Pipeline, spec};
use intendant_talk::data::{ComponentSpec, NluData};
use intendant_talk::domain::{Domain, IntentInfo};
use serde_json::{Value, json};

use crate::familiar::Familiar;
use crate::lesson;
use crate::lexicon::{Lexicon, Mention};
use crate::pattern::{Capture, Pattern};
use crate::system::{self, Way};
use crate::values::{Agent, Intent, Phrase};
use crate::words::{Words, key};

/// The threshold of an agent that names none.
pub(crate) const DEFAULT_MIN_CONFIDENCE: f64 = 0.3;
/// The score of a phrase that was found literally or but for its entities.
const CERTAIN: f64 = 1.0;
/// How many times more likely an intent becomes by waiting for a context that is active.
const CONTEXT_FACTOR: f64 = 2.5;
/// Bends probabilities to the scale on which thresholds of agents are chosen.
const SCALE: f64 = 0.2;
/// A message of which this part or less is known means nothing.
const FAMILIAR_MIN: f64 = 0.2;
/// The language that the classifier is told: texts come to it with spaces, whatever they are in.
const SPACED_LANGUAGE: &str = "en";

/// Finds intents in one language.
pub(crate) struct Matcher {
    pub(crate) lexicon: Lexicon,
    /// Intents by the keys of their phrases.
    exact: HashMap<String, Vec<usize>>,
    /// Phrases with gaps.
    pub(crate) patterns: Vec<(usize, Pattern)>,
    familiar: Familiar,
    pipeline: Option<Pipeline>,
}

/// An intent with how sure it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Guess {
    pub(crate) intent: usize,
    pub(crate) score: f64,
    /// What stood in the gaps of the phrase, when one was found.
    pub(crate) captures: Vec<Capture>,
}

/// The languages that an agent has phrases in, in lower case, its own first.
pub(crate) fn languages(agent: &Agent) -> Vec<String> {
    let mut all = vec![agent.settings.own_language().to_lowercase()];
    for language in agent.intents.iter().flat_map(|intent| intent.phrases.keys()) {
        let language = language.to_lowercase();
        if !all.contains(&language) {
            all.push(language);
        }
    }
    all
}

/// A language and what it falls back to: `pt-br`, `pt`.
pub(crate) fn chain(language: &str) -> Vec<String> {
    let language = language.to_lowercase().replace('_', "-");
    let mut chain = vec![language.clone()];
    if let Some((root, _)) = language.split_once('-') {
        chain.push(root.to_owned());
    }
    chain
}

/// Whether a language is one of those that a message is understood in.
pub(crate) fn speaks(chain: &[String], language: &str) -> bool {
    chain.iter().any(|name| name.eq_ignore_ascii_case(language))
}

/// The phrases of an intent in some languages.
pub(crate) fn phrases<'a>(intent: &'a Intent, chain: &'a [String]) -> impl Iterator<Item = &'a Phrase> {
    intent.phrases.iter().filter(|(name, _)| speaks(chain, name)).flat_map(|(_, phrases)| phrases)
}

impl Matcher {
    /// Reads phrases and trains the classifier of a language.
    ///
    /// # Errors
    /// When training was cancelled or refused, with the reason.
    pub(crate) fn train(agent: &Agent, language: &str, context: &TrainContext<'_>) -> Result<Self, String> {
        let mut matcher = Self::untrained(agent, language);
        let examples = lesson::examples(agent, &chain(language));
        let mut labels: Vec<&str> = examples.iter().filter_map(|example| example.intent.as_deref()).collect();
        labels.sort_unstable();
        labels.dedup();
        if labels.len() >= 2 {
            let intents =
                labels.iter().map(|name| IntentInfo { name: (*name).to_owned(), ..IntentInfo::default() });
            let domain = Domain { intents: intents.collect(), ..Domain::default() };
            let data = NluData { examples, ..NluData::default() };
            let trained = intendant_nlu::train(&specs(), SPACED_LANGUAGE, &data, &domain, context);
            let (pipeline, _) = trained.map_err(|error| error.to_string())?;
            matcher.pipeline = Some(pipeline);
        }
        Ok(matcher)
    }

    /// The trained classifier as values.
    pub(crate) fn store(&self) -> Vec<(String, Stored)> {
        self.pipeline.as_ref().map(Pipeline::store).unwrap_or_default()
    }

    /// What [`Matcher::train`] gave; the phrases are read again.
    pub(crate) fn load(
        agent: &Agent,
        language: &str,
        stored: Vec<(String, Stored)>,
    ) -> Result<Self, Unreadable> {
        let mut matcher = Self::untrained(agent, language);
        if !stored.is_empty() {
            matcher.pipeline = Some(Pipeline::load(&specs(), stored)?);
        }
        Ok(matcher)
    }

    fn untrained(agent: &Agent, language: &str) -> Self {
        let chain = chain(language);
        let lexicon = Lexicon::of(agent, &chain);
        let mut exact: HashMap<String, Vec<usize>> = HashMap::new();
        let (mut patterns, mut familiar) = (Vec::new(), Familiar::default());
        for (at, intent) in agent.intents.iter().enumerate().filter(|(_, intent)| intent.is_on()) {
            for phrase in phrases(intent, &chain) {
                let (text, pattern) = (phrase.text(), Pattern::of_phrase(phrase));
                if !phrase.is_template {
                    let owners = exact.entry(key(&text)).or_default();
                    if owners.last() != Some(&at) {
                        owners.push(at);
                    }
                }
                familiar.learn(&Words::of(&text));
                if pattern.names_entities() && !patterns.contains(&(at, pattern.clone())) {
                    patterns.push((at, pattern));
                }
            }
        }
        Self { lexicon, exact, patterns, familiar, pipeline: None }
    }

    /// Intents of some candidates that a message may mean, the likeliest first; ties in order.
    pub(crate) fn rank(
        &self,
        agent: &Agent,
        text: &Words<'_>,
        mentions: &[Mention],
        candidates: &[usize],
    ) -> Vec<Guess> {
        let mut guesses = self.literal(agent, text, mentions, candidates);
        let learned = self.learned(agent, text, mentions, candidates);
        for guess in learned {
            match guesses.iter_mut().find(|other| other.intent == guess.intent) {
                // What is found in two ways is as sure as by the surer one.
                Some(found) => found.score = found.score.max(guess.score),
                None => guesses.push(guess),
            }
        }
        let order = |guess: &Guess| {
            let intent = &agent.intents[guess.intent];
            (intent.input_contexts.len(), intent.effective_priority())
        };
        guesses.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| order(b).cmp(&order(a))));
        guesses
    }

    /// Intents with a phrase like the whole text.
    fn literal(
        &self,
        agent: &Agent,
        text: &Words<'_>,
        mentions: &[Mention],
        candidates: &[usize],
    ) -> Vec<Guess> {
        let mut guesses: Vec<Guess> = Vec::new();
        for at in self.exact.get(&text.key()).into_iter().flatten().filter(|at| candidates.contains(at)) {
            guesses.push(Guess { intent: *at, score: CERTAIN, captures: Vec::new() });
        }
        let is_open = |kind: &str| self.lexicon.is_open(kind);
        for (at, pattern) in self.patterns.iter().filter(|(at, _)| candidates.contains(at)) {
            let Some(captures) = pattern.match_all(text, mentions, &is_open) else { continue };
            let is_listed = |capture: &Capture| {
                let found = |mention: &Mention| {
                    mention.kind == capture.kind
                        && (mention.start, mention.end) == (capture.start, capture.end)
                };
                mentions.iter().any(found)
            };
            let guessed = captures.iter().filter(|capture| !is_listed(capture));
            let guessed: usize = guessed.map(|capture| capture.end - capture.start).sum();
            let score = CERTAIN * (1.0 - guessed as f64 / text.len().max(1) as f64);
            match guesses.iter_mut().find(|guess| guess.intent == *at) {
                Some(guess) if guess.score > score => {}
                Some(guess) => (guess.score, guess.captures) = (score, captures),
                None => guesses.push(Guess { intent: *at, score, captures }),
            }
        }
        guesses.retain(|guess| guess.score > 0.0 || agent.intents[guess.intent].is_learned);
        guesses
    }

    fn learned(
        &self,
        agent: &Agent,
        text: &Words<'_>,
        mentions: &[Mention],
        candidates: &[usize],
    ) -> Vec<Guess> {
        let Some(pipeline) = &self.pipeline else { return Vec::new() };
        let mut shares: BTreeMap<String, f64> = BTreeMap::new();
        let mut add = |text: &str, share: f64| {
            for intent in pipeline.parse(&lesson::seen(text)).intent_ranking.into_iter().flatten() {
                if let Some(name) = intent.name {
                    *shares.entry(name).or_default() += share * intent.confidence.unwrap_or(0.0);
                }
            }
        };
        match self.generalized(text, mentions) {
            None => add(text.raw, 1.0),
            Some(general) => {
                add(text.raw, 0.5);
                add(&general, 0.5);
            }
        }
        let weigh = |at: &usize| {
            let intent = &agent.intents[*at];
            let factor = if intent.input_contexts.is_empty() { 1.0 } else { CONTEXT_FACTOR };
            shares.get(&intent.name).map(|share| (*at, share * factor))
        };
        let weights: Vec<(usize, f64)> = candidates.iter().filter_map(weigh).collect();
        let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let is_named = |at: usize| {
            let covers = |mention: &&Mention| (mention.start..mention.end).contains(&at);
            mentions.iter().filter(covers).any(|mention| !self.lexicon.is_open(&mention.kind))
        };
        let familiar = self.familiar.share(text, is_named);
        if sum <= 0.0 || familiar <= FAMILIAR_MIN {
            return Vec::new();
        }
        let score = |weight: f64| (weight / sum).powf(SCALE) * familiar.sqrt();
        weights
            .into_iter()
            .map(|(intent, weight)| Guess { intent, score: score(weight), captures: Vec::new() })
            .collect()
    }

    /// The text with words in place of entities that phrases have as gaps.
    fn generalized(&self, text: &Words<'_>, mentions: &[Mention]) -> Option<String> {
        let mut general = String::with_capacity(text.raw.len());
        let (mut at, mut byte) = (0, 0);
        let wanted: HashSet<&str> = self.patterns.iter().flat_map(|(_, pattern)| pattern.kinds()).collect();
        while at < text.len() {
            let here = mentions
                .iter()
                .filter(|mention| mention.start == at && wanted.contains(mention.kind.as_str()));
            match here.max_by_key(|mention| mention.end) {
                Some(mention) if mention.end > at => {
                    general.push_str(&text.raw[byte..text.words[at].start]);
                    general.push_str(&lesson::gap_word(&mention.kind));
                    byte = text.words[mention.end - 1].end;
                    at = mention.end;
                }
                _ => at += 1,
            }
        }
        general.push_str(&text.raw[byte..]);
        (byte > 0).then_some(general)
    }

    /// Whether a phrase of an intent is nothing but a gap for anything.
    pub(crate) fn takes_anything(&self, intent: usize) -> bool {
        self.patterns.iter().any(|(at, pattern)| {
            *at == intent
                && pattern.words() == 0
                && pattern.kinds().all(|kind| system::way(kind) == Some(Way::Any))
        })
    }
}

fn specs() -> Vec<ComponentSpec> {
    vec![
        spec("WhitespaceTokenizer", Value::Null),
        spec("CountVectorsFeaturizer", Value::Null),
        spec("DIETClassifier", json!({"entity_recognition": false, "ranking_length": 0})),
    ]
}
