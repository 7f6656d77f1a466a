//! Packets on the wire.
//!
//! Source: Engine.IO protocols 3 and 4 and Socket.IO protocols 4 and 5. A packet of Engine.IO is a
//! digit and a text; a message of it carries a packet of Socket.IO: a digit, the namespace unless it
//! is the root, the number of the acknowledgement asked for, JSON.

use serde_json::{Value, json};

use super::options::ROOT_NAMESPACE;

/// Ends the session.
pub const CLOSE: &str = "1";
/// Asks whether the other side lives.
pub const PING: &str = "2";
/// The answer to [`PING`].
pub const PONG: &str = "3";
/// Asks over a WebSocket whether it works.
pub const PROBE_PING: &str = "2probe";
/// The answer to [`PROBE_PING`].
pub const PROBE_PONG: &str = "3probe";
/// Moves the session from polling to the WebSocket.
pub const UPGRADE: &str = "5";
/// Says nothing; ends a poll.
pub const NOOP: &str = "6";
/// Stands between packets in the body of a poll, since revision 4.
const SEPARATOR: char = '\u{1e}';
/// The most that a packet takes in the body of a poll besides itself.
pub(super) const FRAME_BYTES_MAX: usize = 8;

/// The revision of Engine.IO that a client speaks, and with it that of Socket.IO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// socket.io-client 2: clients ask whether the server lives, and are in the root namespace
    /// without having asked.
    Three,
    /// socket.io-client 3 and 4.
    Four,
}

impl Revision {
    /// The revision by its number in the query.
    pub fn of(number: &str) -> Option<Self> {
        match number {
            "3" => Some(Self::Three),
            "4" => Some(Self::Four),
            _ => None,
        }
    }

    /// Puts packets together into the body of a poll.
    pub fn join(self, packets: &[String]) -> String {
        match self {
            Self::Three => packets.iter().map(|packet| format!("{}:{packet}", utf16_units(packet))).collect(),
            Self::Four => packets.join(SEPARATOR.encode_utf8(&mut [0; 4])),
        }
    }

    /// Takes the body of a poll apart; `None` when it is none.
    pub fn split(self, body: &str) -> Option<Vec<&str>> {
        if self == Self::Four {
            return Some(body.split(SEPARATOR).collect());
        }
        let mut packets = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (length, behind) = rest.split_once(':')?;
            let end = byte_of_unit(behind, length.parse().ok()?)?;
            let (packet, behind) = behind.split_at(end);
            packets.push(packet);
            rest = behind;
        }
        Some(packets)
    }
}

/// Lengths are those of JavaScript.
fn utf16_units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn byte_of_unit(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (byte, c) in text.char_indices() {
        if left == 0 {
            return Some(byte);
        }
        left = left.checked_sub(c.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

/// A packet of Socket.IO inside a message of Engine.IO.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// What it does.
    pub kind: Kind,
    /// With its slash, without parameters.
    pub namespace: &'a str,
    /// The parameters of the namespace, in which clients of revision 3 prove who they are.
    pub query: &'a str,
    /// The number under which the sender waits for an acknowledgement.
    pub acknowledgement: Option<u64>,
    /// Its content; null when it has none.
    pub data: Value,
}

/// What a packet of Socket.IO does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opens a socket in a namespace.
    Connect,
    /// Closes it.
    Disconnect,
    /// Carries an event: its name and arguments in a list.
    Event,
    /// Something this channel has no use for.
    Other,
}

impl<'a> Message<'a> {
    /// Reads an Engine.IO message; `None` when it is none, or malformed.
    pub fn read(packet: &'a str) -> Option<Self> {
        let rest = packet.strip_prefix('4')?;
        let kind = match rest.chars().next()? {
            '0' => Kind::Connect,
            '1' => Kind::Disconnect,
            '2' => Kind::Event,
            '3'..='6' => Kind::Other,
            _ => return None,
        };
        let mut rest = &rest[1..];
        let (mut namespace, mut query) = (ROOT_NAMESPACE, "");
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
            (namespace, query) = namespace.split_once('?').unwrap_or((namespace, ""));
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let acknowledgement = match digits {
            0 => None,
            _ => Some(rest[..digits].parse().ok()?),
        };
        let data = match &rest[digits..] {
            "" => Value::Null,
            // Binary packets begin with a count of attachments, which is no JSON.
            _ if kind == Kind::Other => Value::Null,
            json => serde_json::from_str(json).ok()?,
        };
        Some(Self { kind, namespace, query, acknowledgement, data })
    }
}

/// The packet that opens a session.
pub fn open(session_id: &str, upgrades: &[&str], limits: &Limits) -> String {
    let about = json!({
        "sid": session_id,
        "upgrades": upgrades,
        "pingTimeout": limits.ping_timeout_ms,
        "pingInterval": limits.ping_interval_ms,
        "maxPayload": limits.payload_bytes_max,
    });
    format!("0{about}")
}

/// What a client is told when a session opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Between two pings.
    pub ping_interval_ms: u64,
    /// For the answer to one.
    pub ping_timeout_ms: u64,
    /// Of one body or frame.
    pub payload_bytes_max: usize,
}

