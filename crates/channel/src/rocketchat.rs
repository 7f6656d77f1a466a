//! `rocketchat`: bots on a Rocket.Chat server, in channels and in Livechat.
//!
//! ```yaml
//! rocketchat:
//!   user: "bot"
//!   password: "…"
//!   server_url: "https://chat.example.org"
//!   webhook_token: "…"   # the token of the outgoing webhook or of Livechat; with it, requests must carry it
//! ```
//!
//! Source: Rocket.Chat, Outgoing webhook, Livechat webhooks, `login` and `chat.postMessage`.
//!
//! Differs from Rasa: the bot logs in once and not for each message, all messages of a Livechat
//! request are handled, and the webhook's token can be checked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::{Answer, Request};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::options::Fields;
use crate::parts::{Part, as_texts, link, paragraphs, parts, payload, title};
use crate::platform::{Call, Platform, Reach, Reception, Reply, Said, To, ask, text_at, with_defaults};
use crate::signature;

/// Name of the channel.
pub const NAME: &str = "rocketchat";

const TEXT_CHARS_MAX: usize = 5000;

struct RocketChat {
    user: String,
    password: String,
    server: String,
    webhook_token: Option<String>,
    login: Mutex<Option<Login>>,
}

#[derive(Clone)]
struct Login {
    token: String,
    user_id: String,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    let server = fields.url("server_url");
    if server.is_none() {
        fields.problem("`server_url` is missing: the server's address, https://…");
    }
    Arc::new(RocketChat {
        user: fields.required("user", "the name of the bot's account"),
        password: fields.required("password", "of the bot's account"),
        server: server.unwrap_or_default(),
        webhook_token: fields.text("webhook_token"),
        login: Mutex::default(),
    })
}

impl RocketChat {
    fn login(&self) -> MutexGuard<'_, Option<Login>> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, call: &Call) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        let body = call.json();
        if let Some(expected) = &self.webhook_token {
            let in_body = text_at(&body, "/token").unwrap_or_default();
            let given = [call.header("x-rocketchat-livechat-token"), &in_body];
            if !given.iter().any(|token| signature::same(expected, token)) {
                tracing::warn!("a request of rocketchat without the right token is refused");
                return Reception::text(StatusCode::FORBIDDEN, "");
            }
        }
        let said = if body.get("visitor").is_some() { self.visitor(&body) } else { self.user(&body) };
        Reception::Take { reply: Reply::text(StatusCode::OK, ""), said }
    }

    fn user(&self, body: &Value) -> Vec<Said> {
        let is_own = text_at(body, "/user_name").as_deref() == Some(&self.user);
        let said = text_at(body, "/channel_id").zip(text_at(body, "/text")).filter(|_| !is_own);
        let said = said.map(|(room, text)| Said::new(room, text).known_by(text_at(body, "/message_id")));
        said.into_iter().collect()
    }

    fn visitor(&self, body: &Value) -> Vec<Said> {
        // When a conversation begins or ends, all of it is sent once more.
        if body.get("type").is_some_and(|kind| kind != "Message") {
            return Vec::new();
        }
        let Some(room) = text_at(body, "/_id") else { return Vec::new() };
        let messages = body["messages"].as_array().into_iter().flatten();
        let messages = messages.filter(|message| {
            message["username"] != self.user.as_str() && message.get("agentId").is_none_or(Value::is_null)
        });
        messages
            .filter_map(|message| {
                let text = text_at(message, "/msg")?;
                Some(Said::new(room.clone(), text).known_by(text_at(message, "/_id")))
            })
            .collect()
    }

    fn post(&self, to: &To<'_>, content: &Value) -> Request {
        let mut content = content.clone();
        if let Some(fields) = content.as_object_mut()
            && let Some(room) = fields.shift_remove("room_id")
            && !fields.contains_key("channel")
        {
            fields.insert("roomId".to_owned(), room);
        }
        let body = match content.get("channel") {
            Some(_) => content,
            None => with_defaults(&content, &json!({"roomId": to.recipient_id})),
        };
        let url = format!("{}/api/v1/chat.postMessage", self.server);
        Request::json("rocketchat chat.postMessage", url, &body)
    }

    fn part(&self, to: &To<'_>, part: &Part<'_>) -> Vec<Request> {
        match part {
            Part::Buttons { text, buttons, .. } => {
                let actions: Vec<Value> = buttons.iter().map(button).collect();
                vec![self.post(to, &json!({"text": text, "attachments": [{"actions": actions}]}))]
            }
            Part::Image(url) => {
                vec![self.post(to, &json!({"attachments": [{"image_url": url, "collapsed": false}]}))]
            }
            Part::Attachment(attachment) if attachment.is_object() => {
                vec![self.post(to, &json!({"attachments": [attachment]}))]
            }
            Part::Elements(elements) => vec![self.post(to, &json!({"attachments": elements}))],
            Part::Custom(custom) => vec![self.post(to, custom)],
            Part::Text(_) | Part::Attachment(_) => {
                let texts = as_texts(part);
                let texts = texts.iter().flat_map(|text| paragraphs(text, TEXT_CHARS_MAX));
                texts.map(|text| self.post(to, &json!({"text": text}))).collect()
            }
        }
    }
}

fn button(button: &Value) -> Value {
    match link(button) {
        Some(url) => json!({"text": title(button), "url": url, "type": "button"}),
        None => {
            let (text, message) = (title(button), payload(button));
            json!({"text": text, "msg": message, "type": "button", "msg_in_chat_window": true})
        }
    }
}

impl Platform for RocketChat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, _reach: &'a Reach) -> BoxFuture<'a, Reception> {
        self.read(call).ready()
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        parts(message).iter().flat_map(|part| self.part(to, part)).collect()
    }

    fn sign<'a>(&'a self, request: Request, reach: &'a Reach) -> BoxFuture<'a, Result<Request>> {
        Box::pin(async move {
            let kept = self.login().clone();
            let login = match kept {
                Some(login) => login,
                None => {
                    let body = json!({"user": self.user, "password": self.password});
                    let url = format!("{}/api/v1/login", self.server);
                    let answer = ask(reach, Request::json("rocketchat login", url, &body)).await?;
                    let found = text_at(&answer, "/data/authToken").zip(text_at(&answer, "/data/userId"));
                    let (token, user_id) = found.ok_or_else(|| {
                        Error::new(
                            Kind::Refused,
                            "rocketchat does not let this user in: check `user` and `password`",
                        )
                    })?;
                    let login = Login { token, user_id };
                    *self.login() = Some(login.clone());
                    login
                }
            };
            Ok(request.with("x-auth-token", login.token).with("x-user-id", login.user_id))
        })
    }

    fn forget_proof(&self) -> bool {
        self.login().take().is_some()
    }

    fn taken(&self, request: &Request, answer: &Answer) -> Result<()> {
        match answer.json()["success"].as_bool() {
            Some(false) => Err(answer.refused(&request.label, &String::from_utf8_lossy(&answer.body))),
            _ => answer.insist(&request.label),
        }
    }
}
