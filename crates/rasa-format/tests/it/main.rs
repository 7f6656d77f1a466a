//! The crate at its boundary: files in, values and findings out.

mod shared;
