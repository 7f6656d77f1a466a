//! Conversations at the boundary of a turn: recorded ones, and scripted ones of our own.

mod golden;
mod matching;
mod support;
