//! The registry on real files.
#![allow(clippy::unwrap_used)]

mod archives;
mod cataloguing;
mod inspecting;
mod rotating;
