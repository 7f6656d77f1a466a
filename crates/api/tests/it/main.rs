//! The HTTP API over a real listener, with an assistant made in memory.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

mod conversations;
mod downloading;
mod gateway;
mod observed;
mod protocol;
mod rig;
mod tls;
mod trials;
