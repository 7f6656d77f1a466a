//! `botframework`: bots of the Microsoft Bot Framework, in Teams, Web Chat and elsewhere.
//!
//! ```yaml
//! botframework:
//!   app_id: "…"
//!   app_password: "…"
//! ```
//!
//! Source: Azure Bot Service, Authentication with the Bot Connector API, Activity schema, Hero card.
//!
//! Differs from Rasa: the issuer of tokens and the address of answers are checked as Microsoft
//! asks, buttons get the type and value without which they do nothing, and where a conversation
//! takes place is kept in the metadata of its messages, so that reminders and external events reach
//! it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::{Request, percent_encode};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::keys::{Expected, Keys, Source};
use crate::options::Fields;
use crate::parts::{Part, as_texts, link, paragraphs, parts, payload, title};
use crate::platform::{
    Call, Platform, Reach, Reception, Said, To, ask, text_at, with_defaults, without_nulls,
};

/// Name of the channel.
pub const NAME: &str = "botframework";

const OPEN_ID: &str = "https://login.botframework.com";
const LOGIN: &str = "https://login.microsoftonline.com";
const ISSUER: &str = "https://api.botframework.com";
const SCOPE: &str = "https://api.botframework.com/.default";
const HERO_CARD: &str = "application/vnd.microsoft.card.hero";
const TEXT_CHARS_MAX: usize = 20_000;
/// A token is renewed so long before it ends.
const RENEW_SECS: i64 = 60;

struct BotFramework {
    app_id: String,
    app_password: String,
    login: String,
    keys: Keys,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: String,
    ends_secs: i64,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    let open_id = format!("{}/v1/.well-known/openidconfiguration", fields.api_base(OPEN_ID));
    Arc::new(BotFramework {
        app_id: fields.required("app_id", "the id of the bot's registration"),
        app_password: fields.required("app_password", "the secret of the bot's registration"),
        login: fields.api_base(LOGIN),
        keys: Keys::new(Source::Named(open_id)),
        token: Mutex::default(),
    })
}

/// # In
impl BotFramework {
    async fn read(&self, call: &Call, reach: &Reach) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        let refused = |why: &str| Reception::text(StatusCode::UNAUTHORIZED, why);
        let token = match call.header("authorization") {
            "" => return refused("No authorization header provided."),
            header => header.strip_prefix("Bearer ").map(str::trim),
        };
        let Some(token) = token else {
            return refused("No Bearer token provided in Authorization header.");
        };
        let expected = Expected { audience: &self.app_id, issuer: ISSUER };
        let activity = call.json();
        let service_url = activity["serviceUrl"].as_str().unwrap_or("");
        match self.keys.read(token, &expected, reach).await {
            // The answers, and the token with them, go to this address.
            Ok(claims) if claims.get("serviceurl").is_none_or(|url| url == service_url) => {}
            Ok(_) => return refused("Could not validate JWT token."),
            Err(error) => {
                tracing::warn!(error = error.chain(), "a request of botframework is refused");
                return refused("Could not validate JWT token.");
            }
        }
        match self.said(&activity) {
            Some(said) => Reception::one(said, "success"),
            None => Reception::text(StatusCode::OK, "success"),
        }
    }

    fn said(&self, activity: &Value) -> Option<Said> {
        if activity["type"] != "message" {
            return None;
        }
        let sender = text_at(activity, "/from/id")?;
        let metadata = without_nulls(json!({
            "attachments": activity.get("attachments").filter(|all| all.as_array().is_some_and(|all| !all.is_empty())),
            "conversation": activity.get("conversation"),
            "bot": activity.get("recipient"),
            "service_url": activity.get("serviceUrl"),
        }));
        let text = text_at(activity, "/text").unwrap_or_default();
        Some(Said::new(sender, text).known_by(text_at(activity, "/id")).about(metadata))
    }
}

