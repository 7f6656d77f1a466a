//! Metrics, folds and reports of trained components, in the JSON shapes of Rasa's reports, and what else a test tells:
//! how sure its figures are, which labels are taken for each other and why, which data looks wrong.
//!
//! Pure: outcomes go in, values, pages and pictures come out; the caller writes files.

pub mod advice;
pub mod calibration;
pub mod classification;
pub mod entities;
pub mod findings;
pub mod folds;
pub mod interval;
pub mod labels;
pub mod markers;
pub mod page;
pub mod parity;
pub mod phrases;
pub mod picture;
pub mod similarity;
pub mod spans;
pub mod story_graph;
