//! Frames and the fields in them (AMQP 0-9-1, sections 2.3 and 4.2).

use intendant_port::error::{Error, Kind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::mpsc;

/// The largest frame we send or take.
pub(super) const FRAME_BYTES_MAX: usize = 128 << 10;
/// What every broker takes.
pub(super) const FRAME_BYTES_MIN: usize = 4096;
/// Bytes of a frame besides its payload.
const FRAME_OVERHEAD: usize = 8;
const FRAME_END: u8 = 0xCE;
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
pub(super) const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, FRAME_END];

pub(super) const CONNECTION_START: (u16, u16) = (10, 10);
pub(super) const CONNECTION_START_OK: (u16, u16) = (10, 11);
pub(super) const CONNECTION_TUNE: (u16, u16) = (10, 30);
pub(super) const CONNECTION_TUNE_OK: (u16, u16) = (10, 31);
pub(super) const CONNECTION_OPEN: (u16, u16) = (10, 40);
pub(super) const CONNECTION_OPEN_OK: (u16, u16) = (10, 41);
pub(super) const CONNECTION_CLOSE: (u16, u16) = (10, 50);
pub(super) const CHANNEL_OPEN: (u16, u16) = (20, 10);
pub(super) const CHANNEL_OPEN_OK: (u16, u16) = (20, 11);
pub(super) const CHANNEL_CLOSE: (u16, u16) = (20, 40);
pub(super) const CHANNEL_CLOSE_OK: (u16, u16) = (20, 41);
pub(super) const EXCHANGE_DECLARE: (u16, u16) = (40, 10);
pub(super) const EXCHANGE_DECLARE_OK: (u16, u16) = (40, 11);
pub(super) const QUEUE_DECLARE: (u16, u16) = (50, 10);
pub(super) const QUEUE_DECLARE_OK: (u16, u16) = (50, 11);
pub(super) const QUEUE_BIND: (u16, u16) = (50, 20);
pub(super) const QUEUE_BIND_OK: (u16, u16) = (50, 21);
pub(super) const BASIC_PUBLISH: (u16, u16) = (60, 40);
pub(super) const BASIC_QOS: (u16, u16) = (60, 10);
pub(super) const BASIC_QOS_OK: (u16, u16) = (60, 11);
pub(super) const BASIC_CONSUME: (u16, u16) = (60, 20);
pub(super) const BASIC_CONSUME_OK: (u16, u16) = (60, 21);
pub(super) const BASIC_CANCEL: (u16, u16) = (60, 30);
pub(super) const BASIC_DELIVER: (u16, u16) = (60, 60);
pub(super) const BASIC_ACK: (u16, u16) = (60, 80);
pub(super) const BASIC_NACK: (u16, u16) = (60, 120);
pub(super) const CONFIRM_SELECT: (u16, u16) = (85, 10);
pub(super) const CONFIRM_SELECT_OK: (u16, u16) = (85, 11);

/// The bit of `queue.declare` that makes a queue outlive the broker.
pub(super) const DURABLE: u8 = 2;
/// The bit of `queue.declare` that only asks for a queue.
pub(super) const PASSIVE: u8 = 1;

/// Bits of a content header that tell which properties follow, in this order.
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const MESSAGE_ID: u16 = 1 << 7;
const APP_ID: u16 = 1 << 3;

/// Something that came from the broker.
pub(super) enum Received {
    Method(Method),
    /// The header of a message: its length in bytes, and its id.
    Header(u64, Option<String>),
    /// A part of a message.
    Body(Vec<u8>),
    Heartbeat,
}

/// A method with its arguments.
pub(super) struct Method {
    pub(super) id: (u16, u16),
    arguments: Vec<u8>,
}

impl Method {
    /// `connection.tune`: the largest frame, and seconds between heartbeats; 0 is no limit.
    pub(super) fn tuning(&self) -> Option<(u32, u16)> {
        let bytes = &self.arguments;
        Some((
            u32::from_be_bytes(bytes.get(2..6)?.try_into().ok()?),
            u16::from_be_bytes(bytes.get(6..8)?.try_into().ok()?),
        ))
    }

    /// `basic.ack`: the delivery tag, and whether it stands for all before it too.
    pub(super) fn confirmation(&self) -> Option<(u64, bool)> {
        let bytes = &self.arguments;
        Some((u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?), bytes.get(8)? & 1 == 1))
    }

    /// `basic.deliver`: the delivery tag.
    pub(super) fn delivery_tag(&self) -> Option<u64> {
        let bytes = &self.arguments;
        let length = usize::from(*bytes.first()?);
        Some(u64::from_be_bytes(bytes.get(1 + length..9 + length)?.try_into().ok()?))
    }

    /// `queue.declare-ok`: how many messages are ready.
    pub(super) fn message_count(&self) -> Option<u32> {
        let bytes = &self.arguments;
        let length = usize::from(*bytes.first()?);
        Some(u32::from_be_bytes(bytes.get(1 + length..5 + length)?.try_into().ok()?))
    }

    /// `connection.close`, `channel.close`: code and text.
    pub(super) fn reason(&self) -> String {
        let bytes = &self.arguments;
        let read = || {
            let code = u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
            let length = usize::from(*bytes.get(2)?);
            Some(format!("{code} {}", String::from_utf8_lossy(bytes.get(3..3 + length)?)))
        };
        read().unwrap_or_else(|| "no reason given".to_owned())
    }
}

/// Reads frames until the connection breaks or nobody wants them any more.
pub(super) async fn read_all(source: impl AsyncRead + Unpin, received: mpsc::Sender<Result<Received>>) {
    let mut source = BufReader::new(source);
    loop {
        let frame = read(&mut source).await;
        let is_broken = frame.is_err();
        if received.send(frame).await.is_err() || is_broken {
            return;
        }
    }
}

