//! The values a conversation is made of: parsed messages, events, slots, the domain, training
//! data, and the tracker that replays events into a state.
//!
//! Everything here is a plain value: no I/O, no clock, no wire format. The JSON of events and
//! domains lives in `rasa-format`; decisions live in `policy` and `dialogue`.

pub mod data;
pub mod domain;
pub mod event;
pub mod marker;
pub mod message;
pub mod story;
pub mod time;
pub mod tracker;
