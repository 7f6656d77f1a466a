//! `CountVectorsFeaturizer`: counts of words or pieces of words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_text::chars::{base_letter, is_combining, is_word};
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::{Message, Vector};
use crate::options::{OptionInfo, OptionKind, Options, option};

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "CountVectorsFeaturizer",
    kind: ComponentKind::SparseFeaturizer,
    requires: &[ComponentKind::Tokenizer],
    options: &OPTIONS,
    about: "Counts words, or pieces of words, that occur in the training data. Classifiers that read feature \
            vectors use it as configured. DIETClassifier and ResponseSelector use richer features of their own \
            as long as only ngram ranges and the analyzers `word` and `char_wb` are set; any other option makes \
            them use the configured counts.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 15] = [
    option("use_shared_vocab", OptionKind::Flag, "false", "accepted; only messages are counted here"),
    option("analyzer", OptionKind::Text, "\"word\"", "`word`, `char` or `char_wb`"),
    option("strip_accents", OptionKind::Text, "null", "`ascii` or `unicode`: accents are removed first"),
    option("stop_words", OptionKind::Any, "null", "`english` or a list of words that are left out"),
    option("min_df", OptionKind::Number, "1", "least number (1 and above) or share of messages with a term"),
    option(
        "max_df",
        OptionKind::Number,
        "1.0",
        "greatest number (integer) or share (fraction) of messages with a term",
    ),
    option("min_ngram", OptionKind::Number, "1", "shortest sequence"),
    option("max_ngram", OptionKind::Number, "1", "longest sequence"),
    option("max_features", OptionKind::Number, "null", "keeps only so many of the most frequent terms"),
    option("lowercase", OptionKind::Flag, "true", "case is levelled first"),
    option("OOV_token", OptionKind::Text, "null", "word that stands for unknown words"),
    option("OOV_words", OptionKind::List, "[]", "words treated as unknown during training"),
    option("use_lemma", OptionKind::Flag, "true", "accepted; a token's lemma is its text"),
    option("alias", OptionKind::Text, "null", "name by which `featurizers` options refer to it"),
    option("additional_vocabulary_size", OptionKind::Any, "null", "accepted, no effect"),
];

/// English function words, left out by `stop_words: english`.
const ENGLISH_STOP_WORDS: &str = "a about above across after again against all almost alone along already also \
    although always am among an and another any are as at be because been before being below between both but by \
    can cannot could did do does doing done down during each either else ever every few first for from further get \
    give had has have having he her here hers herself him himself his how however i if in into is it its itself \
    just last least less made many may me might mine more most much must my myself never no nobody none nor not \
    nothing now of off often on once one only or other others our ours ourselves out over own per please rather \
    same several she should since so some still such than that the their theirs them themselves then there these \
    they this those through thus to together too toward two under until up upon us very was we well were what \
    when where whether which while who whom whose why will with within without would yet you your yours yourself \
    yourselves";

/// Whether only options are set under which the richer built-in features do no less.
pub(crate) fn is_plain(options: &Options) -> bool {
    let analyzer = options.text("analyzer").unwrap_or("word");
    analyzer != "char"
        && options.text("strip_accents").is_none()
        && options.value("stop_words").is_null()
        && options.number("min_df") == 1.0
        && options.number("max_df") == 1.0
        && options.value("max_features").is_null()
        && options.flag("lowercase")
        && options.text("OOV_token").is_none()
}

#[derive(Clone, Copy, PartialEq)]
enum Analyzer {
    Word,
    Char,
    CharInWords,
}

/// How texts become terms.
struct Rules {
    analyzer: Analyzer,
    ngrams: std::ops::RangeInclusive<usize>,
    is_lowercase: bool,
    strips_accents: bool,
    stop_words: BTreeSet<String>,
    unknown_word: Option<String>,
}

struct CountVectors {
    position: usize,
    rules: Rules,
    columns: HashMap<String, u32>,
}

impl Rules {
    fn of(options: &Options) -> Self {
        let is_lowercase = options.flag("lowercase");
        let analyzer = match options.text("analyzer") {
            Some("char") => Analyzer::Char,
            Some("char_wb") => Analyzer::CharInWords,
            _ => Analyzer::Word,
        };
        let stop_words = match options.value("stop_words") {
            Value::String(language) if language == "english" => {
                ENGLISH_STOP_WORDS.split_whitespace().map(str::to_owned).collect()
            }
            Value::Array(words) => words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => BTreeSet::new(),
        };
        let cased = |word: &str| if is_lowercase { word.to_lowercase() } else { word.to_owned() };
        let unknown_word = options.text("OOV_token").filter(|_| analyzer == Analyzer::Word).map(cased);
        let shortest = options.count("min_ngram").max(1);
        Self {
            analyzer,
            ngrams: shortest..=options.count("max_ngram").max(shortest),
            is_lowercase,
            strips_accents: options.text("strip_accents").is_some(),
            stop_words,
            unknown_word,
        }
    }

