//! Values to files, in the form that exports have today.

use intendant_agent::values::{
    Agent, EntityType, Entry, Event, Intent, Message, OutputContext, Parameter, Part, Phrase, Prompt,
    Response, Settings,
};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::Files;
use crate::names::{ENTRIES, Namer, PHRASES};

/// Writes the files of an agent.
pub fn write(agent: &Agent) -> Files {
    let mut files = Files::new();
    let mut put = |path: String, value: Value| {
        let mut text = format!("{value:#}").into_bytes();
        text.push(b'\n');
        files.insert(path, text);
    };
    put("agent.json".to_owned(), settings(&agent.settings));
    put("package.json".to_owned(), json!({"version": "1.0.0"}));
    for (name, value) in &agent.others {
        put(name.clone(), value.clone());
    }
    let mut namer = Namer::default();
    for item in &agent.intents {
        let stem = namer.stem(&item.name);
        put(format!("intents/{stem}.json"), intent(item));
        for (language, phrases) in item.phrases.iter().filter(|(_, phrases)| !phrases.is_empty()) {
            let phrases: Value = phrases.iter().map(phrase).collect();
            put(format!("intents/{stem}{PHRASES}{language}.json"), phrases);
        }
    }
    let mut namer = Namer::default();
    for item in &agent.entities {
        let stem = namer.stem(&item.name);
        put(format!("entities/{stem}.json"), entity(item));
        for (language, entries) in item.entries.iter().filter(|(_, entries)| !entries.is_empty()) {
            let entries: Value = entries.iter().map(entry).collect();
            put(format!("entities/{stem}{ENTRIES}{language}.json"), entries);
        }
    }
    files
}

/// What is known, then what nothing reads; members that are absent are left out.
fn object<const N: usize>(known: [(&str, Value); N], rest: &Object) -> Value {
    let known = known.into_iter().filter(|(_, value)| !value.is_null());
    let mut object: Object = known.map(|(name, value)| (name.to_owned(), value)).collect();
    object.extend(rest.iter().map(|(name, value)| (name.clone(), value.clone())));
    Value::Object(object)
}

fn settings(settings: &Settings) -> Value {
    let hook = &settings.webhook;
    object(
        [
            ("displayName", json!(settings.display_name)),
            ("language", json!(settings.language)),
            ("supportedLanguages", json!(settings.supported_languages)),
            ("defaultTimezone", json!(settings.time_zone)),
            ("mlMinConfidence", json!(settings.min_confidence)),
            ("customClassifierMode", json!(settings.classifier_mode)),
            (
                "webhook",
                object([("url", json!(hook.url)), ("available", json!(hook.is_available))], &hook.rest),
            ),
        ],
        &settings.rest,
    )
}

pub(crate) fn intent(intent: &Intent) -> Value {
    object(
        [
            ("id", json!(intent.id)),
            ("parentId", json!(intent.parent_id)),
            ("rootParentId", json!(intent.root_parent_id)),
            ("name", json!(intent.name)),
            ("auto", json!(intent.is_learned)),
            ("contexts", json!(intent.input_contexts)),
            ("responses", intent.responses.iter().map(response).collect()),
            ("priority", json!(intent.priority)),
            ("webhookUsed", json!(intent.uses_webhook)),
            ("webhookForSlotFilling", json!(intent.uses_webhook_for_slot_filling)),
            ("fallbackIntent", json!(intent.is_fallback)),
            ("endInteraction", if intent.ends_interaction { json!(true) } else { Value::Null }),
            ("events", intent.events.iter().map(event).collect()),
        ],
        &intent.rest,
    )
}

fn event(event: &Event) -> Value {
    object([("name", json!(event.name))], &event.rest)
}

fn response(response: &Response) -> Value {
    object(
        [
            ("resetContexts", json!(response.resets_contexts)),
            ("action", json!(response.action)),
            ("affectedContexts", response.output_contexts.iter().map(output_context).collect()),
            ("parameters", response.parameters.iter().map(parameter).collect()),
            ("messages", response.messages.iter().map(message).collect()),
        ],
        &response.rest,
    )
}

fn output_context(context: &OutputContext) -> Value {
    object([("name", json!(context.name)), ("lifespan", json!(context.lifespan))], &context.rest)
}

fn parameter(parameter: &Parameter) -> Value {
    object(
        [
            ("required", json!(parameter.is_required)),
            ("dataType", json!(parameter.data_type)),
            ("name", json!(parameter.name)),
            ("value", json!(parameter.value)),
            ("defaultValue", json!(parameter.default_value)),
            ("isList", json!(parameter.is_list)),
            ("prompts", parameter.prompts.iter().map(prompt).collect()),
        ],
        &parameter.rest,
    )
}

fn prompt(prompt: &Prompt) -> Value {
    object([("lang", json!(prompt.language)), ("value", json!(prompt.text))], &prompt.rest)
}

fn message(message: &Message) -> Value {
    object(
        [
            ("type", json!(message.kind)),
            ("platform", json!(message.platform)),
            ("lang", json!(message.language)),
            ("speech", if message.texts.is_empty() { Value::Null } else { json!(message.texts) }),
        ],
        &message.body,
    )
}

fn phrase(phrase: &Phrase) -> Value {
    object(
        [("data", phrase.parts.iter().map(part).collect()), ("isTemplate", json!(phrase.is_template))],
        &phrase.rest,
    )
}

fn part(part: &Part) -> Value {
    object(
        [
            ("text", json!(part.text)),
            ("meta", json!(part.meta)),
            ("alias", json!(part.alias)),
            ("userDefined", json!(part.is_user_defined)),
        ],
        &part.rest,
    )
}

pub(crate) fn entity(entity: &EntityType) -> Value {
    object(
        [
            ("id", json!(entity.id)),
            ("name", json!(entity.name)),
            ("isOverridable", json!(entity.is_overridable)),
            ("isEnum", json!(entity.is_list)),
            ("isRegexp", json!(entity.is_regexp)),
            ("automatedExpansion", json!(entity.expands)),
            ("allowFuzzyExtraction", json!(entity.is_fuzzy)),
        ],
        &entity.rest,
    )
}

fn entry(entry: &Entry) -> Value {
    object([("value", json!(entry.value)), ("synonyms", json!(entry.synonyms))], &entry.rest)
}
