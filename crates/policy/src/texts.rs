//! The texts of end-to-end stories as policies compare them.
//!
//! A text is a set of weighted features: its words, the pieces of words, and in place of an
//! entity's value the entity. So "I live in Paris" is as good as "I live in [Berlin](city)", which
//! a story may be the only one to have. A word that comes before many different answers tells
//! little; one that no story has speaks against all of them, a little.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use intendant_component::stored::{Stored, Unreadable};
use intendant_talk::event::EventKind;
use intendant_talk::message::Entity;
use intendant_text::whitespace::tokenize;
use serde_json::{Value, json};

use crate::blocks::TrainingEvent;
use crate::spans::Spans;
use crate::trackers::TrainingTracker;

/// Weight of a word that no story has; one that comes before a single answer weighs 1.
const UNKNOWN: f64 = 0.35;
/// Share of a word's weight that its pieces carry, so that `flights` is much like `flight`.
const PIECES_SHARE: f64 = 0.3;
/// Share of an entity's weight that its value carries: the same value is a little more alike.
const VALUE_SHARE: f64 = 0.15;
const PIECE_CHARS: usize = 3;
/// Stands for any number.
const NUMBER: &str = "#";

/// Features with weights that sum up to 1.
pub(crate) type TextFeatures = Vec<(String, f64)>;

/// What the texts of stories taught.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Texts {
    /// Weights of words and of names of entities.
    weights: BTreeMap<String, f64>,
    /// Finds entities, where stories have annotated ones.
    pub spans: Option<Spans>,
}

impl Texts {
    /// Learns from the texts of stories that are told without intents, with the features of each;
    /// `None` when there are none.
    pub(crate) fn train(
        trackers: &[TrainingTracker],
        with_entities: bool,
    ) -> Option<(Self, HashMap<String, TextFeatures>)> {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut annotated: Vec<(&str, &[Entity])> = Vec::new();
        let mut answers: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for tracker in trackers.iter().filter(|tracker| !tracker.is_rule) {
            for (idx, event) in tracker.events.iter().enumerate() {
                let Some((text, entities)) = told_by_text(event) else { continue };
                let answer = tracker.events[idx..].iter().find_map(answer).unwrap_or_default();
                for word in words(text, entities) {
                    answers.entry(word.name).or_default().insert(answer);
                }
                if seen.insert(text) {
                    annotated.push((text, entities));
                }
            }
        }
        let count = answers.values().flatten().collect::<BTreeSet<_>>().len() as f64;
        let weight = |share: f64| ((1.0 + count / share).ln() / (1.0 + count).ln()).powi(2);
        let weights = answers.into_iter().map(|(name, answers)| (name, weight(answers.len() as f64)));
        let spans = if with_entities { Spans::train(&annotated) } else { None };
        let texts = Self { weights: weights.collect(), spans };
        let features =
            annotated.iter().map(|(text, entities)| ((*text).to_owned(), texts.features(text, entities)));
        let features = features.collect();
        (!annotated.is_empty()).then_some((texts, features))
    }

    /// The features of a text in which these entities were found.
    pub(crate) fn features(&self, text: &str, entities: &[Entity]) -> TextFeatures {
        let mut features: BTreeMap<String, f64> = BTreeMap::new();
        let mut add = |name: String, weight: f64| *features.entry(name).or_default() += weight;
        for word in words(text, entities) {
            let weight = self.weights.get(&word.name).copied().unwrap_or(UNKNOWN);
            match word.value {
                Some(value) => {
                    add(format!("w:{}", word.name), weight * (1.0 - VALUE_SHARE));
                    add(format!("v:{value}"), weight * VALUE_SHARE);
                }
                None => {
                    let pieces = pieces(&word.name);
                    for piece in &pieces {
                        add(format!("p:{piece}"), weight * PIECES_SHARE / pieces.len() as f64);
                    }
                    add(format!("w:{}", word.name), weight * (1.0 - PIECES_SHARE));
                }
            }
        }
        let total: f64 = features.values().sum();
        features.into_iter().map(|(name, weight)| (name, weight / total)).collect()
    }

    /// The features of what was said in a conversation, of which the pipeline may have found some
    /// entities itself.
    pub(crate) fn read(&self, text: &str, by_pipeline: &[Entity]) -> TextFeatures {
        let mut entities = self.spans.as_ref().map(|spans| spans.find(text)).unwrap_or_default();
        for entity in by_pipeline {
            let is_free = entities
                .iter()
                .all(|found| found.start_chars >= entity.end_chars || found.end_chars <= entity.start_chars);
            if is_free && self.weights.contains_key(&placeholder(entity)) {
                entities.push(entity.clone());
            }
        }
        self.features(text, &entities)
    }

    /// What is stored beside the policy's own state.
    pub(crate) fn store_into(&self, stored: &mut Stored) -> Value {
        let spans = self.spans.as_ref().map(|spans| spans.store_into(stored));
        json!({ "words": self.weights, "spans": spans })
    }

    /// Brings back what was stored; `None` when there was nothing.
    pub(crate) fn load(state: &Value, stored: &mut Stored) -> Result<Option<Self>, Unreadable> {
        if state.is_null() {
            return Ok(None);
        }
        let words = state["words"].as_object();
        let words = words.ok_or_else(|| Unreadable::new("the words of the stories' texts are missing"))?;
        let weights = words.iter().filter_map(|(name, weight)| Some((name.clone(), weight.as_f64()?)));
        Ok(Some(Self { weights: weights.collect(), spans: Spans::load(&state["spans"], stored)? }))
    }
}

/// What the user says in a step without an intent.
fn told_by_text(event: &TrainingEvent) -> Option<(&str, &[Entity])> {
    let EventKind::User(message) = &event.event.kind else { return None };
    let text = message.text.as_deref().filter(|text| !text.is_empty() && message.parse.intent.name.is_none());
    Some((text?, &message.parse.entities))
}

/// What the assistant does or says.
fn answer(event: &TrainingEvent) -> Option<&str> {
    match &event.event.kind {
        EventKind::Action(action) => action.name.as_deref().or(action.action_text.as_deref()),
        _ => None,
    }
}

/// A word, or an entity in place of its words.
struct Word {
    name: String,
    /// What the entity or number is.
    value: Option<String>,
}

fn placeholder(entity: &Entity) -> String {
    // No word has brackets.
    format!("[{}]", entity.entity)
}

fn words(text: &str, entities: &[Entity]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut inside: Option<usize> = None;
    for token in tokenize(text) {
        let own = token.text(text).to_lowercase();
        let holds = |entity: &Entity| {
            entity.start_chars.is_some_and(|start| start < token.end_chars)
                && entity.end_chars.is_some_and(|end| end > token.start_chars)
        };
        let entity = entities.iter().position(holds);
        match (entity, words.last_mut()) {
            (Some(entity), Some(Word { value: Some(value), .. })) if inside == Some(entity) => {
                value.push(' ');
                value.push_str(&own);
            }
            (Some(entity), _) => words.push(Word { name: placeholder(&entities[entity]), value: Some(own) }),
            (None, _) if own.chars().all(|c| c.is_ascii_digit()) => {
                words.push(Word { name: NUMBER.to_owned(), value: Some(own) });
            }
            (None, _) => words.push(Word { name: own, value: None }),
        }
        inside = entity;
    }
    words
}

/// Runs of three letters, with the word's ends.
fn pieces(word: &str) -> Vec<String> {
    let letters: Vec<char> = std::iter::once('<').chain(word.chars()).chain(['>']).collect();
    letters.windows(PIECE_CHARS).map(|piece| piece.iter().collect()).collect()
}
