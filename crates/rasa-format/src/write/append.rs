//! Additions to files that people write: what is there stays as it is, comments and layout
//! included, and the new parts stand at the end of their list.
//!
//! Each function gives the file's new text. The result is read again before it is given out: where
//! it would say anything but the old content and the additions, the addition is refused.

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_talk::data::{Example, NluData};
use intendant_talk::message::Object;
use intendant_talk::story::{Story, StoryKind};
use serde_json::{Value, json};

use super::nlu::{annotated_text, nlu_yaml};
use super::stories::{Form, stories_yaml};
use super::tree::Tree;
use crate::reader::FORMAT_VERSION;
use crate::yaml::{self, Entry, Environment, Kind, Mark, Node, SourceFile};

/// What a conversation adds to a domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DomainAdditions {
    /// Names of new intents.
    pub intents: Vec<String>,
    /// Names of new entities.
    pub entities: Vec<String>,
    /// Names of new actions.
    pub actions: Vec<String>,
    /// New responses by name.
    pub responses: Vec<(String, String)>,
}

impl DomainAdditions {
    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The file with stories at the end of its stories, rules at the end of its rules.
///
/// # Errors
/// When the file cannot be read, or is written so that nothing can be added safely.
pub fn stories(
    file: &SourceFile,
    added: &[Story],
    form: Form,
    env: Environment<'_>,
) -> Result<String, Diagnostic> {
    let mut text = text_of(file)?;
    let (told, rules): (Vec<Story>, Vec<Story>) =
        added.iter().cloned().partition(|story| story.kind == StoryKind::Story);
    for (key, added) in [("stories", told), ("rules", rules)] {
        let items: Vec<String> = added
            .iter()
            .filter_map(|story| {
                let written = stories_yaml(std::slice::from_ref(story), form);
                Some(written.split_once(&format!("\n{key}:\n"))?.1.to_owned())
            })
            .collect();
        text = Document::read(&file.path, &text, env)?.with(key, &items, Shape::List)?;
    }
    Ok(text)
}

/// The file with examples at the end of their intents. Examples that it has already are left out.
///
/// # Errors
/// When the file cannot be read, or is written so that nothing can be added safely.
pub fn examples(file: &SourceFile, added: &NluData, env: Environment<'_>) -> Result<String, Diagnostic> {
    let mut text = text_of(file)?;
    let known = |text: &str| {
        let file = SourceFile::new(file.path.clone(), text.as_bytes());
        crate::nlu::read(&file, env, &mut Vec::new()).data.examples
    };
    let before = known(&text);
    let mut count = before.len();
    for example in &added.examples {
        let Some(intent) = example.intent_response_key.as_ref().or(example.intent.as_ref()) else { continue };
        let has = |examples: &[Example]| examples.iter().any(|known| says_the_same(known, example));
        if has(&known(&text)) {
            continue;
        }
        let document = Document::read(&file.path, &text, env)?;
        text = match document.place_of_examples(intent) {
            Some(place) => inserted(&document.lines, &place.line(example)),
            None => {
                let alone = NluData { examples: vec![example.clone()], ..NluData::default() };
                let item = nlu_yaml(&alone, &Object::new());
                let item = item.split_once("\nnlu:\n").map(|(_, item)| item.to_owned());
                document.with("nlu", &Vec::from_iter(item), Shape::List)?
            }
        };
        count += 1;
        let after = known(&text);
        if after.len() != count
            || !has(&after)
            || !before.iter().all(|old| after.iter().any(|new| says_the_same(old, new)))
        {
            let message = format!("the example `{}` cannot be added to `{intent}` safely", example.text);
            return Err(refusal(&file.path, Mark::default(), message));
        }
    }
    Ok(text)
}

/// The file with names and responses at the end of their lists. Those that it has are left out.
///
/// # Errors
/// When the file cannot be read, or is written so that nothing can be added safely.
pub fn domain(
    file: &SourceFile,
    added: &DomainAdditions,
    env: Environment<'_>,
) -> Result<String, Diagnostic> {
    let mut text = text_of(file)?;
    for (key, names) in
        [("intents", &added.intents), ("entities", &added.entities), ("actions", &added.actions)]
    {
        let document = Document::read(&file.path, &text, env)?;
        let known: Vec<String> = document.names(key);
        let items: Vec<String> = names
            .iter()
            .filter(|name| !known.contains(name))
            .map(|name| Tree::List(vec![Tree::text(name)]).to_yaml())
            .collect();
        text = document.with(key, &items, Shape::List)?;
    }
    let document = Document::read(&file.path, &text, env)?;
    let known: Vec<String> = document.names("responses");
    let items: Vec<String> = added
        .responses
        .iter()
        .filter(|(name, _)| !known.contains(name))
        .map(|(name, text)| Tree::of(&json!({name: [{"text": text}]})).to_yaml())
        .collect();
    document.with("responses", &items, Shape::Map)
}

fn says_the_same(left: &Example, right: &Example) -> bool {
    left.intent == right.intent
        && left.intent_response_key == right.intent_response_key
        && annotated_text(&left.text, &left.entities) == annotated_text(&right.text, &right.entities)
}

fn text_of(file: &SourceFile) -> Result<String, Diagnostic> {
    let text = std::str::from_utf8(&file.bytes)
        .map_err(|_| refusal(&file.path, Mark::default(), "the file is not valid UTF-8"))?;
    Ok(if text.trim().is_empty() { format!("version: \"{FORMAT_VERSION}\"\n") } else { text.to_owned() })
}

fn refusal(path: &str, mark: Mark, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(mark.source(path), message).with_hint("name another file, a new one say")
}

/// How what is added is held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    List,
    Map,
}

