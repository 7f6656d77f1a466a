//! One suite for every tracker store and one for every lock store, run on each backend; real
//! servers are started where a backend wants one.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

mod agent_sessions;
mod backends;
mod fail_safe;
mod foreign;
mod group;
mod ledger;
mod ledger_redis;
mod ledger_stress;
mod lock_suite;
#[cfg(feature = "mysql")]
mod mysql;
mod support;
mod tracker_suite;
