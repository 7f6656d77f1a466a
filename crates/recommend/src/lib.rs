//! Recommendations from what a catalogue says of items, from what users rated, and from both.
//!
//! A [`Recommender`] is trained on a catalogue, on [`Ratings`], or on both. What ratings tell is learnt as
//! weights between items (neighbours by cosine, or by ridge regression as EASE does) or as factors
//! (alternating least squares); the best on held-out ratings is taken unless a method is named, and so is
//! how much content counts beside it. Who has no history is answered from a text, or by what is popular.
//!
//! Everything is a function of its arguments: the same data and seed give the same recommender, byte for byte,
//! on any number of threads.

mod answer;
mod catalogue;
mod content;
mod factors;
mod lists;
mod neighbours;
mod ratings;
mod recommender;
mod stored;
mod texts;
mod train;
mod validate;

pub use answer::{Answer, Filter, Mode, Reason, Recommended, Request, Seen};
pub use content::Item;
pub use ratings::Ratings;
pub use recommender::Recommender;
pub use texts::Ids;
pub use train::{Method, Options, Report, Tried, train};
