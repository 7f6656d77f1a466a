//! Policies at their boundary: what training refuses, and what is decided where.
#![allow(clippy::unwrap_used)]

mod findings;
mod predictions;
mod retraining;
mod size;
mod support;
mod texts;
