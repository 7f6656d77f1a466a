//! The HTTP API over a real listener, with an assistant made in memory.

mod conversations;
mod protocol;
mod rig;
