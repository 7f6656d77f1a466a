//! The channels' webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use intendant_channel::collect::Collector;
use intendant_channel::rest::{self, Inbound};
use intendant_channel::stream::stream;
use intendant_port::outlet::Outlet;
use intendant_serve::error::Kind;
use intendant_serve::server::{Incoming, Server};
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use crate::auth::Jwt;
use crate::error::{ApiError, json_response, text_response};
use crate::model::healthy;
use crate::request::Request;
use crate::sockets::Sockets;
use crate::station::Station;

/// The scope of those who may write into any conversation.
const SPEAKS_FOR_OTHERS: &str = "clientEvents:create";

/// The channels that are open, by name.
#[derive(Clone, Default)]
pub struct Channels {
    channels: BTreeMap<String, Channel>,
}

/// A way for messages to come in.
#[derive(Clone)]
pub enum Channel {
    /// Answers in the HTTP response.
    Rest,
    /// Answers posted elsewhere.
    Callback(Arc<dyn Outlet>),
    /// As [`Channel::Rest`], for senders who prove who they are; without a key nobody can.
    Rasa(Option<Box<Jwt>>),
    /// Answers over sockets, which have a path of their own.
    Sockets(Arc<Sockets>),
    /// A messaging provider.
    Station(Arc<Station>),
}

impl Channels {
    /// Opens a channel under `/webhooks/<name>/`.
    pub fn open(&mut self, name: impl Into<String>, channel: Channel) {
        self.channels.insert(name.into(), channel);
    }

    /// Names of the open channels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.channels.keys().map(String::as_str)
    }

    /// Where a channel sends messages to a conversation outside of a request; `None` when it cannot.
    pub fn outlet(&self, name: &str, tracker: &Tracker) -> Option<Arc<dyn Outlet>> {
        match self.channels.get(name)? {
            Channel::Rest | Channel::Rasa(_) => None,
            Channel::Callback(outlet) => Some(Arc::clone(outlet)),
            Channel::Sockets(sockets) => Some(Arc::clone(&sockets.hub) as Arc<dyn Outlet>),
            Channel::Station(station) => station.outlet(tracker),
        }
    }

    /// Takes no more messages, and ends the connections of channels that keep them, each as soon as
    /// its messages are handled.
    pub fn stop(&self) {
        self.all_sockets().for_each(|sockets| sockets.hub.stop());
        self.stations().for_each(|station| station.stop());
    }

    /// Waits until the messages that were taken are handled.
    pub async fn settled(&self) {
        for station in self.stations() {
            station.settled().await;
        }
    }

    /// Waits until those connections are closed.
    pub async fn done(&self) {
        for sockets in self.all_sockets() {
            sockets.hub.done().await;
        }
    }

    pub(crate) fn sockets_at(&self, path: &str) -> Option<&Arc<Sockets>> {
        self.all_sockets().find(|sockets| sockets.serves(path))
    }

    /// The provider whose webhook is at a path, and what of it is asked for.
    pub(crate) fn station_at<'a>(&self, path: &'a str) -> Option<(&Arc<Station>, &'a str)> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (name, tail) = path.strip_prefix("/webhooks/")?.split_once('/')?;
        match self.channels.get(name)? {
            Channel::Station(station) => Some((station, tail)),
            _ => None,
        }
    }

    fn stations(&self) -> impl Iterator<Item = &Arc<Station>> {
        self.channels.values().filter_map(|channel| match channel {
            Channel::Station(station) => Some(station),
            _ => None,
        })
    }

    fn all_sockets(&self) -> impl Iterator<Item = &Arc<Sockets>> {
        self.channels.values().filter_map(|channel| match channel {
            Channel::Sockets(sockets) => Some(sockets),
            _ => None,
        })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Channel> {
        self.channels.get(name)
    }
}

/// `GET /webhooks/<channel>/`.
pub fn health() -> Response<Body> {
    healthy()
}

