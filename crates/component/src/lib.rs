//! Contracts of what is trained and stored: the training context, progress and cancellation,
//! stored weights, diagnostics about the user's files, and trained predictors.
//!
//! Implementations live in `nlu`, `policy` and `learn`; archives are written and read by `bundle`.

pub mod diagnostic;
pub mod predictor;
pub mod stored;
pub mod training;
