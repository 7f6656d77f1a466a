//! What a recommender answers, on data made up here and on shared data sets.

#![allow(clippy::unwrap_used)]

mod recommending;
mod sets;
