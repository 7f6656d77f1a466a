//! Ways in which messages come in and go out, without HTTP: what a channel's request says, and
//! how the bot's messages look to its users.
//!
//! `api` mounts the webhooks; `client` carries what is sent out. Every outlet gets the bot's
//! message as one object and takes it apart in the same order ([`render`]).

pub mod callback;
pub mod collect;
pub mod render;
pub mod rest;
pub mod socketio;
pub mod stream;
