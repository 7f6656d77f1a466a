//! English times of day, intervals and combinations.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    both, clear_int, cycle, hour, hour_minute, in_half, minutes_after, now, part_of_day, time, time_of_day,
    time_where,
};
use crate::rules::shapes::{clock, day, range};
use crate::token::{Dimension, Form};

const TO: &str = "-|to|th?ru|through|(?:un)?till?|untill";
const FROM: &str = "from|between|in between|later than";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    clocks(r);
    day_parts(r);
    ranges(r);
    combined(r);
}

fn clocks(r: &mut Rules) {
    clock::bare_hours(r);
    clock::at(r, "at|@|around|about|near|exactly|approximately");
    clock::oclock(r, "o.?clock");
    clock::digital(r, "[:.]", true);
    clock::digital_seconds(r, "[:.]", true);
    clock::lettered(r, "hhh", "([01]?\\d|2[0-4])h([0-5]\\d)?", false);
    clock::halves(r, "(?:in the )?(?:(a\\.?\\s?m\\.?)|(p\\.?\\s?m\\.?))");
    let with_minutes = || time_where(|t| crate::rules::build::is_time_of_day(t) && t.grain < Grain::Hour);
    r.add("clock a or p", [with_minutes(), re("(?:(a)|(p))\\.?")], |m| {
        in_half(m.time(0)?, m.has(1, 1))?.token()
    });
    r.add("hour date", [time_where(clock::is_hour), re("on"), day_time()], |m| {
        both(m.time(0)?, m.time(2)?)?.token()
    });
    r.add("hour, date", [time_of_day(), time_where(|t| !t.latent && t.grain >= Grain::Day)], |m| {
        let time = m.time(0)?;
        if time.latent { both(time, m.time(1)?)?.token() } else { None }
    });
    r.add(
        "hour, part of today",
        [time_of_day(), time_where(|t| !t.latent && t.form == Form::PartOfDay)],
        |m| {
            let time = m.time(0)?;
            if time.latent { both(time, m.time(1)?)?.token() } else { None }
        },
    );
    let twelve = || time_where(|t| t.is_twelve());
    r.add(
        "part of today at hour",
        [re("(?:tonight|this (morning|after ?noon|evening|night))"), re("at|@"), twelve()],
        |m| {
            let time = m.time(2)?;
            if time.hour() == Some(12) && time.grain == Grain::Hour {
                return hour(0, false).token();
            }
            in_half(time, m.group(0, 1).as_deref() == Some("morning"))?.token()
        },
    );
    r.add("hhmm", [re("([1-9]|1[0-2]|0\\d)([0-5]\\d)\\s*(?:(a)|(p))\\.?\\s?m?\\.?")], |m| {
        let time = hour_minute(m.group_int(0, 1)?, m.group_int(0, 2)?, true);
        in_half(&time, m.has(0, 3))?.token()
    });
    r.add("clock with single letter", [time_where(clock::is_hour), re("(?:(a)|(p))\\.?")], |m| {
        in_half(m.time(0)?, m.has(1, 1))?.latent().token()
    });
    r.add("military", [re("((?:[01]?\\d)|2[0-3])([0-5]\\d)")], |m| {
        hour_minute(m.group_int(0, 1)?, m.group_int(0, 2)?, true).latent().token()
    });
    r.add("hour minutes in words", [time_where(clock::is_hour), clear_int(10, 59)], |m| {
        minutes_after(m.int(1)?, m.time(0)?)?.latent().token()
    });
    r.add("hour o minutes", [time_where(clock::is_hour), re("-?(?:o|oh|ou|zero)-?"), clear_int(1, 9)], |m| {
        minutes_after(m.int(2)?, m.time(0)?)?.latent().token()
    });
    r.add("approximately", [time_of_day(), re("-?ish|approximately|(?:or )?so|sharp|exactly")], |m| {
        m.time(0)?.clone().clear().token()
    });
    clock::past(r, &[("(?:minutes? )?(?:past|after|from)", 1), ("(?:minutes? )?(?:to|till|before|of)", -1)]);
    clock::fraction_past(
        r,
        &[
            ("half(?: past)?", 30),
            ("(?:for )?(?:(?:a|one) )?quarter (?:past|after|from)", 15),
            ("(?:for )?(?:(?:a|one) )?quarter (?:to|till|before|of)", -15),
        ],
    );
    clock::named_hours(r, &[("(?:the )?(?:noon|mid[- ]?day)", 12), ("(?:the )?(?:mid[- ]?night|eod)", 0)]);
    clock::zones(r, crate::rules::shapes::zones::ZONES);
}

