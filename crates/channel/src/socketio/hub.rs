//! All sessions of the channel, the rooms their sockets are in, and the bot's way to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::outlet::Outlet;
use intendant_port::web::form_decode;
use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::options::{Conversation, Options, ROOT_NAMESPACE};
use super::packet::{self, Kind, Message, Revision};
use super::render::emissions;
use super::session::{Said, Session, Transport, Work};

/// Name of the channel.
pub const NAME: &str = "socketio";
/// The largest body of a poll and the largest frame.
pub const PAYLOAD_BYTES_MAX: usize = 1_000_000;

/// Clients that do not answer a ping in time are gone.
const PING_INTERVAL: Duration = Duration::from_secs(25);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Sessions open at a time.
const SESSIONS_MAX: usize = 10_000;
/// How long messages to a session whose client is gone are kept for it.
const ABSENCE_MAX: Duration = Duration::from_secs(120);
/// Sessions whose clients are gone for a while.
const ABSENT_MAX: usize = 10_000;
/// Messages kept for one of them, and their size together.
const KEPT_MESSAGES_MAX: usize = 32;
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Rooms a socket may be in besides its own; the oldest is left for a new one.
const ROOMS_MAX: usize = 8;

const REJECTED: &str = "Connection rejected by server";

/// The channel's sessions and rooms.
pub struct Hub {
    options: Options,
    places: Mutex<Places>,
    pushing: watch::Sender<usize>,
}

#[derive(Default)]
struct Places {
    sessions: HashMap<String, Resident>,
    rooms: HashMap<String, Vec<Arc<Session>>>,
    absent: HashMap<String, Absent>,
    is_stopping: bool,
}

/// A room that its last client has left; with `session_persistence` it may come back.
struct Absent {
    since: Instant,
    packets: Vec<String>,
    bytes: usize,
}

struct Resident {
    session: Arc<Session>,
    rooms: Vec<String>,
}

/// Who opens a session.
pub struct Client<'a> {
    /// What it speaks.
    pub revision: Revision,
    /// What it sent along to prove who it is.
    pub proof: Value,
    /// Decides whether that will do.
    pub admit: &'a dyn Fn(&Value) -> bool,
}

/// A WebSocket that is open; the end waits for it.
pub struct Pushing<'a> {
    hub: &'a Hub,
}

impl Drop for Pushing<'_> {
    fn drop(&mut self) {
        self.hub.pushing.send_modify(|count| *count -= 1);
    }
}

/// # Sessions
impl Hub {
    /// A hub without sessions.
    pub fn new(options: Options) -> Self {
        Self { options, places: Mutex::default(), pushing: watch::Sender::new(0) }
    }

    /// How the channel behaves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session, whose first packet tells its id; `None` when there are too many. It must
    /// be given to [`Hub::keep`]. Clients of revision 3 prove who they are now, later ones when they
    /// ask for a socket.
    pub fn open(&self, transport: Transport, client: Client<'_>) -> Option<Arc<Session>> {
        let Client { revision, proof, admit } = client;
        let session = Arc::new(Session::new(new_id(), transport, revision, proof));
        let mut places = self.places();
        if places.is_stopping || places.sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let resident = Resident { session: Arc::clone(&session), rooms: Vec::new() };
        places.sessions.insert(session.id().to_owned(), resident);
        let upgrades: &[&str] = if transport == Transport::Polling { &["websocket"] } else { &[] };
        let limits = packet::Limits {
            ping_interval_ms: u64::try_from(PING_INTERVAL.as_millis()).unwrap_or(u64::MAX),
            ping_timeout_ms: u64::try_from(PING_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
            payload_bytes_max: PAYLOAD_BYTES_MAX,
        };
        session.push(packet::open(session.id(), upgrades, &limits));
        drop(places);
        if revision == Revision::Three {
            self.greet(&session, admit);
        }
        Some(session)
    }

    /// Clients of revision 3 are in the root namespace without having asked.
    fn greet(&self, session: &Arc<Session>, admit: &dyn Fn(&Value) -> bool) {
        if self.options.namespace != ROOT_NAMESPACE {
            session.push(session.revision().connected(ROOT_NAMESPACE, session.id()));
        } else if admit(session.proof()) {
            self.connect(session);
        } else {
            session.push(session.revision().refused(ROOT_NAMESPACE, REJECTED));
        }
    }

    /// Asks a session's client now and then whether it lives; returns when the session has ended.
    pub async fn keep(&self, session: Arc<Session>) {
        match session.revision() {
            Revision::Three => listen_for_pings(&session).await,
            Revision::Four => ask_now_and_then(&session).await,
        }
        let mut places = self.places();
        self.leave_all(&mut places, &session);
        places.sessions.remove(session.id());
    }

    /// An open session by its id.
    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        let session = Arc::clone(&self.places().sessions.get(id)?.session);
        // One that has ended is forgotten a moment later.
        session.is_open().then_some(session)
    }

