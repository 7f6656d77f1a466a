//! HTTP out: the action server, the response generator, understanding elsewhere, deliveries, spans.
//! And the computer's clock.
//!
//! One client for all ([`http::HttpClient`]), with pooled connections and one time limit per
//! request. TLS is rustls with ring and the system's certificates, which builds without a C
//! toolchain for cryptography.

pub mod action;
pub mod clock;
pub mod courier;
pub mod duckling;
pub mod endpoint;
pub mod generate;
pub mod http;
pub mod interpret;
pub mod otlp;
pub mod retry;
pub mod web;
