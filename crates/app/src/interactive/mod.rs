//! `intendant interactive`: a conversation in which every step can be confirmed or corrected.
//!
//! Conversations live in memory only; what was learnt goes into the project's files at the end.
//! A step is taken on the server that also serves channels, so actions, forms and slots behave as
//! they will later. Before each step the events are put aside: undoing gives them back.

pub mod ask;
mod graph_page;
mod save;
mod session;

pub use graph_page::GraphPage;
pub use save::{Destinations, learn, save};
pub use session::{Ending, Session};
