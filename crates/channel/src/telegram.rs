//! `telegram`: bots of Telegram.
//!
//! ```yaml
//! telegram:
//!   access_token: "123:abc"
//!   verify: "my_bot"
//!   webhook_url: "https://bot.example.org/webhooks/telegram/webhook"
//! ```
//!
//! At the start the webhook is registered, together with a secret made of the token; updates that
//! do not carry it are refused. Source: Telegram Bot API, Getting updates and Available methods.
//!
//! Differs from Rasa: which checks the bot's name at each message and not where an update comes
//! from; buttons that were pressed are acknowledged, so that they stop to turn.

use std::sync::Arc;

use http::{Method, StatusCode};
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::{Answer, Request};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::options::Fields;
use crate::parts::{Part, as_texts, link, paragraphs, parts, payload, title};
use crate::platform::{Call, Platform, Reach, Reception, Said, To, ask, text_at, with_defaults};
use crate::signature;

/// Name of the channel.
pub const NAME: &str = "telegram";

const API: &str = "https://api.telegram.org";
const TEXT_CHARS_MAX: usize = 4096;
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// Which method sends a custom message: the first whose keys are all there.
const METHODS: [(&[&str], &str); 16] = [
    (&["text"], "sendMessage"),
    (&["photo"], "sendPhoto"),
    (&["audio"], "sendAudio"),
    (&["document"], "sendDocument"),
    (&["sticker"], "sendSticker"),
    (&["video"], "sendVideo"),
    (&["video_note"], "sendVideoNote"),
    (&["animation"], "sendAnimation"),
    (&["voice"], "sendVoice"),
    (&["media"], "sendMediaGroup"),
    (&["latitude", "longitude", "title", "address"], "sendVenue"),
    (&["latitude", "longitude"], "sendLocation"),
    (&["phone_number", "first_name"], "sendContact"),
    (&["game_short_name"], "sendGame"),
    (&["action"], "sendChatAction"),
    (&["title", "description", "payload", "provider_token", "currency", "prices"], "sendInvoice"),
];

struct Telegram {
    access_token: String,
    bot_name: String,
    webhook_url: String,
    api: String,
    secret: String,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    let access_token = fields.required("access_token", "the token that BotFather gave out");
    let secret = signature::hex(&signature::sha256(&access_token, &[b"webhook"]));
    Arc::new(Telegram {
        bot_name: fields.required("verify", "the bot's user name"),
        webhook_url: fields.required("webhook_url", "where Telegram reaches this channel's webhook"),
        api: fields.api_base(API),
        access_token,
        secret,
    })
}

impl Telegram {
    fn request(&self, method: &str, body: &Value) -> Request {
        let url = format!("{}/bot{}/{method}", self.api, self.access_token);
        Request::json(format!("telegram {method}"), url, body)
    }

    async fn register(&self, reach: &Reach) -> Result<()> {
        let body = json!({"url": self.webhook_url, "secret_token": self.secret});
        let request = self.request("setWebhook", &body);
        let answer = reach.web.send(&request).await?;
        self.taken(&request, &answer)
    }

    async fn set_webhook(&self, reach: &Reach) -> Reception {
        match self.register(reach).await {
            Ok(()) => Reception::text(StatusCode::OK, "Webhook setup successful"),
            Err(error) => {
                tracing::warn!(error = error.chain(), "the webhook of telegram cannot be set");
                Reception::text(StatusCode::OK, "Invalid webhook")
            }
        }
    }

    fn read(&self, call: &Call) -> Reception {
        if call.method != Method::POST {
            return Reception::text(StatusCode::METHOD_NOT_ALLOWED, "Updates are posted");
        }
        if !signature::same(call.header(SECRET_HEADER), &self.secret) {
            tracing::warn!("an update of telegram without the secret of its webhook is refused");
            return Reception::text(StatusCode::FORBIDDEN, "failed");
        }
        let update = call.json();
        let said = self.said(&update).unwrap_or_default();
        Reception::Take { reply: crate::platform::Reply::text(StatusCode::OK, "success"), said }
    }

    fn said(&self, update: &Value) -> Option<Vec<Said>> {
        let mut before = Vec::new();
        let (message, text) = if let Some(query) = update.get("callback_query") {
            let id = text_at(query, "/id").unwrap_or_default();
            before.push(self.request("answerCallbackQuery", &json!({"callback_query_id": id})));
            (&query["message"], text_at(query, "/data")?)
        } else if let Some(message) = update.get("edited_message") {
            (message, text_at(message, "/text")?)
        } else {
            let message = update.get("message")?;
            (message, text_of(message)?)
        };
        let chat = text_at(message, "/chat/id")?;
        let id = text_at(update, "/update_id");
        let mut said = vec![Said { before, ..Said::new(chat.clone(), text.clone()).known_by(id.clone()) }];
        // A conversation that begins anew is greeted as one that begins.
        if text == "/restart" {
            said.push(Said::new(chat, "/start").known_by(id.map(|id| format!("{id} start"))));
        }
        Some(said)
    }

