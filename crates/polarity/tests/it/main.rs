//! What a model tells of texts and entities, on data made up here and on shared data sets.

#![allow(clippy::unwrap_used)]

mod learning;
mod sets;
