//! English units of time and durations.

use crate::calendar::Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
use crate::grammar::{Rules, re};
use crate::rules::build::{clear_int, grain, grain_where, lasting, lasting_fraction, natural};
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
            ("sec(?:ond)?s?", Second),
            ("m(?:in(?:ute)?s?)?", Minute),
            ("h(?:(?:ou)?rs?)?", Hour),
            ("days?", Day),
            ("w(?:ee|k)ks?", Week),
            ("months?", Month),
            ("(?:quarter|qtr)s?", Quarter),
            ("y(?:ea)?rs?", Year),
        ],
    );
    r.of(Dimension::Duration);
    counted(r);
    worded(r, &[("an?", 1.0), ("(?:1/2|half)(?: an?)?", 0.5)]);
    fixed(
        r,
        &[
            ("(?:an? )?fortnights?", 14, Day),
            ("(?:(?:1|one|a) )?quarter(?: of an| of)? ?h(?:our)?", 15, Minute),
            ("(?:1/4|a quarter of an)\\s?h(?:our)?", 15, Minute),
            ("3/4\\s?h(?:our)?|three[- ]quarters?(?: of an)? hours?", 45, Minute),
        ],
    );
    r.add("minutes as '", [re("(\\d+)'")], |m| lasting(m.group_int(0, 1)?, Minute));
    r.add("seconds as \"", [re("(\\d+)\"")], |m| lasting(m.group_int(0, 1)?, Second));
    r.add("more minutes", [natural(), re("more|less|fewer|additional|extra"), grain()], |m| {
        lasting(m.int(0)?, m.grain(2)?)
    });
    and_half(r, "and (?:an? )?half");
    half_between(r, "and (?:an? )?half");
    quarters(r);
    about(r, "(?:about|around|approximately|approx\\.?|exactly|precisely|~)");
    composed(r, ",|and|, and");
    r.add("hour number", [natural(), re("h(?:ou)?rs?"), clear_int(1, 59)], |m| {
        lasting(m.int(0)? * 60 + m.int(2)?, Minute)
    });
    r.add(
        "hour and number",
        [natural(), grain_where(|grain| grain == Hour), re("and"), clear_int(1, 59)],
        |m| lasting(m.int(0)? * 60 + m.int(3)?, Minute),
    );
    r.add(
        "an hour and grains",
        [re("an? (hour|minute|day|week|month|year)"), re("and|,"), natural(), grain()],
        |m| {
            let coarse = match m.group(0, 1)?.as_str() {
                "hour" => Hour,
                "minute" => Minute,
                "day" => Day,
                "week" => Week,
                "month" => Month,
                _ => Year,
            };
            let fine = m.grain(3)?;
            let first = crate::token::Duration { value: 1, grain: coarse };
            let second = crate::token::Duration { value: m.int(2)?, grain: fine };
            (coarse > fine).then(|| crate::rules::build::sum_of(first, second))?
        },
    );
    r.add("an hour and a half", [re("an?"), grain(), re("and (?:an? )?half")], |m| {
        lasting_fraction(1.5, m.grain(1)?)
    });
}

// "two and a quarter hours", "one and three quarters of hours".
fn quarters(r: &mut Rules) {
    r.add(
        "number and quarters of hours",
        [
            natural(),
            re("and (?:an? )?(?:(one|two|three) )?quarters?(?: of)?"),
            grain_where(|grain| grain == Hour),
        ],
        |m| {
            let count = match m.group(1, 1).as_deref() {
                Some("two") => 0.5,
                Some("three") => 0.75,
                _ => 0.25,
            };
            lasting_fraction(m.number(0)?.value + count, m.grain(2)?)
        },
    );
}
