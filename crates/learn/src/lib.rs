//! Predictive models: what is learnt from tables, how it is measured, explained and watched.
//!
//! Pure: a table and a seed go in, a model comes out, the same bytes on any number of threads.

pub mod tabular;
