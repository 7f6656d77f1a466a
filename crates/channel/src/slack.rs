//! `slack`: apps of Slack.
//!
//! ```yaml
//! slack:
//!   slack_token: "xoxb-…"
//!   slack_signing_secret: "…"
//!   slack_channel: "C123"              # listen and write there; without it, direct messages
//!   use_threads: true
//!   conversation_granularity: "thread" # sender, channel or thread
//!   proxy: "http://proxy:3128"         # by which Slack is reached
//! ```
//!
//! Source: Slack API, Verifying requests from Slack, Events API, chat.postMessage, Block Kit.
//!
//! Differs from Rasa: more than five buttons are shown in rows of five, buttons may be links,
//! a message that arrives as two events is answered once, and escaped characters and links to
//! e-mail addresses are written as the user wrote them.

use std::sync::Arc;

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::web::{Answer, Request};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::options::Fields;
use crate::parts::{Part, as_texts, element_part, element_text, link, paragraphs, parts, payload, title};
use crate::platform::{Call, Platform, Reach, Reception, Reply, Said, To, field, text_at, with_defaults};
use crate::signature;

/// Name of the channel.
pub const NAME: &str = "slack";

const API: &str = "https://slack.com";
/// How old a request may be.
const AGE_SECS_MAX: u64 = 5 * 60;
const TEXT_CHARS_MAX: usize = 40_000;
const ROW_BUTTONS_MAX: usize = 5;

struct Slack {
    token: String,
    signing_secret: String,
    channel: Option<String>,
    threads: Threads,
    conversations: Conversations,
    ignored_retries: Vec<String>,
    retry_reason_header: String,
    retry_number_header: String,
    proxy: Option<String>,
    api: String,
}

/// Whether answers go into the thread of the question (`use_threads`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Threads {
    Ignored,
    Kept,
}

/// What makes a conversation (`conversation_granularity`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conversations {
    OfUser,
    InChannel,
    InThread,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    let conversations = match fields.text_or("conversation_granularity", "sender").as_str() {
        "sender" => Conversations::OfUser,
        "channel" => Conversations::InChannel,
        "thread" => Conversations::InThread,
        other => {
            fields.problem(format!(
                "`conversation_granularity` must be sender, channel or thread, not '{other}'"
            ));
            Conversations::OfUser
        }
    };
    Arc::new(Slack {
        token: fields.required("slack_token", "the bot's OAuth token, xoxb-…"),
        signing_secret: fields.required("slack_signing_secret", "under Basic Information of the app"),
        channel: fields.text("slack_channel"),
        threads: if fields.flag("use_threads") { Threads::Kept } else { Threads::Ignored },
        conversations,
        ignored_retries: fields.texts_or("errors_ignore_retry", &["http_timeout"]),
        retry_reason_header: fields.text_or("slack_retry_reason_header", "x-slack-retry-reason"),
        retry_number_header: fields.text_or("slack_retry_number_header", "x-slack-retry-num"),
        proxy: fields.text("proxy"),
        api: fields.api_base(API),
    })
}

/// # In
impl Slack {
    fn is_authentic(&self, call: &Call, now_secs: i64) -> bool {
        let sent = call.header("x-slack-request-timestamp");
        let age = sent.parse::<i64>().map_or(u64::MAX, |sent| now_secs.abs_diff(sent));
        let digest = signature::sha256(&self.signing_secret, &[b"v0:", sent.as_bytes(), b":", &call.body]);
        let expected = format!("v0={}", signature::hex(&digest));
        age <= AGE_SECS_MAX && signature::same(&expected, call.header("x-slack-signature"))
    }

