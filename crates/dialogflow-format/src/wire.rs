//! The JSON of Dialogflow's REST API, version 2: `detectIntent`, contexts, session entities, webhooks.
//!
//! Source: the protocol buffers `google/cloud/dialogflow/v2` in their JSON form, in which members
//! that are zero, false or empty are left out.

use intendant_agent::values::{Entry, Message, MessageKind};
use intendant_agent::{ActiveContext, Answer, Input, Query, Reply, Said, SessionEntities};
use intendant_talk::message::Object;
use serde_json::{Value, json};

/// The longest text that is taken, in characters.
const TEXT_CHARS_MAX: usize = 256 * 16;
/// The longest name of an event, in characters.
const EVENT_CHARS_MAX: usize = 150;

/// What holds for a request besides its body.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The language when the request names none.
    pub language: &'a str,
    /// Now, in milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Chooses among variants.
    pub seed: u64,
}

/// Reads the body of `detectIntent`. With the query comes the payload for the webhook.
///
/// # Errors
/// What is wrong with it, as the API says it.
pub fn read_query(body: &Value, now: Now<'_>) -> Result<(Query, Object), String> {
    let input = body.get("queryInput").filter(|input| input.is_object());
    let input = input.ok_or("Input text not set: the request needs queryInput.text or queryInput.event.")?;
    let (language, input) = read_input(input)?;
    let parameters = body.get("queryParams").unwrap_or(&Value::Null);
    let contexts = list(parameters, "contexts").iter().map(read_context).collect::<Result<_, _>>()?;
    let entities =
        list(parameters, "sessionEntityTypes").iter().map(read_entities).collect::<Result<_, _>>()?;
    let payload = parameters.get("payload").and_then(Value::as_object).cloned().unwrap_or_default();
    let query = Query {
        input,
        language: language.filter(|code| !code.is_empty()).unwrap_or_else(|| now.language.to_owned()),
        time_zone: text(parameters, "timeZone"),
        resets_contexts: parameters.get("resetContexts").and_then(Value::as_bool).unwrap_or(false),
        contexts,
        entities,
        now_ms: now.now_ms,
        seed: now.seed,
    };
    Ok((query, payload))
}

fn read_input(input: &Value) -> Result<(Option<String>, Input), String> {
    if let Some(said) = input.get("text").filter(|said| said.is_object()) {
        let words = text(said, "text").filter(|words| !words.trim().is_empty());
        let words = words.ok_or("Input text not set.")?;
        if words.chars().count() > TEXT_CHARS_MAX {
            return Err(format!("Input text exceeds {TEXT_CHARS_MAX} characters."));
        }
        return Ok((text(said, "languageCode"), Input::Text(words)));
    }
    if let Some(event) = input.get("event").filter(|event| event.is_object()) {
        let name = text(event, "name").filter(|name| !name.is_empty()).ok_or("Event name not set.")?;
        if name.chars().count() > EVENT_CHARS_MAX {
            return Err(format!("Event name exceeds {EVENT_CHARS_MAX} characters."));
        }
        let parameters = event.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
        return Ok((text(event, "languageCode"), Input::Event { name, parameters }));
    }
    if input.get("audioConfig").is_some() {
        return Err("Audio is not understood here: send queryInput.text.".to_owned());
    }
    Err("Input text not set: the request needs queryInput.text or queryInput.event.".to_owned())
}

/// Reads a context; its name may be a whole path.
///
/// # Errors
/// When it has no name, or members of wrong types.
pub fn read_context(value: &Value) -> Result<ActiveContext, String> {
    let name = text(value, "name").map(|name| last_segment(&name).to_lowercase());
    let name = name.filter(|name| !name.is_empty()).ok_or("A context needs a name.")?;
    let lifespan = match value.get("lifespanCount") {
        None | Some(Value::Null) => 0,
        Some(count) => {
            count.as_f64().filter(|count| *count >= 0.0).ok_or("lifespanCount must be a number.")? as u32
        }
    };
    let parameters = match value.get("parameters") {
        None | Some(Value::Null) => Object::new(),
        Some(Value::Object(parameters)) => parameters.clone(),
        Some(_) => return Err("The parameters of a context must be an object.".to_owned()),
    };
    Ok(ActiveContext { name, lifespan, parameters, ends_ms: 0 })
}

/// Reads entities of a session; their name may be a whole path.
///
/// # Errors
/// When they have no name.
pub fn read_entities(value: &Value) -> Result<SessionEntities, String> {
    let name = text(value, "name").map(|name| last_segment(&name).to_owned());
    let name = name.filter(|name| !name.is_empty()).ok_or("A session entity type needs a name.")?;
    let mode = text(value, "entityOverrideMode").unwrap_or_default();
    let entries = list(value, "entities").iter().map(|entry| Entry {
        value: text(entry, "value").unwrap_or_default(),
        synonyms: list(entry, "synonyms").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        rest: Object::new(),
    });
    let replaces = mode != "ENTITY_OVERRIDE_MODE_SUPPLEMENT";
    Ok(SessionEntities { name, replaces, entries: entries.collect() })
}