    /// Notes that a WebSocket is open.
    pub fn push(&self) -> Pushing<'_> {
        self.pushing.send_modify(|count| *count += 1);
        Pushing { hub: self }
    }

    /// Takes no more sessions and messages; sessions end when their messages are handled.
    pub fn stop(&self) {
        let mut places = self.places();
        places.is_stopping = true;
        let sessions: Vec<_> = places.sessions.values().map(|resident| &resident.session).cloned().collect();
        drop(places);
        for session in sessions {
            session.stop();
        }
    }

    /// Waits until all WebSockets are closed.
    pub async fn done(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.pushing.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// # What clients send
impl Hub {
    /// Takes a packet. `admit` decides about a socket by what its client sent along to prove who
    /// it is. Whoever gets [`Work`] handles the session's messages.
    pub fn receive(
        &self,
        session: &Arc<Session>,
        packet: &str,
        admit: &dyn Fn(&Value) -> bool,
    ) -> Option<Work> {
        let revision = session.revision();
        if let (Revision::Three, Some(rest)) = (revision, packet.strip_prefix(packet::PING)) {
            session.hear_ping(rest);
            return None;
        }
        match packet {
            packet::CLOSE => session.close(),
            packet::PONG => session.pong(),
            packet::NOOP => {}
            _ => {
                let Some(message) = Message::read(packet) else {
                    tracing::debug!(session = session.id(), "a packet that cannot be read is ignored");
                    return None;
                };
                let is_here = message.namespace == self.options.namespace;
                match message.kind {
                    Kind::Connect if is_here && admit(&proof(session, &message)) => self.connect(session),
                    // Where such a client is already.
                    Kind::Connect if revision == Revision::Three && message.namespace == ROOT_NAMESPACE => {}
                    Kind::Connect => {
                        let why = if is_here { REJECTED } else { "Unable to connect" };
                        session.push(revision.refused(message.namespace, why));
                    }
                    Kind::Disconnect if is_here => {
                        session.put_socket_id(None);
                        self.leave_all(&mut self.places(), session);
                    }
                    Kind::Event if is_here => return self.event(session, message, packet.len()),
                    Kind::Event | Kind::Disconnect | Kind::Other => {}
                }
            }
        }
        None
    }

    fn connect(&self, session: &Arc<Session>) {
        if session.socket_id().is_some() {
            return;
        }
        let socket_id = match session.revision() {
            // These clients call their socket like the session.
            Revision::Three => session.id().to_owned(),
            Revision::Four => new_id(),
        };
        self.join(session, &socket_id);
        session.push(session.revision().connected(&self.options.namespace, &socket_id));
        session.put_socket_id(Some(socket_id));
    }

    fn event(&self, session: &Arc<Session>, message: Message<'_>, bytes: usize) -> Option<Work> {
        let socket_id = session.socket_id()?;
        let Value::Array(arguments) = message.data else { return None };
        let mut arguments = arguments.into_iter();
        let name = arguments.next()?;
        let argument = arguments.next()?;
        let number = message.acknowledgement;
        let acknowledgement = number.map(|number| packet::acknowledged(&self.options.namespace, number));
        if name == "session_request" {
            self.confirm_session(session, &argument);
            if let Some(packet) = acknowledgement {
                session.push(packet);
            }
            None
        } else if name == self.options.user_message_event.as_str() {
            match self.said(socket_id, argument) {
                Ok(said) => session.hear(Said { acknowledgement, bytes, ..said }),
                Err(why) => {
                    tracing::warn!(session = session.id(), "{why}; the message is ignored");
                    None
                }
            }
        } else {
            None
        }
    }

    fn confirm_session(&self, session: &Arc<Session>, argument: &Value) {
        if !matches!(argument, Value::Object(_) | Value::Null) {
            return;
        }
        let session_id = match argument.get("session_id") {
            None | Some(Value::Null) => json!(new_id()),
            Some(Value::Array(_) | Value::Object(_)) => return,
            Some(given) => given.clone(),
        };
        if self.options.conversation == Conversation::OfSession {
            self.join(session, &python_text(&session_id));
        }
        session.push(packet::event(&self.options.namespace, "session_confirm", &session_id));
        // What was said while the client was away.
        let absent = self.places().absent.remove(&python_text(&session_id));
        for packet in absent.filter(Absent::is_recent).into_iter().flat_map(|absent| absent.packets) {
            session.push(packet);
        }
    }

    fn said(&self, socket_id: String, mut argument: Value) -> std::result::Result<Said, &'static str> {
        let Some(fields) = argument.as_object_mut() else {
            return Err("a message over socket.io is no object");
        };
        let sender_id = match (self.options.conversation, fields.get("session_id")) {
            (Conversation::OfSocket, _) => socket_id,
            (Conversation::OfSession, Some(Value::String(id))) if !id.is_empty() => id.clone(),
            (Conversation::OfSession, Some(id @ Value::Number(_))) => id.to_string(),
            (Conversation::OfSession, _) => return Err("a message over socket.io has no session_id"),
        };
        let metadata = match fields.remove(&self.options.metadata_key) {
            Some(Value::Object(metadata)) => metadata,
            Some(Value::String(json)) => serde_json::from_str(&json)
                .map_err(|_| "the metadata of a message over socket.io is no JSON object")?,
            _ => Object::new(),
        };
        let text = match fields.remove("message") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => return Err("a message over socket.io is no text"),
        };
        Ok(Said { sender_id, text, metadata, acknowledgement: None, bytes: 0 })
    }
}

