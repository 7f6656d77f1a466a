//! Decisions over a ledger that is all in memory: scripted stories, and long runs of chance.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

mod chance;
mod stories;
mod support;
