//! Brokers: every new event, handed to whoever listens, and messages of streams, taken and sent.
//!
//! A payload is the event's JSON with the conversation's id in front (`spec:
//! http-and-channels.md §7`). [`open`] chooses by the settings; [`outbox`] stands before what may be
//! away.

pub mod amqp;
pub mod file;
pub mod kafka;
pub mod kafka_stream;
pub mod open;
pub mod outbox;
pub mod pika;
pub mod rabbitmq;
pub mod sql;
pub mod tls;
pub mod transport;

use intendant_rasa_format::wire::event_to_json;
use intendant_talk::event::Event;
use intendant_talk::message::Object;
use serde_json::Value;

/// The message a broker sends for an event.
pub fn payload(sender_id: &str, event: &Event) -> Value {
    let mut payload = Object::new();
    payload.insert("sender_id".to_owned(), sender_id.into());
    if let Value::Object(event) = event_to_json(event) {
        payload.extend(event);
    }
    Value::Object(payload)
}