    fn read(&self, call: &Call, now_secs: i64) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        if !self.is_authentic(call, now_secs) {
            let message = "Message is not properly signed with a valid X-Slack-Signature header";
            return Reception::text(StatusCode::BAD_REQUEST, message);
        }
        if call.is_form() {
            let form = call.form();
            let payload = field(&form, "payload").and_then(|text| serde_json::from_str(text).ok());
            return self.interaction(call, &payload.unwrap_or_default());
        }
        if call.header("content-type").starts_with("application/json") {
            return self.event(call, &call.json());
        }
        Reception::text(StatusCode::OK, "Bot message delivered.")
    }

    fn event(&self, call: &Call, body: &Value) -> Reception {
        if let Some(challenge) = body.get("challenge") {
            return Reception::Reply(Reply::json(challenge));
        }
        let event = &body["event"];
        let text = event["text"].as_str().unwrap_or("");
        let is_message = matches!(event["type"].as_str(), Some("message" | "app_mention"));
        let is_bot = event.get("bot_id").is_some_and(|id| !id.is_null());
        if !is_message || is_bot || text.is_empty() {
            return Reception::text(StatusCode::OK, "Bot message delivered.");
        }
        let channel = text_at(event, "/channel");
        let is_for_us = event["channel_type"] == "im"
            || event["type"] == "app_mention"
            || (channel.is_some() && channel == self.channel);
        if !is_for_us {
            tracing::warn!(channel, "a message in a channel of slack that is not listened to");
            return Reception::text(StatusCode::OK, "channel not supported.");
        }
        let users = match body.get("authed_users") {
            Some(users) => users.clone(),
            None => body.pointer("/authorizations/0/user_id").map_or(json!([]), |user| json!([user])),
        };
        let mut text = text.to_owned();
        for user in users.as_array().into_iter().flatten().filter_map(Value::as_str) {
            text = without_mention(&text, user);
        }
        let thread = text_at(event, "/thread_ts").or_else(|| text_at(event, "/ts"));
        // One message may arrive as two events, for example where the bot is mentioned.
        let id = match (&channel, text_at(event, "/ts")) {
            (Some(channel), Some(time)) => Some(format!("{channel} {time}")),
            _ => text_at(body, "/event_id"),
        };
        let place = Place { user: text_at(event, "/user").unwrap_or_default(), channel, thread, users };
        self.take(call, plain(&text).trim(), place, id)
    }

    fn interaction(&self, call: &Call, body: &Value) -> Reception {
        let action = &body["actions"][0];
        let kind = action["type"].as_str().unwrap_or("");
        let pointer = match kind {
            "button" => "/value",
            "select" => "/selected_options/0/value",
            "static_select" | "external_select" | "overflow" => "/selected_option/value",
            "conversations_select" => "/selected_conversation",
            "users_select" => "/selected_user",
            "channels_select" => "/selected_channel",
            "datepicker" => "/selected_date",
            _ => {
                tracing::warn!(kind, "this kind of interaction in slack is not understood");
                let message = "The input message could not be processed.";
                return Reception::text(StatusCode::INTERNAL_SERVER_ERROR, message);
            }
        };
        let user = text_at(body, "/user/id");
        let (Some(text), Some(user)) = (text_at(action, pointer), user) else {
            let (status, message) = match kind {
                "button" => (StatusCode::OK, "User clicked link button"),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, "The input message could not be processed."),
            };
            return Reception::text(status, message);
        };
        let thread = text_at(body, "/message/thread_ts").or_else(|| text_at(body, "/message/ts"));
        let users = json!([user]);
        let place = Place { user, channel: text_at(body, "/channel/id"), thread, users };
        self.take(call, &text, place, text_at(body, "/trigger_id"))
    }

    fn take(&self, call: &Call, text: &str, place: Place, id: Option<String>) -> Reception {
        let reason = call.header(&self.retry_reason_header);
        let number = call.header(&self.retry_number_header);
        if !number.is_empty() && self.ignored_retries.iter().any(|ignored| ignored == reason) {
            tracing::warn!(number, reason, "slack sends a message again; it is ignored");
            let reply = Reply::text(StatusCode::CREATED, "");
            return Reception::Reply(Reply { header: Some(("x-slack-no-retry", "1")), ..reply });
        }
        let metadata = json!({
            "out_channel": place.channel,
            "thread_id": place.thread,
            "users": place.users,
        });
        Reception::one(Said::new(self.conversation(&place), text).known_by(id).about(metadata), "")
    }

    fn conversation(&self, place: &Place) -> String {
        match (self.conversations, &place.channel, &place.thread) {
            (Conversations::InChannel, Some(channel), _) => format!("{}_{channel}", place.user),
            (Conversations::InThread, Some(channel), Some(thread)) => {
                format!("{}_{channel}_{thread}", place.user)
            }
            _ => place.user.clone(),
        }
    }
}

/// Where something was said.
struct Place {
    user: String,
    channel: Option<String>,
    thread: Option<String>,
    users: Value,
}

/// Takes mentions of a user out, each with one space beside it.
fn without_mention(text: &str, user: &str) -> String {
    let mention = format!("<@{user}>");
    let mut rest = text.to_owned();
    while let Some(start) = rest.find(&mention) {
        let end = start + mention.len();
        let after = rest[end..].chars().next().filter(|c| c.is_whitespace());
        let before = rest[..start].chars().next_back().filter(|c| c.is_whitespace());
        match (after, before) {
            (Some(space), _) => rest.replace_range(start..end + space.len_utf8(), ""),
            (None, Some(space)) => rest.replace_range(start - space.len_utf8()..end, ""),
            (None, None) => rest.replace_range(start..end, " "),
        }
    }
    rest
}

