//! References in texts: `$parameter`, `#context.parameter`, with `.original` and the like.
//!
//! The longest name that is known wins, so what follows a reference is text: in `$number.` the full
//! stop, in a link with `#section` everything.

use std::collections::BTreeSet;

use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::session::ActiveContext;

/// What references may mean.
pub(crate) struct Scope<'a> {
    /// Parameters by name and `name.original`.
    pub(crate) parameters: &'a Object,
    /// Names that parameters have, whether they are known or not.
    pub(crate) names: &'a [&'a str],
    /// Contexts, later ones before earlier ones of the same name.
    pub(crate) contexts: &'a [&'a ActiveContext],
    /// Names of contexts and events that the agent has, in lower case.
    pub(crate) context_names: &'a BTreeSet<String>,
}

/// A piece of a text.
enum Piece<'a> {
    Literal(&'a str),
    /// A reference; `None` when what it means is empty.
    Value(Option<Value>),
}

impl Scope<'_> {
    /// The text with values in place of references; `None` when one of them means nothing.
    pub(crate) fn text(&self, template: &str) -> Option<String> {
        let mut text = String::with_capacity(template.len());
        for piece in self.pieces(template) {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(value) => text.push_str(&shown(&value.filter(|value| !is_empty(value))?)),
            }
        }
        Some(text)
    }

    /// The text with values in place of references; those that mean nothing leave nothing.
    pub(crate) fn text_with_gaps(&self, template: &str) -> String {
        let pieces = self.pieces(template).into_iter().map(|piece| match piece {
            Piece::Literal(literal) => literal.to_owned(),
            Piece::Value(value) => value.as_ref().map(shown).unwrap_or_default(),
        });
        pieces.collect()
    }

    /// What a template means: the value of the reference it consists of, or a text.
    pub(crate) fn value(&self, template: &str) -> Value {
        let mut pieces = self.pieces(template.trim());
        match pieces.as_mut_slice() {
            [] => json!(""),
            [Piece::Value(value)] => value.take().unwrap_or_else(|| json!("")),
            _ => json!(self.text(template).unwrap_or_default()),
        }
    }

    /// Every text in a value with its references.
    pub(crate) fn deep(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.text_with_gaps(text)),
            Value::Array(items) => items.iter().map(|item| self.deep(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.deep(value))).collect()
            }
            other => other.clone(),
        }
    }

    fn pieces<'a>(&self, template: &'a str) -> Vec<Piece<'a>> {
        let (mut pieces, mut literal) = (Vec::new(), 0);
        let mut at = 0;
        while let Some(found) = template[at..].find(['$', '#']) {
            let start = at + found;
            let rest = &template[start + 1..];
            let read = match template.as_bytes()[start] {
                b'$' => self.parameter(rest),
                _ => self.context(rest),
            };
            at = start + 1;
            if let Some((length, value)) = read {
                if literal < start {
                    pieces.push(Piece::Literal(&template[literal..start]));
                }
                pieces.push(Piece::Value(value));
                at += length;
                literal = at;
            }
        }
        if literal < template.len() {
            pieces.push(Piece::Literal(&template[literal..]));
        }
        pieces
    }

    /// A reference to a parameter at the start of a text: its length and value.
    fn parameter(&self, text: &str) -> Option<(usize, Option<Value>)> {
        let known = self.names.iter().filter(|name| !name.is_empty() && begins(text, name));
        let name = known.max_by_key(|name| name.len())?;
        Some(member(self.parameters, name, text))
    }

    fn context(&self, text: &str) -> Option<(usize, Option<Value>)> {
        let active = self.contexts.iter().map(|context| context.name.as_str());
        let known = active.chain(self.context_names.iter().map(String::as_str));
        let is_there = |name: &&str| begins_ignoring_case(text, name) && text[name.len()..].starts_with('.');
        let name = known.filter(is_there).max_by_key(|name| name.len())?;
        let rest = &text[name.len() + 1..];
        let context = self.contexts.iter().find(|context| context.name == name.to_lowercase());
        let Some(context) = context else {
            let length = rest.find(|c: char| !c.is_alphanumeric() && !"-_".contains(c)).unwrap_or(rest.len());
            return (length > 0).then_some((name.len() + 1 + length, None));
        };
        let names = context.parameters.keys().filter(|name| !name.is_empty() && begins(rest, name));
        match names.max_by_key(|name| name.len()) {
            Some(parameter) => {
                let (length, value) = member(&context.parameters, parameter, rest);
                Some((name.len() + 1 + length, value))
            }
            None => {
                let length =
                    rest.find(|c: char| !c.is_alphanumeric() && !"-_".contains(c)).unwrap_or(rest.len());
                (length > 0).then_some((name.len() + 1 + length, None))
            }
        }
    }
}

