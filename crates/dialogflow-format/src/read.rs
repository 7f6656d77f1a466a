//! Files to values.

use std::collections::BTreeMap;

use intendant_agent::values::{
    Agent, EntityType, Entry, Event, Intent, Message, OutputContext, Parameter, Part, Phrase, Prompt,
    Response, Settings, Webhook,
};
use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_talk::data::Source;
use serde_json::Value;

use crate::Files;
use crate::names::{ENTRIES, PHRASES, Role, role};
use crate::report::{Dropped, Report, SECRET};
use crate::secrets;
use crate::take::{Members, source};

/// Why a file was left behind that belongs to no export.
const STRAY: &str = "no part of the format";

/// An agent with what there is to say about reading it.
#[derive(Clone, Debug)]
pub struct Import {
    /// The agent.
    pub agent: Agent,
    /// What it holds and what was left behind.
    pub report: Report,
}

/// Reads the files of an export; they may lie under one folder.
///
/// # Errors
/// All that makes it no agent, each with its file.
pub fn read(files: &Files) -> Result<Import, Vec<Diagnostic>> {
    let mut reader = Reader::default();
    let agent = reader.agent(files);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        reader.notes.into_iter().partition(|note| note.severity == Severity::Error);
    let Some(agent) = agent.filter(|_| errors.is_empty()) else { return Err(errors) };
    let mut report = Report { dropped: reader.dropped, ..Report::of(&agent) };
    report.dropped.sort();
    report.warnings = warnings.iter().map(one_line).collect();
    report.warnings.extend(doubts(&agent));
    Ok(Import { agent, report })
}

/// How files of one kind lie together: heads, and parts of them by language.
struct Shape<H, P> {
    /// What is put into the names of files with parts.
    mark: &'static str,
    /// The member of a head that holds its parts in old exports.
    inline: &'static str,
    head: fn(Value, &str, &mut Vec<Diagnostic>) -> Option<H>,
    part: ReadPart<P>,
    join: fn(&mut H, BTreeMap<String, Vec<P>>),
}

type ReadPart<P> = fn(Value, &str, String, &mut Vec<Diagnostic>) -> Option<P>;

#[derive(Default)]
struct Reader {
    notes: Vec<Diagnostic>,
    dropped: Vec<Dropped>,
}

impl Reader {
    fn agent(&mut self, files: &Files) -> Option<Agent> {
        let is_junk = |path: &str| {
            path.split('/').any(|part| part == "__MACOSX") || path.rsplit('/').next() == Some(".DS_Store")
        };
        let paths: Vec<&String> = files.keys().filter(|path| !is_junk(path)).collect();
        let roots = paths.iter().filter_map(|path| {
            let root = path.strip_suffix("agent.json")?;
            (root.is_empty() || root.ends_with('/')).then_some(root)
        });
        let Some(root) = roots.min_by_key(|root| root.len()) else {
            let hint = "name the zip or the folder of an agent exported from Dialogflow ES";
            let message = "there is no agent.json";
            self.notes.push(Diagnostic::error(Source::default(), message).with_hint(hint));
            return None;
        };
        let mut agent = Agent::default();
        let mut groups: [Vec<(&str, Value)>; 2] = Default::default();
        for path in paths {
            let Some(name) = path.strip_prefix(root) else { continue };
            let role = role(name);
            if role == Role::Stray {
                self.drop(name, STRAY);
                continue;
            }
            let Some(value) = self.json(name, &files[path]) else { continue };
            match role {
                Role::Settings => agent.settings = self.settings(value).unwrap_or_default(),
                Role::Intent => groups[0].push((name, value)),
                Role::Entity => groups[1].push((name, value)),
                Role::Other => drop(agent.others.insert(name.to_owned(), value)),
                Role::Package | Role::Stray => {}
            }
        }
        let language = agent.settings.own_language().to_owned();
        let [intents, entities] = groups;
        let phrases = Shape {
            mark: PHRASES,
            inline: "userSays",
            head: intent,
            part: phrase,
            join: |intent, phrases| intent.phrases = phrases,
        };
        agent.intents = self.heads(intents, &phrases, &language);
        let entries = Shape {
            mark: ENTRIES,
            inline: "entries",
            head: entity,
            part: entry,
            join: |entity, entries| entity.entries = entries,
        };
        agent.entities = self.heads(entities, &entries, &language);
        // The order of files depends on their names, which are not part of the agent.
        agent.intents.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        agent.entities.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Some(agent)
    }

    fn drop(&mut self, what: &str, why: &str) {
        self.dropped.push(Dropped { what: what.to_owned(), why: why.to_owned() });
    }

