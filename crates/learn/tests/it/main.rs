//! Models are trained on generated and on given tables and must be as good as said.
#![allow(clippy::unwrap_used)]

mod churn;
mod generated;
mod sets;
