//! Models under control: what is in a models folder, which one is current, and what may go.
//!
//! [`inspect`] looks into archives without using them; [`rotation`] keeps a folder of them in order.

pub mod inspect;
pub mod rotation;