/// A file with the positions of its parts.
struct Document<'a> {
    path: &'a str,
    lines: Vec<&'a str>,
    root: Node,
    env: Environment<'a>,
}

/// New lines after so many of the old ones.
struct Insertion {
    after: usize,
    lines: Vec<String>,
}

/// Where examples of an intent are added.
struct ExamplesPlace {
    after: usize,
    indent: usize,
    is_list: bool,
}

impl ExamplesPlace {
    fn line(&self, example: &Example) -> Insertion {
        let text = annotated_text(&example.text, &example.entities);
        let (pad, text) = (" ".repeat(self.indent), text.trim());
        let lines = if self.is_list {
            vec![format!("{pad}- text: |"), format!("{pad}    {text}")]
        } else {
            vec![format!("{pad}- {text}")]
        };
        Insertion { after: self.after, lines }
    }
}

impl<'a> Document<'a> {
    fn read(path: &'a str, text: &'a str, env: Environment<'a>) -> Result<Self, Diagnostic> {
        let mut findings = Vec::new();
        let root = yaml::parse(&SourceFile::new(path, text.as_bytes()), env, &mut findings);
        let error = findings.into_iter().find(|finding| finding.severity == Severity::Error);
        match (root, error) {
            (Some(root), None) if matches!(root.kind, Kind::Map(_)) => {
                Ok(Self { path, lines: text.split_inclusive('\n').collect(), root, env })
            }
            (_, Some(error)) => Err(error),
            _ => Err(refusal(path, Mark { line: 1, column: 1 }, "the file is no map of keys to values")),
        }
    }

    /// Names in a list of names or of maps with one name, or the keys of a map.
    fn names(&self, key: &str) -> Vec<String> {
        let Some(node) = self.root.get(key) else { return Vec::new() };
        let of_item = |item: &Node| match &item.kind {
            Kind::Text(name) => Some(name.clone()),
            _ => item.entries().first().map(|entry| entry.key.clone()),
        };
        match node.as_list() {
            Some(items) => items.iter().filter_map(of_item).collect(),
            None => node.entries().iter().map(|entry| entry.key.clone()).collect(),
        }
    }

