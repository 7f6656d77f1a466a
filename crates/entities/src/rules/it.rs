//! Italian.

mod measure;
mod number;
mod time;

use crate::grammar::Rules;

/// Adds the rules of the language.
pub fn add(r: &mut Rules) {
    crate::rules::common::contact::spoken_email(r, "chiocciola", "punto");
    number::add(r);
    measure::add(r);
    time::add(r);
}
