//! `facebook`: pages on Facebook Messenger.
//!
//! ```yaml
//! facebook:
//!   verify: "a word of your choice"
//!   secret: "the secret of the app"
//!   page-access-token: "…"
//! ```
//!
//! Source: Messenger Platform, Webhooks and Send API.
//!
//! Differs from Rasa: all messages of a request are handled, not only the first; what does not fit
//! into a template of three buttons is shown as quick replies.

use std::sync::Arc;

use http::{Method, StatusCode};
use intendant_port::BoxFuture;
use intendant_port::web::{Request, form_encode};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::options::Fields;
use crate::parts::{ButtonKind, Part, as_texts, link, paragraphs, parts, payload, title};
use crate::platform::{Call, Platform, Reach, Reception, Reply, Said, To, text_at, without_nulls};
use crate::signature;

/// Name of the channel.
pub const NAME: &str = "facebook";

const API: &str = "https://graph.facebook.com";
const VERSION: &str = "v23.0";
const TEXT_CHARS_MAX: usize = 2000;
const TEMPLATE_BUTTONS_MAX: usize = 3;
const QUICK_REPLIES_MAX: usize = 13;

struct Facebook {
    verify: String,
    secret: String,
    token: String,
    api: String,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    Arc::new(Facebook {
        verify: fields.required("verify", "the word that is given to Facebook with the webhook's URL"),
        secret: fields.required("secret", "the secret of the app"),
        token: fields.required("page-access-token", "the token of the page"),
        api: fields.api_base(API),
    })
}

/// # In
impl Facebook {
    fn read(&self, call: &Call) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        if call.method == Method::GET {
            let is_ours =
                call.query("hub.verify_token").is_some_and(|token| signature::same(token, &self.verify));
            let challenge = call.query("hub.challenge").unwrap_or("");
            let text = if is_ours { challenge } else { "failure, invalid token" };
            return Reception::text(StatusCode::OK, text);
        }
        if !self.is_authentic(call) {
            tracing::warn!("a request of facebook whose signature is not made with `secret` is refused");
            return Reception::text(StatusCode::OK, "not validated");
        }
        let body = call.json();
        let entries = body["entry"].as_array().into_iter().flatten();
        let events = entries.flat_map(|entry| entry["messaging"].as_array().into_iter().flatten());
        let said = events.filter_map(|event| self.said(event)).collect();
        Reception::Take { reply: Reply::text(StatusCode::OK, "success"), said }
    }

    fn is_authentic(&self, call: &Call) -> bool {
        let body: &[&[u8]] = &[&call.body];
        // The older digest counts only where the newer one is missing.
        let (given, expected) = match call.header("x-hub-signature-256") {
            "" => (
                call.header("x-hub-signature"),
                format!("sha1={}", signature::hex(&signature::sha1(&self.secret, body))),
            ),
            given => (given, format!("sha256={}", signature::hex(&signature::sha256(&self.secret, body)))),
        };
        signature::same(given, &expected)
    }

    fn said(&self, event: &Value) -> Option<Said> {
        let sender = text_at(event, "/sender/id")?;
        let message = event.get("message");
        let (text, id) = match message {
            Some(message) if message["is_echo"] == true => return None,
            Some(message) => {
                let text = text_at(message, "/quick_reply/payload")
                    .or_else(|| text_at(message, "/text"))
                    .or_else(|| text_at(message, "/attachments/0/payload/url"));
                (text?, text_at(message, "/mid"))
            }
            None => {
                let text = text_at(event, "/postback/payload")?;
                let time = text_at(event, "/timestamp").map(|time| format!("{sender} {time}"));
                (text, text_at(event, "/postback/mid").or(time))
            }
        };
        let action = |action: &str| self.post(&json!({"recipient": {"id": sender}, "sender_action": action}));
        Some(Said {
            before: vec![action("mark_seen"), action("typing_on")],
            after: vec![action("typing_off")],
            ..Said::new(sender.clone(), text).known_by(id)
        })
    }
}

