//! What a messaging provider is to us: requests to its webhook that become messages of users, and
//! messages of the bot that become requests to its interface.
//!
//! A provider is one file and one line in [`ALL`]. It reads and writes the provider's formats and
//! holds no state but what the provider hands out for a while (keys, tokens); queues, the order of
//! messages and what was seen before are `api`'s, retries are `client`'s. Where a conversation's
//! messages go is told by its id and by the metadata of its last message from the provider, which
//! is stored with it; so reminders and external events find their way after a restart too.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use intendant_port::BoxFuture;
use intendant_port::clock::Clock;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::outlet::Outlet;
use intendant_port::web::{Answer, Request, Web, form_decode};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::options::Fields;
use crate::{
    botframework, facebook, hangouts, mattermost, rocketchat, slack, telegram, twilio, twilio_voice,
    webexteams,
};

/// Every provider by its name in `credentials.yml`.
pub const ALL: [(&str, Open); 10] = [
    (botframework::NAME, botframework::open),
    (facebook::NAME, facebook::open),
    (hangouts::NAME, hangouts::open),
    (mattermost::NAME, mattermost::open),
    (rocketchat::NAME, rocketchat::open),
    (slack::NAME, slack::open),
    (telegram::NAME, telegram::open),
    (twilio::NAME, twilio::open),
    (twilio_voice::NAME, twilio_voice::open),
    (webexteams::NAME, webexteams::open),
];

/// Makes a provider of its options.
pub type Open = fn(&mut Fields<'_>) -> Arc<dyn Platform>;

/// A messaging provider.
pub trait Platform: Send + Sync {
    /// Its name in `credentials.yml`.
    fn name(&self) -> &'static str;

    /// The HTTP proxy by which the provider is to be reached.
    fn proxy(&self) -> Option<&str> {
        None
    }

    /// Makes sense of a request below the channel's path.
    fn receive<'a>(&'a self, call: &'a Call, reach: &'a Reach) -> BoxFuture<'a, Reception>;

    /// Does what the provider needs before it sends anything.
    ///
    /// # Errors
    /// When messages would never arrive.
    fn start<'a>(&'a self, _reach: &'a Reach) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The text of a message that came without one; `None` when it is not to be answered.
    fn complete<'a>(&'a self, _id: &'a str, _reach: &'a Reach) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether a conversation with this last metadata can be written to without having been asked.
    fn reaches(&self, _metadata: &Object) -> bool {
        true
    }

    /// The requests that bring a message of the bot to a conversation, in order.
    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request>;

    /// Proves to the provider who sends a request.
    fn sign<'a>(&'a self, request: Request, _reach: &'a Reach) -> BoxFuture<'a, Result<Request>> {
        Box::pin(std::future::ready(Ok(request)))
    }

    /// Forgets a proof that the provider does not accept any more; `false` when there was none.
    fn forget_proof(&self) -> bool {
        false
    }

    /// Whether the provider took a request.
    ///
    /// # Errors
    /// When it did not.
    fn taken(&self, request: &Request, answer: &Answer) -> Result<()> {
        answer.insist(&request.label)
    }
}

/// The outside, as far as providers need it.
#[derive(Clone)]
pub struct Reach {
    /// Sends requests.
    pub web: Arc<dyn Web>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Reach {
    /// Seconds since 1970.
    pub(crate) fn now_secs(&self) -> i64 {
        self.clock.now().micros / 1_000_000
    }
}

/// A request to a channel's webhook.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// What follows the channel's path: `webhook`, or something else that is asked for.
    pub tail: String,
    /// The path with its query, as sent.
    pub target: String,
    /// The query.
    pub query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Call {
    /// A header as text; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The fields of a form in the body.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        form_decode(&String::from_utf8_lossy(&self.body))
    }

    /// Whether the body is a form.
    pub(crate) fn is_form(&self) -> bool {
        self.header("content-type").starts_with("application/x-www-form-urlencoded")
    }
}

/// The field of a form.
pub(crate) fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What a request to a webhook means.
pub enum Reception {
    /// Nothing for the bot.
    Reply(Reply),
    /// Messages, which are handled after the reply, in order.
    Take {
        /// Said at once.
        reply: Reply,
        /// What users wrote.
        said: Vec<Said>,
    },
    /// A message whose answer is the reply.
    Converse {
        /// What the user wrote.
        said: Said,
        /// Makes the reply of the bot's messages.
        compose: Compose,
    },
    /// A user who said nothing and is told again what the bot said last.
    Repeat {
        /// Whose conversation it is.
        sender_id: String,
        /// What to say if the bot has said nothing yet.
        otherwise: String,
        /// Makes the reply of the bot's messages.
        compose: Compose,
    },
}

/// Makes a reply of the bot's messages.
pub type Compose = Box<dyn FnOnce(&[Object]) -> Reply + Send>;

