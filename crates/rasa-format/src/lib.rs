//! Rasa's file formats and JSON, read into the values of `talk` and written back.
pub mod wire;
