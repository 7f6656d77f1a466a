//! Models of other libraries give what those libraries recorded; damaged files give errors, never panics.
#![allow(clippy::unwrap_used)]

mod damaged;
mod given;
mod small;
