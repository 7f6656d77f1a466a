//! Entities in the texts of end-to-end stories: what `TEDPolicy` finds where a text decides.
//!
//! One conditional random field over words and their neighbours, learnt from the annotated texts
//! of stories. Pipelines do not learn from these; their own entities stay beside what is found here.

use std::collections::{BTreeSet, HashMap};

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_numeric::chain::{Chain, Lessons, Options, Penalty, Sequences};
use intendant_talk::message::Entity;
use intendant_text::token::Token;
use intendant_text::whitespace::tokenize;
use serde_json::{Value, json};

const EXTRACTOR: &str = "TEDPolicy";
const SEED: u64 = 42;
const EPOCHS: usize = 60;
const RATE: f32 = 0.15;
const DECAY: f32 = 0.01;
/// Share of the features left out while learning, so that unknown words are found by their surroundings.
const DROPOUT: f64 = 0.2;
/// Letters at the end of a word that tell something of it.
const SUFFIX_CHARS: usize = 3;

/// Type, role and group.
type Label = (String, Option<String>, Option<String>);

/// Finds entities.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spans {
    labels: Vec<Label>,
    features: HashMap<String, u32>,
    chain: Chain,
}

impl Spans {
    /// Learns from texts; `None` when none of them is annotated.
    pub(crate) fn train(annotated: &[(&str, &[Entity])]) -> Option<Self> {
        let labels: BTreeSet<Label> =
            annotated.iter().flat_map(|(_, entities)| *entities).map(label).collect();
        if labels.is_empty() {
            return None;
        }
        let labels: Vec<Label> = labels.into_iter().collect();
        let mut features = HashMap::new();
        let mut sequences = Sequences::default();
        for (text, entities) in annotated {
            let tokens = tokenize(text);
            let tags = tags(&tokens, entities, &labels);
            for (described, tag) in describe(text, &tokens).into_iter().zip(tags) {
                let mut columns = Vec::with_capacity(described.len());
                for feature in described {
                    let new = features.len() as u32;
                    columns.push(*features.entry(feature).or_insert(new));
                }
                sequences.push_token(&columns, tag);
            }
            sequences.end_sequence();
        }
        let options = Options {
            epochs: EPOCHS,
            rate: RATE,
            penalty: Penalty::Decay(DECAY),
            dropout: DROPOUT,
            seed: SEED,
        };
        // The inside of an entity continues an entity of its kind.
        let allowed = |from: Option<usize>, to: usize| {
            to % 2 == 1 || to == 0 || from.is_some_and(|from| from == to || from + 1 == to)
        };
        let size = (features.len(), 2 * labels.len() + 1);
        let chain = Lessons::of(&sequences, size).train(allowed, &options, |_| true)?;
        Some(Self { labels, features, chain })
    }

    /// The entities of a text.
    pub(crate) fn find(&self, text: &str) -> Vec<Entity> {
        let tokens = tokenize(text);
        let known: Vec<Vec<u32>> = describe(text, &tokens)
            .into_iter()
            .map(|described| {
                described.iter().filter_map(|feature| self.features.get(feature).copied()).collect()
            })
            .collect();
        let tagging = self.chain.tag(&mut self.chain.lattice(), known.iter().map(Vec::as_slice));
        let mut found: Vec<(usize, std::ops::Range<usize>)> = Vec::new();
        for (idx, tag) in tagging.tags.into_iter().map(usize::from).enumerate() {
            match found.last_mut() {
                Some((label, range)) if tag == 2 * *label + 2 && range.end == idx => range.end = idx + 1,
                _ if tag > 0 => found.push(((tag - 1) / 2, idx..idx + 1)),
                _ => {}
            }
        }
        let entities = found.into_iter().map(|(label, range)| {
            let (first, last) = (tokens[range.start], tokens[range.end - 1]);
            let (entity, role, group) = self.labels[label].clone();
            Entity {
                entity,
                role,
                group,
                value: text.get(first.start_bytes..last.end_bytes).unwrap_or_default().into(),
                start_chars: Some(first.start_chars),
                end_chars: Some(last.end_chars),
                extractor: Some(EXTRACTOR.to_owned()),
                ..Entity::default()
            }
        });
        entities.collect()
    }

