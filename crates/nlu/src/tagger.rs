//! The sequence model behind `DIETClassifier` and `CRFEntityExtractor`: linear-chain conditional
//! random fields over BIO tags.
//!
//! One chain finds entities; roles and groups, where the data has them, are decided by chains of
//! their own that also see the entities found.

use std::collections::BTreeSet;

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::{Cancelled, TrainContext};
use intendant_numeric::chain::{self, Chain, Lattice, Lessons, Penalty, Sequences};
use intendant_numeric::index::Index;
use intendant_numeric::parallel;
use intendant_talk::data::Example;
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use crate::message::Message;
use crate::spans::{self, CommaRule, Labels, Part, TokenLabel};
use crate::token_features::{self, Extraction};
use crate::word_classes::WordClasses;

/// Chains whose mean is taken, of few examples and of many.
const CHAINS: [usize; 2] = [4, 2];
/// From here on examples are many.
const MANY_EXAMPLES: usize = 1000;
/// Share of the features that are left out while learning.
const DROPOUT: f64 = 0.1;

/// Taggers of the three parts of an annotation.
pub(crate) struct Tagger {
    extraction: Extraction,
    commas: CommaRule,
    /// Where an encoder is at hand.
    classes: Option<WordClasses>,
    chains: Vec<PartTagger>,
}

/// How to train.
pub(crate) struct Settings<'a> {
    pub(crate) phase: &'a str,
    pub(crate) seed: u64,
    pub(crate) epochs: Option<usize>,
    pub(crate) extraction: Extraction,
    pub(crate) commas: CommaRule,
    /// Whether tags tell where an entity begins, so that neighbours of one kind stay apart.
    pub(crate) marks_starts: bool,
    pub(crate) penalty: Penalty,
}

struct PartTagger {
    part: Part,
    labels: Vec<String>,
    index: Index,
    chain: Chain,
    /// Prepared sums, copied for each message.
    lattice: Lattice,
}

/// Messages with their annotations.
pub(crate) struct Corpus<'a> {
    pub(crate) messages: &'a [Message<'a>],
    pub(crate) examples: &'a [&'a Example],
    /// What each message's intent seems to be to a model that did not see it; empty if unknown.
    pub(crate) hints: &'a [Option<u64>],
}

impl Tagger {
    /// Trains on all examples; `None` when none has an entity to learn.
    pub(crate) fn train(
        corpus: &Corpus<'_>,
        settings: Settings<'_>,
        context: &TrainContext<'_>,
    ) -> Result<Option<Self>, Cancelled> {
        if corpus.examples.iter().all(|example| example.entities.is_empty()) {
            return Ok(None);
        }
        let mut chains = Vec::new();
        let classes = match settings.extraction {
            Extraction::Rich => WordClasses::train(corpus.messages, settings.seed, context)?,
            Extraction::Windows(_) => None,
        };
        for part in [Part::Entity, Part::Role, Part::Group] {
            let trained = PartTagger::train(part, (corpus, classes.as_ref()), &settings, context)?;
            if part == Part::Entity && trained.is_none() {
                return Ok(None);
            }
            chains.extend(trained);
        }
        Ok(Some(Self { extraction: settings.extraction, commas: settings.commas, classes, chains }))
    }

    /// Entities of a message.
    pub(crate) fn tag(&self, message: &Message<'_>, hint: Option<u64>, extractor: &str) -> Vec<Entity> {
        if message.tokens.is_empty() {
            return Vec::new();
        }
        let base = features(message, hint, (&self.extraction, self.classes.as_ref()));
        let mut found: [Vec<TokenLabel>; 3] = Default::default();
        for chain in &self.chains {
            let labels = match chain.part {
                Part::Entity => chain.label(&base),
                Part::Role | Part::Group => chain.label(&with_entities(&base, &found[0])),
            };
            found[chain.part as usize] = labels;
            if found[0].iter().all(|label| label.label.is_none()) {
                return Vec::new();
            }
        }
        let [entities, roles, groups] = &found;
        spans::assemble(message, &Labels { entities, roles, groups }, &self.commas, extractor)
    }

    pub(crate) fn store_into(&self, stored: &mut Stored) -> Value {
        let chains = self.chains.iter().enumerate();
        let chains: Vec<Value> =
            chains.map(|(number, chain)| chain.store_into(&format!("chain{number}."), stored)).collect();
        let classes = self.classes.as_ref().map(|classes| classes.store_into(stored));
        json!({"chains": chains, "classes": classes})
    }

