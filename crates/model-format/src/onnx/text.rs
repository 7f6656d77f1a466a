//! Words, n-grams and their weights.
//!
//! Source: ONNX operators `TfIdfVectorizer`, `StringNormalizer` and `com.microsoft.Tokenizer`.

use std::collections::HashMap;

use super::proto::Node;
use super::tensor::{Data, Tensor};
use crate::Error;

/// What a text is cut into.
#[derive(Clone, Debug)]
pub(super) struct Tokenizer {
    /// Characters that belong to words, found from the pattern.
    rule: Rule,
    length_min: usize,
    pad: String,
    marks: bool,
}

#[derive(Clone, Debug)]
enum Rule {
    /// Maximal runs matched by any of these classes of characters.
    Runs(Vec<Class>),
    /// Between these separators.
    Separators(Vec<String>),
    /// Single characters.
    Characters,
}

#[derive(Clone, Debug, PartialEq)]
enum Class {
    Word,
    NotSpace,
    /// Any of these ranges.
    Of(Vec<(char, char)>),
}

/// Weighted counts of n-grams.
#[derive(Clone, Debug)]
pub(super) struct Vectorizer {
    /// Position and weight of known n-grams, words joined by a control character.
    grams: HashMap<String, (usize, f32)>,
    lengths: std::ops::RangeInclusive<usize>,
    skips: usize,
    mode: Mode,
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Count,
    Weight,
    Both,
}

/// Columns of a vectorizer at most.
const WIDTH_MAX: i64 = 10_000_000;

const JOINT: char = '\u{1}';

impl Tokenizer {
    pub fn of(node: &Node) -> Result<Self, Error> {
        let pattern = node.text("tokenexp", "");
        let separators = node.texts("separators");
        let rule = match (pattern.as_str(), separators) {
            ("", []) => return Err(Error::unsupported("a tokenizer without pattern and separators")),
            ("", [only]) if only.is_empty() => Rule::Characters,
            ("", separators) => Rule::Separators(separators.to_vec()),
            (".", _) => Rule::Characters,
            (pattern, _) => Rule::Runs(runs(pattern)?),
        };
        Ok(Self {
            rule,
            length_min: usize::try_from(node.int("mincharnum", 1)).unwrap_or(1),
            pad: node.text("pad_value", "#"),
            marks: node.int("mark", 0) == 1,
        })
    }

    pub fn run(&self, input: &Tensor) -> Result<Tensor, Error> {
        let rows: Vec<Vec<String>> = input.texts()?.iter().map(|text| self.tokens(text)).collect();
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut padded = Vec::with_capacity(rows.len() * longest);
        for row in &rows {
            padded.extend(row.iter().cloned());
            padded.extend(std::iter::repeat_n(self.pad.clone(), longest - row.len()));
        }
        let mut shape = input.shape.clone();
        shape.push(longest);
        Tensor::new(shape, Data::Text(padded))
    }

    fn tokens(&self, text: &str) -> Vec<String> {
        let mut tokens: Vec<String> = match &self.rule {
            Rule::Characters => text.chars().map(String::from).collect(),
            Rule::Separators(separators) => {
                let mut parts = vec![text.to_owned()];
                for separator in separators.iter().filter(|separator| !separator.is_empty()) {
                    let cut = parts.iter().flat_map(|part| part.split(separator.as_str()).map(str::to_owned));
                    parts = cut.collect();
                }
                parts.into_iter().filter(|part| !part.is_empty()).collect()
            }
            Rule::Runs(classes) => {
                let mut tokens: Vec<String> = Vec::new();
                let mut last = None;
                for character in text.chars() {
                    let class = classes.iter().position(|class| class.holds(character));
                    match (class, tokens.last_mut()) {
                        (Some(_), Some(token)) if class == last => token.push(character),
                        (Some(_), _) => tokens.push(character.to_string()),
                        (None, _) => {}
                    }
                    last = class;
                }
                tokens
            }
        };
        tokens.retain(|token| token.chars().count() >= self.length_min);
        if self.marks {
            tokens.insert(0, "\u{2}".to_owned());
            tokens.push("\u{3}".to_owned());
        }
        tokens
    }
}

impl Class {
    fn holds(&self, character: char) -> bool {
        match self {
            Self::Word => character.is_alphanumeric() || character == '_',
            Self::NotSpace => !character.is_whitespace(),
            Self::Of(ranges) => ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)),
        }
    }
}

/// Classes of characters of the patterns that exporters write: runs of one class, joined by bars.
fn runs(pattern: &str) -> Result<Vec<Class>, Error> {
    let unknown = || Error::unsupported(format!("the token pattern `{pattern}`"));
    let mut classes = Vec::new();
    for part in pattern.split('|') {
        let part = part.trim_start_matches("\\b").trim_end_matches("\\b");
        let body = part.strip_suffix('+').ok_or_else(unknown)?;
        let inner = body.strip_prefix('[').and_then(|body| body.strip_suffix(']'));
        classes.push(match inner.unwrap_or(body) {
            "\\w" | "\\w\\w" => Class::Word,
            "\\S" | "^\\s" => Class::NotSpace,
            inner if body.starts_with('[') && !inner.starts_with('^') && !inner.contains('\\') => {
                Class::Of(ranges(inner))
            }
            _ => return Err(unknown()),
        });
    }
    Ok(classes)
}

