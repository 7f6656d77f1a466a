//! Language data: `nlu:` and `responses:` (`spec: training-data.md §2`).

pub mod annotation;

use std::collections::{BTreeMap, HashMap};

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::{Example, Lookup, NluData, Regex, Source};
use serde_json::Value;

use crate::domain::{Document, Sources, check_responses};
use crate::reader::Reader;
use crate::suggest::closest;
use crate::yaml::{self, Environment, Kind, Mark, Node, SourceFile};

/// The kinds of `nlu` items, in the order in which they are looked for.
const ITEM_KINDS: [&str; 4] = ["intent", "synonym", "regex", "lookup"];

/// What language data files hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LanguageData {
    /// Examples, synonyms, patterns, lookup tables.
    pub data: NluData,
    /// Responses, as a domain document with nothing else in it.
    pub responses: Document,
    synonym_sources: BTreeMap<String, Source>,
}

impl LanguageData {
    /// Names of the intents that have an example labelled `name/key`, sorted.
    pub fn retrieval_intents(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for example in &self.data.examples {
            if let (Some(_), Some(intent)) = (&example.intent_response_key, &example.intent)
                && !names.contains(intent)
            {
                names.push(intent.clone());
            }
        }
        names.sort();
        names
    }

    /// Appends another file's data: later synonyms and responses replace earlier ones.
    pub fn append(&mut self, other: Self, findings: &mut Vec<Diagnostic>) {
        self.data.examples.extend(other.data.examples);
        self.data.regexes.extend(other.data.regexes);
        self.data.lookups.extend(other.data.lookups);
        for (text, value) in other.data.synonyms {
            let source = other.synonym_sources.get(&text).cloned().unwrap_or_default();
            self.add_synonym((text, value), source, findings);
        }
        if let Some(Value::Object(responses)) = other.responses.dict.get("responses") {
            let known =
                self.responses.dict.entry("responses").or_insert_with(|| Value::Object(Default::default()));
            if let Value::Object(known) = known {
                known.extend(responses.clone());
            }
        }
        self.responses.sources.override_all(other.responses.sources);
    }

    /// Removes exact duplicates (the first stays) and puts patterns into their order.
    pub fn finish(&mut self) {
        let examples = &self.data.examples;
        let mut seen: HashMap<(&str, Option<&str>), Vec<usize>> = HashMap::with_capacity(examples.len());
        let mut is_kept = Vec::with_capacity(examples.len());
        for (idx, example) in examples.iter().enumerate() {
            let positions = seen.entry((&example.text, example.intent.as_deref())).or_default();
            let is_new = !positions.iter().any(|position| is_same(&examples[*position], example));
            if is_new {
                positions.push(idx);
            }
            is_kept.push(is_new);
        }
        let mut is_kept = is_kept.into_iter();
        self.data.examples.retain(|_| is_kept.next().unwrap_or(true));
        self.data.regexes.sort_by_cached_key(|regex| format!("{}+{}", regex.name, regex.pattern));
    }

    fn add_synonym(
        &mut self,
        (text, value): (String, String),
        source: Source,
        findings: &mut Vec<Diagnostic>,
    ) {
        if let Some(known) = self.data.synonyms.get(&text)
            && *known != value
        {
            let first = self.synonym_sources.get(&text).cloned().unwrap_or_default();
            let message = format!(
                "`{text}` is a synonym of `{known}` ({}:{}) and of `{value}`, which is used",
                first.file, first.line
            );
            findings.push(Diagnostic::warning(source.clone(), message));
        }
        self.synonym_sources.insert(text.clone(), source);
        self.data.synonyms.insert(text, value);
    }
}

fn is_same(left: &Example, right: &Example) -> bool {
    left.intent_response_key == right.intent_response_key
        && left.entities == right.entities
        && left.intent_metadata == right.intent_metadata
        && left.metadata == right.metadata
}

