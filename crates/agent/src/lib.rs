//! Agents of intents, contexts and parameters, as Dialogflow ES has them, and how one answers.
//!
//! [`values`] is what an author wrote. [`Assistant::train`] learns from it; [`Assistant::begin`] takes
//! a message and a [`Session`] and gives an [`Answer`], or one with a question to the webhook, after
//! which [`Assistant::resume`] goes on. Nothing here reads a clock, a file or the network.
//!
//! Rasa's policies are not used for this: contexts that count down, parameters that are asked for and
//! events are a small machine of their own, and stories could only imitate it.

mod assistant;
mod concepts;
mod exchange;
mod familiar;
mod fill;
mod lesson;
mod lexicon;
mod matcher;
mod pattern;
mod render;
mod session;
mod system;
mod turn;
pub mod values;
mod words;

pub use assistant::Assistant;
pub use exchange::{Answer, FoundIntent, Query, Reply, Said, Step};
pub use intendant_port::upstream::Input;
pub use lexicon::SessionEntities;
pub use session::{ActiveContext, CONTEXT_LIFETIME_MS, Filling, Session};
