//! Models of tables: what is declared, trained, asked and explained.
//!
//! [`train`] takes a table and [`Settings`] and gives a [`Model`] with a [`Report`]. A model is asked by
//! [`Model::predict`], explained by [`Model::explain`], measured by [`Model::evaluate`], stored by
//! [`Model::to_stored`]; [`Model::signature`] says what it expects.

mod additive;
mod bins;
mod boost;
mod calibrate;
mod encode;
mod evaluate;
mod linear;
mod model;
mod objective;
mod prepare;
mod settings;
mod train;

pub use evaluate::{Candidate, Evaluation, Report, Slice, SliceFigures, SliceValues};
pub use model::{Explanation, Model, Predictions};
pub use settings::{
    Calibration, Family, Feature, Imbalance, Impute, Metric, Outliers, Settings, Task, Threshold,
};
pub use train::{Trained, train};
