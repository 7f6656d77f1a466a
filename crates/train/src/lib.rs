//! From a project on disk to an archive, and from an archive to an assistant.
//!
//! [`recipe`] turns a project that was read into what is trained; [`plan`] decides by
//! fingerprints which parts have to be trained and does it; [`known`] finds the others in models
//! trained before; [`assistant`] brings an archive to life; [`files`] and [`models`] know the disk. Trainers themselves live in `nlu` and `policy`.

pub mod assistant;
pub mod files;
mod fingerprint;
pub mod known;
pub mod models;
pub mod plan;
pub mod recipe;
pub mod resources;
pub mod watch;
