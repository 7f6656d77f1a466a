//! Policies at their boundary: what training refuses, and what is decided where.

mod findings;
mod predictions;
mod size;
mod support;