    pub(crate) fn load_from(
        state: &Value,
        stored: &mut Stored,
        (extraction, commas): (Extraction, CommaRule),
    ) -> Result<Option<Self>, Unreadable> {
        let Some(states) = state["chains"].as_array() else { return Ok(None) };
        let classes = WordClasses::load_from(&state["classes"], stored)?;
        let chains = states
            .iter()
            .enumerate()
            .map(|(number, state)| PartTagger::load_from(&format!("chain{number}."), state, stored))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Self { extraction, commas, classes, chains }))
    }
}

/// Features of the tokens of a message.
fn features(
    message: &Message<'_>,
    hint: Option<u64>,
    (extraction, classes): (&Extraction, Option<&WordClasses>),
) -> Vec<Vec<u64>> {
    let mut features = token_features::extract(message, hint, extraction);
    if let Some(classes) = classes {
        token_features::add_classes(&classes.of(message), &mut features);
    }
    features
}

/// Annotated entities of a message, with their tokens.
type Gold<'a> = Vec<(std::ops::Range<usize>, &'a Entity)>;

/// The numbers of the messages that tell something of a part, with the features of their tokens.
fn describe(
    part: Part,
    (corpus, gold): (&Corpus<'_>, &[Gold<'_>]),
    extraction: (&Extraction, Option<&WordClasses>),
    threads: usize,
) -> Vec<(usize, Vec<Vec<u64>>)> {
    let tells = |number: &usize| {
        let is_empty = corpus.messages[*number].tokens.is_empty();
        !is_empty && (part == Part::Entity || !gold[*number].is_empty())
    };
    let numbers: Vec<usize> = (0..gold.len()).filter(tells).collect();
    parallel::map(threads, numbers.len(), |at| {
        let number = numbers[at];
        let message = &corpus.messages[number];
        let hint = corpus.hints.get(number).copied().flatten();
        let base = features(message, hint, extraction);
        if part == Part::Entity {
            return (number, base);
        }
        let mut entities = vec![TokenLabel::default(); message.tokens.len()];
        for (tokens, entity) in &gold[number] {
            let label = TokenLabel { label: Some(entity.entity.clone()), ..TokenLabel::default() };
            entities[tokens.clone()].fill(label);
        }
        (number, with_entities(&base, &entities))
    })
}

/// Adds what the first chain found to the features of each token.
fn with_entities(base: &[Vec<u64>], entities: &[TokenLabel]) -> Vec<Vec<u64>> {
    let name = |token: Option<usize>| {
        let label = token.and_then(|token| entities.get(token)).and_then(|label| label.label.as_deref());
        token_features::text_hash("entity", label.unwrap_or("O"))
    };
    base.iter()
        .enumerate()
        .map(|(token, features)| {
            let mut features = features.clone();
            features.push(token_features::at(0, name(Some(token))));
            features.push(token_features::at(-1, name(token.checked_sub(1))));
            features.push(token_features::at(1, name(Some(token + 1))));
            features
        })
        .collect()
}

