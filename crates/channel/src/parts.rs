//! Takes a bot message apart into what providers send one by one, and writes as text what a
//! provider cannot show.

use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::render::full;

/// One part of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part<'a> {
    /// Words.
    Text(&'a str),
    /// Words with buttons or quick replies.
    Buttons {
        /// The words.
        text: &'a str,
        /// `title`, `payload` and whatever else.
        buttons: &'a [Value],
        /// Which of the two.
        kind: ButtonKind,
    },
    /// What the provider is to be given as it is.
    Custom(&'a Value),
    /// The URL of an image.
    Image(String),
    /// A file or something else attached.
    Attachment(&'a Value),
    /// Cards with `title`, `subtitle`, `buttons`.
    Elements(&'a [Value]),
}

/// How long buttons last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ButtonKind {
    /// They stay.
    Lasting,
    /// They are gone when one was chosen.
    Quick,
}

/// The parts of a message, in sending order.
pub(crate) fn parts(message: &Object) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let text = message.get("text").and_then(Value::as_str).unwrap_or("").trim();
    let list = |key: &str| full(message, key).and_then(Value::as_array);
    if let Some(buttons) = list("quick_replies") {
        parts.push(Part::Buttons { text, buttons, kind: ButtonKind::Quick });
    } else if let Some(buttons) = list("buttons") {
        parts.push(Part::Buttons { text, buttons, kind: ButtonKind::Lasting });
    } else if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts.extend(full(message, "custom").map(Part::Custom));
    parts.extend(full(message, "image").map(|image| Part::Image(python_text(image))));
    parts.extend(full(message, "attachment").map(Part::Attachment));
    parts.extend(list("elements").map(|elements| Part::Elements(elements)));
    parts
}

/// A text by its paragraphs, none empty, none longer than so many characters: longer ones are cut
/// at line ends and spaces where there are any.
pub(crate) fn paragraphs(text: &str, chars_max: usize) -> Vec<String> {
    let mut paragraphs = Vec::new();
    for paragraph in text.trim().split("\n\n") {
        let mut rest = paragraph.trim_matches('\n');
        while let Some((end, _)) = rest.char_indices().nth(chars_max) {
            let start = &rest[..end];
            let cut = start.rfind('\n').or_else(|| start.rfind(' ')).filter(|&cut| cut > 0).unwrap_or(end);
            paragraphs.push(rest[..cut].trim_end().to_owned());
            rest = rest[cut..].trim_start();
        }
        if !rest.trim().is_empty() {
            paragraphs.push(rest.to_owned());
        }
    }
    paragraphs
}

/// A part as messages of text, for providers that show nothing else.
pub(crate) fn as_texts(part: &Part<'_>) -> Vec<String> {
    match part {
        Part::Text(text) => vec![(*text).to_owned()],
        Part::Buttons { text, buttons, .. } => {
            let buttons = buttons.iter().enumerate().map(|(idx, button)| button_text(button, idx));
            std::iter::once((*text).to_owned()).filter(|text| !text.is_empty()).chain(buttons).collect()
        }
        Part::Custom(custom) => vec![custom.to_string()],
        Part::Image(url) => vec![format!("Image: {url}")],
        Part::Attachment(attachment) => vec![format!("Attachment: {}", python_text(attachment))],
        Part::Elements(elements) => elements
            .iter()
            .flat_map(|element| as_texts(&element_part(element, &element_text(element))))
            .collect(),
    }
}

/// What stands on an element.
pub(crate) fn element_text(element: &Value) -> String {
    let part = |key: &str| element.get(key).map(python_text).unwrap_or_default();
    format!("{} : {}", part("title"), part("subtitle"))
}

/// An element as text with buttons.
pub(crate) fn element_part<'a>(element: &'a Value, text: &'a str) -> Part<'a> {
    match element.get("buttons").and_then(Value::as_array) {
        Some(buttons) if !buttons.is_empty() => Part::Buttons { text, buttons, kind: ButtonKind::Lasting },
        _ => Part::Text(text),
    }
}

/// What is written on a button.
pub(crate) fn title(button: &Value) -> String {
    button.get("title").map(python_text).unwrap_or_default()
}

/// What a button says when it is pressed: its payload, or else its title.
pub(crate) fn payload(button: &Value) -> String {
    match button.get("payload") {
        None | Some(Value::Null) => title(button),
        Some(payload) => python_text(payload),
    }
}

/// Where a button leads, if it is a link.
pub(crate) fn link(button: &Value) -> Option<&str> {
    button.get("url").and_then(Value::as_str).filter(|_| button.get("payload").is_none_or(Value::is_null))
}

fn button_text(button: &Value, idx: usize) -> String {
    let mut text = format!("{}: {}", idx + 1, title(button));
    let Some(fields) = button.as_object() else { return text };
    if let Some(payload) = fields.get("payload") {
        text.push_str(&format!(" ({})", python_text(payload)));
    }
    let mut rest: Vec<_> =
        fields.iter().filter(|(name, _)| !matches!(name.as_str(), "title" | "payload")).collect();
    rest.sort_by_key(|(name, _)| *name);
    if !rest.is_empty() {
        let rest: Object = rest.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        text.push_str(&format!(" - {}", json!(rest)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_texts_in_sending_order() {
        let check = |message: Value, expected: &[&str]| {
            let found: Vec<String> = parts(message.as_object().unwrap()).iter().flat_map(as_texts).collect();
            assert_eq!(found, expected, "{message}");
        };
        check(json!({}), &[]);
        check(json!({"text": " a\n\nb ", "buttons": []}), &["a\n\nb"]);
        let buttons = json!([{"title": "T", "payload": "/t"}, {"title": "U", "url": "x", "a": 1}]);
        check(
            json!({"text": "a", "buttons": buttons}),
            &["a", "1: T (/t)", "2: U - {\"a\":1,\"url\":\"x\"}"],
        );
        check(json!({"text": "a", "quick_replies": [{"title": "Q"}], "buttons": buttons}), &["a", "1: Q"]);
        check(
            json!({"elements": [{"title": "t", "subtitle": "s", "buttons": [{"title": "x"}]}],
                   "attachment": {"f": "g"}, "image": "i", "custom": {"c": 1}}),
            &["{\"c\":1}", "Image: i", "Attachment: {'f': 'g'}", "t : s", "1: x"],
        );
    }

    #[test]
    fn texts_are_cut_where_they_may_be() {
        let check = |text: &str, expected: &[&str]| assert_eq!(paragraphs(text, 10), expected, "{text}");
        check("", &[]);
        check("a\n\nb\n\n\n\nc", &["a", "b", "c"]);
        check("0123456789", &["0123456789"]);
        check("0123456789a", &["0123456789", "a"]);
        check("one two three", &["one two", "three"]);
        check("one\ntwo three", &["one", "two three"]);
        check("ääääääääääää", &["ääääääääää", "ää"]);
    }
}
