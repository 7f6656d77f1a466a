//! German.

mod date;
mod duration;
mod holiday;
mod measure;
mod number;
mod time;

use crate::grammar::Rules;

/// Adds the rules of the language.
pub fn add(r: &mut Rules) {
    crate::rules::common::contact::spoken_email(r, "at", "punkt");
    number::add(r);
    duration::add(r);
    measure::add(r);
    date::add(r);
    time::add(r);
    holiday::add(r);
}
