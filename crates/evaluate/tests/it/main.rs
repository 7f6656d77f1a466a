//! The crate at its boundary.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

mod graphs;