/// Reads one language data file.
pub fn read(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> LanguageData {
    match yaml::parse(file, env, findings) {
        Some(document) => read_document(&document, &mut Reader { file: &file.path, findings }),
        None => LanguageData::default(),
    }
}

pub(crate) fn read_document(document: &Node, reader: &mut Reader<'_>) -> LanguageData {
    let mut data = LanguageData::default();
    if let Some(items) = document.get("nlu") {
        for item in reader.list(items, "nlu") {
            read_item(item, &mut data, reader);
        }
    }
    if let Some(responses) = document.get("responses") {
        let mut sources = Sources::default();
        check_responses(responses, reader, &mut sources);
        data.responses.sources = sources;
        if let Kind::Map(_) = responses.kind {
            data.responses.dict.insert("responses".to_owned(), responses.to_json());
        }
    }
    data
}

fn read_item(item: &Node, data: &mut LanguageData, reader: &mut Reader<'_>) {
    let Kind::Map(entries) = &item.kind else {
        let message = format!("an item of `nlu` must be a map, found {}; it is skipped", item.describe());
        return reader.warning_with_hint(item.mark, message, "write `- intent: name` with `examples:` below");
    };
    let found = ITEM_KINDS.iter().find_map(|kind| item.entry(kind));
    let Some(name) = found else {
        let message =
            "an item of `nlu` needs one of the keys `intent`, `synonym`, `regex` and `lookup`; it is skipped";
        let near = entries.iter().find_map(|entry| closest(&entry.key, ITEM_KINDS));
        return match near {
            Some(near) => reader.warning_with_hint(item.mark, message, format!("did you mean `{near}`?")),
            None => reader.warning(item.mark, message),
        };
    };
    let kind = name.key.as_str();
    let known: &[&str] =
        if kind == "intent" { &["intent", "metadata", "examples"] } else { &[kind, "examples"] };
    reader.known_keys(item, &format!("an item `{kind}`"), known);
    if name.value.is_null() || name.value.as_text() == Some("") {
        return reader.warning(name.mark, format!("this {kind} has no name and is skipped"));
    }
    let Some(text) = reader.text(&name.value, kind) else { return };
    let label = Label { kind, name: text.trim(), mark: name.value.mark };
    match kind {
        "intent" => read_intent(item, &label, data, reader),
        _ => read_phrases(item, &label, data, reader),
    }
}

/// What an `nlu` item is about.
struct Label<'a> {
    kind: &'a str,
    name: &'a str,
    mark: Mark,
}

fn read_intent(item: &Node, label: &Label<'_>, data: &mut LanguageData, reader: &mut Reader<'_>) {
    let name = label.name;
    let mut parts = name.split('/');
    let (intent, has_key) = (parts.next().unwrap_or_default(), parts.next().is_some());
    if parts.next().is_some() {
        let message = format!("the intent `{name}` has more than one `/`");
        return reader.error_with_hint(label.mark, message, "write `intent/response_key`");
    }
    let template = Example {
        intent: Some(intent.trim().to_owned()),
        intent_response_key: has_key.then(|| name.to_owned()),
        intent_metadata: metadata(item),
        ..Example::default()
    };
    let n_before = data.data.examples.len();
    let Some(examples) = item.get("examples") else {
        return reader.warning(label.mark, format!("the intent `{name}` has no examples"));
    };
    match &examples.kind {
        Kind::List(items) => {
            for item in items {
                read_listed_example(item, &template, data, reader);
            }
        }
        Kind::Text(_) => {
            for (line, mark) in lines(examples, label, reader) {
                add_example(line, mark, template.clone(), data, reader);
            }
        }
        Kind::Null => {}
        _ => return reader.mismatch(examples, "examples", "a text with one `- example` per line or a list"),
    }
    if data.data.examples.len() == n_before {
        reader.warning(label.mark, format!("the intent `{name}` has no examples"));
    }
}

fn metadata(node: &Node) -> Option<Value> {
    node.get("metadata").filter(|metadata| !metadata.is_null()).map(Node::to_json)
}