/// # Out
impl BotFramework {
    fn token(&self) -> MutexGuard<'_, Option<Token>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn activity(&self, to: &To<'_>, content: &Value) -> Option<Request> {
        let service_url = to.metadata.get("service_url")?.as_str()?;
        let conversation = text_at(to.metadata.get("conversation")?, "/id")?;
        let mut url = format!("{}/v3/conversations/", service_url.trim_end_matches('/'));
        percent_encode(&conversation, &mut url);
        url.push_str("/activities");
        let mut body = with_defaults(
            content,
            &json!({
                "type": "message",
                "recipient": {},
                "from": to.metadata.get("bot"),
                "channelData": {},
                "text": "",
            }),
        );
        body["recipient"] = with_defaults(&body["recipient"], &json!({"id": to.recipient_id}));
        let notification = with_defaults(&body["channelData"]["notification"], &json!({"alert": "true"}));
        body["channelData"] = with_defaults(&body["channelData"], &json!({}));
        body["channelData"]["notification"] = notification;
        Some(Request::json("botframework activities", url, &body))
    }

    fn contents(part: &Part<'_>) -> Vec<Value> {
        let card = |content: Value| json!({"attachments": [{"contentType": HERO_CARD, "content": content}]});
        match part {
            Part::Image(url) => vec![card(json!({"images": [{"url": url}]}))],
            Part::Buttons { text, buttons, .. } => {
                let buttons: Vec<Value> = buttons.iter().map(button).collect();
                vec![card(json!({"subtitle": text, "buttons": buttons}))]
            }
            Part::Elements(elements) => elements
                .iter()
                .map(|element| element_card(element).map_or_else(|| element.clone(), card))
                .collect(),
            Part::Custom(custom) => vec![(*custom).clone()],
            Part::Attachment(attachment) if attachment.get("contentType").is_some() => {
                vec![json!({"attachments": [attachment]})]
            }
            Part::Text(_) | Part::Attachment(_) => {
                let texts = as_texts(part);
                let texts = texts.iter().flat_map(|text| paragraphs(text, TEXT_CHARS_MAX));
                texts.map(|text| json!({"text": text})).collect()
            }
        }
    }
}

/// The card of an element with a title; `None` when it is an activity of its own.
fn element_card(element: &Value) -> Option<Value> {
    if ["type", "text", "attachments"].iter().any(|key| element.get(key).is_some()) {
        return None;
    }
    let buttons = element.get("buttons").and_then(Value::as_array);
    Some(without_nulls(json!({
        "title": element.get("title"),
        "subtitle": element.get("subtitle"),
        "images": element.get("image_url").map(|url| json!([{"url": url}])),
        "buttons": buttons.map(|buttons| buttons.iter().map(button).collect::<Vec<_>>()),
    })))
}

fn button(button: &Value) -> Value {
    if button.get("value").is_some() && button.get("type").is_some() {
        return button.clone();
    }
    match link(button) {
        Some(url) => json!({"type": "openUrl", "title": title(button), "value": url}),
        None => {
            let (title, payload) = (title(button), payload(button));
            json!({"type": "messageBack", "title": title, "displayText": title, "text": payload, "value": payload})
        }
    }
}

impl Platform for BotFramework {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, reach: &'a Reach) -> BoxFuture<'a, Reception> {
        Box::pin(self.read(call, reach))
    }

    fn reaches(&self, metadata: &Object) -> bool {
        metadata.contains_key("service_url") && metadata.contains_key("conversation")
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        let parts = parts(message);
        let contents = parts.iter().flat_map(Self::contents);
        contents.filter_map(|content| self.activity(to, &content)).collect()
    }

    fn sign<'a>(&'a self, request: Request, reach: &'a Reach) -> BoxFuture<'a, Result<Request>> {
        Box::pin(async move {
            let now = reach.now_secs();
            let kept = self.token().clone().filter(|token| now < token.ends_secs - RENEW_SECS);
            if let Some(token) = kept {
                return Ok(request.bearer(&token.text));
            }
            let fields = [
                ("client_id", self.app_id.as_str()),
                ("client_secret", self.app_password.as_str()),
                ("grant_type", "client_credentials"),
                ("scope", SCOPE),
            ];
            let url = format!("{}/botframework.com/oauth2/v2.0/token", self.login);
            let answer = ask(reach, Request::form("botframework token", url, &fields)).await?;
            let text = text_at(&answer, "/access_token");
            let text = text.ok_or_else(|| Error::new(Kind::Refused, "botframework gives no token"))?;
            let lives_secs = text_at(&answer, "/expires_in").and_then(|text| text.parse::<i64>().ok());
            let ends_secs = now + lives_secs.unwrap_or(0);
            let token = Token { text, ends_secs };
            *self.token() = Some(token.clone());
            Ok(request.bearer(&token.text))
        })
    }

    fn forget_proof(&self) -> bool {
        self.token().take().is_some()
    }
}
