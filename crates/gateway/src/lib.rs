//! Answers that are bought from others, within a budget.
//!
//! [`service::Gateway`] takes an inquiry through every stage: length, rates, cache, reservation, circuit
//! breaker, upstream, settlement, and what is done when there is no money or no upstream. The wire forms of
//! inquiries are in `api`, upstreams in `client`, the ledger in `store`.
//!
//! The decision worth explaining: from the reservation to the settlement a request runs in a task
//! of its own, so that a caller who hangs up cannot leave money held.

pub mod breaker;
pub mod figures;
pub mod inquiry;
pub mod memory;
mod notice;
mod purchase;
pub mod service;
pub mod session;
pub mod words;
