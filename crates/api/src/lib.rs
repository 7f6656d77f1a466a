//! Rasa's HTTP API and the channels' webhooks, over a [`intendant_serve::server::Server`].
//!
//! One table ([`route`]) knows every path and method; one ([`error`]) every error body. The axum
//! router made from them answers whatever no other router of the process claims.

pub mod agent;
pub mod auth;
pub mod certificate;
mod conversations;
pub mod cors;
mod early;
mod emulate;
pub mod error;
pub mod front;
pub mod gateway;
mod inbox;
pub mod jobs;
pub mod listen;
mod metrics;
mod model;
mod openapi;
pub mod predictors;
pub mod redirect;
pub mod registry;
pub mod request;
pub mod route;
pub mod router;
pub mod serving;
pub mod sockets;
pub mod station;
mod story;
pub mod stream;
mod system;
pub mod tls;
pub mod trials;
pub mod uploads;
pub mod webhooks;
