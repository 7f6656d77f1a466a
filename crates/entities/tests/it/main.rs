//! Behaviour at the boundary: text in, entities out.

mod english;