fn day_parts(r: &mut Rules) {
    clock::parts(
        r,
        &[
            ("morning", 0, 12),
            ("after ?noo?n(?:ish)?", 12, 19),
            ("evening|night", 18, 0),
            ("lunch(?:time)?", 12, 14),
            ("early (?:in (?:the )?)?morning|early hours of (?:the )?morning", 0, 9),
        ],
    );
    clock::in_part(r, "(?:in|during)(?: the)?|at");
    clock::this_part(r, "this");
    r.add("tonight", [re("(?:late )?toni(?:ght|gth|te)s?")], |m| {
        let from = if m.text(0).starts_with("late") { 21 } else { 18 };
        both(&cycle(Grain::Day, 0), &part_of_day(from, 0))?.form(Form::PartOfDay).token()
    });
    r.add(
        "tonight, clock",
        [re("toni(?:ght|te)"), time_where(|t| t.is_twelve() && t.latent && t.grain == Grain::Minute)],
        |m| both(&cycle(Grain::Day, 0), &in_half(m.time(1)?, false)?)?.latent().token(),
    );
    r.add("last night", [re("(late )?(?:last|yester) ?night")], |m| {
        let from = if m.has(0, 1) { 21 } else { 18 };
        both(&cycle(Grain::Day, -1), &part_of_day(from, 0))?.form(Form::PartOfDay).token()
    });
    r.add("after lunch", [re("after lunch")], |_| {
        both(&cycle(Grain::Day, 0), &part_of_day(13, 17))?.form(Form::PartOfDay).token()
    });
    r.add("after work", [re("after[\\s-]?work")], |_| {
        both(&cycle(Grain::Day, 0), &part_of_day(17, 21))?.form(Form::PartOfDay).token()
    });
    clock::date_with_part(r, "of|in");
    r.add(
        "time of day in part",
        [time_of_day(), re("(?:in|of)(?: the)?|on"), crate::rules::build::a_part_of_day()],
        |m| both(m.time(0)?, m.time(2)?)?.token(),
    );
    clock::part_then_tod(
        r,
        "early morning|morning|after ?noon(?:ish)?|evening|night",
        "morning",
        "in(?: the)?",
    );
    clock::part_then_tod(r, "lunch(?:time)?", "-", "-");
    r.add(
        "date in the part",
        [day_time(), re("in (?:the )?"), time_where(|t| t.form == Form::PartOfDay)],
        |m| both(m.time(0)?, m.time(2)?)?.token(),
    );
}

fn day_time() -> crate::grammar::Item {
    time_where(|time| !time.latent && time.grain == Grain::Day && time.direction.is_none())
}

fn ranges(r: &mut Rules) {
    range::dates(r, FROM, &format!("{TO}|and|but before"), TO);
    range::clocks(r, FROM, &format!("{TO}|and|but before"), TO);
    range::days_then_month(r, "from(?: the)?", "(?:-|to|th?ru|through|until|till?)(?: the)?", "of");
    range::month_then_days(r, "from", "(?:-|to|th?ru|through|until|till?)(?: the)?");
    range::after(r, "(?:sometimes? |anytime )?after|from|since");
    range::before(r, "(?:sometimes? |anytime )?before|(?:un)?till?|through|up to");
    range::by(r, "by");
    r.add("as soon as possible", [re("asap|as soon as possible")], |_| now().and_after().token());
}

fn combined(r: &mut Rules) {
    range::intersections(r, "of|from|for|'s|,");
    day::absorbed(
        r,
        "on day",
        "on",
        time_where(|t| {
            !t.latent && (t.grain == Grain::Day || t.grain == Grain::Hour && t.form == Form::Other)
        }),
    );
    day::absorbed(
        r,
        "in month",
        "in|during",
        time_where(|t| matches!(t.form, Form::Month(_)) || t.grain > Grain::Week && !t.latent),
    );
    day::absorbed(r, "around time", "around|about|approximately", time());
}
