//! English.

mod date;
mod duration;
mod holiday;
mod measure;
mod money;
mod number;
mod region;
mod time;

use crate::grammar::Rules;

/// Adds the rules of the language and of the region.
pub fn add(r: &mut Rules, region: Option<&'static str>) {
    crate::rules::common::contact::spoken_email(r, "at", "dot");
    number::add(r);
    duration::add(r);
    measure::add(r);
    money::add(r, region);
    date::add(r);
    time::add(r);
    holiday::add_all(r, region);
    region::add(r, region);
}
