//! Metrics, folds and reports of trained components, in the JSON shapes of Rasa's reports.
//!
//! Pure: outcomes go in, values and pictures (as SVG text) come out; the caller writes files.

pub mod classification;
pub mod entities;
pub mod folds;
pub mod intents;
pub mod markers;
pub mod parity;
pub mod phrases;
pub mod picture;
pub mod responses;
pub mod story_graph;
