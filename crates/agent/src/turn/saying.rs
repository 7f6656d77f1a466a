//! What an intent says: its messages in the language of the user, with their references filled in.

use intendant_talk::message::Object;
use serde_json::{Value, json};

use super::Turn;
use crate::exchange::Said;
use crate::matcher::chain;
use crate::values::{Intent, Message, MessageKind};

impl Turn<'_> {
    /// The messages of an intent in the message's language.
    pub(super) fn messages(&mut self, intent: &Intent, known: &Object) -> Vec<Said> {
        let own = self.assistant.agent.settings.own_language().to_lowercase();
        let all = intent.response().map_or(&[][..], |response| &response.messages);
        let mine = in_language(all, &self.query.language, &own, |message| message.language.as_deref());
        let mut said = Vec::with_capacity(mine.len());
        for message in mine {
            let texts: Vec<String> = self.with_scope(intent, known, |scope| {
                message.texts.iter().filter_map(|text| scope.text(text)).collect()
            });
            if message.kind() == MessageKind::Text && texts.is_empty() && !message.texts.is_empty() {
                continue;
            }
            let chosen = texts.get(self.random.below(texts.len())).cloned();
            let body = self.with_scope(intent, known, |scope| {
                message.body.iter().map(|(name, value)| (name.clone(), scope.deep(value))).collect()
            });
            said.push(Said::Own(Message { texts: chosen.into_iter().collect(), body, ..message.clone() }));
        }
        said
    }
}

/// Those in the language, its root, or the agent's own: the first of them that has any.
pub(super) fn in_language<'a, T>(
    items: &'a [T],
    language: &str,
    own: &str,
    language_of: impl Fn(&T) -> Option<&str>,
) -> Vec<&'a T> {
    let mut wanted = chain(language);
    wanted.push(own.to_owned());
    wanted.extend(own.split_once('-').map(|(root, _)| root.to_owned()));
    for language in wanted {
        let is_written_in = |item: &&T| {
            let written = language_of(*item).filter(|written| !written.is_empty()).unwrap_or(own);
            written.eq_ignore_ascii_case(&language)
        };
        let mine: Vec<&T> = items.iter().filter(is_written_in).collect();
        if !mine.is_empty() {
            return mine;
        }
    }
    Vec::new()
}

pub(super) fn text_message(text: &str) -> Message {
    Message { kind: Some(json!(0)), texts: vec![text.to_owned()], ..Message::default() }
}

/// The first text that is for no platform in particular.
pub(super) fn first_text(messages: &[Said]) -> String {
    let texts = messages.iter().filter_map(|said| match said {
        Said::Own(message) if message.platform.as_deref().is_none_or(str::is_empty) => {
            (message.kind() == MessageKind::Text).then(|| message.texts.first().cloned())?
        }
        Said::Own(_) => None,
        Said::Sent(message) => {
            let platform = message.get("platform").and_then(Value::as_str).unwrap_or("");
            let text = message.pointer("/text/text/0").and_then(Value::as_str);
            text.filter(|_| matches!(platform, "" | "PLATFORM_UNSPECIFIED")).map(str::to_owned)
        }
    });
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}