/// A text as it was written: links `<http://x|y>` as their label, escaped characters themselves.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        plain.push_str(before);
        let Some(end) = tag.find('>') else {
            rest = tag;
            break;
        };
        let inner = &tag[1..end];
        let is_link = ["http://", "https://", "mailto:"].iter().any(|scheme| inner.starts_with(scheme));
        match inner.split_once('|').filter(|_| is_link) {
            Some((_, label)) => plain.push_str(label),
            None => plain.push_str(&tag[..=end]),
        }
        rest = &tag[end + 1..];
    }
    plain.push_str(rest);
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// # Out
impl Slack {
    fn post(&self, to: &To<'_>, content: Value) -> Request {
        let written = |key: &str| to.metadata.get(key).and_then(Value::as_str);
        let channel = written("out_channel").or(self.channel.as_deref()).unwrap_or(to.recipient_id);
        let mut body = with_defaults(&content, &json!({"channel": channel, "as_user": true}));
        if let (Threads::Kept, Some(thread)) = (self.threads, written("thread_id")) {
            body["thread_ts"] = json!(thread);
        }
        let url = format!("{}/api/chat.postMessage", self.api);
        Request::json("slack chat.postMessage", url, &body).bearer(&self.token)
    }

    fn part(&self, to: &To<'_>, part: &Part<'_>) -> Vec<Request> {
        match part {
            Part::Buttons { text, buttons, .. } => {
                let section = json!({"type": "section", "text": {"type": "plain_text", "text": text}});
                let rows = buttons.chunks(ROW_BUTTONS_MAX);
                let rows = rows.map(|row| {
                    let row: Vec<Value> = row.iter().map(button).collect();
                    json!({"type": "actions", "elements": row})
                });
                // A section without text is refused.
                let section = (!text.is_empty()).then_some(section);
                let blocks: Vec<Value> = section.into_iter().chain(rows).collect();
                vec![self.post(to, json!({"text": text, "blocks": blocks}))]
            }
            Part::Image(url) => {
                let block = json!({"type": "image", "image_url": url, "alt_text": url});
                vec![self.post(to, json!({"text": url, "blocks": [block]}))]
            }
            Part::Attachment(attachment) if attachment.is_object() => {
                vec![self.post(to, json!({"attachments": [attachment]}))]
            }
            Part::Custom(custom) => vec![self.post(to, (*custom).clone())],
            Part::Elements(elements) => {
                let one = |element: &Value| self.part(to, &element_part(element, &element_text(element)));
                elements.iter().flat_map(one).collect()
            }
            Part::Text(_) | Part::Attachment(_) => {
                let texts = as_texts(part);
                let texts = texts.iter().flat_map(|text| paragraphs(text, TEXT_CHARS_MAX));
                texts.map(|text| self.post(to, json!({"text": text, "type": "mrkdwn"}))).collect()
            }
        }
    }
}

fn button(button: &Value) -> Value {
    let text = json!({"type": "plain_text", "text": title(button)});
    match link(button) {
        Some(url) => json!({"type": "button", "text": text, "url": url}),
        None => json!({"type": "button", "text": text, "value": payload(button)}),
    }
}

impl Platform for Slack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    fn receive<'a>(&'a self, call: &'a Call, reach: &'a Reach) -> BoxFuture<'a, Reception> {
        self.read(call, reach.now_secs()).ready()
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        parts(message).iter().flat_map(|part| self.part(to, part)).collect()
    }

    fn taken(&self, request: &Request, answer: &Answer) -> Result<()> {
        let body = answer.json();
        match body["ok"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(answer.refused(&request.label, body["error"].as_str().unwrap_or("not ok"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_were_written() {
        let check = |text: &str, expected: &str| {
            assert_eq!(plain(&without_mention(text, "UBOT")).trim(), expected, "{text}");
        };
        check("<@UBOT> hi", "hi");
        check("hi <@UBOT>", "hi");
        check("hi<@UBOT>there", "hi there");
        check("hi <@UBOT> there <@UOTHER>", "hi there <@UOTHER>");
        check("see <http://a.b|a.b> or <https://c.d>", "see a.b or <https://c.d>");
        check("<mailto:x@y.z|x@y.z> a &lt; b &amp;&amp; c", "x@y.z a < b && c");
        check("/inform{\"a\": \"x < y\"}", "/inform{\"a\": \"x < y\"}");
    }
}
