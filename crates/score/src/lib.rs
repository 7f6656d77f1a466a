//! Predictors in service.
//!
//! A [`service::Service`] holds predictors; each has a version in use that is swapped while it answers, a limit of
//! predictions at once, and what is declared beside: [`lookup`]s in users' databases ([`database`]), predictions kept
//! ([`keep`]), articles kept once with what they say of whom ([`articles`]), rows predicted together ([`batch`]), and watched for [`drift`];
//! a [`shelf`] holds further versions that callers name. [`load`] puts CSV files into tables.

pub mod articles;
pub mod batch;
pub mod database;
pub mod drift;
pub mod keep;
pub mod load;
pub mod lookup;
pub mod metrics;
pub mod service;
pub mod shelf;
pub mod stream;
