//! `JiebaTokenizer`: Chinese cut into words by a dictionary.
//!
//! Source: the segmentation of the jieba project in its default mode, the most likely path through
//! the words of a dictionary with a hidden Markov model for what is in none; here by `jieba-rs`.

use std::sync::{Arc, LazyLock};

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_talk::data::Resource;
use intendant_text::Token;
use jieba_rs::{Jieba, TokenizeMode};
use serde_json::json;

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::patterns::Pattern;
use crate::tokenizer;

/// The dictionary without words of users: the same for everybody, read when first wanted.
static COMMON: LazyLock<Arc<Jieba>> = LazyLock::new(|| Arc::new(Jieba::new()));

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "JiebaTokenizer",
    kind: ComponentKind::Tokenizer,
    requires: &[],
    options: &OPTIONS,
    about: "Cuts Chinese text into words, as jieba does in its default mode. User dictionaries are kept in the \
            archive, so their folder is needed for training only.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 6] = {
    let [flag, symbol, pattern, prefix] = tokenizer::OPTIONS;
    [
        option(
            "dictionary_path",
            OptionKind::Text,
            "null",
            "folder of user dictionaries: a word a line, optionally with its frequency and word class",
        ),
        option(
            "dictionary_digest",
            OptionKind::Text,
            "null",
            "set by training: the SHA-256 of the dictionaries, so that a change of them is seen",
        ),
        flag,
        symbol,
        pattern,
        prefix,
    ]
};

/// User dictionaries: names of files in order, each with its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dictionaries(pub Vec<(String, String)>);

struct JiebaTokenizer {
    jieba: Arc<Jieba>,
    dictionaries: Dictionaries,
    token_pattern: Option<Pattern>,
}

impl JiebaTokenizer {
    fn new(dictionaries: Dictionaries, token_pattern: Option<Pattern>) -> Self {
        let mut jieba = Arc::clone(&COMMON);
        if !dictionaries.0.is_empty() {
            let own = Arc::make_mut(&mut jieba);
            let lines =
                dictionaries.0.iter().flat_map(|(_, text)| text.trim_start_matches('\u{feff}').lines());
            for (word, frequency, class) in lines.filter_map(entry) {
                own.add_word(word, frequency, class);
            }
        }
        Self { jieba, dictionaries, token_pattern }
    }
}

/// A line of a dictionary: a word, its frequency, its word class in small letters; the word alone
/// is enough, and gets a frequency by which it stays whole.
fn entry(line: &str) -> Option<(&str, Option<usize>, Option<&str>)> {
    let mut word = line.trim();
    let mut last = |fits: fn(char) -> bool| {
        let (before, last) = word.rsplit_once(char::is_whitespace)?;
        last.chars().all(fits).then(|| {
            word = before.trim_end();
            last
        })
    };
    let class = last(|c| c.is_ascii_lowercase());
    let frequency = last(|c| c.is_ascii_digit()).and_then(|digits| digits.parse().ok());
    (!word.is_empty()).then_some((word, frequency, class))
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let mut error = |message: String, hint: &str| {
        training.diagnostics.push(Diagnostic::error(options.source.clone(), message).with_hint(hint));
    };
    let language = training.language;
    if language.split(['-', '_']).next() != Some("zh") {
        error(
            format!("`JiebaTokenizer` cuts Chinese only; `language` is `{language}`"),
            "set `language: zh`, or use `WhitespaceTokenizer`",
        );
    }
    let dictionaries = match &options.resource {
        Some(Resource::Ready(found)) => Arc::clone(found)
            .downcast::<Dictionaries>()
            .map_err(|_| "something else than dictionaries was read for it".to_owned()),
        Some(Resource::Failed(why)) => Err(why.clone()),
        None if options.text("dictionary_path").is_some() => Err("its folder was not read".to_owned()),
        None => Ok(Arc::default()),
    };
    let dictionaries = dictionaries.unwrap_or_else(|why| {
        error(format!("`JiebaTokenizer`: {why}"), "`dictionary_path` is a folder of text files in UTF-8");
        Arc::default()
    });
    let pattern = tokenizer::pattern_of(options, training);
    Ok(Box::new(JiebaTokenizer::new((*dictionaries).clone(), pattern)))
}

fn load(options: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let files = stored.state["dictionaries"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let files = files.iter().map(|file| Some((text(&file["name"])?, text(&file["text"])?)));
    let files: Option<Vec<(String, String)>> = files.collect();
    let files = files.ok_or_else(|| Unreadable::new("a dictionary of `JiebaTokenizer` is damaged"))?;
    let pattern = tokenizer::stored_pattern(options)?;
    Ok(Box::new(JiebaTokenizer::new(Dictionaries(files), pattern)))
}

impl Annotator for JiebaTokenizer {
    fn annotate(&self, message: &mut Message<'_>) {
        let mut start_bytes = 0;
        let found = self.jieba.tokenize(message.text, TokenizeMode::Default, true);
        let tokens = found.into_iter().map(|found| {
            let token = Token {
                start_bytes,
                end_bytes: start_bytes + found.word.len(),
                start_chars: found.start,
                end_chars: found.end,
            };
            start_bytes = token.end_bytes;
            token
        });
        let tokens: Vec<Token> = tokens
            .filter(|token| !message.text[token.start_bytes..token.end_bytes].trim().is_empty())
            .collect();
        tokenizer::put(message, tokens, self.token_pattern.as_ref());
    }

    fn store(&self) -> Stored {
        let files: Vec<_> =
            self.dictionaries.0.iter().map(|(name, text)| json!({"name": name, "text": text})).collect();
        Stored { state: json!({ "dictionaries": files }), ..Stored::default() }
    }
}
