//! Classes of words that mean about the same to a pretrained encoder, as features of taggers.
//!
//! Every word is encoded by itself and the words of the training data are grouped, coarsely and
//! finely, so that what is learnt of one city serves the next one. Source: Guo et al. 2014,
//! "Revisiting Embedding Features for Simple Semi-supervised Learning" (cluster features).

use std::collections::BTreeSet;

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::{Cancelled, TrainContext};
use intendant_numeric::cluster::{self, Centres};
use intendant_numeric::random::hash_bytes;
use serde_json::{Value, json};

use crate::message::Message;
use crate::ngrams::fold;

/// Groups of each level, coarse first.
const LEVELS: [usize; 2] = [48, 320];
const ROUNDS: usize = 12;

/// The class of a word at each level.
pub(crate) type Classes = [u16; LEVELS.len()];

/// Classes of the words of the training data, and what it takes to class others.
pub(crate) struct WordClasses {
    levels: [Centres; LEVELS.len()],
    /// Hashes of the words of the training data, sorted.
    words: Vec<u64>,
    classes: Vec<Classes>,
}

fn key(folded: &str) -> u64 {
    hash_bytes(0xC1A5, folded.as_bytes())
}

fn words<'a>(message: &'a Message<'_>) -> impl Iterator<Item = String> + 'a {
    (0..message.tokens.len()).map(|token| fold(message.word(token)))
}

impl WordClasses {
    /// Classes of the words of messages; `None` when no component before provides an encoder.
    pub(crate) fn train(
        messages: &[Message<'_>],
        seed: u64,
        context: &TrainContext<'_>,
    ) -> Result<Option<Self>, Cancelled> {
        let Some(provided) = messages.iter().find_map(|message| message.provided.as_ref()) else {
            return Ok(None);
        };
        let all: BTreeSet<String> = messages.iter().flat_map(words).collect();
        let texts: Vec<&str> = all.iter().map(String::as_str).collect();
        let vectors = provided.vectors(&texts, context)?;
        let width = vectors.first().map_or(0, |vector| vector.len());
        let rows: Vec<f32> = vectors.iter().flat_map(|vector| vector.iter().copied()).collect();
        let levels = LEVELS.map(|groups| {
            // Never so many that most words are alone.
            let groups = groups.min(texts.len() / 4 + 1);
            let options = cluster::Options { groups, rounds: ROUNDS, seed, threads: context.threads };
            cluster::centres(&rows, width, &options)
        });
        let mut table: Vec<(u64, Classes)> = texts
            .iter()
            .zip(&vectors)
            .filter_map(|(word, vector)| Some((key(word), class(&levels, vector)?)))
            .collect();
        table.sort_unstable();
        table.dedup_by_key(|(key, _)| *key);
        let (words, classes) = table.into_iter().unzip();
        Ok(Some(Self { levels, words, classes }))
    }

    /// The classes of a message's words; words that are new are encoded.
    pub(crate) fn of(&self, message: &Message<'_>) -> Vec<Option<Classes>> {
        let words: Vec<String> = words(message).collect();
        let mut classes: Vec<Option<Classes>> = words
            .iter()
            .map(|word| self.words.binary_search(&key(word)).ok().map(|at| self.classes[at]))
            .collect();
        let new: Vec<usize> = (0..words.len()).filter(|at| classes[*at].is_none()).collect();
        if let (Some(provided), false) = (&message.provided, new.is_empty()) {
            let texts: Vec<&str> = new.iter().map(|at| words[*at].as_str()).collect();
            for (at, vector) in new.into_iter().zip(provided.new_vectors(&texts)) {
                classes[at] = class(&self.levels, &vector);
            }
        }
        classes
    }

    pub(crate) fn store_into(&self, stored: &mut Stored) -> Value {
        let mut put = |name: &str, data: TensorData| {
            stored.tensors.insert(format!("classes.{name}"), Tensor::flat(data));
        };
        put("words", TensorData::U64(self.words.clone()));
        put("of_words", TensorData::U16(self.classes.iter().flatten().copied().collect()));
        for (level, centres) in self.levels.iter().enumerate() {
            put(&format!("level{level}"), TensorData::F32(centres.values.clone()));
        }
        json!(self.levels[0].width)
    }

    pub(crate) fn load_from(state: &Value, stored: &mut Stored) -> Result<Option<Self>, Unreadable> {
        let Some(width) = state.as_u64() else { return Ok(None) };
        let width = width as usize;
        let words = stored.take_u64("classes.words")?;
        let of_words = stored.take_u16("classes.of_words")?;
        let (classes, rest) = of_words.as_chunks::<{ LEVELS.len() }>();
        let mut centres = |level: usize| {
            let values = stored.take_f32(&format!("classes.level{level}"))?;
            Ok::<_, Unreadable>(Centres { width, values })
        };
        let levels = [centres(0)?, centres(1)?];
        let is_sound = rest.is_empty()
            && classes.len() == words.len()
            && levels.iter().all(|centres| width > 0 && centres.values.len() % width == 0);
        if !is_sound {
            return Err(Unreadable::new("the word classes' parts do not fit each other"));
        }
        Ok(Some(Self { levels, words, classes: classes.to_vec() }))
    }
}

fn class(levels: &[Centres; LEVELS.len()], vector: &[f32]) -> Option<Classes> {
    Some([levels[0].nearest(vector)?, levels[1].nearest(vector)?])
}
