//! The Markdown of Rasa 1: messages, and the responses of retrieval intents. Rasa 3 no longer reads it; here
//! `data convert` does.

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::{Example, Lookup, NluData, Regex, Source};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use super::{distinct, full_intent, synonyms_by_value};
use crate::nlu::{LanguageData, annotation};
use crate::write::annotated_text;
use crate::yaml::SourceFile;

/// What the items below a heading are.
enum Section {
    Intent(String),
    Synonym(String),
    Regex(String),
    Lookup(String),
    /// A heading without kind: below it stand an intent with its response key and texts.
    Responses(Option<String>),
}

/// Reads a Markdown file. Lines that mean nothing in the format are told and left out.
pub fn read(file: &SourceFile, findings: &mut Vec<Diagnostic>) -> LanguageData {
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        let source = Source { file: file.path.clone(), ..Source::default() };
        findings.push(Diagnostic::error(source, "this file is not UTF-8"));
        return LanguageData::default();
    };
    let mut reader = Reader {
        file: &file.path,
        section: None,
        data: LanguageData::default(),
        responses: Object::new(),
        findings,
    };
    let mut is_comment = false;
    for (idx, line) in text.lines().enumerate() {
        let line = without_comments(line, &mut is_comment);
        reader.line(line.trim(), idx + 1);
    }
    let Reader { mut data, responses, .. } = reader;
    if !responses.is_empty() {
        data.responses.dict.insert("responses".to_owned(), Value::Object(responses));
    }
    data
}

/// Removes what stands between `<!--` and `-->`, also over several lines.
fn without_comments(line: &str, is_comment: &mut bool) -> String {
    let mut kept = String::new();
    let mut rest = line;
    loop {
        let (mark, is_end) = if *is_comment { ("-->", true) } else { ("<!--", false) };
        match rest.split_once(mark) {
            Some((before, after)) => {
                if !is_end {
                    kept.push_str(before);
                }
                *is_comment = !is_end;
                rest = after;
            }
            None => {
                if !*is_comment {
                    kept.push_str(rest);
                }
                return kept;
            }
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    section: Option<Section>,
    data: LanguageData,
    responses: Object,
    findings: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, number: usize) {
        if line.is_empty() {
            return;
        }
        if let Some(heading) = line.strip_prefix("##") {
            self.section = self.heading(heading.trim_start_matches('#').trim(), number);
        } else if let Some(intent) = line.strip_prefix("* ") {
            self.response_key(intent.trim(), number);
        } else if let Some(item) = line.strip_prefix(['-', '*', '+']).map(str::trim) {
            self.item(item, number);
        } else if !line.starts_with('#') {
            let hint = match self.section {
                Some(Section::Lookup(_)) => "write the phrases themselves, each after `- `",
                _ => "start examples with `- `",
            };
            self.warning(number, format!("`{line}` is no item and is left out"), hint);
        }
    }

    fn heading(&mut self, heading: &str, number: usize) -> Option<Section> {
        let Some((kind, name)) = heading.split_once(':') else { return Some(Section::Responses(None)) };
        let name = name.trim().to_owned();
        match kind.trim() {
            "intent" => Some(Section::Intent(name)),
            "synonym" => Some(Section::Synonym(name)),
            "regex" => Some(Section::Regex(name)),
            "lookup" => Some(Section::Lookup(name)),
            other => {
                let message = format!("`{other}` is no kind of section; what stands below is left out");
                self.warning(number, message, "known are `intent`, `synonym`, `regex` and `lookup`");
                None
            }
        }
    }

    fn response_key(&mut self, intent: &str, number: usize) {
        if !matches!(self.section, Some(Section::Responses(_))) {
            return self.item(intent, number);
        }
        let key = intent.contains('/').then(|| intent.to_owned());
        if key.is_none() {
            let message =
                format!("`{intent}` is no intent with a response key; what stands below is left out");
            self.warning(number, message, "stories in Markdown are not converted");
        }
        self.section = Some(Section::Responses(key));
    }

    fn item(&mut self, item: &str, number: usize) {
        let source = Source { file: self.file.to_owned(), line: number, column: 1 };
        let nlu = &mut self.data.data;
        match &self.section {
            Some(Section::Intent(name)) => {
                let name = name.clone();
                self.example(item, &name, source);
            }
            Some(Section::Synonym(value)) => {
                nlu.synonyms.insert(item.to_owned(), value.clone());
            }
            Some(Section::Regex(name)) => {
                nlu.regexes.push(Regex { name: name.clone(), pattern: item.to_owned(), source });
            }
            Some(Section::Lookup(name)) => match nlu.lookups.iter_mut().find(|lookup| lookup.name == *name) {
                Some(lookup) => lookup.elements.push(item.to_owned()),
                None => {
                    nlu.lookups.push(Lookup { name: name.clone(), elements: vec![item.to_owned()], source })
                }
            },
            Some(Section::Responses(Some(key))) => {
                let variations =
                    self.responses.entry(format!("utter_{key}")).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(variations) = variations {
                    variations.push(json!({ "text": item }));
                }
            }
            Some(Section::Responses(None)) | None => {}
        }
    }

    fn example(&mut self, item: &str, intent: &str, source: Source) {
        let annotated = annotation::parse(item);
        for mistake in &annotated.mistakes {
            let column = item[..mistake.start_bytes].chars().count() + 1;
            self.findings
                .push(Diagnostic::error(Source { column, ..source.clone() }, mistake.message.clone()));
        }
        self.data.data.synonyms.extend(annotated.synonyms());
        let base = intent.split_once('/').map_or(intent, |(base, _)| base);
        self.data.data.examples.push(Example {
            intent: Some(base.to_owned()),
            intent_response_key: intent.contains('/').then(|| intent.to_owned()),
            text: annotated.text,
            entities: annotated.entities,
            source,
            ..Example::default()
        });
    }

    fn warning(&mut self, line: usize, message: String, hint: &str) {
        let source = Source { file: self.file.to_owned(), line, column: 1 };
        self.findings.push(Diagnostic::warning(source, message).with_hint(hint));
    }
}

/// Writes language data as Rasa 1's Markdown, for `data convert nlu -f markdown`. Line breaks inside of examples become
/// spaces; metadata has no place in the format.
pub fn write(data: &NluData) -> String {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for intent in distinct(data.examples.iter().filter_map(full_intent)) {
        let own = data.examples.iter().filter(|example| full_intent(example) == Some(intent));
        let items = own.map(|example| annotated_text(&example.text, &example.entities)).collect();
        sections.push((format!("intent:{intent}"), items));
    }
    for (value, texts) in synonyms_by_value(data) {
        sections.push((format!("synonym:{value}"), texts.into_iter().map(str::to_owned).collect()));
    }
    for name in distinct(data.regexes.iter().map(|regex| regex.name.as_str())) {
        let own = data.regexes.iter().filter(|regex| regex.name == name);
        sections.push((format!("regex:{name}"), own.map(|regex| regex.pattern.clone()).collect()));
    }
    for name in distinct(data.lookups.iter().map(|lookup| lookup.name.as_str())) {
        let own = data.lookups.iter().filter(|lookup| lookup.name == name);
        sections.push((format!("lookup:{name}"), own.flat_map(|lookup| lookup.elements.clone()).collect()));
    }
    let section = |(heading, items): &(String, Vec<String>)| {
        let items: String =
            items.iter().map(|item| format!("- {}\n", item.replace(['\n', '\r'], " "))).collect();
        format!("## {heading}\n{items}")
    };
    sections.iter().map(section).collect::<Vec<_>>().join("\n")
}
