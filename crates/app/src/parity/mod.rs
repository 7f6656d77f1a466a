//! Recorded conversations, said again to two servers.

mod recordings;
mod server;

pub use recordings::{Recording, Said, read};
pub use server::Remote;