/// # Out
impl Facebook {
    fn post(&self, body: &Value) -> Request {
        let token = form_encode(&[("access_token", &self.token)]);
        Request::json("facebook me/messages", format!("{}/{VERSION}/me/messages?{token}", self.api), body)
    }

    fn message(&self, recipient: &str, message: &Value) -> Request {
        self.post(&json!({
            "messaging_type": "RESPONSE",
            "notification_type": "REGULAR",
            "recipient": {"id": recipient},
            "message": message,
        }))
    }

    fn texts(&self, recipient: &str, text: &str) -> Vec<Request> {
        let texts = paragraphs(text, TEXT_CHARS_MAX);
        texts.iter().map(|text| self.message(recipient, &json!({"text": text}))).collect()
    }

    fn part(&self, recipient: &str, part: &Part<'_>) -> Vec<Request> {
        let one = |message: Value| vec![self.message(recipient, &message)];
        match part {
            Part::Text(text) => self.texts(recipient, text),
            Part::Buttons { text, buttons, kind } => {
                let fits_template = buttons.len() <= TEMPLATE_BUTTONS_MAX && *kind == ButtonKind::Lasting;
                let fits_replies =
                    buttons.len() <= QUICK_REPLIES_MAX && buttons.iter().all(|button| link(button).is_none());
                if fits_template {
                    let buttons: Vec<Value> = buttons.iter().map(template_button).collect();
                    one(template(json!({"template_type": "button", "text": text, "buttons": buttons})))
                } else if fits_replies {
                    let replies: Vec<Value> = buttons.iter().map(quick_reply).collect();
                    one(json!({"text": text, "quick_replies": replies}))
                } else {
                    tracing::warn!(buttons = buttons.len(), "facebook cannot show so many buttons");
                    as_texts(part).iter().flat_map(|text| self.texts(recipient, text)).collect()
                }
            }
            Part::Image(url) => one(json!({"attachment": {"type": "image", "payload": {"url": url}}})),
            Part::Elements(elements) => {
                let elements: Vec<Value> = elements
                    .iter()
                    .map(|element| {
                        let mut element = element.clone();
                        if let Some(buttons) = element.get_mut("buttons").and_then(Value::as_array_mut) {
                            buttons.iter_mut().for_each(|button| *button = template_button(button));
                        }
                        element
                    })
                    .collect();
                one(template(json!({"template_type": "generic", "elements": elements})))
            }
            Part::Custom(custom) => self.custom(recipient, custom),
            Part::Attachment(attachment) if attachment.is_object() => one(json!({"attachment": attachment})),
            Part::Attachment(_) => {
                as_texts(part).iter().flat_map(|text| self.texts(recipient, text)).collect()
            }
        }
    }

    fn custom(&self, recipient: &str, custom: &Value) -> Vec<Request> {
        let mut custom = custom.clone();
        let named = match &mut custom {
            Value::Array(items) => items.iter_mut().find_map(take_recipient),
            other => take_recipient(other),
        };
        vec![self.message(named.as_deref().unwrap_or(recipient), &custom)]
    }
}

fn take_recipient(message: &mut Value) -> Option<String> {
    let sender = message.as_object_mut()?.shift_remove("sender")?;
    text_at(&sender, "/id")
}

fn template(payload: Value) -> Value {
    json!({"attachment": {"type": "template", "payload": payload}})
}

fn template_button(button: &Value) -> Value {
    let mut button = button.clone();
    let kind = if link(&button).is_some() { "web_url" } else { "postback" };
    if let Some(fields) = button.as_object_mut() {
        fields.entry("type").or_insert_with(|| json!(kind));
    }
    button
}

fn quick_reply(button: &Value) -> Value {
    let kind = button.get("content_type").and_then(Value::as_str).unwrap_or("text");
    match kind {
        "text" => without_nulls(json!({
            "content_type": kind,
            "title": title(button),
            "payload": payload(button),
            "image_url": button.get("image_url"),
        })),
        _ => json!({"content_type": kind}),
    }
}

impl Platform for Facebook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, _reach: &'a Reach) -> BoxFuture<'a, Reception> {
        self.read(call).ready()
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        parts(message).iter().flat_map(|part| self.part(to.recipient_id, part)).collect()
    }
}
