//! What is outside, as traits: where conversations are stored, who has the floor in one, who
//! listens to events, what time it is, who runs custom actions, who writes responses, who
//! understands texts, who wants to know what happened, who is paid for answers and where that is
//! written down.
//!
//! Implementations live in `store`, `broker` and `client`; `serve` drives them. Futures are boxed
//! so that no runtime shows through; every trait is object safe and shared between threads.

pub mod action;
pub mod broker;
pub mod clock;
pub mod deliver;
pub mod error;
pub mod generate;
pub mod interpret;
pub mod ledger;
pub mod lock;
pub mod money;
pub mod notify;
pub mod outlet;
pub mod store;
pub mod stream;
pub mod trace;
pub mod upstream;
pub mod web;

use std::future::Future;
use std::pin::Pin;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
