//! A conversation as JSON, for the database. What cannot be read begins anew.

use intendant_agent::values::Entry;
use intendant_agent::{ActiveContext, Filling, Session, SessionEntities};
use intendant_talk::message::Object;
use serde_json::{Value, json};

/// A conversation as text, `None` when nothing is remembered of it.
pub(crate) fn write(session: &Session) -> Option<String> {
    if *session == Session::default() {
        return None;
    }
    let filling = session.filling.as_ref().map(|filling| {
        json!({
            "intent": filling.intent,
            "asked": filling.asked,
            "known": filling.known,
            "contexts": write_contexts(&filling.contexts),
        })
    });
    let entities: Vec<Value> = session.entities.iter().map(write_entities).collect();
    let state =
        json!({"contexts": write_contexts(&session.contexts), "filling": filling, "entities": entities});
    Some(state.to_string())
}

/// What [`write`] wrote.
pub(crate) fn read(text: &str) -> Session {
    let state: Value = serde_json::from_str(text).unwrap_or_default();
    let filling = state["filling"].is_object().then(|| {
        let filling = &state["filling"];
        Filling {
            intent: string(&filling["intent"]),
            asked: string(&filling["asked"]),
            known: object(&filling["known"]),
            contexts: read_contexts(&filling["contexts"]),
        }
    });
    let entities = list(&state["entities"]).iter().map(read_entities).collect();
    Session { contexts: read_contexts(&state["contexts"]), filling, entities }
}

fn write_contexts(contexts: &[ActiveContext]) -> Value {
    let write = |context: &ActiveContext| {
        json!({
            "name": context.name,
            "lifespan": context.lifespan,
            "parameters": context.parameters,
            "ends_ms": context.ends_ms,
        })
    };
    contexts.iter().map(write).collect()
}

fn read_contexts(value: &Value) -> Vec<ActiveContext> {
    let read = |context: &Value| ActiveContext {
        name: string(&context["name"]),
        lifespan: context["lifespan"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        parameters: object(&context["parameters"]),
        ends_ms: context["ends_ms"].as_i64().unwrap_or(0),
    };
    list(value).iter().map(read).collect()
}

fn write_entities(entities: &SessionEntities) -> Value {
    let entry = |entry: &Entry| json!({"value": entry.value, "synonyms": entry.synonyms});
    let entries: Vec<Value> = entities.entries.iter().map(entry).collect();
    json!({"name": entities.name, "replaces": entities.replaces, "entries": entries})
}

fn read_entities(value: &Value) -> SessionEntities {
    let entry = |entry: &Value| Entry {
        value: string(&entry["value"]),
        synonyms: list(&entry["synonyms"]).iter().map(string).collect(),
        rest: Object::new(),
    };
    SessionEntities {
        name: string(&value["name"]),
        replaces: value["replaces"].as_bool().unwrap_or(false),
        entries: list(&value["entries"]).iter().map(entry).collect(),
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn object(value: &Value) -> Object {
    value.as_object().cloned().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_comes_back_as_it_was() {
        let parameters =
            json!({"count": 2.5, "bread": ["rye"], "x": {"y": null}}).as_object().cloned().unwrap();
        let context = ActiveContext {
            name: "order".to_owned(),
            lifespan: 3,
            parameters: parameters.clone(),
            ends_ms: 7,
        };
        let entry = Entry { value: "roll".to_owned(), synonyms: vec!["bun".to_owned()], rest: Object::new() };
        let session = Session {
            contexts: vec![context.clone()],
            filling: Some(Filling {
                intent: "Order".to_owned(),
                asked: "bread".to_owned(),
                known: parameters,
                contexts: vec![context],
            }),
            entities: vec![SessionEntities {
                name: "bread".to_owned(),
                replaces: true,
                entries: vec![entry],
            }],
        };
        assert_eq!(read(&write(&session).unwrap()), session);
        assert_eq!(write(&Session::default()), None);
        for damaged in ["", "[]", "{\"contexts\": 5, \"filling\": [], \"entities\": [3]}"] {
            assert_eq!(read(damaged).contexts, [], "{damaged}");
        }
    }
}