impl Reception {
    /// A reply that is all.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::Reply(Reply::text(status, text))
    }

    /// One message, answered with this text.
    pub(crate) fn one(said: Said, text: &str) -> Self {
        Self::Take { reply: Reply::text(StatusCode::OK, text), said: vec![said] }
    }

    /// Wraps a reception that was waited for by nobody.
    pub(crate) fn ready<'a>(self) -> BoxFuture<'a, Self> {
        Box::pin(std::future::ready(self))
    }
}

/// The reply to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The media type of the body.
    pub content_type: &'static str,
    /// One more header.
    pub header: Option<(&'static str, &'static str)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// Plain text.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", header: None, body: text.into() }
    }

    /// JSON.
    pub fn json(body: &Value) -> Self {
        let body = body.to_string();
        Self { status: StatusCode::OK, content_type: "application/json", header: None, body }
    }
}

/// A message of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Whose conversation it belongs to.
    pub sender_id: String,
    /// What was written.
    pub words: Words,
    /// Metadata for the session and the event, which tells where answers go.
    pub metadata: Object,
    /// By which the provider's retries are known; `None` when there is nothing of the kind.
    pub id: Option<String>,
    /// Requests before the message is handled. That they fail is no reason not to go on.
    pub before: Vec<Request>,
    /// Requests after it has been handled, likewise.
    pub after: Vec<Request>,
}

/// What a user wrote.
#[derive(Clone, Debug, PartialEq)]
pub enum Words {
    /// This text.
    Text(String),
    /// Something that has to be fetched by its id.
    ById(String),
}

impl Said {
    /// A text.
    pub(crate) fn new(sender_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            sender_id: sender_id.into(),
            words: Words::Text(text.into()),
            metadata: Object::new(),
            id: None,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// The same with an id by which it is known again.
    #[must_use]
    pub(crate) fn known_by(mut self, id: Option<String>) -> Self {
        self.id = id;
        self
    }

    /// The same with metadata.
    #[must_use]
    pub(crate) fn about(mut self, metadata: Value) -> Self {
        if let Value::Object(metadata) = metadata {
            self.metadata = metadata;
        }
        self
    }
}

/// The receiving end of a message.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// The conversation's id.
    pub recipient_id: &'a str,
    /// The metadata of its last message from the provider; empty when there is none.
    pub metadata: &'a Object,
}

/// The way to one conversation.
pub struct Door {
    platform: Arc<dyn Platform>,
    reach: Reach,
    metadata: Object,
}

impl Door {
    /// The way to the conversation whose last message came with this metadata.
    pub fn new(platform: Arc<dyn Platform>, reach: Reach, metadata: Object) -> Self {
        Self { platform, reach, metadata }
    }
}

impl Outlet for Door {
    fn name(&self) -> &str {
        self.platform.name()
    }

    fn send<'a>(&'a self, recipient_id: &'a str, message: &'a Object) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let to = To { recipient_id, metadata: &self.metadata };
            let mut failure = None;
            for request in self.platform.requests(&to, message) {
                let Err(error) = deliver(&*self.platform, &self.reach, request).await else { continue };
                let is_lasting = error.kind != Kind::Refused;
                failure.get_or_insert(error);
                // What the provider refuses is one part; without the provider all are lost.
                if is_lasting {
                    break;
                }
            }
            failure.map_or(Ok(()), Err)
        })
    }
}

/// Sends a request to a provider, and again with a new proof when the old one has run out.
///
/// # Errors
/// When it did not arrive or was refused.
pub async fn deliver(platform: &dyn Platform, reach: &Reach, request: Request) -> Result<()> {
    const UNAUTHORIZED: u16 = 401;
    let signed = platform.sign(request.clone(), reach).await?;
    let mut answer = reach.web.send(&signed).await?;
    if answer.status == UNAUTHORIZED && platform.forget_proof() {
        let signed = platform.sign(request.clone(), reach).await?;
        answer = reach.web.send(&signed).await?;
    }
    platform.taken(&request, &answer)
}

/// Asks a provider for JSON.
///
/// # Errors
/// When there is no answer, or none that is JSON.
pub(crate) async fn ask(reach: &Reach, request: Request) -> Result<Value> {
    let answer = reach.web.send(&request).await?;
    answer.insist(&request.label)?;
    match answer.json() {
        Value::Null => Err(Error::new(Kind::Invalid, format!("{} was answered without JSON", request.label))),
        value => Ok(value),
    }
}

/// A text of JSON, wherever it is; numbers count, because ids are now one, now the other.
pub(crate) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Leaves out what is null.
pub(crate) fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

/// An object with defaults for what it lacks.
pub(crate) fn with_defaults(given: &Value, defaults: &Value) -> Value {
    let mut fields = given.as_object().cloned().unwrap_or_default();
    for (name, value) in defaults.as_object().into_iter().flatten() {
        fields.entry(name.clone()).or_insert_with(|| value.clone());
    }
    json!(fields)
}
