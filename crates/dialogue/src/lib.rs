//! One turn of a conversation, decided without doing anything.
//!
//! A [`Turn`] takes a tracker and an [`Input`], and is driven by [`Turn::step`]: it hands out
//! [`Effect`]s in the order in which they must happen and asks [`Question`]s whose answers only
//! the outside has (action servers, response generation). The service performs the effects and
//! answers; nothing here knows sockets, stores or clocks. Neighbours: `policy` decides actions,
//! `talk` replays events, `serve` drives turns.

mod action;
mod conversation;
mod extract;
mod fallback;
mod form;
mod machine;
mod mind;
pub mod respond;
pub mod story_test;
mod turn;

pub use mind::Mind;
pub use turn::{
    ActionCall, ActionFailure, ActionReply, Answer, BotMessage, Effect, GenerateCall, Generator, Input,
    Level, Message, Question, Settings, Step, Turn,
};
