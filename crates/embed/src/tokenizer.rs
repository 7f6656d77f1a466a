//! Texts to pieces of words, with where in the text each piece stands.
//!
//! Source: the tokenizers library's `tokenizer.json` with a `BertNormalizer`, a
//! `BertPreTokenizer` and a `WordPiece` model (Wu et al. 2016, arXiv:1609.08144, section 4.1);
//! or `vocab.txt`, a piece per line, of older folders.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use crate::{Error, Files};

/// A piece of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) id: u32,
    /// Where it stands in the text; empty for marks of beginning and end.
    pub(crate) start_bytes: usize,
    pub(crate) end_bytes: usize,
}

/// Cuts texts into pieces.
pub(crate) struct Tokenizer {
    rules: Rules,
    pieces: HashMap<String, u32>,
    /// What marks a piece inside a word.
    inner_prefix: String,
    word_chars_max: usize,
    unknown: u32,
    begin: u32,
    end: u32,
}

/// A character of the normalised text and the one of the text it comes from.
#[derive(Clone, Copy)]
struct Letter {
    is: char,
    start_bytes: usize,
    end_bytes: usize,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, or `vocab.txt` with `tokenizer_config.json`.
    pub(crate) fn read(files: &Files) -> Result<Self, Error> {
        match files.get("tokenizer.json") {
            Some(bytes) => Self::of_json(&crate::config::json("tokenizer.json", bytes)?),
            None => Self::of_vocabulary(files),
        }
    }

    fn of_json(root: &Value) -> Result<Self, Error> {
        let model = &root["model"];
        let kind = model["type"].as_str().unwrap_or("BPE or unnamed");
        if kind != "WordPiece" {
            return Err(unsupported(&format!("a model of type {kind}")));
        }
        for (part, wanted) in [("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")] {
            let found = root[part]["type"].as_str().unwrap_or("none");
            if found != wanted {
                return Err(unsupported(&format!("a {part} of type {found}")));
            }
        }
        let vocabulary = model["vocab"].as_object();
        let vocabulary = vocabulary.ok_or_else(|| Error::new("tokenizer.json has no `model.vocab`"))?;
        let pieces = vocabulary
            .iter()
            .filter_map(|(piece, id)| Some((piece.clone(), u32::try_from(id.as_u64()?).ok()?)));
        let normalizer = &root["normalizer"];
        let flag = |name: &str| normalizer[name].as_bool();
        let is_lowercase = flag("lowercase").unwrap_or(true);
        let rules = Rules::new(
            flag("clean_text").unwrap_or(true),
            flag("handle_chinese_chars").unwrap_or(true),
            (is_lowercase, flag("strip_accents").unwrap_or(is_lowercase)),
        )?;
        Self::of(pieces.collect(), rules, model)
    }

    fn of_vocabulary(files: &Files) -> Result<Self, Error> {
        let Some(bytes) = files.get("vocab.txt") else {
            return Err(Error::new("there is neither tokenizer.json nor vocab.txt"));
        };
        let text = std::str::from_utf8(bytes).map_err(|_| Error::new("vocab.txt is not UTF-8"))?;
        let pieces = text.lines().enumerate().map(|(id, piece)| (piece.to_owned(), id as u32)).collect();
        let config = match files.get("tokenizer_config.json") {
            Some(bytes) => crate::config::json("tokenizer_config.json", bytes)?,
            None => Value::Null,
        };
        let is_lowercase = config["do_lower_case"].as_bool().unwrap_or(true);
        let handles_chinese = config["tokenize_chinese_chars"].as_bool().unwrap_or(true);
        let strips_accents = config["strip_accents"].as_bool().unwrap_or(is_lowercase);
        Self::of(pieces, Rules::new(true, handles_chinese, (is_lowercase, strips_accents))?, &Value::Null)
    }

    fn of(pieces: HashMap<String, u32>, rules: Rules, model: &Value) -> Result<Self, Error> {
        let id = |piece: &str| {
            pieces
                .get(piece)
                .copied()
                .ok_or_else(|| Error::new(format!("the vocabulary has no piece `{piece}`")))
        };
        let (unknown, begin, end) =
            (id(model["unk_token"].as_str().unwrap_or("[UNK]"))?, id("[CLS]")?, id("[SEP]")?);
        Ok(Self {
            rules,
            inner_prefix: model["continuing_subword_prefix"].as_str().unwrap_or("##").to_owned(),
            word_chars_max: model["max_input_chars_per_word"].as_u64().unwrap_or(100) as usize,
            unknown,
            begin,
            end,
            pieces,
        })
    }

