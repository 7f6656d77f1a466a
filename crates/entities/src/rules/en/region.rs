//! What differs between English-speaking regions.

use crate::grammar::Rules;
use crate::rules::shapes::day;
use crate::token::Dimension;

/// Adds the rules of a region; without one, those of the United States' date order.
pub fn add(r: &mut Rules, region: Option<&'static str>) {
    r.of(Dimension::Time);
    match region {
        None | Some("US" | "CA" | "PH" | "ZA") => {
            day::numeric_month_first(r, "\\s*[-/.]\\s*", "\\s*[-/]\\s*");
        }
        _ => day::numeric_day_first(r, "\\s*[-/.]\\s*", "\\s*[-/]\\s*"),
    }
}