/// A value by its name, or a part of it that the text goes on to name.
fn member(values: &Object, name: &str, text: &str) -> (usize, Option<Value>) {
    let value = values.get(name);
    let Some(rest) = text[name.len()..].strip_prefix('.') else {
        return (name.len(), value.cloned());
    };
    for part in ["original", "partial"] {
        if begins(rest, part) && !name.ends_with(".original") {
            let key = format!("{name}.original");
            let said = values.get(&key).cloned().or_else(|| value.cloned());
            return (name.len() + 1 + part.len(), said);
        }
    }
    if let Some(Value::Object(members)) = value {
        let parts = members.keys().filter(|part| begins(rest, part));
        if let Some(part) = parts.max_by_key(|part| part.len()) {
            return (name.len() + 1 + part.len(), members.get(part).cloned());
        }
    }
    (name.len(), value.cloned())
}

/// Whether a text begins with a name and the name ends there.
fn begins(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| !goes_on(rest))
}

fn begins_ignoring_case(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|start| start.to_lowercase() == name.to_lowercase())
}

/// Whether a name that may end here goes on.
fn goes_on(rest: &str) -> bool {
    rest.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a value says nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A value as text.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            members.values().map(shown).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
        }
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => format!("{}", float as i64),
            _ => number.to_string(),
        },
        Value::Bool(flag) => flag.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_other_signs_stay() {
        let parameters = json!({
            "number": 3.0, "number.original": "three", "geo-country": "France", "empty": "",
            "line": {"count": 2, "tool": "saw"}, "tools": ["ladder", "drill"]
        });
        let context = ActiveContext {
            name: "order-followup".to_owned(),
            lifespan: 1,
            parameters: json!({"time": "10:00", "time.original": "ten"})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            ends_ms: 0,
        };
        let scope = Scope {
            parameters: parameters.as_object().unwrap(),
            names: &["number", "geo-country", "geo", "empty", "line", "tools"],
            contexts: &[&context],
            context_names: &BTreeSet::from(["gone".to_owned(), "order".to_owned()]),
        };
        let check = |template: &str, expected: Option<&str>| {
            assert_eq!(scope.text(template).as_deref(), expected, "{template}");
        };
        check("It is $number.", Some("It is 3."));
        check("$number.original, not $5 or $$", Some("three, not $5 or $$"));
        check("$numbers", Some("$numbers"));
        check("to $geo-country-wide", Some("to France-wide"));
        check("to $geo-country-", Some("to France-"));
        check("$line.count of $line.tool; $line", Some("2 of saw; 2 saw"));
        check("$tools", Some("ladder, drill"));
        check("see #Order-followup.time.", Some("see 10:00."));
        check("said #order-followup.time.original", Some("said ten"));
        check("https://x.org/a.html#id1694894 and #ref.", Some("https://x.org/a.html#id1694894 and #ref."));
        check("$empty here", None);
        check("#gone.time here", None);
        check("ü$number€", Some("ü3€"));
        assert_eq!(scope.value("$number"), json!(3.0));
        assert_eq!(scope.value("#order-followup.time"), json!("10:00"));
        assert_eq!(scope.value("B2"), json!("B2"));
        assert_eq!(scope.deep(&json!({"a": ["$number", 1, null]})), json!({"a": ["3", 1, null]}));
    }
}