/// Ranges of characters between brackets: `a-z0-9_`.
fn ranges(text: &str) -> Vec<(char, char)> {
    let characters: Vec<char> = text.chars().collect();
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < characters.len() {
        let is_range = at + 2 < characters.len() && characters[at + 1] == '-';
        let last = if is_range { at + 2 } else { at };
        ranges.push((characters[at], characters[last]));
        at = last + 1;
    }
    ranges
}

impl Vectorizer {
    pub fn of(node: &Node) -> Result<Self, Error> {
        let pool = node.texts("pool_strings");
        let numbers = node.ints("pool_int64s");
        let words: Vec<String> =
            if pool.is_empty() { numbers.iter().map(i64::to_string).collect() } else { pool.to_vec() };
        let starts = node.ints("ngram_counts");
        let indexes = node.ints("ngram_indexes");
        let weights = node.floats("weights");
        let least = node.int("min_gram_length", 1);
        let most = node.int("max_gram_length", 1);
        let width = indexes.iter().max().map_or(0, |most| most + 1);
        if least < 1
            || most < least
            || most > 16
            || width > WIDTH_MAX
            || indexes.iter().any(|index| *index < 0)
        {
            return Err(Error::damaged("n-grams of impossible length or position"));
        }
        let mode = match node.text("mode", "").as_str() {
            "TF" => Mode::Count,
            "IDF" => Mode::Weight,
            "TFIDF" => Mode::Both,
            other => return Err(Error::damaged(format!("the mode `{other}`"))),
        };
        let mut grams = HashMap::new();
        let mut number = 0;
        for (length, start) in (1..).zip(starts) {
            let wrong = || Error::damaged("the pool of n-grams leads outside of itself");
            let start = usize::try_from(*start).map_err(|_| wrong())?;
            let end = starts.get(length).map_or(Ok(words.len()), |end| usize::try_from(*end));
            let own = words.get(start..end.map_err(|_| wrong())?).ok_or_else(wrong)?;
            for gram in own.chunks_exact(length) {
                let index = *indexes.get(number).ok_or_else(wrong)? as usize;
                let weight = if weights.is_empty() { 1.0 } else { *weights.get(number).ok_or_else(wrong)? };
                grams.insert(gram.join(&JOINT.to_string()), (index, weight));
                number += 1;
            }
        }
        let skips = usize::try_from(node.int("max_skip_count", 0)).unwrap_or(0);
        if skips > 10 {
            return Err(Error::unsupported("n-grams that skip more than ten words"));
        }
        Ok(Self { grams, lengths: least as usize..=most as usize, skips, mode, width: width as usize })
    }

    pub fn run(&self, input: &Tensor) -> Result<Tensor, Error> {
        let owned: Vec<String>;
        let words = match &input.data {
            Data::Text(words) => words,
            _ => {
                owned = input.ints()?.iter().map(i64::to_string).collect();
                &owned
            }
        };
        let row_width = if input.shape.len() < 2 { words.len() } else { input.width() };
        let rows = if input.shape.len() < 2 { 1 } else { input.shape[0] };
        let mut values = vec![0.0f32; rows * self.width];
        for (row, words) in words.chunks(row_width.max(1)).enumerate().take(rows) {
            self.count(words, &mut values[row * self.width..(row + 1) * self.width]);
        }
        Tensor::new(vec![rows, self.width], Data::Float(values))
    }

    fn count(&self, words: &[String], into: &mut [f32]) {
        let mut gram = String::new();
        for length in self.lengths.clone() {
            let skips = if length == 1 { 0 } else { self.skips };
            for stride in 1..=skips + 1 {
                let reach = (length - 1) * stride + 1;
                for start in 0..(words.len() + 1).saturating_sub(reach) {
                    gram.clear();
                    for at in 0..length {
                        if at > 0 {
                            gram.push(JOINT);
                        }
                        gram.push_str(&words[start + at * stride]);
                    }
                    if let Some((index, weight)) = self.grams.get(&gram) {
                        match self.mode {
                            Mode::Count => into[*index] += 1.0,
                            Mode::Weight => into[*index] = *weight,
                            Mode::Both => into[*index] += weight,
                        }
                    }
                }
            }
        }
    }
}

/// Changes the case of words and leaves out stop words.
#[derive(Clone, Debug)]
pub(super) struct Normalizer {
    case: String,
    stop_words: Vec<String>,
    is_case_sensitive: bool,
}

impl Normalizer {
    pub fn of(node: &Node) -> Self {
        Self {
            case: node.text("case_change_action", "NONE"),
            stop_words: node.texts("stopwords").to_vec(),
            is_case_sensitive: node.int("is_case_sensitive", 0) == 1,
        }
    }

    pub fn run(&self, input: &Tensor) -> Result<Tensor, Error> {
        let is_stop = |word: &str| {
            self.stop_words.iter().any(|stop| {
                if self.is_case_sensitive { stop == word } else { stop.to_lowercase() == word.to_lowercase() }
            })
        };
        let changed = |word: &String| match self.case.as_str() {
            "LOWER" => word.to_lowercase(),
            "UPPER" => word.to_uppercase(),
            _ => word.clone(),
        };
        let words = input.texts()?;
        if self.stop_words.is_empty() {
            return Tensor::new(input.shape.clone(), Data::Text(words.iter().map(changed).collect()));
        }
        let kept: Vec<String> = words.iter().filter(|word| !is_stop(word)).map(changed).collect();
        let shape = if input.shape.len() < 2 { vec![kept.len()] } else { vec![1, kept.len()] };
        Tensor::new(shape, Data::Text(kept))
    }
}