    /// Tokens of a message as they are counted, numbers levelled.
    fn words(&self, message: &Message<'_>) -> Vec<String> {
        (0..message.tokens.len())
            .map(|token| {
                let word = level_numbers(message.word(token));
                if self.is_lowercase { word.to_lowercase() } else { word }
            })
            .collect()
    }

    /// Calls `emit` with every term of a document.
    fn terms(&self, document: &str, mut emit: impl FnMut(&str)) {
        let mut document = if self.is_lowercase { document.to_lowercase() } else { document.to_owned() };
        if self.strips_accents {
            document = document.chars().filter(|c| !is_combining(*c)).map(base_letter).collect();
        }
        match self.analyzer {
            Analyzer::Word => {
                let words: Vec<&str> = document
                    .split(|c: char| !is_word(c))
                    .filter(|word| !word.is_empty() && !self.stop_words.contains(*word))
                    .collect();
                for size in self.ngrams.clone() {
                    words.windows(size).for_each(|words| emit(&words.join(" ")));
                }
            }
            Analyzer::Char => {
                let document = document.split_whitespace().collect::<Vec<_>>().join(" ");
                let chars: Vec<char> = document.chars().collect();
                for size in self.ngrams.clone() {
                    chars.windows(size).for_each(|piece| emit(&String::from_iter(piece)));
                }
            }
            Analyzer::CharInWords => {
                for word in document.split_whitespace() {
                    let padded: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
                    for size in self.ngrams.clone() {
                        padded.windows(size).for_each(|piece| emit(&String::from_iter(piece)));
                        if size >= padded.len() {
                            if size > padded.len() {
                                emit(&String::from_iter(&padded));
                            }
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// Replaces numbers that stand alone by one word for all.
fn level_numbers(word: &str) -> String {
    let mut levelled = String::with_capacity(word.len());
    for part in word.split_inclusive(|c: char| !is_word(c)) {
        let body = part.trim_end_matches(|c: char| !is_word(c));
        if !body.is_empty() && body.bytes().all(|b| b.is_ascii_digit()) {
            levelled.push_str("__NUMBER__");
            levelled.push_str(&part[body.len()..]);
        } else {
            levelled.push_str(part);
        }
    }
    levelled
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    check_options(options, training.diagnostics);
    let rules = Rules::of(options);
    // Where no component reads its vectors, the vocabulary would only cost time and space.
    if training.messages.iter().all(|message| !message.wants_vectors) {
        let columns = HashMap::new();
        return Ok(Box::new(CountVectors { position: training.slot.position, rules, columns }));
    }
    let unknown: BTreeSet<String> = options
        .texts("OOV_words")
        .iter()
        .map(|word| if rules.is_lowercase { word.to_lowercase() } else { word.clone() })
        .collect();
    let mut documents: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut messages = 0;
    for message in training.messages.iter().filter(|message| !message.tokens.is_empty()) {
        messages += 1;
        let mut words = rules.words(message);
        if let Some(token) = &rules.unknown_word {
            words.iter_mut().filter(|word| unknown.contains(*word)).for_each(|word| word.clone_from(token));
        }
        let mut terms: Vec<String> = Vec::new();
        rules.terms(&words.join(" "), |term| terms.push(term.to_owned()));
        terms.sort_unstable();
        for run in terms.chunk_by(|a, b| a == b) {
            let counts = documents.entry(run[0].clone()).or_insert((0, 0));
            *counts = (counts.0 + 1, counts.1 + run.len());
        }
    }
    if let Some(token) = &rules.unknown_word
        && !documents.contains_key(token)
    {
        let message =
            format!("the `OOV_token` `{token}` does not occur in the training data and has no effect");
        training.diagnostics.push(
            Diagnostic::warning(options.source.clone(), message)
                .with_hint("use it in some examples, or list `OOV_words`"),
        );
    }
    let columns = columns(documents, messages, options);
    Ok(Box::new(CountVectors { position: training.slot.position, rules, columns }))
}

fn check_options(options: &Options, diagnostics: &mut Vec<Diagnostic>) {
    let analyzer = options.text("analyzer").unwrap_or_default();
    if !["word", "char", "char_wb"].contains(&analyzer) {
        let message = format!("option `analyzer` of `CountVectorsFeaturizer` cannot be `{analyzer}`");
        diagnostics.push(
            Diagnostic::error(options.source.clone(), message).with_hint("it is `word`, `char` or `char_wb`"),
        );
    }
    if options.count("min_ngram") > options.count("max_ngram") {
        let message = "option `min_ngram` of `CountVectorsFeaturizer` is above `max_ngram`";
        diagnostics.push(Diagnostic::error(options.source.clone(), message));
    }
    if !options.texts("OOV_words").is_empty() && options.text("OOV_token").is_none() {
        let message = "`OOV_words` have no effect without `OOV_token`";
        diagnostics.push(Diagnostic::warning(options.source.clone(), message));
    }
    if options.text("OOV_token").is_some() && analyzer != "word" {
        let message = format!("`OOV_token` has no effect with the analyzer `{analyzer}`");
        diagnostics.push(Diagnostic::warning(options.source.clone(), message));
    }
}

/// Numbers the terms that occur neither too rarely nor too often, alphabetically.
fn columns(
    documents: BTreeMap<String, (usize, usize)>,
    messages: usize,
    options: &Options,
) -> HashMap<String, u32> {
    let limit = |name: &str| match options.value(name) {
        Value::Number(number) if number.is_f64() => options.number(name) * messages as f64,
        _ => options.number(name),
    };
    let (least, most) = (limit("min_df"), limit("max_df"));
    let mut kept: Vec<(String, usize)> = documents
        .into_iter()
        .filter(|(_, (documents, _))| *documents as f64 >= least && *documents as f64 <= most)
        .map(|(term, (_, occurrences))| (term, occurrences))
        .collect();
    if let Some(most) = options.value("max_features").as_u64() {
        kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        kept.truncate(most as usize);
        kept.sort();
    }
    kept.into_iter().enumerate().map(|(column, (term, _))| (term, column as u32)).collect()
}

fn load(options: &Options, slot: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let terms = stored.state.get("vocabulary").and_then(Value::as_array);
    let terms = terms.ok_or_else(|| Unreadable::new("`vocabulary` is not a list"))?;
    let columns = terms.iter().filter_map(Value::as_str).enumerate();
    let columns = columns.map(|(column, term)| (term.to_owned(), column as u32)).collect();
    Ok(Box::new(CountVectors { position: slot.position, rules: Rules::of(options), columns }))
}

impl Annotator for CountVectors {
    fn annotate(&self, message: &mut Message<'_>) {
        if !message.wants_vectors || message.tokens.is_empty() {
            return;
        }
        let mut words = self.rules.words(message);
        if let Some(token) =
            self.rules.unknown_word.as_ref().filter(|token| self.columns.contains_key(*token))
        {
            let unknown = |word: &&mut String| !self.columns.contains_key(*word);
            words.iter_mut().filter(unknown).for_each(|word| word.clone_from(token));
        }
        let mut found: Vec<u32> = Vec::new();
        self.rules.terms(&words.join(" "), |term| found.extend(self.columns.get(term)));
        found.sort_unstable();
        let items = found.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as f32)).collect();
        message.vectors.push(Vector { origin: self.position, items });
    }

    fn store(&self) -> Stored {
        let mut terms: Vec<(&u32, &String)> =
            self.columns.iter().map(|(term, column)| (column, term)).collect();
        terms.sort_unstable();
        let terms: Vec<&String> = terms.into_iter().map(|(_, term)| term).collect();
        Stored { state: json!({"vocabulary": terms}), ..Stored::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_terms_as_scikit_learn_counts_them() {
        let check = |analyzer: &str, (shortest, longest): (u64, u64), document: &str, expected: &[&str]| {
            let spec = intendant_talk::data::ComponentSpec {
                options: json!({"analyzer": analyzer, "min_ngram": shortest, "max_ngram": longest})
                    .as_object()
                    .unwrap()
                    .clone(),
                ..Default::default()
            };
            let options = Options::read(&spec, "CountVectorsFeaturizer", &OPTIONS, &mut Vec::new());
            let mut terms = Vec::new();
            Rules::of(&options).terms(document, |term| terms.push(term.to_owned()));
            assert_eq!(terms, expected, "{analyzer} {document}");
        };
        check("word", (1, 1), "Is it a well-known fact", &["is", "it", "a", "well", "known", "fact"]);
        check("word", (1, 2), "a b c", &["a", "b", "c", "a b", "b c"]);
        check("char", (2, 2), "ab  c", &["ab", "b ", " c"]);
        check("char_wb", (1, 3), "ab", &[" ", "a", "b", " ", " a", "ab", "b ", " ab", "ab "]);
        check("char_wb", (1, 4), "a", &[" ", "a", " ", " a", "a ", " a "]);
        check("char_wb", (4, 5), "a", &[" a "]);
    }

    #[test]
    fn numbers_are_levelled() {
        assert_eq!(level_numbers("12"), "__NUMBER__");
        assert_eq!(level_numbers("a12"), "a12");
        assert_eq!(level_numbers("12.5%"), "__NUMBER__.__NUMBER__%");
    }
}
