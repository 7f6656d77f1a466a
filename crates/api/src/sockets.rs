//! The `socketio` channel over HTTP: long polling, WebSockets, and the change from one to the other.
//!
//! What the packets mean is known to [`intendant_channel::socketio`]; here they are carried, and
//! users' messages handed to the server.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use intendant_channel::socketio::hub::{Client, Hub, NAME, PAYLOAD_BYTES_MAX};
use intendant_channel::socketio::packet::{self, Revision};
use intendant_channel::socketio::session::{Session, Transport, Work};
use intendant_port::outlet::Outlet;
use intendant_serve::server::{Incoming, Server};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::auth::Jwt;
use intendant_port::web::form_decode;

/// How long a client may take to try a WebSocket.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to accept a packet.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

const UNSUPPORTED_VERSION: &str =
    "The client is using an unsupported version of the Socket.IO or Engine.IO protocols";

/// The sockets of a server.
pub struct Sockets {
    /// Their sessions and rooms.
    pub hub: Arc<Hub>,
    /// What clients must prove who they are with; without it everybody is let in.
    pub jwt: Option<Jwt>,
}

impl Sockets {
    /// Whether requests to a path are for sockets.
    pub(crate) fn serves(&self, path: &str) -> bool {
        path.strip_suffix('/').unwrap_or(path) == self.hub.options().path
    }

    fn admits(&self, proof: &Value) -> bool {
        let Some(jwt) = &self.jwt else { return true };
        let token = proof["token"].as_str().unwrap_or("").trim_start_matches("Bearer ");
        jwt.read(token).and_then(|claims| Some(!claims.as_object()?.is_empty())).unwrap_or(false)
    }
}

/// A server with its sockets; cheap to clone into tasks.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) server: Server,
    pub(crate) sockets: Arc<Sockets>,
}

impl Desk {
    /// Answers a request to the sockets' path.
    pub(crate) async fn respond(&self, parts: Parts, body: Body) -> Response<Body> {
        let query = form_decode(parts.uri.query().unwrap_or(""));
        let query = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some(revision) = query("EIO").and_then(Revision::of) else {
            return refused(StatusCode::BAD_REQUEST, UNSUPPORTED_VERSION);
        };
        let session = match query("sid") {
            None => None,
            Some(id) => match self.sockets.hub.find(id) {
                Some(session) => Some(session),
                None => return refused(StatusCode::BAD_REQUEST, "Invalid session"),
            },
        };
        // Clients of revision 3 have no better place for it.
        let token = query("token");
        match (query("transport"), &parts.method, session) {
            (Some("polling"), &Method::GET, None) => self.open(revision, token).await,
            (Some("polling"), &Method::GET, Some(session)) => poll(&session).await,
            (Some("polling"), &Method::POST, Some(session)) => self.post(&session, body).await,
            (Some("websocket"), &Method::GET, Some(session)) => self.upgrade(parts, session, Way::Over).await,
            (Some("websocket"), &Method::GET, None) => {
                match self.begin(Transport::WebSocket, revision, token) {
                    Some(session) => self.upgrade(parts, session, Way::New).await,
                    None => refused(StatusCode::SERVICE_UNAVAILABLE, "Too many sessions"),
                }
            }
            (Some("polling" | "websocket"), _, _) => refused(StatusCode::BAD_REQUEST, "Invalid request"),
            _ => refused(StatusCode::BAD_REQUEST, "Invalid transport"),
        }
    }

    fn begin(&self, transport: Transport, revision: Revision, token: Option<&str>) -> Option<Arc<Session>> {
        let admit = |proof: &Value| self.sockets.admits(proof);
        let client = Client { revision, proof: json!({"token": token}), admit: &admit };
        let session = self.sockets.hub.open(transport, client)?;
        let (sockets, kept) = (Arc::clone(&self.sockets), Arc::clone(&session));
        tokio::spawn(async move { sockets.hub.keep(kept).await });
        Some(session)
    }

    async fn open(&self, revision: Revision, token: Option<&str>) -> Response<Body> {
        match self.begin(Transport::Polling, revision, token) {
            Some(session) => poll(&session).await,
            None => refused(StatusCode::SERVICE_UNAVAILABLE, "Too many sessions"),
        }
    }

