//! The `socketio` channel without HTTP: packets, sessions, rooms, and how answers look.
//!
//! Speaks Engine.IO 4 and Socket.IO 5. `api` carries packets in and out by long polling and
//! WebSockets; the [`hub::Hub`] keeps a queue per session and finds the sockets in a room.
//! Everything a client can make grow has a limit here; whoever exceeds it loses the session and
//! connects anew.

pub mod hub;
pub mod options;
pub mod packet;
mod render;
pub mod session;
