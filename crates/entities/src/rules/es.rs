//! Spanish.

mod measure;
mod number;
mod time;

use crate::grammar::Rules;

/// Adds the rules of the language and of the region.
pub fn add(r: &mut Rules, region: Option<&'static str>) {
    number::add(r, region);
    measure::add(r);
    time::add(r);
}