    async fn post(&self, session: &Arc<Session>, body: Body) -> Response<Body> {
        let bytes = match Limited::new(body, PAYLOAD_BYTES_MAX).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                session.close();
                let mut response = refused(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
                // The rest of the body is not read, so the connection cannot be used again.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                return response;
            }
            Err(_) => return refused(StatusCode::BAD_REQUEST, "Invalid payload"),
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return refused(StatusCode::BAD_REQUEST, "Invalid payload");
        };
        let Some(packets) = session.revision().split(text) else {
            return refused(StatusCode::BAD_REQUEST, "Invalid payload");
        };
        for packet in packets {
            self.receive(session, packet);
        }
        text_response(StatusCode::OK, "ok")
    }

    fn receive(&self, session: &Arc<Session>, packet: &str) {
        let work = self.sockets.hub.receive(session, packet, &|proof| self.sockets.admits(proof));
        if let Some(work) = work {
            tokio::spawn(self.clone().converse(work));
        }
    }

    /// Handles a session's messages in the order in which they came.
    async fn converse(self, work: Work) {
        while let Some(said) = work.take() {
            let sender_id = said.sender_id;
            let incoming = Incoming {
                text: said.text,
                sender_id: sender_id.clone(),
                input_channel: Some(NAME.to_owned()),
                metadata: said.metadata,
                parse: None,
            };
            let outlet = Arc::clone(&self.sockets.hub) as Arc<dyn Outlet>;
            if let Err(error) = self.server.handle(incoming, outlet).await {
                tracing::error!(sender_id, channel = NAME, %error, "cannot handle a message");
            }
            if let Some(packet) = said.acknowledgement {
                work.push(packet);
            }
        }
    }
}

/// Why a WebSocket is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// For a new session.
    New,
    /// To carry on one that polls.
    Over,
}

/// # WebSockets
impl Desk {
    async fn upgrade(&self, mut parts: Parts, session: Arc<Session>, way: Way) -> Response<Body> {
        let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
            if way == Way::New {
                session.close();
            }
            return refused(StatusCode::BAD_REQUEST, "Invalid websocket upgrade");
        };
        let upgrade = upgrade.max_message_size(PAYLOAD_BYTES_MAX).max_frame_size(PAYLOAD_BYTES_MAX);
        let desk = self.clone();
        match way {
            Way::Over => upgrade.on_upgrade(move |socket| desk.change_over(session, socket)),
            Way::New => upgrade.on_upgrade(move |socket| desk.carry(session, socket)),
        }
    }

    /// Moves a session from polling to a WebSocket, once the client has seen that it works.
    async fn change_over(self, session: Arc<Session>, mut socket: WebSocket) {
        if !matches!(timeout(UPGRADE_TIMEOUT, hear(&mut socket)).await, Ok(Some(text)) if text == packet::PROBE_PING)
            || !session.change_transport(Transport::Polling, Transport::Upgrading)
        {
            return;
        }
        let changes = timeout(UPGRADE_TIMEOUT, async {
            socket.send(Message::text(packet::PROBE_PONG)).await.is_ok()
                && hear(&mut socket).await.is_some_and(|text| text == packet::UPGRADE)
        });
        if matches!(changes.await, Ok(true)) {
            if session.change_transport(Transport::Upgrading, Transport::WebSocket) {
                self.carry(session, socket).await;
            }
        } else {
            session.change_transport(Transport::Upgrading, Transport::Polling);
        }
    }

    /// Carries packets until one side ends the session.
    async fn carry(self, session: Arc<Session>, mut socket: WebSocket) {
        let _open = self.sockets.hub.push();
        loop {
            tokio::select! {
                packets = session.packets() => {
                    let is_last = packets.is_none();
                    let messages = match packets {
                        Some(packets) => packets.into_iter().map(Message::text).collect(),
                        None => vec![Message::Close(None)],
                    };
                    if !deliver(&mut socket, messages).await || is_last {
                        break;
                    }
                }
                text = hear(&mut socket) => match text {
                    Some(text) => self.receive(&session, &text),
                    None => break,
                },
            }
        }
        session.close();
    }
}

async fn deliver(socket: &mut WebSocket, messages: Vec<Message>) -> bool {
    for message in messages {
        if !matches!(timeout(WRITE_TIMEOUT, socket.send(message)).await, Ok(Ok(()))) {
            return false;
        }
    }
    true
}

/// The next text; `None` at the end. Binary frames carry nothing that this channel has a use for.
async fn hear(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => return Some(text.as_str().to_owned()),
            Message::Close(_) => return None,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

async fn poll(session: &Session) -> Response<Body> {
    match session.poll().await {
        Ok(packets) => text_response(StatusCode::OK, packets),
        Err(_) => refused(StatusCode::BAD_REQUEST, "Invalid request"),
    }
}

fn text_response(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    respond_with(status, "text/plain; charset=UTF-8", text.into())
}

/// Refusals are a JSON string, called plain text.
fn refused(status: StatusCode, message: &str) -> Response<Body> {
    respond_with(status, "text/plain", json!(message).to_string())
}

fn respond_with(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
