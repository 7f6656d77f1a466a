//! `hangouts`: apps of Google Chat, once Hangouts Chat.
//!
//! ```yaml
//! hangouts:
//!   project_id: "12345678901"   # with it, requests must be signed by Google for this project
//! ```
//!
//! All messages of an answer are combined into one reply: texts into one text, or everything into
//! cards. Source: Google Chat, Receive and respond to interaction events, Verify requests.
//!
//! Differs from Rasa: an app that is added to a direct message hears `/user_added`, where a slip
//! made it `/bot_removed`; elements are shown as text and buttons, where Rasa fails.

use std::sync::Arc;

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::web::Request;
use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::keys::{Expected, Keys, Source};
use crate::options::Fields;
use crate::parts::{Part, element_part, element_text, parts, payload, title};
use crate::platform::{Call, Platform, Reach, Reception, Reply, Said, To, text_at};

/// Name of the channel.
pub const NAME: &str = "hangouts";

const API: &str = "https://www.googleapis.com";
const ISSUER: &str = "chat@system.gserviceaccount.com";

struct Hangouts {
    project_id: Option<String>,
    keys: Keys,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    let keys = format!("{}/service_accounts/v1/jwk/{ISSUER}", fields.api_base(API));
    Arc::new(Hangouts { project_id: fields.text("project_id"), keys: Keys::new(Source::At(keys)) })
}

impl Hangouts {
    async fn read(&self, call: &Call, reach: &Reach) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        if let Some(project) = &self.project_id {
            let token = call.header("authorization").trim_start_matches("Bearer ");
            let expected = Expected { audience: project, issuer: ISSUER };
            if let Err(error) = self.keys.read(token, &expected, reach).await {
                tracing::warn!(error = error.chain(), "a request of hangouts is refused");
                return Reception::text(StatusCode::UNAUTHORIZED, "Unauthorized");
            }
        }
        let event = call.json();
        let said = said(&event);
        said.map_or_else(
            || Reception::text(StatusCode::OK, "OK"),
            |said| Reception::Converse {
                said,
                compose: Box::new(|messages| Reply::json(&combined(messages))),
            },
        )
    }
}

fn said(event: &Value) -> Option<Said> {
    let kind = event["type"].as_str()?;
    let room = match event["space"]["type"].as_str() {
        Some("ROOM") => text_at(event, "/space/displayName"),
        _ => None,
    };
    let (sender, text) = match kind {
        "MESSAGE" => (text_at(event, "/message/sender/displayName"), text_at(event, "/message/text")),
        "CARD_CLICKED" => (None, text_at(event, "/action/actionMethodName")),
        "ADDED_TO_SPACE" if room.is_some() => (None, Some("/room_added".to_owned())),
        "ADDED_TO_SPACE" => (None, Some("/user_added".to_owned())),
        "REMOVED_FROM_SPACE" => (None, Some("/bot_removed".to_owned())),
        _ => (None, None),
    };
    let sender = sender.or_else(|| text_at(event, "/user/displayName"))?;
    Some(Said::new(sender, text.unwrap_or_default()).about(json!({"room": room})))
}

/// One reply made of all messages: `{"text"}` as long as there is nothing but text, `{"cards"}` else.
fn combined(messages: &[Object]) -> Value {
    let mut combined = json!({});
    for piece in
        messages.iter().flat_map(|message| parts(message).iter().flat_map(pieces).collect::<Vec<_>>())
    {
        combined = join(combined, piece);
    }
    combined
}

fn pieces(part: &Part<'_>) -> Vec<Value> {
    match part {
        Part::Text(text) => vec![json!({"text": text})],
        Part::Buttons { text, buttons, .. } => {
            let buttons: Vec<Value> = buttons.iter().map(button).collect();
            let mut widgets = vec![json!({"textParagraph": {"text": text}})];
            widgets.push(json!({"buttons": buttons}));
            vec![card(json!(widgets))]
        }
        Part::Image(url) => vec![card(json!([{"image": {"imageUrl": url}}]))],
        Part::Attachment(attachment) => vec![json!({"text": python_text(attachment)})],
        Part::Custom(custom) if custom.get("text").is_some() || custom.get("cards").is_some() => {
            vec![(*custom).clone()]
        }
        Part::Custom(_) => {
            tracing::warn!("a custom message for hangouts has neither text nor cards; it is not sent");
            Vec::new()
        }
        Part::Elements(elements) => {
            let one = |element: &Value| pieces(&element_part(element, &element_text(element)));
            elements.iter().flat_map(one).collect()
        }
    }
}

fn button(button: &Value) -> Value {
    let click = match crate::parts::link(button) {
        Some(url) => json!({"openLink": {"url": url}}),
        None => json!({"action": {"actionMethodName": payload(button)}}),
    };
    json!({"textButton": {"text": title(button), "onClick": click}})
}

fn card(widgets: Value) -> Value {
    json!({"cards": [{"sections": [{"widgets": widgets}]}]})
}

fn join(before: Value, piece: Value) -> Value {
    let cards = |value: Value| match value {
        Value::Object(mut fields) => match (fields.shift_remove("cards"), fields.shift_remove("text")) {
            (Some(Value::Array(cards)), _) => cards,
            (_, Some(text)) => {
                let card = card(json!([{"textParagraph": {"text": text}}]));
                card["cards"].as_array().cloned().unwrap_or_default()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    match (text_at(&before, "/text"), text_at(&piece, "/text")) {
        _ if before.as_object().is_none_or(Object::is_empty) => piece,
        (Some(before), Some(text)) => json!({"text": format!("{before} {text}")}),
        _ => {
            let all = [cards(before), cards(piece)].concat();
            json!({"cards": all})
        }
    }
}

impl Platform for Hangouts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, reach: &'a Reach) -> BoxFuture<'a, Reception> {
        Box::pin(self.read(call, reach))
    }

    /// Answers are replies; there is no other way.
    fn reaches(&self, _metadata: &Object) -> bool {
        false
    }

    fn requests(&self, _to: &To<'_>, _message: &Object) -> Vec<Request> {
        Vec::new()
    }
}
