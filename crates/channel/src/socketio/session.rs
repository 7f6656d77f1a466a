//! One client's session: what waits to be sent, what waits to be handled, and how it travels.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intendant_talk::message::Object;
use serde_json::Value;
use tokio::sync::Notify;

use super::hub::PAYLOAD_BYTES_MAX;
use super::packet::{self, Revision};

/// Packets that wait for a client who does not fetch them.
const OUTBOX_PACKETS_MAX: usize = 1024;
/// Their size together.
const OUTBOX_BYTES_MAX: usize = 4 * PAYLOAD_BYTES_MAX;
/// Messages that wait for the conversation's turn.
const INBOX_MESSAGES_MAX: usize = 64;
/// Their size together.
const INBOX_BYTES_MAX: usize = 2 * PAYLOAD_BYTES_MAX;
/// How long a poll is held while the client changes to a WebSocket.
const UPGRADE_POLL: Duration = Duration::from_millis(100);

/// A session. Every change wakes whoever waits for one.
pub struct Session {
    id: String,
    revision: Revision,
    /// What a client of revision 3 sent along to prove who it is.
    proof: Value,
    state: Mutex<State>,
    changed: Notify,
}

/// How packets reach the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// It asks for them.
    Polling,
    /// It asks for them and tries a WebSocket.
    Upgrading,
    /// They are pushed.
    WebSocket,
}

/// A message of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Whose conversation it belongs to.
    pub sender_id: String,
    /// What was written.
    pub text: String,
    /// Metadata for the session and the event.
    pub metadata: Object,
    /// The packet that tells the client that it has been handled, if it asked to be told.
    pub acknowledgement: Option<String>,
    /// The size of its packet.
    pub(super) bytes: usize,
}

/// The second of two polls at a time, which ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubled;

/// The right and duty to handle a session's messages, one after the other.
pub struct Work {
    session: Arc<Session>,
}

#[derive(Debug)]
struct State {
    transport: Transport,
    outbox: VecDeque<String>,
    outbox_bytes: usize,
    inbox: VecDeque<Said>,
    inbox_bytes: usize,
    socket_id: Option<String>,
    is_polling: bool,
    is_working: bool,
    is_stopping: bool,
    is_closed: bool,
    awaits_pong: bool,
    pings_heard: u64,
}

impl Session {
    pub(super) fn new(id: String, transport: Transport, revision: Revision, proof: Value) -> Self {
        let state = State {
            transport,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            socket_id: None,
            is_polling: false,
            is_working: false,
            is_stopping: false,
            is_closed: false,
            awaits_pong: false,
            pings_heard: 0,
        };
        Self { id, revision, proof, state: Mutex::new(state), changed: Notify::new() }
    }

    /// What its client speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn proof(&self) -> &Value {
        &self.proof
    }

    /// By which the client names it.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_waiters();
        changed
    }

    /// Waits until a look at the state finds something.
    async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Changes between the look and the wait count.
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.state()) {
                return found;
            }
            changed.await;
        }
    }
}

/// # Out
impl Session {
    /// Puts a packet into the queue.
    pub fn push(&self, packet: String) {
        self.change(|state| {
            if state.is_closed {
                return;
            }
            state.outbox_bytes += packet.len();
            state.outbox.push_back(packet);
            if state.outbox.len() > OUTBOX_PACKETS_MAX || state.outbox_bytes > OUTBOX_BYTES_MAX {
                tracing::warn!(session = self.id, "a client does not fetch its messages; its session ends");
                state.outbox.clear();
                state.outbox_bytes = 0;
                state.close();
            }
        });
    }

    /// Waits for packets and takes as many as fit into one body.
    ///
    /// # Errors
    /// When another poll waits already; the session is closed then.
    pub async fn poll(&self) -> Result<String, Doubled> {
        let _turn = Poll::begin(self)?;
        let packets = match self.until(State::due_by_poll).await {
            Due::Packets(packets) => packets,
            Due::Pause => {
                tokio::time::sleep(UPGRADE_POLL).await;
                self.change(|state| match state.due_by_poll() {
                    Some(Due::Packets(packets)) => packets,
                    _ => vec![packet::NOOP.to_owned()],
                })
            }
        };
        Ok(self.revision.join(&packets))
    }

    /// Waits for packets to be pushed; `None` after the last of a closed session.
    pub async fn packets(&self) -> Option<Vec<String>> {
        self.until(|state| match state.outbox.is_empty() {
            false => Some(Some(state.drain(usize::MAX))),
            true => state.is_closed.then_some(None),
        })
        .await
    }
}

/// # Life
impl Session {
    /// Ends the session; what waits is still sent.
    pub fn close(&self) {
        self.change(State::close);
    }

    /// Ends the session as soon as its messages are handled.
    pub(super) fn stop(&self) {
        self.change(|state| {
            state.is_stopping = true;
            if !state.is_working {
                state.close();
            }
        });
    }

    pub(super) fn is_open(&self) -> bool {
        !self.state().is_closed
    }