    /// The text with items, each written as YAML of its own, at the end of a key's value.
    fn with(&self, key: &str, items: &[String], shape: Shape) -> Result<String, Diagnostic> {
        if items.is_empty() {
            return Ok(self.lines.concat());
        }
        let text = match self.root.entry(key) {
            None => {
                let mut text = self.lines.concat();
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push('\n');
                let indent = if shape == Shape::Map { 2 } else { 0 };
                let lines = [vec![format!("{key}:")], indented(items, indent, false)].concat();
                inserted(&[&text], &Insertion { after: 1, lines })
            }
            Some(entry) => self.with_more(entry, items, shape)?,
        };
        self.confirm(key, items, &text)?;
        Ok(text)
    }

    fn with_more(&self, entry: &Entry, items: &[String], shape: Shape) -> Result<String, Diagnostic> {
        let start = entry.mark.line as usize;
        let own_line = self.lines.get(start - 1).copied().unwrap_or_default();
        let inline = own_line.split_once(':').map_or("", |(_, rest)| rest);
        let inline = inline.split(" #").next().unwrap_or_default().trim();
        let is_empty = match &entry.value.kind {
            Kind::Null => true,
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
            _ => false,
        };
        if is_empty {
            let indent = if shape == Shape::Map { 2 } else { 0 };
            let insertion = Insertion { after: start, lines: indented(items, indent, false) };
            if inline.is_empty() || inline.starts_with('#') {
                return Ok(inserted(&self.lines, &insertion));
            }
            let emptied = own_line.replacen(&format!(" {inline}"), "", 1);
            let emptied = format!("{}{}", emptied.trim_end(), line_end(own_line));
            let mut lines = self.lines.clone();
            lines[start - 1] = &emptied;
            return Ok(inserted(&lines, &insertion));
        }
        if inline.starts_with('[') && inline.ends_with(']') && shape == Shape::List {
            return Ok(self.with_inline(start, inline, items));
        }
        if !inline.is_empty() && !inline.starts_with('#') {
            let message =
                format!("nothing can be added to `{}`, which is not written line by line", entry.key);
            return Err(refusal(self.path, entry.mark, message));
        }
        let end = self.end_of_block(start);
        let is_item = |line: &str| {
            let content = line.trim_start();
            !content.trim().is_empty()
                && !content.starts_with('#')
                && (shape == Shape::Map || content.starts_with("- ") || content.trim_end() == "-")
        };
        let block = &self.lines[start..end];
        let first = block.iter().position(|line| is_item(line)).unwrap_or(0);
        let indent = block.get(first).map_or(0, |line| indent_of(line));
        // A blank line before an item, or before the comment above it.
        let is_airy = block[first..].iter().enumerate().any(|(idx, line)| {
            let mut below = block[first + idx..].iter().skip(1);
            line.trim().is_empty()
                && below
                    .find(|line| !line.trim_start().starts_with('#'))
                    .is_some_and(|line| indent_of(line) == indent && is_item(line))
        });
        Ok(inserted(&self.lines, &Insertion { after: end, lines: indented(items, indent, is_airy) }))
    }

    /// `[a, b]` with more names.
    fn with_inline(&self, line: usize, inline: &str, items: &[String]) -> String {
        let names: Vec<&str> = items.iter().map(|item| item.trim_start_matches("- ").trim()).collect();
        let longer = format!("{}, {}]", inline.trim_end_matches(']').trim_end(), names.join(", "));
        let mut text = self.lines[..line - 1].concat();
        text.push_str(&self.lines[line - 1].replacen(inline, &longer, 1));
        text.push_str(&self.lines[line..].concat());
        text
    }