    fn message(&self, chat: &str, text: &str) -> Request {
        self.request("sendMessage", &json!({"chat_id": chat, "text": text}))
    }

    fn custom(&self, chat: &str, custom: &Value) -> Option<Request> {
        let is_there = |key: &&str| custom.get(key).is_some_and(|value| !value.is_null());
        let method = METHODS.iter().find(|(keys, _)| keys.iter().all(is_there));
        let Some((_, method)) = method else {
            tracing::warn!("a custom message for telegram fits none of its methods; it is not sent");
            return None;
        };
        Some(self.request(method, &with_defaults(custom, &json!({"chat_id": chat}))))
    }
}

fn text_of(message: &Value) -> Option<String> {
    if let Some(text) = text_at(message, "/text") {
        return Some(text.replace("/bot", ""));
    }
    let location = message.get("location")?;
    Some(format!("{{\"lng\":{}, \"lat\":{}}}", location["longitude"], location["latitude"]))
}

fn keyboard(buttons: &[Value], button_type: &str) -> Option<Value> {
    let inline = |button: &Value| match link(button) {
        Some(url) => json!({"text": title(button), "url": url}),
        None => json!({"text": title(button), "callback_data": payload(button)}),
    };
    let reply = |button: &Value| json!({"text": title(button)});
    match button_type {
        "inline" => Some(json!({"inline_keyboard": [buttons.iter().map(inline).collect::<Vec<_>>()]})),
        "vertical" => {
            let rows: Vec<_> = buttons.iter().map(|button| json!([inline(button)])).collect();
            Some(json!({"inline_keyboard": rows}))
        }
        "reply" => {
            let rows: Vec<Value> = buttons
                .iter()
                .map(|row| match row.as_array() {
                    Some(row) => row.iter().map(reply).collect(),
                    None => json!([reply(row)]),
                })
                .collect();
            Some(json!({"keyboard": rows, "resize_keyboard": false, "one_time_keyboard": true}))
        }
        _ => None,
    }
}

impl Platform for Telegram {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start<'a>(&'a self, reach: &'a Reach) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let me = ask(reach, self.request("getMe", &json!({}))).await?;
            let name = me["result"]["username"].as_str().unwrap_or_default();
            if name != self.bot_name {
                let message = format!(
                    "the bot of this token is called '{name}', but `verify` says '{}'",
                    self.bot_name
                );
                return Err(Error::new(Kind::Refused, message));
            }
            self.register(reach).await
        })
    }

    fn receive<'a>(&'a self, call: &'a Call, reach: &'a Reach) -> BoxFuture<'a, Reception> {
        match call.tail.as_str() {
            "webhook" => self.read(call).ready(),
            "set_webhook" => Box::pin(self.set_webhook(reach)),
            _ => Reception::text(StatusCode::NOT_FOUND, "").ready(),
        }
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        let chat = to.recipient_id;
        let mut requests = Vec::new();
        for part in parts(message) {
            match &part {
                Part::Buttons { text, buttons, .. } => {
                    let button_type = message.get("button_type").and_then(Value::as_str).unwrap_or("inline");
                    match keyboard(buttons, button_type) {
                        Some(keyboard) => {
                            let body = json!({"chat_id": chat, "text": text, "reply_markup": keyboard});
                            requests.push(self.request("sendMessage", &body));
                        }
                        None => {
                            tracing::error!(button_type, "this type of buttons is not known to telegram");
                            requests.extend(as_texts(&part).iter().map(|text| self.message(chat, text)));
                        }
                    }
                }
                Part::Image(url) => {
                    requests.push(self.request("sendPhoto", &json!({"chat_id": chat, "photo": url})));
                }
                Part::Custom(custom) => requests.extend(self.custom(chat, custom)),
                Part::Elements(elements) => {
                    for element in *elements {
                        let text = crate::parts::element_text(element);
                        let keyboard = element["buttons"].as_array().and_then(|all| keyboard(all, "inline"));
                        let body = json!({"chat_id": chat, "text": text, "reply_markup": keyboard});
                        requests.push(self.request("sendMessage", &crate::platform::without_nulls(body)));
                    }
                }
                Part::Text(_) | Part::Attachment(_) => {
                    let texts = as_texts(&part);
                    let texts = texts.iter().flat_map(|text| paragraphs(text, TEXT_CHARS_MAX));
                    requests.extend(texts.map(|text| self.message(chat, &text)));
                }
            }
        }
        requests
    }

    fn taken(&self, request: &Request, answer: &Answer) -> Result<()> {
        let body = answer.json();
        match body["ok"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(answer.refused(&request.label, body["description"].as_str().unwrap_or("not ok"))),
        }
    }
}
