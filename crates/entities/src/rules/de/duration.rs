//! German units of time and durations.

use crate::calendar::Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
use crate::grammar::Rules;
use crate::rules::shapes::duration::{
    about, and_half, composed, counted, fixed, grains, half_between, worded,
};
use crate::token::Dimension;

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Grain);
    grains(
        r,
        [
            ("sek(?:unden?|\\.)?", Second),
            ("min(?:uten?|\\.)?", Minute),
            ("h|std\\.?|stunden?", Hour),
            ("tage?n?s?", Day),
            ("wochen?", Week),
            ("monate?n?s?", Month),
            ("quartale?n?s?", Quarter),
            ("jahre?n?s?", Year),
        ],
    );
    r.of(Dimension::Duration);
    counted(r);
    worded(
        r,
        &[("ein(?:e[rnms]?)?", 1.0), ("(?:eine[rns]? )?(?:1/2|halbe[rns]?)", 0.5), ("(?:ein )?paar", 2.0)],
    );
    fixed(
        r,
        &[
            ("(?:(?:eine[rn]?|1/4) ?)?viertel ?stunden?|1/4 ?stunden?", 15, Minute),
            ("(?:eine[rn]? )?(?:3/4|drei ?viertel)[- ]?stunden?", 45, Minute),
            ("anderthalb stunden", 90, Minute),
        ],
    );
    half_between(r, "und ein(?:e[rn]?)? halbe[rn]?");
    and_half(r, "und (?:ein(?:e[rn]?)? )?halbe?");
    about(r, "(?:ungef[äa]hr|zirka|circa|ca\\.?|etwa|genau|exakt|rund|~)");
    composed(r, ",|und|, und");
}