fn read_listed_example(item: &Node, template: &Example, data: &mut LanguageData, reader: &mut Reader<'_>) {
    match &item.kind {
        Kind::Null => return,
        Kind::Map(entries) if entries.is_empty() => return,
        Kind::Map(_) => {}
        _ => {
            let message =
                format!("an example in a list must be a map with `text`, found {}", item.describe());
            let hint = "write `- text: …`, or `examples: |` with one `- example` per line";
            return reader.error_with_hint(item.mark, message, hint);
        }
    }
    reader.known_keys(item, "an example", &["text", "metadata"]);
    let Some(text) = item.get("text") else {
        return reader.error_with_hint(item.mark, "an example has no `text`", "add `text:`");
    };
    let Some(line) = reader.text(text, "text") else { return };
    let example = Example { metadata: metadata(item), ..template.clone() };
    add_example(line.trim_matches(STRIPPED), text.mark, example, data, reader);
}

fn add_example(
    line: &str,
    mark: Mark,
    mut example: Example,
    data: &mut LanguageData,
    reader: &mut Reader<'_>,
) {
    let annotated = annotation::parse(line);
    for mistake in &annotated.mistakes {
        let column = line[..mistake.start_bytes].chars().count() as u32;
        let mark = Mark { column: mark.column + column, ..mark };
        let hint = "write `[text]{\"entity\": \"name\", \"value\": \"…\"}`";
        reader.error_with_hint(mark, mistake.message.clone(), hint);
    }
    let source = reader.source(mark);
    for synonym in annotated.synonyms() {
        data.add_synonym(synonym, source.clone(), reader.findings);
    }
    example.text = annotated.text;
    example.entities = annotated.entities;
    example.source = source;
    data.data.examples.push(example);
}

/// Characters that surround an example without belonging to it; tabs do belong.
const STRIPPED: [char; 3] = ['\n', '\r', ' '];

/// The examples of a multi-line text, with their positions.
fn lines<'n>(examples: &'n Node, label: &Label<'_>, reader: &mut Reader<'_>) -> Vec<(&'n str, Mark)> {
    let Some(text) = examples.as_text() else { return Vec::new() };
    let mut lines = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        let mark = Mark { line: examples.mark.line + idx as u32, column: examples.mark.column };
        let Some(rest) = line.strip_prefix('-') else {
            if !line.trim().is_empty() {
                let message = format!(
                    "a line of the {} `{}` does not start with `-` and is skipped: {}",
                    label.kind,
                    label.name,
                    line.trim()
                );
                let hint = "start each example with `- `, all in the same column";
                reader.warning_with_hint(mark, message, hint);
            }
            continue;
        };
        let example = rest.trim_matches(STRIPPED);
        let skipped = line.len() - rest.trim_start_matches(STRIPPED).len();
        lines.push((example, Mark { column: mark.column + skipped as u32, ..mark }));
    }
    lines
}

fn read_phrases(item: &Node, label: &Label<'_>, data: &mut LanguageData, reader: &mut Reader<'_>) {
    let examples = item.get("examples");
    let is_empty = |node: &Node| node.is_null() || node.as_text() == Some("");
    let Some(examples) = examples.filter(|node| !is_empty(node)) else {
        let message = format!("the {} `{}` has no examples and is skipped", label.kind, label.name);
        return reader.warning(label.mark, message);
    };
    let Kind::Text(_) = examples.kind else {
        return reader.mismatch(examples, "examples", "a text with one `- example` per line");
    };
    let lines = lines(examples, label, reader);
    match label.kind {
        "synonym" => {
            for (line, mark) in lines {
                let synonym = (line.to_owned(), label.name.to_owned());
                let source = reader.source(mark);
                data.add_synonym(synonym, source, reader.findings);
            }
        }
        "regex" => data.data.regexes.extend(lines.into_iter().map(|(line, mark)| Regex {
            name: label.name.to_owned(),
            pattern: line.to_owned(),
            source: reader.source(mark),
        })),
        _ => {
            let elements = lines.into_iter().map(|(line, _)| line.to_owned());
            // Items of one name in one file are one table; each file has tables of its own.
            match data.data.lookups.iter_mut().find(|lookup| lookup.name == label.name) {
                Some(known) => known.elements.extend(elements),
                None => data.data.lookups.push(Lookup {
                    name: label.name.to_owned(),
                    elements: elements.collect(),
                    source: reader.source(label.mark),
                }),
            }
        }
    }
}
