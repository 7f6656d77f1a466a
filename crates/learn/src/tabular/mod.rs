//! Models of tables: what is declared, trained, asked and explained.
//!
//! ```text
//! tabular::train(&Table, &Settings, &TrainContext) -> Result<Trained { model, report }, Error>
//! Model::predict(&self, &Table) -> Predictions            // columns are looked up by name, missing ones allowed
//! Model::explain(&self, &Table) -> Vec<Explanation>       // contributions on the log-odds scale, one per feature
//! Model::importance(&self) -> &[(String, f64)]            // mean absolute contribution, from training
//! Model::partial_dependence(&self, &Table, feature) -> Vec<(label, value)>
//! Model::signature(&self) -> &Signature
//! Model::to_stored(&self) -> Stored; Model::from_stored(Stored) -> Result<Model, Unreadable>
//! Model::evaluate(&self, &Table, slices: &[Slice]) -> Evaluation
//! ```

mod settings;

pub use settings::{
    Calibration, Family, Feature, Imbalance, Impute, Metric, Outliers, Settings, Task, Threshold,
};
