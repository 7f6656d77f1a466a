//! Units of time and durations.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    duration, duration_where, grain, grain_where, int_between, lasting, lasting_fraction, natural,
    number_where, sum_of,
};
use crate::token::Payload;

/// The units' words, second first.
pub fn grains(r: &mut Rules, rows: [(&'static str, Grain); 8]) {
    for (pattern, grain) in rows {
        r.add(format!("grain {}", grain.name()), [re(pattern)], move |_| Some(Payload::Grain(grain)));
    }
}

/// "3 days", "1.5 hours".
pub fn counted(r: &mut Rules) {
    r.add("number of grains", [int_between(1, 1 << 50), grain()], |m| lasting(m.int(0)?, m.grain(1)?));
    let fraction = number_where(|n| n.value > 0.0 && n.integer().is_none());
    r.add("fraction of grains", [fraction, grain_where(|grain| grain > Grain::Second)], |m| {
        lasting_fraction(m.number(0)?.value, m.grain(1)?)
    });
}

/// Words that stand for a number before a unit: "an hour" (1), "half an hour" (0.5).
pub fn worded(r: &mut Rules, rows: &[(&'static str, f64)]) {
    for &(pattern, value) in rows {
        r.add(format!("{value} grain {pattern}"), [re(pattern), grain()], move |m| {
            lasting_fraction(value, m.grain(1)?)
        });
    }
}

/// Whole expressions that are durations.
pub fn fixed(r: &mut Rules, rows: &[(&'static str, i64, Grain)]) {
    for &(pattern, value, grain) in rows {
        r.add(format!("duration {pattern}"), [re(pattern)], move |_| lasting(value, grain));
    }
}

/// "two hours and a half": `pattern` follows the unit.
pub fn and_half(r: &mut Rules, pattern: &'static str) {
    r.add("number of grains and a half", [natural(), grain(), re(pattern)], |m| {
        lasting_fraction(m.number(0)?.value + 0.5, m.grain(1)?)
    });
}

/// "5 and a half minutes": `pattern` stands between number and unit.
pub fn half_between(r: &mut Rules, pattern: &'static str) {
    r.add(
        "number and a half grains",
        [natural(), re(pattern), grain_where(|grain| grain <= Grain::Hour)],
        |m| lasting_fraction(m.number(0)?.value + 0.5, m.grain(2)?),
    );
}

/// "about 2 hours".
pub fn about(r: &mut Rules, pattern: &'static str) {
    r.add("about duration", [re(pattern), duration()], |m| Some(m.payload(1).clone()));
}

/// "2 years and 3 months", "2 years 3 months": coarser before finer.
pub fn composed(r: &mut Rules, link: &'static str) {
    r.add("number of grains, duration", [natural(), grain(), duration()], |m| {
        let first = crate::token::Duration { value: m.int(0)?, grain: m.grain(1)? };
        let second = m.duration(2)?;
        if first.grain > second.grain { sum_of(first, second) } else { None }
    });
    r.add("number of grains and duration", [natural(), grain(), re(link), duration()], |m| {
        let first = crate::token::Duration { value: m.int(0)?, grain: m.grain(1)? };
        let second = m.duration(3)?;
        if first.grain > second.grain { sum_of(first, second) } else { None }
    });
    r.add("duration and duration", [duration_where(|_| true), re(link), duration()], |m| {
        let (first, second) = (m.duration(0)?, m.duration(2)?);
        if first.grain > second.grain { sum_of(first, second) } else { None }
    });
}
