//! French.

mod date;
mod duration;
mod measure;
mod number;
mod time;

use crate::grammar::Rules;

/// Adds the rules of the language.
pub fn add(r: &mut Rules) {
    crate::rules::common::contact::spoken_email(r, "arobase|chez", "point");
    number::add(r);
    duration::add(r);
    measure::add(r);
    date::add(r);
    time::add(r);
}
