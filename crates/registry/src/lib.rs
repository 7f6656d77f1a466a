//! Models under control: what is in a models folder, which one is current, and what may go.
//!
//! [`inspect`] looks into archives without using them; [`rotation`] keeps a folder of them in order;
//! [`catalog`] knows every version and moves tags; [`gates`] decide who may take a tag.

pub mod catalog;
pub mod gates;
pub mod inspect;
pub mod rotation;
