//! Numbers behind learning: seeded randomness, dense and sparse rows, hashed feature indices, linear
//! and kernel support vector machines, logistic and factored softmax regression, linear-chain taggers and calibration.
//!
//! Everything is a function of its arguments. Results never depend on the number of threads:
//! work is cut into units that do not see each other, and units are put together in order.

pub mod binary;
pub mod calibration;
pub mod chain;
pub mod cluster;
pub mod coupling;
pub mod dense;
pub mod factored;
pub mod index;
pub mod lbfgs;
pub mod logistic;
pub mod parallel;
pub mod positive;
pub mod quantized;
pub mod random;
pub mod regression;
pub mod sparse;
pub mod svc;
pub mod svm;
