//! Which intent a message means, in one language.
//!
//! Three ways, the surest first: a phrase literally; a phrase with other entities in its gaps; and a
//! classifier of the `nlu` crate, trained on the phrases. The classifier gives probabilities over all
//! intents; only those whose input contexts are active take part, and share what the others leave.
//! What an intent answers counts as an example of it, as it names its subject in other words.
//! Phrases of fallback intents are examples of what is meant by none.

use std::collections::{BTreeMap, HashMap, HashSet};

use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;
use intendant_nlu::Pipeline;
use intendant_numeric::random::hash_bytes;
use intendant_talk::data::{ComponentSpec, Example, NluData};
use intendant_talk::domain::{Domain, IntentInfo};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::concepts;
use crate::lexicon::{Lexicon, Mention, kind_of};
use crate::pattern::{Capture, Pattern};
use crate::system::{self, Way};
use crate::values::{Agent, Intent, Phrase};
use crate::words::{Words, is_unspaced, key};

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
/// What stands for an entity in texts that the classifier sees.
const GAP_WORD: &str = "xx";

/// Finds intents in one language.
pub(crate) struct Matcher {
    pub(crate) lexicon: Lexicon,
    /// Intents by the keys of their phrases.
    exact: HashMap<String, Vec<usize>>,
    /// Phrases with gaps.
    pub(crate) patterns: Vec<(usize, Pattern)>,
    /// Words and pieces of words of all phrases, hashed.
    known: HashSet<u64>,
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

fn phrases<'a>(intent: &'a Intent, chain: &'a [String]) -> impl Iterator<Item = &'a Phrase> {
    let spoken = |name: &str| chain.iter().any(|language| language.eq_ignore_ascii_case(name));
    intent.phrases.iter().filter(move |(name, _)| spoken(name)).flat_map(|(_, phrases)| phrases)
}

impl Matcher {
    /// Reads phrases and trains the classifier of a language.
    ///
    /// # Errors
    /// When training was cancelled or refused, with the reason.
    pub(crate) fn train(agent: &Agent, language: &str, context: &TrainContext<'_>) -> Result<Self, String> {
        let mut matcher = Self::untrained(agent, language);
        let examples = matcher.examples(agent, &chain(language));
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
        let (mut patterns, mut known) = (Vec::new(), HashSet::new());
        for (at, intent) in agent.intents.iter().enumerate().filter(|(_, intent)| intent.is_on()) {
            for phrase in phrases(intent, &chain) {
                let pattern = Pattern::of_phrase(phrase);
                if !phrase.is_template {
                    let owners = exact.entry(key(&phrase.text())).or_default();
                    if owners.last() != Some(&at) {
                        owners.push(at);
                    }
                }
                let text = phrase.text();
                let words = Words::of(&text);
                known.extend(pieces(&words).into_iter().map(|(hash, _)| hash));
                known.extend(concepts::of(&words).into_iter().map(concept));
                if pattern.names_entities() && !patterns.contains(&(at, pattern.clone())) {
                    patterns.push((at, pattern));
                }
            }
        }
        Self { lexicon, exact, patterns, known, pipeline: None }
    }

