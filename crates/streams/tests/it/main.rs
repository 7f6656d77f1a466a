//! Streams with real databases and brokers, and with processes that die.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

mod books;
mod exactly_once;
mod remote;
mod support;
mod transports;
