//! Work that waits its turn: who may do it, what became of it, when it comes again.

pub mod schedule;
