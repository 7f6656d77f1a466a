//! `webexteams`: bots of Cisco Webex.
//!
//! ```yaml
//! webexteams:
//!   access_token: "…"
//!   room: "…"      # write there whoever asks
//!   secret: "…"    # the secret of the webhook; with it, requests must be signed
//! ```
//!
//! A request names a message, whose text is then fetched. Source: Webex for Developers, Webhooks and
//! Messages.
//!
//! Differs from Rasa: requests can be signed, and the bot asks once who it is.

use std::sync::{Arc, OnceLock};

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::{Request, percent_encode};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::options::Fields;
use crate::parts::{Part, as_texts, paragraphs, parts};
use crate::platform::{Call, Platform, Reach, Reception, Said, To, Words, ask, text_at, with_defaults};
use crate::signature;

/// Name of the channel.
pub const NAME: &str = "webexteams";

const API: &str = "https://webexapis.com";
const TEXT_CHARS_MAX: usize = 1800;

struct Webex {
    token: String,
    room: Option<String>,
    secret: Option<String>,
    api: String,
    own_id: OnceLock<String>,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    Arc::new(Webex {
        token: fields.required("access_token", "the token of the bot"),
        room: fields.text("room"),
        secret: fields.text("secret"),
        api: fields.api_base(API),
        own_id: OnceLock::new(),
    })
}

impl Webex {
    fn read(&self, call: &Call) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        if let Some(secret) = &self.secret {
            let expected = signature::hex(&signature::sha1(secret, &[&call.body]));
            if !signature::same(&expected, call.header("x-spark-signature")) {
                tracing::warn!("a request of webexteams that is not signed with `secret` is refused");
                return Reception::text(StatusCode::UNAUTHORIZED, "");
            }
        }
        let body = call.json();
        let found = text_at(&body, "/data/id").zip(text_at(&body, "/data/roomId"));
        let Some((id, room)) = found else { return Reception::text(StatusCode::OK, "") };
        if self.own_id.get().is_some_and(|own| body["data"]["personId"] == own.as_str()) {
            return Reception::text(StatusCode::OK, "OK");
        }
        let said = Said { words: Words::ById(id.clone()), ..Said::new(room, "").known_by(Some(id)) };
        Reception::one(said, "")
    }

    fn get(&self, label: &str, path: &str) -> Request {
        Request::get(format!("webexteams {label}"), format!("{}/v1/{path}", self.api)).bearer(&self.token)
    }

    async fn own_id(&self, reach: &Reach) -> Result<String> {
        if let Some(id) = self.own_id.get() {
            return Ok(id.clone());
        }
        let me = ask(reach, self.get("people/me", "people/me")).await?;
        let id = text_at(&me, "/id");
        let id = id.ok_or_else(|| Error::new(Kind::Invalid, "webexteams does not tell who the bot is"))?;
        Ok(self.own_id.get_or_init(|| id).clone())
    }

    fn post(&self, to: &To<'_>, content: &Value) -> Request {
        let body = with_defaults(content, &json!({"roomId": to.recipient_id}));
        Request::json("webexteams messages", format!("{}/v1/messages", self.api), &body).bearer(&self.token)
    }
}

impl Platform for Webex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, _reach: &'a Reach) -> BoxFuture<'a, Reception> {
        self.read(call).ready()
    }

    fn complete<'a>(&'a self, id: &'a str, reach: &'a Reach) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move {
            let mut path = "messages/".to_owned();
            percent_encode(id, &mut path);
            let message = ask(reach, self.get("messages", &path)).await?;
            // Answering one's own messages would never end.
            let is_own = message["personId"] == self.own_id(reach).await?.as_str();
            Ok(text_at(&message, "/text").filter(|_| !is_own))
        })
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        let room = self.room.as_deref().unwrap_or(to.recipient_id);
        let mut requests = Vec::new();
        for part in parts(message) {
            match &part {
                Part::Image(url) => requests.push(self.post(to, &json!({"roomId": room, "files": [url]}))),
                Part::Custom(custom) => requests.push(self.post(to, custom)),
                _ => {
                    let texts = as_texts(&part);
                    let texts = texts.iter().flat_map(|text| paragraphs(text, TEXT_CHARS_MAX));
                    requests.extend(texts.map(|text| self.post(to, &json!({"roomId": room, "text": text}))));
                }
            }
        }
        requests
    }
}
