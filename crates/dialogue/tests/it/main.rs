//! Conversations at the boundary of a turn: recorded ones, and scripted ones of our own.

mod golden;
mod length;
mod matching;
mod responses;
mod script;
mod scripts;
mod stories;
mod support;
mod whole;
