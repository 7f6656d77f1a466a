//! The server as a value: the model in use, conversations one message at a time, effects in
//! order, one transaction per message, reminders, and a graceful stop; what it counts and traces.
//!
//! Below it: `dialogue` decides, `store`, `broker` and `client` do. Above it: `api` speaks HTTP.
//! There is no global state; two servers can live in one test.

pub mod assistant;
mod cache;
mod clock;
pub mod error;
mod in_hand;
pub mod metrics;
mod reminders;
pub mod server;
pub mod shadow;
pub mod slots;
pub mod trace;
pub mod trial;
mod trial_record;
pub mod turn;
pub mod workshop;
