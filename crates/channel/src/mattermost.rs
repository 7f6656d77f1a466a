//! `mattermost`: bots on a Mattermost server.
//!
//! ```yaml
//! mattermost:
//!   url: "https://chat.example.org/api/v4"
//!   token: "the token of the bot's account"
//!   webhook_url: "https://bot.example.org/webhooks/mattermost/webhook"
//!   webhook_token: "…"   # the token of the outgoing webhook; with it, requests must carry it
//! ```
//!
//! Source: Mattermost, Outgoing webhooks, Interactive messages, Create a post.
//!
//! Differs from Rasa: the token of the outgoing webhook can be checked, and bodies may be forms.

use std::sync::Arc;

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::web::Request;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::options::Fields;
use crate::parts::{Part, as_texts, element_part, element_text, link, paragraphs, parts, payload, title};
use crate::platform::{Call, Platform, Reach, Reception, Said, To, text_at, with_defaults, without_nulls};
use crate::signature;

/// Name of the channel.
pub const NAME: &str = "mattermost";

const TEXT_CHARS_MAX: usize = 16_000;

struct Mattermost {
    url: String,
    token: String,
    webhook_url: Option<String>,
    webhook_token: Option<String>,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    let url = fields.url("url");
    if url.is_none() {
        fields.problem("`url` is missing: the server's interface, https://…/api/v4");
    }
    Arc::new(Mattermost {
        url: url.unwrap_or_default(),
        token: fields.required("token", "the token of the bot's account"),
        webhook_url: fields.url("webhook_url"),
        webhook_token: fields.text("webhook_token"),
    })
}

impl Mattermost {
    fn read(&self, call: &Call) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        let body = if call.is_form() {
            call.form().into_iter().map(|(name, value)| (name, Value::String(value))).collect()
        } else {
            call.json()
        };
        if body.as_object().is_none_or(Object::is_empty) {
            return Reception::text(StatusCode::OK, "");
        }
        let (text, token, id) = if body.get("trigger_word").is_some() {
            let text = text_at(&body, "/text").unwrap_or_default();
            // The first word is what called the bot.
            let text = text.split_once(' ').map_or(text.clone(), |(_, rest)| rest.to_owned());
            (text, text_at(&body, "/token"), text_at(&body, "/post_id"))
        } else if let Some(text) = text_at(&body, "/context/action") {
            (text, text_at(&body, "/context/token"), text_at(&body, "/trigger_id"))
        } else {
            return Reception::text(StatusCode::OK, "success");
        };
        if let Some(expected) = &self.webhook_token
            && !signature::same(expected, &token.unwrap_or_default())
        {
            tracing::warn!("a request of mattermost without the right token is refused");
            return Reception::text(StatusCode::FORBIDDEN, "");
        }
        let (Some(user), Some(channel)) = (text_at(&body, "/user_id"), text_at(&body, "/channel_id")) else {
            return Reception::text(StatusCode::OK, "success");
        };
        Reception::one(Said::new(user, text).known_by(id).about(json!({"channel_id": channel})), "success")
    }

    fn post(&self, to: &To<'_>, content: &Value) -> Request {
        let body =
            with_defaults(content, &json!({"channel_id": to.metadata.get("channel_id"), "message": ""}));
        Request::json("mattermost posts", format!("{}/posts", self.url), &body).bearer(&self.token)
    }

    fn part(&self, to: &To<'_>, part: &Part<'_>) -> Vec<Request> {
        match part {
            Part::Buttons { text, buttons, .. } => {
                // Buttons of Mattermost cannot be links.
                let mut text = (*text).to_owned();
                for (button, url) in buttons.iter().filter_map(|button| Some((button, link(button)?))) {
                    text.push_str(&format!(" [{}]({url})", title(button)));
                }
                let actions = buttons.iter().filter(|button| link(button).is_none());
                let actions: Vec<Value> = actions.map(|button| self.button(button)).collect();
                let props = json!({"attachments": [{"actions": actions}]});
                vec![self.post(to, &json!({"message": text, "props": props}))]
            }
            Part::Image(url) => {
                vec![self.post(to, &json!({"props": {"attachments": [{"image_url": url}]}}))]
            }
            Part::Custom(custom) => vec![self.post(to, custom)],
            Part::Elements(elements) => {
                let one = |element: &Value| self.part(to, &element_part(element, &element_text(element)));
                elements.iter().flat_map(one).collect()
            }
            Part::Text(_) | Part::Attachment(_) => {
                let texts = as_texts(part);
                let texts = texts.iter().flat_map(|text| paragraphs(text, TEXT_CHARS_MAX));
                texts.map(|text| self.post(to, &json!({"message": text}))).collect()
            }
        }
    }

    fn button(&self, button: &Value) -> Value {
        // Pressed buttons carry no token of their own, so theirs is written into them.
        let context = without_nulls(json!({"action": payload(button), "token": self.webhook_token}));
        json!({"name": title(button), "integration": {"url": self.webhook_url, "context": context}})
    }
}

impl Platform for Mattermost {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, _reach: &'a Reach) -> BoxFuture<'a, Reception> {
        self.read(call).ready()
    }

    fn reaches(&self, metadata: &Object) -> bool {
        metadata.contains_key("channel_id")
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        parts(message).iter().flat_map(|part| self.part(to, part)).collect()
    }
}
