//! Language data in other tools' JSON (`spec: training-data.md §2.7`).

mod dialogflow;
mod luis;
pub mod markdown;
mod rasa_json;
mod wit;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::{Example, NluData, Source};
use intendant_talk::message::Entity;
use serde_json::Value;

use crate::nlu::LanguageData;
use crate::yaml::SourceFile;

pub use dialogflow::dialogflow_files;
pub use luis::luis_json;
pub use rasa_json::nlu_json;
pub use wit::wit_json;

/// A JSON format of language data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    Wit,
    Luis,
    RasaJson,
    DialogflowAgent,
    DialogflowPackage,
    DialogflowIntent,
    DialogflowEntity,
    DialogflowExamples,
    DialogflowEntries,
}

/// Guesses the format, in Rasa's order of heuristics. `None` when it is no language data.
pub fn guess(path: &str, json: &Value) -> Option<Format> {
    let has = |key: &str| json.get(key).is_some();
    let is_package =
        json.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("version"));
    let rules = [
        (has("utterances") && !has("luis_schema_version"), Format::Wit),
        (has("luis_schema_version"), Format::Luis),
        (has("rasa_nlu_data"), Format::RasaJson),
        (has("supportedLanguages"), Format::DialogflowAgent),
        (is_package, Format::DialogflowPackage),
        (has("responses"), Format::DialogflowIntent),
        (has("isEnum"), Format::DialogflowEntity),
        (path.contains("_usersays_"), Format::DialogflowExamples),
        (path.contains("_entries_"), Format::DialogflowEntries),
    ];
    rules.iter().find(|(holds, _)| *holds).map(|(_, format)| *format)
}

/// Reads a JSON file. `others` are the files it may refer to, `language` the two-letter code of
/// Dialogflow's example files. JSON that is no language data gives nothing.
pub fn read(
    file: &SourceFile,
    others: &[SourceFile],
    language: &str,
    findings: &mut Vec<Diagnostic>,
) -> LanguageData {
    let json: Value = match serde_json::from_slice(&file.bytes) {
        Ok(json) => json,
        Err(error) => {
            let source = Source { file: file.path.clone(), line: error.line(), column: error.column() };
            findings.push(Diagnostic::error(source, format!("this is not valid JSON: {}", reason(&error))));
            return LanguageData::default();
        }
    };
    let mut target = Target { file, others, language, data: LanguageData::default(), findings };
    match guess(&file.path, &json) {
        Some(Format::Wit) => wit::read(&json, &mut target),
        Some(Format::Luis) => luis::read(&json, &mut target),
        Some(Format::RasaJson) => rasa_json::read(&json, &mut target),
        Some(Format::DialogflowIntent) => dialogflow::read_intent(&json, &mut target),
        Some(Format::DialogflowEntity) => dialogflow::read_entity(&json, &mut target),
        // These hold nothing by themselves.
        Some(
            Format::DialogflowAgent
            | Format::DialogflowPackage
            | Format::DialogflowExamples
            | Format::DialogflowEntries,
        )
        | None => {}
    }
    target.data
}

/// The message without the place, which the finding names itself.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

/// Where a reader puts what it reads.
struct Target<'a> {
    file: &'a SourceFile,
    others: &'a [SourceFile],
    language: &'a str,
    data: LanguageData,
    findings: &'a mut Vec<Diagnostic>,
}

impl Target<'_> {
    fn source(&self) -> Source {
        Source { file: self.file.path.clone(), line: 0, column: 0 }
    }

    fn warning(&mut self, message: impl Into<String>) {
        let source = self.source();
        self.findings.push(Diagnostic::warning(source, message));
    }

    fn error(&mut self, message: impl Into<String>) {
        let source = self.source();
        self.findings.push(Diagnostic::error(source, message));
    }

    fn push_example(&mut self, text: &str, intent: Option<&str>, mut entities: Vec<Entity>) {
        let n_chars = text.chars().count();
        let is_inside = |entity: &Entity| match (entity.start_chars, entity.end_chars) {
            (Some(start), Some(end)) => start <= end && end <= n_chars,
            _ => false,
        };
        let n_entities = entities.len();
        entities.retain(is_inside);
        if entities.len() < n_entities {
            self.warning(format!(
                "an entity of the example `{text}` lies outside of the text and is skipped"
            ));
        }
        let (intent, key) = match intent.map(str::trim).filter(|intent| !intent.is_empty()) {
            Some(full) => match full.split_once('/') {
                Some((base, _)) => (Some(base.to_owned()), Some(full.to_owned())),
                None => (Some(full.to_owned()), None),
            },
            None => (None, None),
        };
        self.data.data.examples.push(Example {
            text: text.to_owned(),
            intent,
            intent_response_key: key,
            entities,
            source: self.source(),
            ..Example::default()
        });
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The intent as it is written, with its response key.
fn full_intent(example: &Example) -> Option<&str> {
    example.intent_response_key.as_deref().or(example.intent.as_deref())
}

/// Annotated entities with their spans, sorted; those without span cannot be written.
fn spans(example: &Example) -> Vec<(usize, usize, &Entity)> {
    let mut spans: Vec<(usize, usize, &Entity)> = example
        .entities
        .iter()
        .filter_map(|entity| Some((entity.start_chars?, entity.end_chars?, entity)))
        .filter(|(start, end, _)| start < end)
        .collect();
    spans.sort_by_key(|(start, end, _)| (*start, *end));
    spans
}

/// Names in the order in which they first occur.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// Synonyms by the value that they stand for.
fn synonyms_by_value(data: &NluData) -> Vec<(&str, Vec<&str>)> {
    let mut groups: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for (text, value) in data.synonyms.iter().filter(|(text, value)| text != value) {
        groups.entry(value).or_default().push(text);
    }
    groups.into_iter().collect()
}

fn offset(value: &Value, key: &str) -> Option<usize> {
    value.get(key).and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok())
}

/// The characters of a span; empty when it is outside of the text.
fn slice(text: &str, start: usize, end: usize) -> String {
    text.chars().skip(start).take(end.saturating_sub(start)).collect()
}
