//! Work that waits its turn: who does it, what became of it, when it comes again.
//!
//! Jobs stand in a database (`store::jobs`). Any number of processes take them, each under a lease;
//! what a process that died had in hand is begun again by another.

pub mod schedule;
pub mod worker;
