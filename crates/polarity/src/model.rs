//! A trained classifier and its answers.

use intendant_numeric::parallel;
use intendant_text::Token;

use crate::calibrate::Calibration;
use crate::features::Features;
use crate::gazetteer::Found;
use crate::vocabulary::{Vector, Vocabulary};
use crate::words::{Kind, Words};

/// Texts that a thread takes at a time.
const BATCH: usize = 64;
/// Words whose influence is looked at, at most.
const INFLUENCES_MAX: usize = 200;

/// What is judged: a text, or what it says of the entity that is mentioned.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The text.
    pub text: &'a str,
    /// Where the entity is mentioned, in order; empty to judge the whole text.
    pub mentions: &'a [Token],
}

impl<'a> Subject<'a> {
    /// The whole text.
    pub fn document(text: &'a str) -> Self {
        Self { text, mentions: &[] }
    }
}

/// A label with the probabilities of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Place of the label in [`Model::labels`].
    pub label: usize,
    /// Probability of each label, in their order.
    pub probabilities: Vec<f32>,
}

/// What a text as a whole and what it says of each entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The whole text.
    pub document: Prediction,
    /// Each entity that was found, in the order given.
    pub entities: Vec<EntityPrediction>,
}

/// What a text says of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityPrediction {
    /// The entity's place in the gazetteer.
    pub entity: usize,
    /// Where it is mentioned.
    pub mentions: Vec<Token>,
    /// How it is spoken of.
    pub prediction: Prediction,
}

/// How much a word speaks for the predicted label.
#[derive(Clone, Debug, PartialEq)]
pub struct Influence {
    /// The word in the text.
    pub start_chars: usize,
    /// One past its last code point.
    pub end_chars: usize,
    /// The label's logit less its logit without the word.
    pub weight: f32,
}

/// A trained classifier. Immutable, cheap to share between threads.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) labels: Vec<String>,
    pub(crate) vocabulary: Vocabulary,
    /// `[features][outputs]`; one output tells two labels apart.
    pub(crate) weights: Vec<f32>,
    /// One per output.
    pub(crate) bias: Vec<f32>,
    pub(crate) calibration: Calibration,
    /// Whether examples had mentions.
    pub(crate) judges_entities: bool,
}

/// Buffers that are used again from text to text.
#[derive(Default)]
struct Scratch {
    features: Features,
    vector: Vector,
}

impl Model {
    /// The labels, in the order of all probabilities.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Number of features that the model knows.
    pub fn features(&self) -> usize {
        self.vocabulary.len()
    }

    /// Whether it was trained on what texts say of entities.
    pub fn judges_entities(&self) -> bool {
        self.judges_entities
    }

    /// Judges one subject.
    ///
    /// A model trained on whole texts judges an entity by the clauses that mention it.
    pub fn predict(&self, subject: &Subject<'_>) -> Prediction {
        self.calibration.prediction(&self.logits(subject, &mut Scratch::default()))
    }

    /// Judges many subjects on up to `threads` threads, in their order.
    pub fn predict_all(&self, subjects: &[Subject<'_>], threads: usize) -> Vec<Prediction> {
        let batches: Vec<&[Subject<'_>]> = subjects.chunks(BATCH).collect();
        let work = |batch: usize| -> Vec<Prediction> {
            let mut scratch = Scratch::default();
            let logits = |subject| self.logits(subject, &mut scratch);
            batches[batch].iter().map(logits).map(|logits| self.calibration.prediction(&logits)).collect()
        };
        parallel::map(threads, batches.len(), work).into_iter().flatten().collect()
    }

    /// Judges a text and what it says of entities that were found in it.
    pub fn analyse(&self, text: &str, found: &[Found]) -> Analysis {
        let entities = found.iter().map(|found| EntityPrediction {
            entity: found.entity,
            mentions: found.mentions.clone(),
            prediction: self.predict(&Subject { text, mentions: &found.mentions }),
        });
        Analysis { document: self.predict(&Subject::document(text)), entities: entities.collect() }
    }

    /// How much each word speaks for the predicted label, by leaving it out; in the order of the text.
    ///
    /// Costs one prediction per word; only the first words of a long text are looked at.
    pub fn explain(&self, subject: &Subject<'_>) -> Vec<Influence> {
        let mut scratch = Scratch::default();
        let logits = self.logits(subject, &mut scratch);
        let label = self.calibration.prediction(&logits).label;
        let offsets = intendant_text::offsets::Offsets::new(subject.text);
        let words = Words::of(subject.text, subject.mentions);
        let mut influences: Vec<Influence> = Vec::new();
        for word in words.items.iter().filter(|word| matches!(word.kind, Kind::Word | Kind::Mark)) {
            let (start, end) = word.source;
            if influences.len() == INFLUENCES_MAX {
                break;
            }
            let (start_chars, end_chars) = (offsets.chars(start), offsets.chars(end));
            if influences.last().is_some_and(|last| last.end_chars > start_chars) {
                continue;
            }
            let text = format!("{}{}", &subject.text[..start], &subject.text[end..]);
            let moved: Vec<Token> =
                subject.mentions.iter().map(|mention| without(mention, word.source)).collect();
            let without = self.logits(&Subject { text: &text, mentions: &moved }, &mut scratch);
            influences.push(Influence { start_chars, end_chars, weight: logits[label] - without[label] });
        }
        influences
    }

    /// The calibrated logits of all labels; their softmax are the probabilities.
    fn logits(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> Vec<f32> {
        let words = self.words(subject);
        let target = subject.mentions.first().map_or("", |mention| mention.text(subject.text));
        scratch.features.read(&words, target);
        self.vocabulary.vector(&scratch.features, &mut scratch.vector);
        let mut outputs = self.bias.clone();
        for (column, value) in scratch.vector.columns.iter().zip(&scratch.vector.values) {
            let weights = &self.weights[*column as usize * outputs.len()..];
            outputs.iter_mut().zip(weights).for_each(|(output, weight)| *output += weight * value);
        }
        self.calibration.logits(&outputs)
    }

    fn words(&self, subject: &Subject<'_>) -> Words {
        let words = Words::of(subject.text, subject.mentions);
        if self.judges_entities || subject.mentions.is_empty() {
            return words;
        }
        Words::of(&words.clauses_of_mentions(subject.text), &[])
    }
}

/// A mention after a stretch of the text before or after it was taken out; offsets in code points are not needed.
fn without(mention: &Token, (start, end): (usize, usize)) -> Token {
    if mention.start_bytes < end {
        return *mention;
    }
    let by = end - start;
    Token { start_bytes: mention.start_bytes - by, end_bytes: mention.end_bytes - by, ..*mention }
}