/// Writes entities of a session.
pub fn write_entities(session: &str, entities: &SessionEntities) -> Value {
    let mode = if entities.replaces { "OVERRIDE" } else { "SUPPLEMENT" };
    let entries: Vec<Value> = entities
        .entries
        .iter()
        .map(|entry| json!({"value": entry.value, "synonyms": entry.synonyms}))
        .collect();
    json!({
        "name": format!("{session}/entityTypes/{}", entities.name),
        "entityOverrideMode": format!("ENTITY_OVERRIDE_MODE_{mode}"),
        "entities": entries,
    })
}

/// Writes a context; `session` is the path of the session.
pub fn write_context(session: &str, context: &ActiveContext) -> Value {
    let mut value = json!({"name": format!("{session}/contexts/{}", context.name)});
    if context.lifespan > 0 {
        value["lifespanCount"] = json!(context.lifespan);
    }
    if !context.parameters.is_empty() {
        value["parameters"] = Value::Object(context.parameters.clone());
    }
    value
}

/// Writes the answer to `detectIntent`; `session` is the path of the session.
pub fn write_answer(session: &str, response_id: &str, answer: &Answer) -> Value {
    let mut response = json!({"responseId": response_id, "queryResult": query_result(session, answer)});
    match &answer.webhook {
        None => {}
        Some(Ok(())) => response["webhookStatus"] = json!({"message": "Webhook execution successful"}),
        Some(Err(why)) => {
            response["webhookStatus"] =
                json!({"code": 14, "message": format!("Webhook call failed. Error: {why}.")});
        }
    }
    response
}

/// Writes what the webhook is asked.
pub fn write_webhook_call(session: &str, response_id: &str, answer: &Answer, payload: &Object) -> Value {
    json!({
        "responseId": response_id,
        "queryResult": query_result(session, answer),
        "originalDetectIntentRequest": {"payload": payload},
        "session": session,
    })
}

/// Reads what a webhook answered.
///
/// # Errors
/// When it is not what the protocol allows; then the agent's own answer stands.
pub fn read_reply(body: &[u8]) -> Result<Reply, String> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))?;
    if !value.is_object() {
        return Err("the answer is no object".to_owned());
    }
    let object = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members.clone())),
        Some(_) => Err(format!("{name} is no object")),
    };
    let word = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("{name} is no text")),
    };
    let items = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.iter().all(Value::is_object) => Ok(items.clone()),
        Some(_) => Err(format!("{name} is no list of objects")),
    };
    let event = object("followupEventInput")?.and_then(|event| {
        let name = event.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())?;
        let parameters = event.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
        Some((name.to_owned(), parameters))
    });
    Ok(Reply {
        text: word("fulfillmentText")?,
        messages: items("fulfillmentMessages")?,
        source: word("source")?,
        payload: object("payload")?,
        contexts: items("outputContexts")?.iter().map(read_context).collect::<Result<_, _>>()?,
        entities: items("sessionEntityTypes")?.iter().map(read_entities).collect::<Result<_, _>>()?,
        event,
    })
}

