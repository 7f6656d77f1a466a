//! The registry on real files.
#![allow(clippy::unwrap_used)]

mod archives;
mod inspecting;
mod rotating;
