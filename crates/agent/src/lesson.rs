//! What the classifier is taught of an agent, and how it sees a text.
//!
//! A phrase is an example as it stands, and once more with words in place of its entities. What an intent
//! answers counts as an example of it, as it names its subject in other words. Phrases of fallback intents
//! are examples of what is meant by none.

use intendant_talk::data::Example;

use crate::concepts;
use crate::lexicon::kind_of;
use crate::matcher::{phrases, speaks};
use crate::values::{Agent, Intent, Phrase};
use crate::words::{Words, is_unspaced};

/// What stands for an entity in texts that the classifier sees.
const GAP_WORD: &str = "xx";
/// The most words of an answer that are looked at.
const ANSWER_WORDS_MAX: usize = 60;
/// An answer of fewer words says nothing of its subject.
const ANSWER_WORDS_MIN: usize = 4;

/// The examples in some languages.
pub(crate) fn examples(agent: &Agent, chain: &[String]) -> Vec<Example> {
    let mut examples = Vec::new();
    for intent in agent.intents.iter().filter(|intent| intent.is_on() && intent.is_learned) {
        let mut texts = if intent.is_fallback { Vec::new() } else { answers(agent, intent, chain) };
        for phrase in phrases(intent, chain) {
            if !phrase.is_template {
                texts.push(phrase.text());
            }
            if phrase.is_template || phrase.parts.iter().any(|part| part.alias.is_some()) {
                texts.push(with_gap_words(phrase));
            }
        }
        for text in texts.iter().map(|text| seen(text)).filter(|text| !text.is_empty()) {
            examples.push(Example { text, intent: Some(intent.name.clone()), ..Example::default() });
        }
    }
    examples
}

/// A text as the classifier sees it: letters of scripts without spaces as words, and with the groups of
/// common sayings that it is of.
pub(crate) fn seen(text: &str) -> String {
    let mut seen = spaced(text);
    for group in concepts::of(&Words::of(text)) {
        seen.push_str(" xx");
        seen.push_str(group);
    }
    seen
}

/// The word that stands for an entity of a kind.
pub(crate) fn gap_word(kind: &str) -> String {
    let letters: String = kind.chars().filter(|c| c.is_alphanumeric()).collect();
    format!("{GAP_WORD}{letters}")
}

/// Never a command to the classifier, as a slash at the beginning would be.
fn spaced(text: &str) -> String {
    let text = text.trim().trim_start_matches('/');
    if !text.chars().any(is_unspaced) {
        return text.to_owned();
    }
    let mut spaced = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if is_unspaced(c) {
            spaced.push(' ');
        }
        spaced.push(c);
    }
    format!("{text} {spaced}")
}

fn with_gap_words(phrase: &Phrase) -> String {
    if phrase.is_template {
        let text = phrase.text();
        let words = text.split_inclusive(char::is_whitespace).map(|token| {
            let word = token.trim_end();
            match word.strip_prefix('@') {
                Some(name) if !name.is_empty() => {
                    let kind = name.split(':').next().unwrap_or(name);
                    format!("{}{}", gap_word(&kind_of(kind)), &token[word.len()..])
                }
                _ => token.to_owned(),
            }
        });
        return words.collect();
    }
    let parts = phrase.parts.iter().map(|part| match (&part.meta, &part.alias) {
        (Some(meta), Some(_)) => gap_word(&kind_of(meta)),
        _ => part.text.clone(),
    });
    parts.collect()
}

/// What an intent answers: words of its subject that its phrases may lack.
fn answers(agent: &Agent, intent: &Intent, chain: &[String]) -> Vec<String> {
    let own = agent.settings.own_language();
    let messages = intent.response().map_or(&[][..], |response| &response.messages);
    let spoken = messages.iter().filter(|message| speaks(chain, message.language.as_deref().unwrap_or(own)));
    let texts = spoken.filter_map(|message| {
        let words: Vec<&str> = message.texts.first()?.split_whitespace().take(ANSWER_WORDS_MAX).collect();
        (words.len() >= ANSWER_WORDS_MIN).then(|| words.join(" "))
    });
    texts.collect()
}
