//! The webhooks of messaging providers.
//!
//! A provider wants to be answered within seconds and sends again what was not. So messages are
//! taken into an [`Inbox`], the request is answered, and then they are handled, those of one
//! conversation in the order in which they came. What a request says is known to
//! [`intendant_channel::platform`].

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use intendant_channel::collect::Keeper;
use intendant_channel::platform::{
    Call, Compose, Door, Platform, Reach, Reception, Reply, Said, Words, deliver,
};
use intendant_port::error::Result;
use intendant_port::outlet::Outlet;
use intendant_port::store::Scope;
use intendant_port::web::Request;
use intendant_serve::server::{Incoming, Server};
use intendant_talk::event::EventKind;
use intendant_talk::message::Object;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use crate::inbox::{Inbox, Shift};

/// When to come again if there is no room for a message now.
const RETRY_AFTER_SECS: u64 = 5;

/// A messaging provider with the messages that wait.
pub struct Station {
    platform: Arc<dyn Platform>,
    reach: Reach,
    inbox: Arc<Inbox>,
}

impl Station {
    /// A provider that nothing has come from yet.
    pub fn new(platform: Arc<dyn Platform>, reach: Reach) -> Self {
        Self { platform, reach, inbox: Arc::default() }
    }

    /// Does what the provider needs at the start.
    ///
    /// # Errors
    /// When its messages would never arrive.
    pub async fn start(&self) -> Result<()> {
        self.platform.start(&self.reach).await
    }

    /// The way to a conversation; `None` when there is none.
    pub(crate) fn outlet(&self, tracker: &Tracker) -> Option<Arc<dyn Outlet>> {
        let metadata = last_metadata(tracker, self.platform.name());
        self.platform.reaches(&metadata).then(|| self.door(metadata))
    }

    fn door(&self, metadata: Object) -> Arc<dyn Outlet> {
        Arc::new(Door::new(Arc::clone(&self.platform), self.reach.clone(), metadata))
    }

    /// Takes no more messages.
    pub(crate) fn stop(&self) {
        self.inbox.stop();
    }

    /// Waits until all messages are handled.
    pub(crate) async fn settled(&self) {
        self.inbox.settled().await;
    }

    /// Answers a request to the provider's webhook.
    pub(crate) async fn receive(self: &Arc<Self>, server: &Server, call: Call) -> Response<Body> {
        if call.method == Method::POST && server.assistant().is_none() {
            tracing::warn!(channel = self.platform.name(), "a message is put off: no model is loaded");
            return come_again();
        }
        match self.platform.receive(&call, &self.reach).await {
            Reception::Reply(reply) => response(reply),
            Reception::Take { reply, said } => match self.inbox.put(said) {
                Ok(shifts) => {
                    for shift in shifts {
                        tokio::spawn(Arc::clone(self).work_off(server.clone(), shift));
                    }
                    response(reply)
                }
                Err(_) => {
                    tracing::warn!(
                        channel = self.platform.name(),
                        "a message is put off: too many are waiting"
                    );
                    come_again()
                }
            },
            Reception::Converse { said, compose } => self.converse(server, said, compose).await,
            Reception::Repeat { sender_id, otherwise, compose } => {
                let text = last_words(server, &sender_id).await.unwrap_or(otherwise);
                response(compose(&json_objects(json!([{"text": text}]))))
            }
        }
    }

    async fn work_off(self: Arc<Self>, server: Server, mut shift: Shift) {
        while let Some(said) = shift.next() {
            self.handle(&server, said).await;
        }
    }

    async fn handle(&self, server: &Server, said: Said) {
        self.notify(said.before).await;
        let sender_id = said.sender_id.clone();
        let text = match said.words {
            Words::Text(text) => Some(text),
            Words::ById(id) => self.platform.complete(&id, &self.reach).await.unwrap_or_else(|error| {
                let channel = self.platform.name();
                tracing::error!(sender_id, channel, error = error.chain(), "cannot fetch a message");
                None
            }),
        };
        if let Some(text) = text {
            let outlet = self.door(said.metadata.clone());
            self.pass_on(
                server,
                Incoming { text, sender_id, metadata: said.metadata, ..Incoming::default() },
                outlet,
            )
            .await;
        }
        self.notify(said.after).await;
    }

    async fn converse(&self, server: &Server, said: Said, compose: Compose) -> Response<Body> {
        let keeper = Arc::new(Keeper::new(self.platform.name()));
        if let Words::Text(text) = said.words {
            let Said { sender_id, metadata, .. } = said;
            let incoming = Incoming { text, sender_id, metadata, ..Incoming::default() };
            self.pass_on(server, incoming, Arc::clone(&keeper) as Arc<dyn Outlet>).await;
        }
        let messages = keeper.take();
        response(compose(&messages))
    }

    /// Errors are logged; the user gets the messages made so far.
    async fn pass_on(&self, server: &Server, incoming: Incoming, outlet: Arc<dyn Outlet>) {
        let channel = self.platform.name();
        let sender_id = incoming.sender_id.clone();
        let incoming = Incoming { input_channel: Some(channel.to_owned()), ..incoming };
        if let Err(error) = server.handle(incoming, outlet).await {
            tracing::error!(sender_id, channel, %error, "cannot handle a message");
        }
    }

    async fn notify(&self, requests: Vec<Request>) {
        for request in requests {
            let label = request.label.clone();
            if let Err(error) = deliver(&*self.platform, &self.reach, request).await {
                tracing::warn!(request = label, error = error.chain(), "a notice did not arrive");
            }
        }
    }
}

/// The metadata of the last message that came by a channel; empty when there is none.
fn last_metadata(tracker: &Tracker, channel: &str) -> Object {
    let last = tracker.events().iter().rev().find(|event| {
        matches!(&event.kind, EventKind::User(message) if message.input_channel.as_deref() == Some(channel))
    });
    last.map(|event| event.metadata.clone()).unwrap_or_default()
}

/// What the bot said last.
async fn last_words(server: &Server, sender_id: &str) -> Option<String> {
    let tracker = server.stored(sender_id, Scope::LastSession).await;
    let tracker =
        tracker.inspect_err(|error| tracing::error!(sender_id, %error, "cannot load a conversation"));
    tracker.ok()??.events().iter().rev().find_map(|event| match &event.kind {
        EventKind::Bot(utterance) => utterance.text.clone(),
        _ => None,
    })
}

fn json_objects(value: Value) -> Vec<Object> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(|item| item.as_object().cloned()).collect()
}

fn come_again() -> Response<Body> {
    let mut response = response(Reply::text(StatusCode::SERVICE_UNAVAILABLE, "Come again later"));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
    response
}

fn response(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if let Some((name, value)) = reply.header {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
