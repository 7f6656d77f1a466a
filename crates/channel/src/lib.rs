//! Ways in which messages come in and go out, without HTTP: what a channel's request says, and
//! how the bot's messages look to its users.
//!
//! `api` mounts the webhooks; `client` carries what is sent out. Every outlet gets the bot's
//! message as one object and takes it apart in the same order ([`render`]). Messaging providers
//! are one file each and share [`platform`].

mod botframework;
pub mod callback;
pub mod collect;
mod facebook;
mod hangouts;
mod keys;
mod mattermost;
pub mod options;
mod parts;
pub mod platform;
pub mod render;
pub mod rest;
mod rocketchat;
mod signature;
mod slack;
pub mod socketio;
pub mod stream;
mod telegram;
mod twilio;
mod twilio_voice;
mod webexteams;