fn query_result(session: &str, answer: &Answer) -> Value {
    let project = session.split("/agent").next().unwrap_or(session);
    let intent = answer.intent.as_ref().map(|intent| {
        let mut value = json!({
            "name": format!("{project}/agent/intents/{}", intent.id),
            "displayName": intent.name,
        });
        if intent.is_fallback {
            value["isFallback"] = json!(true);
        }
        if intent.ends_interaction {
            value["endInteraction"] = json!(true);
        }
        value
    });
    let contexts: Vec<Value> =
        answer.contexts.iter().map(|context| write_context(session, context)).collect();
    let messages: Vec<Value> = answer.messages.iter().map(write_said).collect();
    let members = [
        ("queryText", json!(answer.query_text)),
        ("action", json!(answer.action)),
        ("parameters", json!(answer.parameters)),
        ("allRequiredParamsPresent", json!(answer.is_complete)),
        ("cancelsSlotFilling", json!(answer.cancels_filling)),
        ("fulfillmentText", json!(answer.text)),
        ("fulfillmentMessages", json!(messages)),
        ("webhookSource", json!(answer.source)),
        ("webhookPayload", json!(answer.payload)),
        ("outputContexts", json!(contexts)),
        ("intent", json!(intent)),
        ("intentDetectionConfidence", json!(answer.confidence)),
        ("languageCode", json!(answer.language)),
    ];
    members
        .into_iter()
        .filter(|(_, value)| !is_zero(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Writes one message as the API has it.
pub fn write_said(said: &Said) -> Value {
    match said {
        Said::Sent(message) => message.clone(),
        Said::Own(message) => write_message(message),
    }
}

fn write_message(message: &Message) -> Value {
    let get = |name: &str| message.body.get(name).cloned().unwrap_or_default();
    let mut written = match message.kind() {
        MessageKind::Text => {
            let texts = if message.texts.is_empty() { vec![String::new()] } else { message.texts.clone() };
            json!({"text": {"text": texts}})
        }
        MessageKind::Card => json!({"card": full([
            ("title", get("title")),
            ("subtitle", get("subtitle")),
            ("imageUri", get("imageUrl")),
            ("buttons", buttons(&get("buttons"), |button| full([
                ("text", button["text"].clone()), ("postback", button["postback"].clone()),
            ]))),
        ])}),
        MessageKind::QuickReplies => json!({"quickReplies": full([
            ("title", get("title")), ("quickReplies", get("replies")),
        ])}),
        MessageKind::Image => json!({"image": full([
            ("imageUri", get("imageUrl")), ("accessibilityText", get("accessibilityText")),
        ])}),
        MessageKind::Payload => json!({"payload": get("payload")}),
        MessageKind::SimpleResponse => {
            let response = full([
                ("textToSpeech", get("textToSpeech")),
                ("ssml", get("ssml")),
                ("displayText", get("displayText")),
            ]);
            json!({"simpleResponses": {"simpleResponses": [response]}})
        }
        MessageKind::Suggestions => json!({"suggestions": {"suggestions": get("suggestions")}}),
        MessageKind::BasicCard => json!({"basicCard": full([
            ("title", get("title")),
            ("subtitle", get("subtitle")),
            ("formattedText", get("formattedText")),
            ("image", image(&get("image"))),
            ("buttons", buttons(&get("buttons"), |button| full([
                ("title", button["title"].clone()),
                ("openUriAction", full([("uri", button["openUrlAction"]["url"].clone())])),
            ]))),
        ])}),
        MessageKind::List => {
            json!({"listSelect": full([("title", get("title")), ("items", items(&get("items")))])})
        }
        MessageKind::Carousel => json!({"carouselSelect": full([("items", items(&get("items")))])}),
        MessageKind::LinkOut => {
            let uri = if get("url").is_null() { get("uri") } else { get("url") };
            json!({"linkOutSuggestion": full([("destinationName", get("destinationName")), ("uri", uri)])})
        }
        MessageKind::Media => json!({"mediaContent": full([
            ("mediaType", get("mediaType")), ("mediaObjects", get("mediaObjects")),
        ])}),
        MessageKind::BrowseCarousel => json!({"browseCarouselCard": full([("items", get("items"))])}),
        MessageKind::Table => json!({"tableCard": full([
            ("title", get("title")), ("subtitle", get("subtitle")), ("columnProperties", get("columnProperties")),
            ("rows", get("rows")), ("buttons", get("buttons")),
        ])}),
        MessageKind::Unknown => json!({"payload": message.body}),
    };
    if let Some(platform) = message.platform.as_deref().filter(|platform| !platform.is_empty()) {
        written["platform"] = json!(platform_name(platform));
    }
    written
}

fn platform_name(platform: &str) -> String {
    match platform {
        "google" => "ACTIONS_ON_GOOGLE".to_owned(),
        "hangouts" => "GOOGLE_HANGOUTS".to_owned(),
        other => other.to_uppercase(),
    }
}

fn buttons(value: &Value, write: impl Fn(&Value) -> Value) -> Value {
    let written = value.as_array().into_iter().flatten().map(write);
    written.filter(|button| !is_zero(button)).collect()
}

fn image(value: &Value) -> Value {
    full([
        ("imageUri", if value["url"].is_null() { value["imageUri"].clone() } else { value["url"].clone() }),
        ("accessibilityText", value["accessibilityText"].clone()),
    ])
}

fn items(value: &Value) -> Value {
    let written = value.as_array().into_iter().flatten().map(|item| {
        let info = if item["optionInfo"].is_null() { &item["info"] } else { &item["optionInfo"] };
        full([
            ("info", info.clone()),
            ("title", item["title"].clone()),
            ("description", item["description"].clone()),
            ("image", image(&item["image"])),
        ])
    });
    written.collect()
}

/// An object without what is empty.
fn full<const N: usize>(members: [(&str, Value); N]) -> Value {
    members
        .into_iter()
        .filter(|(_, value)| !is_zero(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
