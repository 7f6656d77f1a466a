//! HTTP out: the action server, the response generator, understanding elsewhere, deliveries, spans,
//! upstreams that are paid, notices (by mail too), certificates. And the computer's clock.
//!
//! One client for all ([`http::HttpClient`]), with pooled connections and one time limit per
//! request. TLS is rustls with ring and the system's certificates, which builds without a C
//! toolchain for cryptography.

pub mod acme;
pub mod action;
pub mod agent_export;
pub mod alert;
pub mod clock;
pub mod completions;
pub mod courier;
pub mod dialogflow;
pub mod download;
pub mod duckling;
pub mod endpoint;
pub mod generate;
pub mod http;
pub mod interpret;
pub mod model_server;
pub mod origin;
pub mod otlp;
pub mod paid;
pub mod reach;
pub mod remote;
pub mod retry;
pub mod service_account;
mod way;
pub mod web;