    /// What is stored beside the policy's own state.
    pub(crate) fn store_into(&self, stored: &mut Stored) -> Value {
        let mut names = vec![""; self.features.len()];
        for (name, idx) in &self.features {
            names[*idx as usize] = name;
        }
        let mut put = |name: &str, data: TensorData| {
            stored.tensors.insert(format!("spans_{name}"), Tensor::flat(data));
        };
        put("starts", TensorData::U32(self.chain.starts.clone()));
        put("tags", TensorData::U16(self.chain.entry_tags.clone()));
        put("weights", TensorData::F32(self.chain.entry_weights.clone()));
        put("transitions", TensorData::F32(self.chain.transitions.clone()));
        json!({ "labels": self.labels, "features": names })
    }

    /// Brings back what was stored; `None` when there was nothing.
    pub(crate) fn load(state: &Value, stored: &mut Stored) -> Result<Option<Self>, Unreadable> {
        if state.is_null() {
            return Ok(None);
        }
        let items = |name: &str| state[name].as_array().map_or(&[][..], Vec::as_slice);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let labels: Vec<Label> = items("labels")
            .iter()
            .filter_map(|label| Some((text(&label[0])?, text(&label[1]), text(&label[2]))))
            .collect();
        let features: HashMap<String, u32> = items("features").iter().filter_map(text).zip(0..).collect();
        let chain = Chain {
            tags: 2 * labels.len() + 1,
            starts: stored.take_u32("spans_starts")?,
            entry_tags: stored.take_u16("spans_tags")?,
            entry_weights: stored.take_f32("spans_weights")?,
            transitions: stored.take_f32("spans_transitions")?,
        };
        if !chain.is_sound(features.len()) {
            return Err(Unreadable::new("the parts that find entities do not fit each other"));
        }
        Ok(Some(Self { labels, features, chain }))
    }
}

fn label(entity: &Entity) -> Label {
    (entity.entity.clone(), entity.role.clone(), entity.group.clone())
}

/// 0 outside, `2i + 1` begins label i, `2i + 2` is inside it. Entities that end within a word are left out.
fn tags(tokens: &[Token], entities: &[Entity], labels: &[Label]) -> Vec<u16> {
    let mut tags = vec![0; tokens.len()];
    for entity in entities {
        let first = tokens.iter().position(|token| Some(token.start_chars) == entity.start_chars);
        let last = tokens.iter().position(|token| Some(token.end_chars) == entity.end_chars);
        let label = labels.binary_search(&label(entity));
        if let (Some(first), Some(last), Ok(label)) = (first, last, label)
            && first <= last
        {
            let begins = u16::try_from(2 * label + 1).unwrap_or(0);
            tags[first..=last].fill(begins + 1);
            tags[first] = begins;
        }
    }
    tags
}

/// What is seen of each token: itself, how it is written, and the words beside it.
fn describe(text: &str, tokens: &[Token]) -> Vec<Vec<String>> {
    let words: Vec<&str> = tokens.iter().map(|token| token.text(text)).collect();
    let low: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let beside = |idx: Option<usize>| idx.and_then(|idx| low.get(idx)).map_or("", String::as_str);
    let described = words.iter().zip(&low).enumerate().map(|(idx, (word, own))| {
        let suffix = own.char_indices().rev().nth(SUFFIX_CHARS - 1).map_or(0, |(start, _)| start);
        let looks = if word.chars().all(|c| c.is_ascii_digit()) {
            "digits"
        } else if word.chars().next().is_some_and(char::is_uppercase) {
            "capital"
        } else {
            "plain"
        };
        vec![
            format!("0 {own}"),
            format!("$ {}", &own[suffix..]),
            format!("= {looks}"),
            format!("- {}", beside(idx.checked_sub(1))),
            format!("-- {} {}", beside(idx.checked_sub(2)), beside(idx.checked_sub(1))),
            format!("+ {}", beside(Some(idx + 1))),
        ]
    });
    described.collect()
}
