//! Shapes of rules that several languages share, filled by each with its own words.

pub mod clock;
pub mod day;
pub mod duration;
pub mod measure;
pub mod number;
pub mod range;
pub mod zones;