    /// The largest number of a piece.
    pub(crate) fn id_max(&self) -> u32 {
        self.pieces.values().copied().max().unwrap_or(0)
    }

    /// At most `limit` pieces of a text, the marks of beginning and end among them.
    pub(crate) fn pieces(&self, text: &str, limit: usize) -> Vec<Piece> {
        let mark = |id, at| Piece { id, start_bytes: at, end_bytes: at };
        let mut pieces = vec![mark(self.begin, 0)];
        let most = limit.saturating_sub(1).max(1);
        for word in self.rules.words(text) {
            if pieces.len() >= most {
                break;
            }
            self.cut(&word, &mut pieces);
        }
        pieces.truncate(most);
        pieces.push(mark(self.end, text.len()));
        pieces
    }

    /// The longest known piece first, again and again.
    fn cut(&self, word: &[Letter], pieces: &mut Vec<Piece>) {
        let span = |from: usize, to: usize, id| Piece {
            id,
            start_bytes: word[from].start_bytes,
            end_bytes: word[to - 1].end_bytes,
        };
        let before = pieces.len();
        let mut from = 0;
        let mut key = String::new();
        while from < word.len() && word.len() <= self.word_chars_max {
            key.clear();
            if from > 0 {
                key.push_str(&self.inner_prefix);
            }
            key.extend(word[from..].iter().map(|letter| letter.is));
            let mut to = word.len();
            let found = loop {
                if let Some(id) = self.pieces.get(&key) {
                    break Some(*id);
                }
                to -= 1;
                if to == from {
                    break None;
                }
                key.pop();
            };
            let Some(id) = found else { break };
            pieces.push(span(from, to, id));
            from = to;
        }
        if from < word.len() {
            pieces.truncate(before);
            pieces.push(span(0, word.len(), self.unknown));
        }
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(format!(
        "tokenizer.json has {what}; supported are the WordPiece tokenizers of BERT and DistilBERT models"
    ))
}

/// How a text becomes words.
struct Rules {
    cleans: bool,
    spaces_chinese: bool,
    is_lowercase: bool,
    strips_accents: bool,
    other: Regex,
    mark: Regex,
    punctuation: Regex,
}

impl Rules {
    fn new(
        cleans: bool,
        spaces_chinese: bool,
        (is_lowercase, strips_accents): (bool, bool),
    ) -> Result<Self, Error> {
        let class = |pattern: &str| Regex::new(pattern).map_err(|error| Error::new(error.to_string()));
        Ok(Self {
            cleans,
            spaces_chinese,
            is_lowercase,
            strips_accents,
            other: class(r"^\p{C}$")?,
            mark: class(r"^\p{Mn}$")?,
            punctuation: class(r"^\p{P}$")?,
        })
    }

    fn words(&self, text: &str) -> Vec<Vec<Letter>> {
        let mut words = Vec::new();
        let mut word: Vec<Letter> = Vec::new();
        let finish = |word: &mut Vec<Letter>, words: &mut Vec<Vec<Letter>>| {
            if !word.is_empty() {
                words.push(std::mem::take(word));
            }
        };
        for (start_bytes, c) in text.char_indices() {
            let end_bytes = start_bytes + c.len_utf8();
            if c.is_whitespace() {
                finish(&mut word, &mut words);
                continue;
            }
            if self.cleans && (c == '\u{FFFD}' || self.is(&self.other, c)) {
                continue;
            }
            let stands_alone = self.spaces_chinese && is_chinese(c);
            if stands_alone {
                finish(&mut word, &mut words);
            }
            self.normalize(c, |is| {
                let letter = Letter { is, start_bytes, end_bytes };
                if is_punctuation(is, &self.punctuation) {
                    finish(&mut word, &mut words);
                    words.push(vec![letter]);
                } else {
                    word.push(letter);
                }
            });
            if stands_alone {
                finish(&mut word, &mut words);
            }
        }
        finish(&mut word, &mut words);
        words
    }

    fn normalize(&self, c: char, mut emit: impl FnMut(char)) {
        let mut lower = |c: char| match (c.is_ascii(), self.is_lowercase) {
            (_, false) => emit(c),
            (true, true) => emit(c.to_ascii_lowercase()),
            (false, true) => c.to_lowercase().for_each(&mut emit),
        };
        if c.is_ascii() || !self.strips_accents {
            return lower(c);
        }
        decompose_canonical(c, |part| {
            if !(is_combining_mark(part) && self.is(&self.mark, part)) {
                lower(part);
            }
        });
    }

