//! Conversations at the boundary of a turn: recorded ones, and scripted ones of our own.
#![allow(clippy::unwrap_used)]

mod golden;
mod length;
mod matching;
mod responses;
mod script;
mod scripts;
mod stories;
mod support;
mod whole;