/// # Rooms
impl Hub {
    fn join(&self, session: &Arc<Session>, room: &str) {
        let mut places = self.places();
        let Places { sessions, rooms, .. } = &mut *places;
        let Some(resident) = sessions.get_mut(session.id()) else { return };
        if resident.rooms.iter().any(|known| known == room) {
            return;
        }
        resident.rooms.push(room.to_owned());
        rooms.entry(room.to_owned()).or_default().push(Arc::clone(session));
        // The first room is the socket's own.
        if resident.rooms.len() > ROOMS_MAX + 1 {
            let oldest = resident.rooms.remove(1);
            leave(rooms, session, &oldest);
        }
    }

    fn leave_all(&self, places: &mut Places, session: &Arc<Session>) {
        let Places { sessions, rooms, absent, .. } = places;
        let Some(resident) = sessions.get_mut(session.id()) else { return };
        let left = std::mem::take(&mut resident.rooms);
        for room in &left {
            leave(rooms, session, room);
        }
        // The first room is the socket's own, and nobody else's.
        let last = left.iter().skip(1).next_back().filter(|room| !rooms.contains_key(*room));
        let (Conversation::OfSession, Some(room)) = (self.options.conversation, last) else { return };
        absent.retain(|_, absent| absent.is_recent());
        if absent.len() < ABSENT_MAX {
            let mut empty = Absent { since: Instant::now(), packets: Vec::new(), bytes: 0 };
            let event = packet::event_start(&self.options.namespace, &self.options.bot_message_event);
            session.leftovers(&event).into_iter().for_each(|packet| empty.keep(packet));
            absent.insert(room.clone(), empty);
        }
    }

    fn emit(&self, room: &str, data: &Value) {
        let packet = packet::event(&self.options.namespace, &self.options.bot_message_event, data);
        let mut places = self.places();
        let Some(audience) = places.rooms.get(room).cloned() else {
            match places.absent.get_mut(room).filter(|absent| absent.is_recent()) {
                Some(absent) => absent.keep(packet),
                None => tracing::debug!(room, "nobody hears a message over socket.io"),
            }
            return;
        };
        drop(places);
        for session in audience {
            session.push(packet.clone());
        }
    }
}

/// Differs from Rasa: the bot speaks in the namespace that its users are connected to, where Rasa
/// always speaks in the root.
impl Outlet for Hub {
    fn name(&self) -> &str {
        NAME
    }

    fn send<'a>(&'a self, recipient_id: &'a str, message: &'a Object) -> BoxFuture<'a, Result<()>> {
        for emission in emissions(message) {
            self.emit(emission.room.as_deref().unwrap_or(recipient_id), &emission.data);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Absent {
    fn is_recent(&self) -> bool {
        self.since.elapsed() <= ABSENCE_MAX
    }

    fn keep(&mut self, packet: String) {
        self.bytes += packet.len();
        if self.packets.len() < KEPT_MESSAGES_MAX && self.bytes <= KEPT_BYTES_MAX {
            self.packets.push(packet);
        }
    }
}

/// Asks a client whether it lives until its session has ended.
async fn ask_now_and_then(session: &Session) {
    while timeout(PING_INTERVAL, session.closed()).await.is_err() {
        session.ping();
        if timeout(PING_TIMEOUT, session.answered()).await.is_err() {
            tracing::debug!(session = session.id(), "a client does not answer; its session ends");
            session.close();
        }
    }
}

/// Waits for a client that asks whether the server lives, until its session has ended.
async fn listen_for_pings(session: &Session) {
    let mut heard = 0;
    loop {
        match timeout(PING_INTERVAL + PING_TIMEOUT, session.pinged_beyond(heard)).await {
            Ok(Some(count)) => heard = count,
            Ok(None) => return,
            Err(_) => {
                tracing::debug!(session = session.id(), "a client has fallen silent; its session ends");
                session.close();
            }
        }
    }
}

/// What a client that wants a socket sent along to prove who it is.
fn proof(session: &Session, message: &Message<'_>) -> Value {
    match session.revision() {
        Revision::Four => message.data.clone(),
        Revision::Three => {
            let query = form_decode(message.query);
            let token = query.into_iter().find(|(name, _)| name == "token");
            token.map_or_else(|| session.proof().clone(), |(_, token)| json!({"token": token}))
        }
    }
}

fn leave(rooms: &mut HashMap<String, Vec<Arc<Session>>>, session: &Arc<Session>, room: &str) {
    let Some(audience) = rooms.get_mut(room) else { return };
    audience.retain(|other| !Arc::ptr_eq(other, session));
    if audience.is_empty() {
        rooms.remove(room);
    }
}

fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}