    fn is(&self, class: &Regex, c: char) -> bool {
        class.is_match(c.encode_utf8(&mut [0; 4]))
    }
}

fn is_punctuation(c: char, class: &Regex) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_punctuation(),
        false => class.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

/// Ideographs of the blocks that BERT's tokenizer sets apart.
fn is_chinese(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x2_0000..=0x2_A6DF | 0x2_A700..=0x2_B73F | 0x2_B740..=0x2_B81F
            | 0x2_B920..=0x2_CEAF | 0xF900..=0xFAFF | 0x2_F800..=0x2_FA1F)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tokenizer(normalizer: Value) -> Tokenizer {
        let words = [
            "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "straße", "strasse", "cafe", "hello", "!",
            "中", "文", "é", "Hello", "##s", "##ı",
        ];
        let vocabulary: serde_json::Map<String, Value> =
            words.iter().enumerate().map(|(id, word)| ((*word).to_owned(), json!(id))).collect();
        Tokenizer::of_json(&json!({
            "normalizer": normalizer,
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "model": {"type": "WordPiece", "vocab": vocabulary, "unk_token": "[UNK]"},
        }))
        .unwrap()
    }

    #[test]
    fn words_are_cut_into_the_longest_known_pieces_where_they_stand() {
        let lower = tokenizer(json!({"type": "BertNormalizer", "lowercase": true}));
        let cased = tokenizer(json!({"type": "BertNormalizer", "lowercase": false, "strip_accents": false}));
        let check = |tokenizer: &Tokenizer, text: &str, expected: &[(&str, &str)]| {
            let name = |id: u32| tokenizer.pieces.iter().find(|(_, own)| **own == id).unwrap().0.as_str();
            let pieces = tokenizer.pieces(text, 32);
            let found: Vec<(&str, &str)> = pieces[1..pieces.len() - 1]
                .iter()
                .map(|piece| (name(piece.id), &text[piece.start_bytes..piece.end_bytes]))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check(&lower, " unaffable", &[("un", "un"), ("##aff", "aff"), ("##able", "able")]);
        check(&lower, "Café HELLO!", &[("cafe", "Café"), ("hello", "HELLO"), ("!", "!")]);
        check(&lower, "Cafe\u{301}", &[("cafe", "Cafe\u{301}"[..4].as_ref())]);
        check(&lower, "STRASSE Straße", &[("strasse", "STRASSE"), ("straße", "Straße")]);
        check(&lower, "中文hello", &[("中", "中"), ("文", "文"), ("hello", "hello")]);
        check(&lower, "he\u{200b}llo\u{0}s", &[("hello", "he\u{200b}llo"), ("##s", "s")]);
        check(&lower, "xyz unx", &[("[UNK]", "xyz"), ("[UNK]", "unx")]);
        check(&cased, "Hello hello é", &[("Hello", "Hello"), ("hello", "hello"), ("é", "é")]);
        check(&lower, "\u{3000}\t\n", &[]);
        check(&lower, &"u".repeat(101), &[("[UNK]", &"u".repeat(101))]);
    }

    #[test]
    fn long_texts_are_cut_off() {
        let tokenizer = tokenizer(json!({"type": "BertNormalizer"}));
        let pieces = tokenizer.pieces(&"hello ".repeat(50), 10);
        assert_eq!((pieces.len(), pieces[0].id, pieces[8].id, pieces[9].id), (10, 1, 9, 2));
    }

    #[test]
    fn other_tokenizers_are_refused_by_name() {
        let check = |root: Value, part: &str| {
            let error = Tokenizer::of_json(&root).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(part), "{error}");
        };
        check(json!({"model": {"type": "Unigram"}}), "a model of type Unigram; supported are the WordPiece");
        check(
            json!({"model": {"type": "WordPiece"}, "normalizer": {"type": "NFC"}}),
            "a normalizer of type NFC",
        );
        check(
            json!({"model": {"type": "WordPiece", "vocab": {"[UNK]": 0}}, "normalizer": {"type": "BertNormalizer"},
                   "pre_tokenizer": {"type": "BertPreTokenizer"}}),
            "no piece `[CLS]`",
        );
    }
}
