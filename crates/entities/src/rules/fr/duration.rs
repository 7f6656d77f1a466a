//! French units of time and durations.

use crate::calendar::Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
use crate::grammar::{Rules, re};
use crate::rules::build::lasting;
use crate::rules::shapes::duration::{about, and_half, composed, counted, fixed, grains, worded};
use crate::token::Dimension;

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Grain);
    grains(
        r,
        [
            ("sec(?:onde)?s?", Second),
            ("min(?:ute)?s?", Minute),
            ("h(?:eure)?s?", Hour),
            ("jour(?:n[ée]e?)?s?", Day),
            ("semaines?", Week),
            ("mois", Month),
            ("trimestres?", Quarter),
            ("an(?:n[ée]e?)?s?", Year),
        ],
    );
    r.of(Dimension::Duration);
    counted(r);
    worded(r, &[("une?", 1.0), ("(?:une )?demie?[ -]?", 0.5)]);
    fixed(
        r,
        &[
            ("(?:un )?quart d'heure", 15, Minute),
            ("(?:une )?demi(?:e)?[ -]?heure", 30, Minute),
            ("(?:trois|3) quarts? d'heure", 45, Minute),
        ],
    );
    r.add("minutes as '", [re("(\\d+)'")], |m| lasting(m.group_int(0, 1)?, Minute));
    r.add("seconds as \"", [re("(\\d+)\"")], |m| lasting(m.group_int(0, 1)?, Second));
    and_half(r, "et (?:une )?demie?");
    about(r, "environ|à peu près|approximativement|exactement|à peine");
    composed(r, "et|,");
}