    fn json(&mut self, name: &str, bytes: &[u8]) -> Option<Value> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match serde_json::from_slice(bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                let place = Source { file: name.to_owned(), line: error.line(), column: error.column() };
                let why = error.to_string();
                let why = why.split(" at line ").next().unwrap_or_default();
                self.notes.push(Diagnostic::error(place, format!("this is not JSON: {why}")));
                None
            }
        }
    }

    /// Heads with the parts that lie in files beside them or, in old exports, within them.
    fn heads<H, P>(&mut self, files: Vec<(&str, Value)>, shape: &Shape<H, P>, language: &str) -> Vec<H> {
        let (mark, inline) = (shape.mark, shape.inline);
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        let owner = |name: &str| {
            let (stem, rest) = name.rsplit_once(mark)?;
            let head = format!("{stem}.json");
            names.contains(&head.as_str()).then(|| (head, rest.trim_end_matches(".json").to_owned()))
        };
        let mut parts: BTreeMap<String, BTreeMap<String, Vec<P>>> = BTreeMap::new();
        let mut heads = Vec::new();
        for (name, value) in files {
            match owner(name) {
                None => heads.push((name, value)),
                Some((head, language)) => {
                    let found = self.parts(name, value, shape.part);
                    parts.entry(head).or_default().entry(language).or_default().extend(found);
                }
            }
        }
        let mut read = Vec::with_capacity(heads.len());
        for (name, mut value) in heads {
            let mut mine = parts.remove(name).unwrap_or_default();
            let old = value.get(inline).is_some_and(Value::is_array);
            if old && let Some(object) = value.as_object_mut() {
                let items = object.shift_remove(inline).unwrap_or_default();
                let found = self.parts(name, items, shape.part);
                mine.entry(language.to_owned()).or_default().extend(found);
            }
            mine.retain(|_, items| !items.is_empty());
            if let Some(mut head) = (shape.head)(value, name, &mut self.notes) {
                (shape.join)(&mut head, mine);
                read.push(head);
            }
        }
        read
    }

    fn parts<P>(&mut self, name: &str, value: Value, read_part: ReadPart<P>) -> Vec<P> {
        match value {
            Value::Null => Vec::new(),
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                items
                    .filter_map(|(at, item)| read_part(item, name, format!("/{at}"), &mut self.notes))
                    .collect()
            }
            _ => {
                let message = "this is no list of phrases or entries";
                self.notes.push(Diagnostic::error(source(name), message));
                Vec::new()
            }
        }
    }

    fn settings(&mut self, value: Value) -> Option<Settings> {
        let mut members = Members::of(value, "agent.json", String::new(), &mut self.notes)?;
        let mut dropped = secrets::take(members.inner(), "secondaryKey", "agent.json#/secondaryKey");
        let mut hook = members.object("webhook").unwrap_or_default();
        for name in ["headers", "password", "username"] {
            dropped.extend(secrets::take(&mut hook, name, &format!("agent.json#/webhook/{name}")));
        }
        let mut settings = Settings {
            display_name: members.text("displayName"),
            language: members.text("language"),
            supported_languages: members.texts("supportedLanguages").unwrap_or_default(),
            time_zone: members.text("defaultTimezone"),
            min_confidence: members.number("mlMinConfidence"),
            classifier_mode: members.text("customClassifierMode"),
            webhook: Webhook::default(),
            rest: members.rest(),
        };
        let mut hook =
            Members::of(Value::Object(hook), "agent.json", "/webhook".to_owned(), &mut self.notes)?;
        settings.webhook = Webhook {
            url: hook.text("url").unwrap_or_default(),
            is_available: hook.flag("available").unwrap_or(false),
            rest: hook.rest(),
        };
        for what in dropped {
            self.drop(&what, SECRET);
        }
        Some(settings)
    }
}

fn intent(value: Value, file: &str, notes: &mut Vec<Diagnostic>) -> Option<Intent> {
    let mut members = Members::of(value, file, String::new(), notes)?;
    Some(Intent {
        name: members.text("name").unwrap_or_else(|| stem(file)),
        id: members.text("id"),
        is_learned: members.flag("auto").unwrap_or(true),
        input_contexts: members.texts("contexts").unwrap_or_default(),
        parent_id: members.text("parentId"),
        root_parent_id: members.text("rootParentId"),
        priority: members.whole("priority"),
        is_fallback: members.flag("fallbackIntent").unwrap_or(false),
        uses_webhook: members.flag("webhookUsed").unwrap_or(false),
        uses_webhook_for_slot_filling: members.flag("webhookForSlotFilling").unwrap_or(false),
        ends_interaction: members.flag("endInteraction").unwrap_or(false),
        events: members.each("events", event),
        responses: members.each("responses", response),
        phrases: BTreeMap::new(),
        rest: members.rest(),
    })
}

fn stem(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.trim_end_matches(".json").to_owned()
}

fn event(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Event> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(Event { name: members.text("name").unwrap_or_default(), rest: members.rest() })
}