async fn read(source: &mut (impl AsyncRead + Unpin)) -> Result<Received> {
    let broken = |error: std::io::Error| {
        Error::new(Kind::Unavailable, "the connection to the broker broke").because(error)
    };
    let unreadable = || Error::new(Kind::Invalid, "the broker speaks another protocol than AMQP 0-9-1");
    let mut head = [0; 7];
    source.read_exact(&mut head).await.map_err(broken)?;
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(unreadable());
    }
    let mut payload = vec![0; length + 1];
    source.read_exact(&mut payload).await.map_err(broken)?;
    if payload.pop() != Some(FRAME_END) {
        return Err(unreadable());
    }
    match head[0] {
        METHOD => {}
        HEADER => {
            let (length, message_id) = header(&payload).ok_or_else(unreadable)?;
            return Ok(Received::Header(length, message_id));
        }
        BODY => return Ok(Received::Body(payload)),
        _ => return Ok(Received::Heartbeat),
    }
    let (id, arguments) = payload.split_at_checked(4).ok_or_else(unreadable)?;
    let id = (u16::from_be_bytes([id[0], id[1]]), u16::from_be_bytes([id[2], id[3]]));
    Ok(Received::Method(Method { id, arguments: arguments.to_vec() }))
}

/// The length of a message and its property `message-id`.
fn header(payload: &[u8]) -> Option<(u64, Option<String>)> {
    let length = u64::from_be_bytes(payload.get(4..12)?.try_into().ok()?);
    let flags = u16::from_be_bytes(payload.get(12..14)?.try_into().ok()?);
    let mut rest = payload.get(14..)?;
    // Properties stand in the order of their bits; those before the id are passed over.
    for bit in (7..16).rev() {
        if flags & (1 << bit) == 0 {
            continue;
        }
        let (at, long) = match bit {
            // A table of headers.
            13 => (4, u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize),
            // Octets: delivery mode and priority.
            11 | 12 => (1, 0),
            _ => (1, usize::from(*rest.first()?)),
        };
        let value = rest.get(at..at + long)?;
        if bit == 7 {
            return Some((length, Some(String::from_utf8_lossy(value).into_owned())));
        }
        rest = rest.get(at + long..)?;
    }
    Some((length, None))
}

/// Writes one frame.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn method(channel: u16, id: (u16, u16)) -> Self {
        let mut writer = Self::frame(METHOD, channel);
        writer.u16(id.0);
        writer.u16(id.1);
        writer
    }

    fn frame(kind: u8, channel: u16) -> Self {
        let mut writer = Self { bytes: vec![kind] };
        writer.u16(channel);
        // The length, once it is known.
        writer.u32(0);
        writer
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// A short string; what goes beyond 255 bytes is cut off.
    pub(super) fn short(&mut self, text: &str) {
        let mut length = text.len().min(255);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        self.bytes.push(u8::try_from(length).unwrap_or(u8::MAX));
        self.bytes.extend(&text.as_bytes()[..length]);
    }

    pub(super) fn long(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.bytes.extend(bytes);
    }

    /// A table of texts, and of capabilities that we have.
    pub(super) fn table(&mut self, texts: &[(&str, &str)], capabilities: &[&str]) {
        let mut fields = Self { bytes: Vec::new() };
        for (name, value) in texts {
            fields.short(name);
            fields.u8(b'S');
            fields.long(value.as_bytes());
        }
        if !capabilities.is_empty() {
            let mut own = Self { bytes: Vec::new() };
            for name in capabilities {
                own.short(name);
                own.u8(b't');
                own.u8(1);
            }
            fields.short("capabilities");
            fields.u8(b'F');
            fields.long(&own.bytes);
        }
        self.long(&fields.bytes);
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len() - 7).unwrap_or(u32::MAX);
        self.bytes[3..7].copy_from_slice(&length.to_be_bytes());
        self.bytes.push(FRAME_END);
        self.bytes
    }
}

/// What a message carries besides its text.
#[derive(Clone, Copy, Default)]
pub(super) struct Properties<'a> {
    pub(super) message_id: Option<&'a str>,
    pub(super) app_id: Option<&'a str>,
    /// A header with its name.
    pub(super) header: Option<(&'a str, &'a str)>,
}

/// Header and body frames of a persistent message.
pub(super) fn content(body: &[u8], properties: Properties<'_>, frame_bytes_max: usize) -> Vec<u8> {
    const PERSISTENT: u8 = 2;
    let Properties { message_id, app_id, header: extra } = properties;
    let flag = |is_given: bool, bit: u16| if is_given { bit } else { 0 };
    let mut header = Writer::frame(HEADER, 1);
    header.u16(BASIC_PUBLISH.0);
    header.u16(0);
    header.u64(body.len() as u64);
    let flags = [
        flag(extra.is_some(), HEADERS),
        flag(message_id.is_some(), MESSAGE_ID),
        flag(app_id.is_some(), APP_ID),
    ];
    header.u16(flags.into_iter().fold(DELIVERY_MODE, |all, flag| all | flag));
    if let Some(extra) = extra {
        header.table(&[extra], &[]);
    }
    header.u8(PERSISTENT);
    for text in [message_id, app_id].into_iter().flatten() {
        header.short(text);
    }
    let mut bytes = header.end();
    for part in body.chunks(frame_bytes_max - FRAME_OVERHEAD) {
        let mut frame = Writer::frame(BODY, 1);
        frame.bytes.extend(part);
        bytes.extend(frame.end());
    }
    bytes
}
