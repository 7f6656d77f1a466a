//! A small YAML emitter: block style, lists not indented below their key, multi-line texts as
//! literal blocks, everything quoted that would read as something else.

use serde_json::Value;

use crate::yaml::{Kind, resolve_plain};

/// A value to be written.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A text or other scalar, quoted when it must be.
    Scalar(Value),
    /// A text always in double quotes.
    Quoted(String),
    /// A text as a literal block where YAML can express it so.
    Literal(String),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// A key with its value and a comment at the end of its line.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub value: Tree,
    pub comment: Option<String>,
}

impl Tree {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Scalar(Value::String(text.into()))
    }

    pub fn map(entries: Vec<(String, Tree)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| Entry { key, value, comment: None }).collect())
    }

    pub fn of(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(map) => {
                Self::map(map.iter().map(|(key, value)| (key.clone(), Self::of(value))).collect())
            }
            Value::String(text) if text.contains('\n') => Self::Literal(text.clone()),
            scalar => Self::Scalar(scalar.clone()),
        }
    }

    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Map(entries) if !entries.is_empty() => write_entries(entries, 0, &mut out),
            Self::List(items) if !items.is_empty() => write_items(items, 0, &mut out),
            scalar => {
                write_scalar(scalar, 0, None, &mut out);
            }
        }
        out
    }
}

fn write_entries(entries: &[Entry], indent: usize, out: &mut String) {
    for (idx, entry) in entries.iter().enumerate() {
        if idx > 0 {
            pad(indent, out);
        }
        out.push_str(&scalar_text(&entry.key));
        out.push(':');
        let comment = entry.comment.as_deref();
        match &entry.value {
            Tree::Map(children) if !children.is_empty() => {
                end_line(comment, out);
                pad(indent + 2, out);
                write_entries(children, indent + 2, out);
            }
            Tree::List(items) if !items.is_empty() => {
                end_line(comment, out);
                pad(indent, out);
                write_items(items, indent, out);
            }
            scalar => {
                out.push(' ');
                write_scalar(scalar, indent + 2, comment, out);
            }
        }
    }
}

fn write_items(items: &[Tree], indent: usize, out: &mut String) {
    for (idx, item) in items.iter().enumerate() {
        if idx > 0 {
            pad(indent, out);
        }
        out.push_str("- ");
        match item {
            Tree::Map(entries) if !entries.is_empty() => write_entries(entries, indent + 2, out),
            Tree::List(children) if !children.is_empty() => write_items(children, indent + 2, out),
            scalar => write_scalar(scalar, indent + 2, None, out),
        }
    }
}

fn write_scalar(tree: &Tree, indent: usize, comment: Option<&str>, out: &mut String) {
    match tree {
        Tree::Literal(text) if is_literal(text) => {
            // The indicator says what ends the text: nothing, one line break, or several.
            let (body, indicator) = match text.strip_suffix('\n') {
                None => (text.as_str(), "|-"),
                Some(body) if body.ends_with('\n') => (body, "|+"),
                Some(body) => (body, "|"),
            };
            out.push_str(indicator);
            end_line(comment, out);
            for line in body.split('\n') {
                if !line.is_empty() {
                    pad(indent, out);
                    out.push_str(line);
                }
                out.push('\n');
            }
            return;
        }
        Tree::Literal(text) => out.push_str(&scalar_text(text)),
        Tree::Quoted(text) => out.push_str(&double_quoted(text)),
        Tree::Scalar(Value::String(text)) => out.push_str(&scalar_text(text)),
        Tree::Scalar(Value::Null) => out.push_str("null"),
        Tree::Scalar(other) => out.push_str(&other.to_string()),
        Tree::List(_) => out.push_str("[]"),
        Tree::Map(_) => out.push_str("{}"),
    }
    end_line(comment, out);
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn end_line(comment: Option<&str>, out: &mut String) {
    if let Some(comment) = comment {
        out.push_str("  # ");
        out.push_str(&comment.replace('\n', " "));
    }
    out.push('\n');
}

/// Whether a literal block gives the text back unchanged.
fn is_literal(text: &str) -> bool {
    let is_printable = |c: char| c == '\n' || c == '\t' || (!c.is_control() && !is_special(c));
    !text.starts_with([' ', '\t', '\n'])
        && !text.trim_end_matches('\n').is_empty()
        && text.chars().all(is_printable)
}

/// Characters that YAML treats as line breaks or that must not stand in a document.
fn is_special(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text as it is when it reads back as itself, else in quotes.
fn scalar_text(text: &str) -> String {
    if text.chars().any(|c| c.is_control() || is_special(c)) {
        double_quoted(text)
    } else if is_plain(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn is_plain(text: &str) -> bool {
    const INDICATORS: [char; 19] =
        ['-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'];
    let Some(first) = text.chars().next() else { return false };
    let starts_well = if matches!(first, '-' | '?' | ':') {
        text.chars().nth(1).is_some_and(|second| !second.is_whitespace()) && !text.starts_with("---")
    } else {
        !INDICATORS.contains(&first) && !text.starts_with("...")
    };
    starts_well
        && text.trim() == text
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && !text.contains("${")
        && !matches!(text, "=" | "<<" | "y" | "n")
        && matches!(resolve_plain(text), Kind::Text(_))
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{2028}' => quoted.push_str("\\L"),
            '\u{2029}' => quoted.push_str("\\P"),
            // Not `\u`: in an otherwise ASCII file readers resolve that before they parse.
            c if u32::from(c) < 0x100 && (c.is_control() || is_special(c)) => {
                quoted.push_str(&format!("\\x{:02X}", u32::from(c)));
            }
            c if is_special(c) => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
