//! YAML as Rasa reads it: 1.2 core schema, positions of every value, duplicate keys refused,
//! environment variables in plain scalars (`spec: training-data.md §1.3`).
//!
//! The event parser is `granit-parser`; this module builds the tree, resolves scalars and turns
//! what is wrong into diagnostics. A document is parsed once, whatever it holds.

mod build;
mod decode;
mod scalar;

pub(crate) use scalar::resolve as resolve_plain;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::message::Object;
use serde_json::{Number, Value};

/// Finds the value of an environment variable. This crate never looks itself.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A file of a project, read by the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as it shall be shown.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl SourceFile {
    /// A file from its path and content.
    pub fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into() }
    }
}

/// A position: one-based line and column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// One-based line.
    pub line: u32,
    /// One-based column, in characters.
    pub column: u32,
}

impl Mark {
    /// The position as a source in `file`.
    pub fn source(self, file: &str) -> Source {
        Source { file: file.to_owned(), line: self.line as usize, column: self.column as usize }
    }
}

/// A value with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it starts; for block scalars the first line of content.
    pub mark: Mark,
    /// What it is.
    pub kind: Kind,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value; other keys than texts are kept as JSON would write them.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key starts.
    pub mark: Mark,
    /// The value.
    pub value: Node,
}

/// Parses one document. `None` when it cannot be read at all; an empty document is an empty map.
pub fn parse(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Option<Node> {
    let text = match decode::decode(&file.bytes) {
        Ok(text) => text,
        Err(invalid) => {
            let mark = Mark { line: invalid.line, column: invalid.column };
            let message = format!(
                "file is not valid UTF-8: byte 0x{:02x} at offset {} does not belong there",
                invalid.byte, invalid.offset
            );
            let hint = "save the file with the encoding UTF-8";
            findings.push(Diagnostic::error(mark.source(&file.path), message).with_hint(hint));
            return None;
        }
    };
    build::build(&text, &file.path, env, findings)
}

impl Node {
    /// The value for `key` when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry for `key` when this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// All entries of a map; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Names what it is, for messages: ``the text `yes` ``, `a list`.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(flag) => format!("the boolean `{flag}`"),
            Kind::Int(number) => format!("the number `{number}`"),
            Kind::Float(number) => format!("the number `{number}`"),
            Kind::Text(text) if text.chars().count() <= 40 && !text.contains('\n') => {
                format!("the text `{text}`")
            }
            Kind::Text(_) => "a text".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }

    /// The value as JSON. Infinities and not-a-number, which JSON lacks, become texts.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Int(number) => Value::Number((*number).into()),
            Kind::Float(number) => {
                Number::from_f64(*number).map_or_else(|| Value::String(number.to_string()), Value::Number)
            }
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(_) => Value::Object(self.to_object()),
        }
    }

    /// A map as a JSON object; empty for anything else.
    pub fn to_object(&self) -> Object {
        self.entries().iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
    }
}