    fn examples(&self, agent: &Agent, chain: &[String]) -> Vec<Example> {
        let mut examples = Vec::new();
        let learned = agent.intents.iter().filter(|intent| intent.is_on() && intent.is_learned);
        for intent in learned {
            let mut texts: Vec<String> = Vec::new();
            if !intent.is_fallback {
                texts.extend(answers(agent, intent, chain));
            }
            for phrase in phrases(intent, chain) {
                let text = phrase.text();
                let has_gaps = phrase.parts.iter().any(|part| part.alias.is_some());
                if !phrase.is_template {
                    texts.push(text.clone());
                }
                if phrase.is_template || has_gaps {
                    texts.push(with_gap_words(phrase));
                }
            }
            for text in texts.iter().map(|text| self.for_classifier(text)).filter(|text| !text.is_empty()) {
                examples.push(Example { text, intent: Some(intent.name.clone()), ..Example::default() });
            }
        }
        examples
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
            if !guesses.iter().any(|other| other.intent == guess.intent) {
                guesses.push(guess);
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
            for intent in pipeline.parse(&self.for_classifier(text)).intent_ranking.into_iter().flatten() {
                if let Some(name) = intent.name {
                    *shares.entry(name).or_default() += share * intent.confidence.unwrap_or(0.0);
                }
            }
        };
        let general = self.generalized(text, mentions);
        match general {
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
        let familiar = self.familiarity(text, mentions);
        if sum <= 0.0 || familiar <= FAMILIAR_MIN {
            return Vec::new();
        }
        let score = |weight: f64| (weight / sum).powf(SCALE) * familiar.min(1.0).sqrt();
        weights
            .into_iter()
            .map(|(intent, weight)| Guess { intent, score: score(weight), captures: Vec::new() })
            .collect()
    }

    /// A text as the classifier sees it, with the groups of common sayings that it is of.
    fn for_classifier(&self, text: &str) -> String {
        let mut spaced = spaced(text);
        for group in concepts::of(&Words::of(text)) {
            spaced.push_str(" xx");
            spaced.push_str(group);
        }
        spaced
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
                    general.push_str(&gap_word(&mention.kind));
                    byte = text.words[mention.end - 1].end;
                    at = mention.end;
                }
                _ => at += 1,
            }
        }
        general.push_str(&text.raw[byte..]);
        (byte > 0).then_some(general)
    }

    /// How much of a text phrases have, too, from 0 to 1.
    fn familiarity(&self, text: &Words<'_>, mentions: &[Mention]) -> f64 {
        let mut sums = (0.0, 0.0);
        for (at, word) in text.words.iter().enumerate() {
            let in_mention = mentions.iter().any(|mention| {
                (mention.start..mention.end).contains(&at) && !self.lexicon.is_open(&mention.kind)
            });
            let (whole, parts) = word_pieces(&word.norm);
            let known = parts.iter().filter(|part| self.known.contains(part)).count() as f64;
            let share = if in_mention || self.known.contains(&whole) {
                1.0
            } else {
                0.8 * (known / parts.len().max(1) as f64)
            };
            sums.0 += share;
            sums.1 += 1.0;
        }
        if concepts::of(text).into_iter().any(|group| self.known.contains(&concept(group))) {
            return 1.0;
        }
        if sums.1 == 0.0 { 0.0 } else { sums.0 / sums.1 }
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
    let spec = |name: &str, options: Value| ComponentSpec {
        name: name.to_owned(),
        options: match options {
            Value::Object(options) => options,
            _ => Object::new(),
        },
        ..ComponentSpec::default()
    };
    vec![
        spec("WhitespaceTokenizer", Value::Null),
        spec("CountVectorsFeaturizer", Value::Null),
        spec("DIETClassifier", json!({"entity_recognition": false, "ranking_length": 0})),
    ]
}

/// A text as the classifier shall see it: never a command of its own, letters of scripts without
/// spaces as words.
fn spaced(text: &str) -> String {
    let text = text.trim().trim_start_matches('/');
    if !text.chars().any(is_unspaced) {
        return text.to_owned();
    }
    let mut spaced = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        let unspaced = is_unspaced(c);
        if unspaced {
            spaced.push(' ');
        }
        spaced.push(c);
    }
    format!("{text} {spaced}")
}

fn gap_word(kind: &str) -> String {
    let letters: String = kind.chars().filter(|c| c.is_alphanumeric()).collect();
    format!("{GAP_WORD}{letters}")
}

fn with_gap_words(phrase: &Phrase) -> String {
    if phrase.is_template {
        let text = phrase.text();
        let words = text.split_inclusive(char::is_whitespace).map(|token| {
            let word = token.trim_end();
            match word.strip_prefix('@') {
                Some(name) if !name.is_empty() => {
                    let kind = name.split(':').next().unwrap_or(name);
                    format!("{}{}", gap_word(&kind_of(kind)), &token[word.len()..])
                }
                _ => token.to_owned(),
            }
        });
        return words.collect();
    }
    let parts = phrase.parts.iter().map(|part| match (&part.meta, &part.alias) {
        (Some(meta), Some(_)) => gap_word(&kind_of(meta)),
        _ => part.text.clone(),
    });
    parts.collect()
}

/// Hashes of the words of a text and of their pieces.
fn pieces(text: &Words<'_>) -> Vec<(u64, bool)> {
    let mut all = Vec::new();
    for word in &text.words {
        let (whole, parts) = word_pieces(&word.norm);
        all.push((whole, true));
        all.extend(parts.into_iter().map(|part| (part, false)));
    }
    all
}

fn concept(group: &str) -> u64 {
    hash_bytes(3, group.as_bytes())
}

/// What an intent answers in a language: words of its subject that its phrases may lack.
fn answers(agent: &Agent, intent: &Intent, chain: &[String]) -> Vec<String> {
    const WORDS_MAX: usize = 60;
    let own = agent.settings.own_language();
    let messages = intent.response().map_or(&[][..], |response| &response.messages);
    let spoken = messages.iter().filter(|message| {
        let language = message.language.as_deref().unwrap_or(own);
        chain.iter().any(|name| name.eq_ignore_ascii_case(language))
    });
    let texts = spoken.filter_map(|message| {
        let said = message.texts.first()?;
        let words: Vec<&str> = said.split_whitespace().take(WORDS_MAX).collect();
        (words.len() > 3).then(|| words.join(" "))
    });
    texts.collect()
}

/// The hash of a word, and of its runs of four letters.
fn word_pieces(word: &str) -> (u64, Vec<u64>) {
    const RUN: usize = 4;
    let padded: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
    let parts = padded.windows(RUN.min(padded.len())).map(|run| {
        let run: String = run.iter().collect();
        hash_bytes(2, run.as_bytes())
    });
    (hash_bytes(1, word.as_bytes()), parts.collect())
}
