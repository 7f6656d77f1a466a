//! Polarity of texts and of what texts say of entities.
//!
//! Any set of labels will do; texts may be of any language, negations and contrasts are known in
//! English, French, German and Spanish. A [`Model`] is trained on texts with a label each, or on texts
//! with the mentions of an entity and a label of what is said of it. A [`Gazetteer`] finds who is mentioned.
//! [`aggregate`] counts judgements and says how sure their shares are.
//!
//! Everything is a function of its arguments: the same examples and seed give the same model, byte for
//! byte, on any number of threads.

pub mod aggregate;
mod calibrate;
mod features;
mod gazetteer;
mod model;
mod solve;
mod stored;
mod train;
mod vocabulary;
mod words;

pub use gazetteer::{Entity, Found, Gazetteer, mentions};
pub use model::{Analysis, EntityPrediction, Influence, Model, Prediction, Subject};
pub use train::{Balance, Example, Metric, Options, Report, train};