/// `POST /webhooks/<channel>/webhook`.
pub async fn receive(
    server: &Server,
    name: &str,
    channel: &Channel,
    request: &Request,
) -> Result<Response<Body>, ApiError> {
    let body = request.json()?;
    let mut inbound = rest::read(&body).ok_or_else(ApiError::internal)?;
    if let Channel::Rasa(key) = channel {
        inbound.sender_id = signed_sender(key.as_deref(), request, &body)?;
    }
    match channel {
        Channel::Rest | Channel::Rasa(_) if request.flag("stream", false) => {
            Ok(streamed(server, inbound, name))
        }
        Channel::Rest | Channel::Rasa(_) => {
            let collector = Arc::new(Collector::default());
            let failure = handle(server, inbound, name, Arc::clone(&collector) as Arc<dyn Outlet>).await;
            let messages = collector.take();
            match failure {
                // Who sent it can send it again; an empty answer would look like silence of the bot.
                Some(failure) if messages.is_empty() => Err(failure),
                _ => Ok(json_response(StatusCode::OK, &Value::Array(messages))),
            }
        }
        Channel::Callback(outlet) => {
            let inbound = Inbound { input_channel: None, metadata: Default::default(), ..inbound };
            handle(server, inbound, name, Arc::clone(outlet)).await;
            Ok(text_response(StatusCode::OK, "success"))
        }
        Channel::Sockets(_) | Channel::Station(_) => Err(ApiError::unknown_path(request)),
    }
}

/// Whose conversation it is: the signer's, or another one if the signer may speak for others.
fn signed_sender(key: Option<&Jwt>, request: &Request, body: &Value) -> Result<String, ApiError> {
    let refused = || ApiError::framework(StatusCode::UNAUTHORIZED, "Unauthorized");
    let key = key.ok_or_else(refused)?;
    let header = request.header(header::AUTHORIZATION).map(|text| text.trim_start_matches("Bearer "));
    let claims = header.and_then(|token| key.read(token));
    let claims = claims.or_else(|| key.read(request.query("token")?)).ok_or_else(refused)?;
    let username = claims["username"].as_str().ok_or_else(refused)?;
    let Some(asked) = body.get("conversation_id").and_then(Value::as_str) else {
        return Ok(username.to_owned());
    };
    let scopes = claims["scopes"].as_array().into_iter().flatten();
    let may_speak_for_others = scopes.into_iter().any(|scope| scope == SPEAKS_FOR_OTHERS);
    if asked == username || may_speak_for_others { Ok(asked.to_owned()) } else { Err(refused()) }
}

/// Errors are logged; the user gets the messages made so far. Tells when the message was not
/// kept, because a store is away or the server is stopping.
async fn handle(
    server: &Server,
    inbound: Inbound,
    channel: &str,
    outlet: Arc<dyn Outlet>,
) -> Option<ApiError> {
    let Some(text) = inbound.text else {
        tracing::error!(sender_id = inbound.sender_id, channel, "a message without text is ignored");
        return None;
    };
    let sender_id = inbound.sender_id;
    let incoming = Incoming {
        text,
        sender_id: sender_id.clone(),
        input_channel: Some(inbound.input_channel.unwrap_or_else(|| channel.to_owned())),
        metadata: inbound.metadata,
        parse: None,
    };
    let error = server.handle(incoming, outlet).await.err()?;
    tracing::error!(sender_id, channel, %error, "cannot handle a message");
    match error.kind {
        Kind::Store | Kind::Stopping => {
            Some(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ConversationError", error.message))
        }
        _ => None,
    }
}

fn streamed(server: &Server, inbound: Inbound, name: &str) -> Response<Body> {
    let (streamer, lines) = stream();
    let (server, name) = (server.clone(), name.to_owned());
    tokio::spawn(async move { drop(handle(&server, inbound, &name, Arc::new(streamer)).await) });
    let frames = futures_util::stream::unfold(lines, |mut lines| async move {
        let line = lines.recv().await?;
        Some((line, lines))
    });
    let frames = frames.map(|line| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(line))));
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let content_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
