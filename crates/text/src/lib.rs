//! Text as the understanding part sees it: tokens with offsets, and the character rules that decide
//! where they lie.
//!
//! Two units are in use. Inside, everything is cut by byte offsets, which index Rust strings. At
//! the border, offsets are Unicode code points, as the wire format counts them. A [`Token`]
//! carries both.

pub mod chars;
pub mod normal;
pub mod offsets;
pub mod signs;
pub mod token;
pub mod whitespace;

pub use token::Token;
