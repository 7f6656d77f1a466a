//! German times of day, intervals and combinations.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_part_of_day, both, clear_int, cycle, hour_minute, minutes_after, part_of_day, time_of_day, time_where,
};
use crate::rules::shapes::{clock, range};
use crate::token::{Dimension, Form};

const ABOUT: &str = "ungefähr|zirka|circa|ca\\.?|etwa|genau|gegen|so gegen|so|pünktlich|exakt";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    clocks(r);
    day_parts(r);
    ranges(r);
}

fn clocks(r: &mut Rules) {
    clock::bare_hours(r);
    clock::at(
        r,
        "um|am|gegen|so um|so gegen|zirka um|circa um|ca\\.? um|(?:so )?(?:ungefähr|circa|zirka|etwa) um|pünktlich um",
    );
    let clear = || time_where(crate::rules::build::is_time_of_day);
    r.add("about time of day", [re(ABOUT), clear()], |m| m.time(1)?.clone().clear().token());
    r.add("time of day about", [clear(), re("in etwa|ungefähr|circa|zirka|pünktlich")], |m| {
        m.time(0)?.clone().clear().token()
    });
    clock::oclock(r, "uhr");
    r.add("hour uhr minutes", [time_where(clock::is_hour), re("uhr"), clear_int(1, 59)], |m| {
        minutes_after(m.int(2)?, m.time(0)?)?.token()
    });
    clock::digital(r, ":", false);
    clock::digital_seconds(r, ":", false);
    r.add("hh.mm", [re("(?:um|gegen|ab) ([01]?\\d|2[0-4])\\.([0-5]\\d)")], |m| {
        hour_minute(m.group_int(0, 1)?, m.group_int(0, 2)?, false).token()
    });
    r.add("hh:mm h", [re("([01]?\\d|2[0-4]):([0-5]\\d) ?(?:h|uhr)")], |m| {
        hour_minute(m.group_int(0, 1)?, m.group_int(0, 2)?, false).token()
    });
    r.add("hhh", [re("([01]?\\d|2[0-4])h([0-5]\\d)?")], |m| {
        let value = m.group_int(0, 1)?;
        match m.group_int(0, 2) {
            Some(minute) => hour_minute(value, minute, false).token(),
            None => crate::rules::build::hour(value, value != 0 && value <= 12).token(),
        }
    });
    clock::past(r, &[("(?:minuten )?nach", 1), ("(?:minuten )?vor", -1)]);
    clock::fraction_past(
        r,
        &[("viertel nach", 15), ("viertel vor", -15), ("halb", -30), ("dreiviertel", -15)],
    );
    clock::named_hours(r, &[("mitternachts?|um mitternacht", 0)]);
    clock::zones(r, crate::rules::shapes::zones::ZONES);
}

fn day_parts(r: &mut Rules) {
    clock::parts(
        r,
        &[
            ("morgens?|(?:der )?früh", 3, 12),
            ("vormittags?", 3, 12),
            ("nachmittags?", 12, 19),
            ("abends?", 18, 0),
            ("nachts?", 0, 4),
            ("(?:zu )?mittags?", 12, 14),
        ],
    );
    clock::in_part(r, "(?:am|in der|zu|zum|gegen)");
    clock::this_part(r, "heute|diese[nmrs]?");
    r.add("after lunch", [re("nach dem mittagessen")], |_| {
        both(&cycle(Grain::Day, 0), &part_of_day(13, 17))?.form(Form::PartOfDay).token()
    });
    clock::date_with_part(r, "des|am|vom|von");
    r.add(
        "part of day on date",
        [a_part_of_day(), time_where(|t| !t.latent && t.grain == Grain::Day)],
        |m| both(m.time(0)?, m.time(1)?)?.token(),
    );
    clock::tod_with_part(
        r,
        "morgens|vormittags?|früh|nachmittags?|abends?|nachts?|mittags?",
        "morgen|vormittag|früh",
        "am|in der|zu",
    );
    r.add("hour, date", [time_of_day(), time_where(|t| !t.latent && t.grain == Grain::Day)], |m| {
        let time = m.time(0)?;
        if time.latent { None } else { both(time, m.time(1)?)?.token() }
    });
}

fn ranges(r: &mut Rules) {
    const FROM: &str = "von|vom|zwischen|ab";
    const TO: &str = "-|bis(?: zum)?|und|auf(?: den)?";
    range::dates(r, FROM, TO, "-|bis(?: zum)?");
    range::clocks(r, FROM, TO, "-|bis");
    range::days_then_month(r, "vom|von|ab", "-|bis(?: zum)?", "im|des");
    range::month_then_days(r, "vom|von", "-|bis(?: zum)?");
    range::after(r, "nach|ab|seit|frühe?stens|nicht vor");
    range::before(r, "bis(?: zum)?|vor|spätestens(?: um)?");
    let clear = || time_where(|t| !t.latent && crate::rules::build::is_time_of_day(t));
    r.add("time at the latest", [clear(), re("spätestens")], |m| m.time(0)?.clone().and_before().token());
    r.add("time at the earliest", [clear(), re("frühe?stens")], |m| m.time(0)?.clone().and_after().token());
    range::intersections(r, ",|de[rsmn]|um|am|im|vom|von");
}
