//! The crate at its boundary: files in, values and findings out.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

mod appending;
mod findings;
mod foreign;
mod importing;
mod markers;
mod migrating;
mod robust;
mod shared;
mod splitting;
mod values;
mod wire;
mod writing;
