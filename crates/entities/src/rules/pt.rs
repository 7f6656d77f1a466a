//! Portuguese.

mod measure;
mod number;
mod time;

use crate::grammar::Rules;

/// Adds the rules of the language.
pub fn add(r: &mut Rules) {
    number::add(r);
    measure::add(r);
    time::add(r);
}