impl Revision {
    /// Tells a client that its socket is open.
    pub fn connected(self, namespace: &str, socket_id: &str) -> String {
        match self {
            Self::Three => format!("40{}", prefix(namespace)),
            Self::Four => format!("40{}{}", prefix(namespace), json!({"sid": socket_id})),
        }
    }

    /// Tells a client that its socket is refused.
    pub fn refused(self, namespace: &str, why: &str) -> String {
        let why = match self {
            Self::Three => json!(why),
            Self::Four => json!({"message": why}),
        };
        format!("44{}{why}", prefix(namespace))
    }
}

/// How the packets of an event begin.
pub(super) fn event_start(namespace: &str, name: &str) -> String {
    format!("42{}[{}", prefix(namespace), json!(name))
}

/// An event with its argument.
pub fn event(namespace: &str, name: &str, argument: &Value) -> String {
    format!("42{}{}", prefix(namespace), json!([name, argument]))
}

/// Acknowledges an event.
pub fn acknowledged(namespace: &str, number: u64) -> String {
    format!("43{}{number}[]", prefix(namespace))
}

fn prefix(namespace: &str) -> String {
    if namespace == ROOT_NAMESPACE { String::new() } else { format!("{namespace},") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        let check = |packet: &str, expected: Option<(Kind, &str, Option<u64>, Value)>| {
            let found = Message::read(packet);
            let found = found.map(|found| (found.kind, found.namespace, found.acknowledgement, found.data));
            assert_eq!(found, expected, "{packet}");
        };
        check("40", Some((Kind::Connect, "/", None, Value::Null)));
        check("40{\"token\":\"t\"}", Some((Kind::Connect, "/", None, json!({"token": "t"}))));
        check("40/chat,", Some((Kind::Connect, "/chat", None, Value::Null)));
        check("40/chat?a=b,{}", Some((Kind::Connect, "/chat", None, json!({}))));
        check("40/chat", Some((Kind::Connect, "/chat", None, Value::Null)));
        check("41", Some((Kind::Disconnect, "/", None, Value::Null)));
        check("42[\"e\",1]", Some((Kind::Event, "/", None, json!(["e", 1]))));
        check("42/chat,12[\"e\"]", Some((Kind::Event, "/chat", Some(12), json!(["e"]))));
        check(
            "451-[\"e\",{\"_placeholder\":true,\"num\":0}]",
            Some((Kind::Other, "/", Some(1), Value::Null)),
        );
        check("42[\"e\"", None);
        check("4299999999999999999999[\"e\"]", None);
        check("4", None);
        check("4é", None);
        check("2", None);
        check("", None);
    }

    #[test]
    fn bodies_of_polls_are_taken_apart() {
        let check = |revision: Revision, packets: &[&str], body: &str| {
            let owned: Vec<String> = packets.iter().map(|&packet| packet.to_owned()).collect();
            assert_eq!(revision.join(&owned), body);
            assert_eq!(revision.split(body).as_deref(), Some(packets));
        };
        check(Revision::Four, &["40", "42[\"ä\"]"], "40\u{1e}42[\"ä\"]");
        check(Revision::Three, &["40", "42[\"ä\"]", "2"], "2:407:42[\"ä\"]1:2");
        check(Revision::Three, &["4😀", "3"], "3:4😀1:3");
        for broken in ["x", "5:40", "2:4😀", ":40", "99999999999999999999:4"] {
            assert_eq!(Revision::Three.split(broken), None, "{broken}");
        }
    }

    #[test]
    fn messages_are_written() {
        assert_eq!(Revision::Four.connected("/", "s"), "40{\"sid\":\"s\"}");
        assert_eq!(Revision::Four.refused("/chat", "no"), "44/chat,{\"message\":\"no\"}");
        assert_eq!(Revision::Three.connected("/chat", "s"), "40/chat,");
        assert_eq!(Revision::Three.refused("/", "no"), "44\"no\"");
        assert_eq!(event("/", "e", &json!({"a": 1})), "42[\"e\",{\"a\":1}]");
        assert_eq!(acknowledged("/chat", 3), "43/chat,3[]");
    }
}
