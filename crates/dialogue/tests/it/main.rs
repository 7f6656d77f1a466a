//! Conversations at the boundary of a turn: recorded ones, and scripted ones of our own.

mod golden;
mod length;
mod matching;
mod script;
mod scripts;
mod stories;
mod support;