fn response(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Response> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(Response {
        resets_contexts: members.flag("resetContexts").unwrap_or(false),
        action: members.text("action"),
        output_contexts: members.each("affectedContexts", output_context),
        parameters: members.each("parameters", parameter),
        messages: members.each("messages", message),
        rest: members.rest(),
    })
}

fn output_context(
    value: Value,
    file: &str,
    place: String,
    notes: &mut Vec<Diagnostic>,
) -> Option<OutputContext> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(OutputContext {
        name: members.text("name").unwrap_or_default(),
        lifespan: members.whole("lifespan").map(|turns| turns.clamp(0, i64::from(u32::MAX)) as u32),
        rest: members.rest(),
    })
}

fn parameter(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Parameter> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(Parameter {
        name: members.text("name").unwrap_or_default(),
        data_type: members.text("dataType").unwrap_or_default(),
        value: members.text("value"),
        default_value: members.text("defaultValue"),
        is_required: members.flag("required").unwrap_or(false),
        is_list: members.flag("isList").unwrap_or(false),
        prompts: members.each("prompts", prompt),
        rest: members.rest(),
    })
}

fn prompt(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Prompt> {
    if let Value::String(text) = value {
        return Some(Prompt { text, ..Prompt::default() });
    }
    let mut members = Members::of(value, file, place, notes)?;
    Some(Prompt {
        language: members.text("lang"),
        text: members.text("value").unwrap_or_default(),
        rest: members.rest(),
    })
}

fn message(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Message> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(Message {
        kind: members.inner().shift_remove("type").filter(|kind| !kind.is_null()),
        language: members.text("lang"),
        platform: members.text("platform"),
        texts: members.text_or_texts("speech").unwrap_or_default(),
        body: members.rest(),
    })
}

fn phrase(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Phrase> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(Phrase {
        parts: members.each("data", part),
        is_template: members.flag("isTemplate").unwrap_or(false),
        rest: members.rest(),
    })
}

fn part(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Part> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(Part {
        text: members.text("text").unwrap_or_default(),
        meta: members.text("meta"),
        alias: members.text("alias"),
        is_user_defined: members.flag("userDefined").unwrap_or(false),
        rest: members.rest(),
    })
}

fn entity(value: Value, file: &str, notes: &mut Vec<Diagnostic>) -> Option<EntityType> {
    let mut members = Members::of(value, file, String::new(), notes)?;
    Some(EntityType {
        name: members.text("name").unwrap_or_else(|| stem(file)),
        id: members.text("id"),
        is_overridable: members.flag("isOverridable").unwrap_or(false),
        is_list: members.flag("isEnum").unwrap_or(false),
        is_regexp: members.flag("isRegexp").unwrap_or(false),
        expands: members.flag("automatedExpansion").unwrap_or(false),
        is_fuzzy: members.flag("allowFuzzyExtraction").unwrap_or(false),
        entries: BTreeMap::new(),
        rest: members.rest(),
    })
}

fn entry(value: Value, file: &str, place: String, notes: &mut Vec<Diagnostic>) -> Option<Entry> {
    let mut members = Members::of(value, file, place, notes)?;
    Some(Entry {
        value: members.text("value").unwrap_or_default(),
        synonyms: members.texts("synonyms").unwrap_or_default(),
        rest: members.rest(),
    })
}

/// What its author may want to look at.
fn doubts(agent: &Agent) -> Vec<String> {
    let mut doubts = Vec::new();
    let known: Vec<String> = agent.entities.iter().map(|entity| entity.name.to_lowercase()).collect();
    for intent in &agent.intents {
        for parameter in intent.parameters() {
            let name = parameter.data_type.trim_start_matches('@').to_lowercase();
            if !name.is_empty() && !name.starts_with("sys.") && !known.contains(&name) {
                doubts.push(format!(
                    "intent `{}`: parameter `{}` is of type `{}`, which the agent does not define",
                    intent.name, parameter.name, parameter.data_type
                ));
            }
        }
    }
    let declared: Vec<String> = std::iter::once(agent.settings.own_language())
        .chain(agent.settings.supported_languages.iter().map(String::as_str))
        .map(str::to_lowercase)
        .collect();
    for language in Report::of(agent).phrases.keys() {
        if !declared.contains(&language.to_lowercase()) {
            doubts.push(format!("there are phrases in `{language}`, which agent.json does not name"));
        }
    }
    let secrets = secrets::in_address(&agent.settings.webhook.url);
    if !secrets.is_empty() {
        let names = secrets.join("`, `");
        doubts.push(format!(
            "the webhook's address holds what looks secret (`{names}`): change it, and have the address in the \
             server's settings"
        ));
    }
    doubts
}

fn one_line(note: &Diagnostic) -> String {
    note.to_string().replace("\n  help: ", "; ")
}
