//! Contracts of what is trained and stored: the training context, progress and cancellation,
//! stored weights, and diagnostics about the user's files.
//!
//! Implementations live in `nlu` and `policy`; archives are written and read by `bundle`.

pub mod diagnostic;
pub mod stored;
pub mod training;