    pub(super) async fn closed(&self) {
        self.until(|state| state.is_closed.then_some(())).await;
    }

    pub(super) fn ping(&self) {
        self.change(|state| state.awaits_pong = true);
        self.push(packet::PING.to_owned());
    }

    pub(super) fn pong(&self) {
        self.change(|state| state.awaits_pong = false);
    }

    /// Answers a client that asks whether the server lives.
    pub(super) fn hear_ping(&self, rest: &str) {
        self.change(|state| state.pings_heard += 1);
        self.push(format!("{}{rest}", packet::PONG));
    }

    /// Waits until the client has asked more often; `None` at the end.
    pub(super) async fn pinged_beyond(&self, count: u64) -> Option<u64> {
        self.until(|state| match state.pings_heard > count {
            true => Some(Some(state.pings_heard)),
            false => state.is_closed.then_some(None),
        })
        .await
    }

    /// Takes the packets that begin so and were never fetched.
    pub(super) fn leftovers(&self, start: &str) -> Vec<String> {
        let packets = self.change(|state| state.drain(usize::MAX));
        packets.into_iter().filter(|packet| packet.starts_with(start)).collect()
    }

    pub(super) async fn answered(&self) {
        self.until(|state| (state.is_closed || !state.awaits_pong).then_some(())).await;
    }

    /// Goes over to another transport from the one expected; `false` when it has another.
    pub fn change_transport(&self, from: Transport, to: Transport) -> bool {
        self.change(|state| {
            let fits = state.transport == from && !state.is_closed;
            if fits {
                state.transport = to;
            }
            fits
        })
    }

    pub(super) fn socket_id(&self) -> Option<String> {
        self.state().socket_id.clone()
    }

    pub(super) fn put_socket_id(&self, socket_id: Option<String>) {
        self.change(|state| state.socket_id = socket_id);
    }
}

/// # In
impl Session {
    /// Puts a message into the queue. Whoever gets [`Work`] handles it and all that follow.
    pub(super) fn hear(self: &Arc<Self>, said: Said) -> Option<Work> {
        let begins = self.change(|state| {
            if state.is_closed || state.is_stopping {
                return false;
            }
            state.inbox_bytes += said.bytes;
            if state.inbox.len() >= INBOX_MESSAGES_MAX || state.inbox_bytes > INBOX_BYTES_MAX {
                tracing::warn!(session = self.id, "a client speaks too fast; its session ends");
                state.close();
                return false;
            }
            state.inbox.push_back(said);
            !std::mem::replace(&mut state.is_working, true)
        });
        begins.then(|| Work { session: Arc::clone(self) })
    }
}

impl Work {
    /// The next message, if there is one.
    pub fn take(&self) -> Option<Said> {
        // Taking the last one and giving up the work are one step, or a message could be forgotten.
        self.session.change(|state| {
            let said = state.inbox.pop_front();
            match &said {
                Some(said) => state.inbox_bytes -= said.bytes,
                None => state.rest(),
            }
            said
        })
    }

    /// Sends the client a packet.
    pub fn push(&self, packet: String) {
        self.session.push(packet);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.session.change(State::rest);
    }
}

/// A poll that waits.
struct Poll<'a> {
    session: &'a Session,
}

impl<'a> Poll<'a> {
    fn begin(session: &'a Session) -> Result<Self, Doubled> {
        session.change(|state| {
            if std::mem::replace(&mut state.is_polling, true) {
                state.close();
                return Err(Doubled);
            }
            Ok(Self { session })
        })
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        self.session.state().is_polling = false;
    }
}

enum Due {
    Packets(Vec<String>),
    Pause,
}

impl State {
    fn due_by_poll(&mut self) -> Option<Due> {
        // After the answer to this poll there may be no other, so it takes everything.
        if self.is_stopping && self.is_working {
            return None;
        }
        if !self.outbox.is_empty() && self.transport != Transport::WebSocket {
            return Some(Due::Packets(self.drain(PAYLOAD_BYTES_MAX)));
        }
        if self.is_closed || self.transport == Transport::WebSocket {
            return Some(Due::Packets(vec![packet::NOOP.to_owned()]));
        }
        (self.transport == Transport::Upgrading).then_some(Due::Pause)
    }

    /// Takes packets up to a size, at least one.
    fn drain(&mut self, bytes_max: usize) -> Vec<String> {
        let mut packets = Vec::new();
        let mut bytes = 0;
        while let Some(packet) = self.outbox.front() {
            bytes += packet.len() + packet::FRAME_BYTES_MAX;
            if bytes > bytes_max && !packets.is_empty() {
                break;
            }
            self.outbox_bytes -= packet.len();
            packets.extend(self.outbox.pop_front());
        }
        packets
    }

    fn rest(&mut self) {
        self.is_working = false;
        if self.is_stopping {
            self.close();
        }
    }

    fn close(&mut self) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.outbox.push_back(packet::CLOSE.to_owned());
            self.outbox_bytes += packet::CLOSE.len();
        }
    }
}
