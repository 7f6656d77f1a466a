//! `WhitespaceTokenizer` and `SpacyTokenizer`, and what tokenizers have in common.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_text::offsets::Offsets;
use intendant_text::{Token, signs, whitespace};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::patterns::Pattern;

/// Languages written without spaces between words.
const UNSPACED: [&str; 3] = ["zh", "ja", "th"];

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "WhitespaceTokenizer",
    kind: ComponentKind::Tokenizer,
    requires: &[],
    options: &OPTIONS,
    about: "Cuts a text at white space and strips punctuation; keeps URLs, e-mail addresses and signs. \
            Words of letters of any script stay, where Rasa drops Korean ones as emoji.",
    train,
    load,
};

/// Options of every tokenizer.
pub(crate) const OPTIONS: [OptionInfo; 4] = [
    option(
        "intent_tokenization_flag",
        OptionKind::Flag,
        "false",
        "accepted; intents are labels here, never text",
    ),
    option("intent_split_symbol", OptionKind::Text, "\"_\"", "accepted; see `intent_tokenization_flag`"),
    option("token_pattern", OptionKind::Text, "null", "regular expression whose matches replace each token"),
    option("prefix_separator_symbol", OptionKind::Text, "null", "accepted; see `intent_tokenization_flag`"),
];

pub(crate) const SPACY: ComponentInfo = ComponentInfo {
    name: "SpacyTokenizer",
    kind: ComponentKind::Tokenizer,
    requires: &[ComponentKind::LanguageModel],
    options: &OPTIONS,
    about: "Cuts a text into words, numbers and single signs, about as spaCy's models of European languages do. \
            Lemmas and word classes need spaCy itself and are not there.",
    train: train_spacy,
    load: load_spacy,
};

struct Tokenizer {
    /// How a text is cut before `token_pattern`.
    cut: fn(&str) -> Vec<Token>,
    token_pattern: Option<Pattern>,
}

/// Puts tokens into a message, each replaced by what `pattern` finds in it.
pub(crate) fn put(message: &mut Message<'_>, tokens: Vec<Token>, pattern: Option<&Pattern>) {
    message.tokens = match pattern {
        Some(pattern) => tokens.iter().flat_map(|token| cut(message.text, token, pattern)).collect(),
        None => tokens,
    };
    let spans = message.tokens.iter().map(|token| (token.start_chars, token.end_chars)).collect();
    message.parse.text_tokens = Some(spans);
}

fn train_spacy(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let token_pattern = pattern_of(options, training);
    Ok(Box::new(Tokenizer { cut: signs::tokenize, token_pattern }))
}

fn load_spacy(options: &Options, _: Slot, _: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    Ok(Box::new(Tokenizer { cut: signs::tokenize, token_pattern: stored_pattern(options)? }))
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let language = training.language.split(['-', '_']).next().unwrap_or_default();
    if UNSPACED.contains(&language) {
        let message = format!("`WhitespaceTokenizer` cannot cut `{language}`, which has no spaces");
        training.diagnostics.push(
            Diagnostic::error(options.source.clone(), message).with_hint(
                "use `JiebaTokenizer` for Chinese; else set `token_pattern` and another `language`",
            ),
        );
    }
    let token_pattern = pattern_of(options, training);
    Ok(Box::new(Tokenizer { cut: whitespace::tokenize, token_pattern }))
}

/// The compiled `token_pattern`; a wrong one is reported.
pub(crate) fn pattern_of(options: &Options, training: &mut Training<'_>) -> Option<Pattern> {
    match options.text("token_pattern").map(|written| Pattern::new(written, true))? {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            let message = format!("`token_pattern` is not a valid regular expression: {reason}");
            training.diagnostics.push(Diagnostic::error(options.source.clone(), message));
            None
        }
    }
}

pub(crate) fn stored_pattern(options: &Options) -> Result<Option<Pattern>, Unreadable> {
    let pattern = options.text("token_pattern").map(|written| Pattern::new(written, true));
    pattern.transpose().map_err(Unreadable::new)
}

fn load(options: &Options, _: Slot, _: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    Ok(Box::new(Tokenizer { cut: whitespace::tokenize, token_pattern: stored_pattern(options)? }))
}

impl Annotator for Tokenizer {
    fn annotate(&self, message: &mut Message<'_>) {
        put(message, (self.cut)(message.text), self.token_pattern.as_ref());
    }
}

/// The pattern's non-empty matches in a token, or the token itself.
fn cut(text: &str, token: &Token, pattern: &Pattern) -> Vec<Token> {
    let word = token.text(text);
    let offsets = Offsets::new(word);
    let found = pattern.find_all(word).into_iter().filter(|(start, end)| start < end);
    let cut: Vec<Token> = found
        .map(|(start, end)| Token {
            start_bytes: token.start_bytes + start,
            end_bytes: token.start_bytes + end,
            start_chars: token.start_chars + offsets.chars(start),
            end_chars: token.start_chars + offsets.chars(end),
        })
        .collect();
    if cut.is_empty() { vec![*token] } else { cut }
}