impl PartTagger {
    fn train(
        part: Part,
        (corpus, classes): (&Corpus<'_>, Option<&WordClasses>),
        settings: &Settings<'_>,
        context: &TrainContext<'_>,
    ) -> Result<Option<Self>, Cancelled> {
        let mut labels = BTreeSet::new();
        let mut gold = Vec::with_capacity(corpus.messages.len());
        for (message, example) in corpus.messages.iter().zip(corpus.examples) {
            let (fitting, _) = spans::aligned(message, example);
            labels.extend(fitting.iter().filter_map(|(_, entity)| part.of(entity)).map(str::to_owned));
            gold.push(fitting);
        }
        if labels.is_empty() {
            return Ok(None);
        }
        let labels: Vec<String> = labels.into_iter().collect();
        let described = describe(part, (corpus, &gold), (&settings.extraction, classes), context.threads);
        let mut index = Index::default();
        let mut sequences = Sequences::default();
        let mut columns = Vec::new();
        for (number, features) in described {
            let mut tags = tags_of(part, &gold[number], &labels, features.len());
            if !settings.marks_starts {
                // A label's inside tag follows its start tag.
                tags.iter_mut().for_each(|tag| *tag += *tag % 2);
            }
            for (features, tag) in features.iter().zip(tags) {
                columns.clear();
                columns.extend(features.iter().map(|hash| index.insert(*hash)));
                sequences.push_token(&columns, tag);
            }
            sequences.end_sequence();
        }
        // The time of training grows with the root of the number of examples only.
        let usual = || (500.0 / (sequences.len().max(1) as f32).sqrt()).clamp(5.0, 60.0) as usize;
        let epochs = settings.epochs.unwrap_or_else(usual);
        let tags = 2 * labels.len() + 1;
        // An inside tag continues its own kind only; without starts there is nothing else.
        let allowed = |from: Option<usize>, to: usize| match settings.marks_starts {
            true => to == 0 || to % 2 == 1 || from.is_some_and(|from| from == to || from + 1 == to),
            false => to.is_multiple_of(2),
        };
        let go_on = |epoch: usize| {
            context.progress.report(settings.phase, epoch as u64, epochs as u64);
            !context.progress.is_cancelled()
        };
        let chains = CHAINS[usize::from(sequences.len() >= MANY_EXAMPLES)];
        let lessons = Lessons::of(&sequences, (index.len(), tags));
        let trained = parallel::map(context.threads, chains, |number| {
            let seed = settings.seed ^ (number as u64) << 40;
            let options =
                chain::Options { epochs, rate: 0.15, penalty: settings.penalty, dropout: DROPOUT, seed };
            lessons.train(allowed, &options, go_on)
        });
        let trained: Option<Vec<Chain>> = trained.into_iter().collect();
        let chain = trained.and_then(chain::mean).ok_or(Cancelled)?.compact();
        Ok(Some(Self { part, labels, index, lattice: chain.lattice(), chain }))
    }

    fn label(&self, features: &[Vec<u64>]) -> Vec<TokenLabel> {
        let known: Vec<Vec<u32>> = features
            .iter()
            .map(|features| features.iter().filter_map(|hash| self.index.get(*hash)).collect())
            .collect();
        let mut lattice = self.lattice.clone();
        let tagging = self.chain.tag(&mut lattice, known.iter().map(Vec::as_slice));
        tagging
            .tags
            .iter()
            .zip(&tagging.marginals)
            .map(|(tag, marginals)| match usize::from(*tag).checked_sub(1) {
                None => TokenLabel { label: None, is_start: false, confidence: marginals[0] },
                Some(number) => TokenLabel {
                    label: Some(self.labels[number / 2].clone()),
                    is_start: number % 2 == 0,
                    confidence: marginals[number / 2 * 2 + 1] + marginals[number / 2 * 2 + 2],
                },
            })
            .collect()
    }

    fn store_into(&self, prefix: &str, stored: &mut Stored) -> Value {
        let mut put = |name: &str, data: TensorData| {
            stored.tensors.insert(format!("{prefix}{name}"), Tensor::flat(data));
        };
        put("features", TensorData::U64(self.index.keys().to_vec()));
        put("starts", TensorData::U32(self.chain.starts.clone()));
        put("tags", TensorData::U16(self.chain.entry_tags.clone()));
        put("weights", TensorData::F32(self.chain.entry_weights.clone()));
        put("transitions", TensorData::F32(self.chain.transitions.clone()));
        let part = match self.part {
            Part::Entity => "entity",
            Part::Role => "role",
            Part::Group => "group",
        };
        json!({"part": part, "labels": self.labels})
    }

    fn load_from(prefix: &str, state: &Value, stored: &mut Stored) -> Result<Self, Unreadable> {
        let part = match state["part"].as_str() {
            Some("entity") => Part::Entity,
            Some("role") => Part::Role,
            Some("group") => Part::Group,
            _ => return Err(Unreadable::new("a tagger's part is unknown")),
        };
        let labels = state["labels"].as_array().map_or(&[][..], Vec::as_slice);
        let labels: Vec<String> = labels.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let index = Index::from_keys(&stored.take_u64(&format!("{prefix}features"))?);
        let chain = Chain {
            tags: 2 * labels.len() + 1,
            starts: stored.take_u32(&format!("{prefix}starts"))?,
            entry_tags: stored.take_u16(&format!("{prefix}tags"))?,
            entry_weights: stored.take_f32(&format!("{prefix}weights"))?,
            transitions: stored.take_f32(&format!("{prefix}transitions"))?,
        };
        if labels.is_empty() || !chain.is_sound(index.len()) {
            return Err(Unreadable::new("a tagger's parts do not fit each other"));
        }
        Ok(Self { part, labels, index, lattice: chain.lattice(), chain })
    }
}

/// Tags of the tokens of one example: 0 outside, `2i + 1` begins label i, `2i + 2` is inside it.
fn tags_of(
    part: Part,
    gold: &[(std::ops::Range<usize>, &Entity)],
    labels: &[String],
    tokens: usize,
) -> Vec<u16> {
    let mut tags = vec![0; tokens];
    for (range, entity) in gold {
        let label = part.of(entity).and_then(|label| labels.binary_search_by(|l| l.as_str().cmp(label)).ok());
        if let Some(label) = label {
            tags[range.clone()].fill(2 * label as u16 + 2);
            tags[range.start] = 2 * label as u16 + 1;
        }
    }
    tags
}