    /// The number of lines up to the end of the value of the top-level key in line `start`. Blank
    /// lines and comments before the next key are not part of it.
    fn end_of_block(&self, start: usize) -> usize {
        let belongs = |line: &&str| {
            let mut chars = line.chars();
            match chars.next() {
                None | Some(' ' | '\t' | '#' | '\n' | '\r') => true,
                Some('-') => chars.next().is_none_or(char::is_whitespace),
                Some(_) => false,
            }
        };
        let length = self.lines[start..].iter().take_while(|line| belongs(line)).count();
        let is_loose = |line: &&&str| line.trim().is_empty() || line.starts_with('#');
        let loose = self.lines[start..start + length].iter().rev().take_while(is_loose).count();
        start + length - loose
    }

    fn place_of_examples(&self, intent: &str) -> Option<ExamplesPlace> {
        let items = self.root.get("nlu")?.as_list()?;
        let item = items.iter().rfind(|item| item.get("intent").and_then(Node::as_text) == Some(intent))?;
        let entry = item.entry("examples")?;
        let start = entry.mark.line as usize;
        let own_line = self.lines.get(start - 1)?.split(" #").next()?.trim_end();
        let is_list = match &entry.value.kind {
            Kind::List(items) if !items.is_empty() && own_line.ends_with(':') => true,
            Kind::Text(_) if own_line.ends_with(['|', '-', '+']) && own_line.contains(": |") => false,
            _ => return None,
        };
        let first = self.lines[start..].iter().position(|line| !line.trim().is_empty())?;
        let indent = indent_of(self.lines[start + first]);
        let belongs = |line: &&str| {
            let own = indent_of(line);
            let is_item = own == indent && line.trim_start().starts_with('-');
            line.trim().is_empty() || own > indent || is_item || (own == indent && !is_list)
        };
        let length = self.lines[start..].iter().take_while(|line| belongs(line)).count();
        let blank = self.lines[start..start + length].iter().rev().take_while(|line| line.trim().is_empty());
        let after = start + length - blank.count();
        (after > start).then_some(ExamplesPlace { after, indent, is_list })
    }

    /// Makes sure that the new text says the old content and the additions, nothing else.
    fn confirm(&self, key: &str, items: &[String], text: &str) -> Result<(), Diagnostic> {
        let parse = |text: &str| {
            let mut findings = Vec::new();
            yaml::parse(&SourceFile::new(self.path, text.as_bytes()), self.env, &mut findings)
                .map(|node| node.to_json())
        };
        let mut wanted = self.root.to_object();
        let value = wanted.entry(key.to_owned()).or_insert(Value::Null);
        for item in items {
            match (&mut *value, parse(item)) {
                (Value::Array(list), Some(Value::Array(item))) => list.extend(item),
                (Value::Object(map), Some(Value::Object(item))) => map.extend(item),
                (value, Some(item)) => *value = item,
                _ => {}
            }
        }
        if parse(text) == Some(Value::Object(wanted)) {
            return Ok(());
        }
        let mark = self.root.entry(key).map_or(Mark::default(), |entry| entry.mark);
        Err(refusal(
            self.path,
            mark,
            format!("nothing can be added to `{key}` without changing what is there"),
        ))
    }
}

fn inserted(lines: &[&str], insertion: &Insertion) -> String {
    let end = lines.first().map_or("\n", |line| line_end(line));
    let mut text = lines[..insertion.after].concat();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(end);
    }
    for line in &insertion.lines {
        text.push_str(line);
        text.push_str(end);
    }
    text.push_str(&lines[insertion.after..].concat());
    text
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn line_end(line: &str) -> &'static str {
    if line.ends_with("\r\n") { "\r\n" } else { "\n" }
}

/// The lines of items, moved to the right; blank lines before each where the list has them.
fn indented(items: &[String], indent: usize, is_airy: bool) -> Vec<String> {
    let pad = " ".repeat(indent);
    let mut lines = Vec::new();
    for item in items {
        if is_airy {
            lines.push(String::new());
        }
        let moved =
            item.lines().map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") });
        lines.extend(moved);
    }
    lines
}
