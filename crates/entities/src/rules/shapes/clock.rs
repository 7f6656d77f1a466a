//! Times of day.

use crate::calendar::Grain;
use crate::grammar::{Item, Rules, re};
use crate::rules::build::{
    a_part_of_day, both, clear_int, hour, hour_minute, hour_minute_second, in_half, minutes_after,
    part_of_day, time_of_day, time_where,
};
use crate::rules::shapes::day;
use crate::token::{Form, Time};

/// A bare number as an hour, latent.
pub fn bare_hours(r: &mut Rules) {
    r.add("hour", [clear_int(0, 24)], |m| {
        let value = m.int(0)?;
        hour(value, value < 13 && value > 0).latent().token()
    });
}

/// A bare number as an hour of twenty-four, latent.
pub fn bare_hours_of_24(r: &mut Rules) {
    r.add("hour", [clear_int(0, 24)], |m| hour(m.int(0)?, false).latent().token());
}

/// "at 3": words that make a latent hour a time.
pub fn at(r: &mut Rules, pattern: &'static str) {
    r.add("at time of day", [re(pattern), time_of_day()], |m| m.time(1)?.clone().clear().token());
}

/// "3 o'clock": words behind an hour.
pub fn oclock(r: &mut Rules, pattern: &'static str) {
    r.add("hour o'clock", [time_of_day(), re(pattern)], |m| m.time(0)?.clone().clear().token());
}

/// Whether it is a full hour.
pub fn is_hour(time: &Time) -> bool {
    matches!(time.form, Form::TimeOfDay { hour: Some(_), .. }) && time.grain == Grain::Hour
}

/// `hh:mm` and `hh:mm:ss`; `sign` is the separator between hours and minutes.
pub fn digital(r: &mut Rules, sign: &'static str, twelve: bool) {
    r.add("hh:mm", [re(format!("([01]?\\d|2[0-4]){sign}([0-5]\\d)"))], move |m| {
        let hour = m.group_int(0, 1)?;
        hour_minute(hour, m.group_int(0, 2)?, twelve && hour != 0 && hour != 12).token()
    });
}

/// `hh:mm:ss`.
pub fn digital_seconds(r: &mut Rules, sign: &'static str, twelve: bool) {
    let pattern = format!("([01]?\\d|2[0-4]){sign}([0-5]\\d){sign}([0-5]\\d)");
    r.add("hh:mm:ss", [re(pattern)], move |m| {
        let hour = m.group_int(0, 1)?;
        hour_minute_second(hour, m.group_int(0, 2)?, m.group_int(0, 3)?, twelve && hour != 0).token()
    });
}

/// `15h`, `15h30` and the like: group 1 the hour, group 2 the minute if any.
pub fn lettered(r: &mut Rules, name: &'static str, pattern: &'static str, twelve: bool) {
    r.add(name, [re(pattern)], move |m| {
        let value = m.group_int(0, 1)?;
        match m.group_int(0, 2) {
            Some(minute) => hour_minute(value, minute, twelve && value != 0).token(),
            None => hour_minute(value, 0, twelve && value != 0).token(),
        }
    });
}

/// "5 pm": group 1 of the pattern for the morning, group 2 for the other half.
pub fn halves(r: &mut Rules, pattern: &'static str) {
    r.add("time of day am or pm", [time_where(Time::is_twelve), re(pattern)], |m| {
        in_half(m.time(0)?, m.has(1, 1))?.token()
    });
}

/// "ten past three" (1), "ten to three" (-1): number, words, hour.
pub fn past(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        let items = [clear_int(1, 59), re(pattern), time_where(is_hour)];
        r.add(format!("minutes past hour {sign}"), items, move |m| {
            let time = m.time(2)?;
            let noon = sign < 0 && time.hour() == Some(12) && time.is_twelve();
            let time = if noon { hour(12, false) } else { time.clone() };
            minutes_after(sign * m.int(0)?, &time)?.token()
        });
    }
}

/// "half past three", "a quarter to three": one expression before the hour, its minutes.
pub fn fraction_past(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, minutes) in rows {
        r.add(format!("fraction past hour {minutes}"), [re(pattern), time_where(is_hour)], move |m| {
            let time = m.time(1)?;
            let noon = minutes < 0 && minutes != -30 && time.hour() == Some(12) && time.is_twelve();
            let time = if noon { hour(12, false) } else { time.clone() };
            minutes_after(minutes, &time)?.token()
        });
    }
}

/// "three and a half", "tres menos cuarto": one expression after the hour, its minutes.
pub fn hour_then_fraction(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, minutes) in rows {
        r.add(format!("hour and fraction {minutes}"), [time_where(is_hour), re(pattern)], move |m| {
            minutes_after(minutes, m.time(0)?)?.token()
        });
    }
}

/// "three twenty", "las tres y veinte" (1), "las tres menos diez" (-1): hour, words, number.
pub fn hour_then_minutes(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        let items = [time_where(is_hour), re(pattern), clear_int(1, 59)];
        r.add(format!("hour and minutes {sign}"), items, move |m| {
            minutes_after(sign * m.int(2)?, m.time(0)?)?.token()
        });
    }
}

/// Parts of the day, by hours; latent by themselves.
pub fn parts(r: &mut Rules, rows: &[(&'static str, i64, i64)]) {
    for &(pattern, from, to) in rows {
        r.add(format!("part of day {from} to {to}"), [re(pattern)], move |_| part_of_day(from, to).token());
    }
}

/// "in the morning": a part of the day made clear.
pub fn in_part(r: &mut Rules, pattern: &'static str) {
    r.add("in part of day", [re(pattern), a_part_of_day()], |m| m.time(1)?.clone().clear().token());
}

/// "this morning": a part of today.
pub fn this_part(r: &mut Rules, pattern: &'static str) {
    r.add("this part of day", [re(pattern), a_part_of_day()], |m| {
        let today = crate::rules::build::cycle(Grain::Day, 0);
        both(&today, m.time(1)?)?.form(Form::PartOfDay).token()
    });
}

/// "Monday in the morning": a date, words and a part of the day.
pub fn date_by_part(r: &mut Rules, name: &'static str, pattern: &'static str) {
    r.add(name, [day::a_clear_day(), re(pattern), a_part_of_day()], |m| {
        both(m.time(0)?, m.time(2)?)?.token()
    });
}

/// A date and a part of the day in either order: "Monday morning", "morning of the 15th".
pub fn date_with_part(r: &mut Rules, of: &'static str) {
    r.add("date, part of day", [day::a_clear_day(), a_part_of_day()], |m| {
        both(m.time(0)?, m.time(1)?)?.form(Form::PartOfDay).token()
    });
    r.add("part of day of date", [a_part_of_day(), re(of), day::a_clear_day()], |m| {
        both(m.time(0)?, m.time(2)?)?.token()
    });
    r.add("part of day, date", [a_part_of_day(), day::a_clear_day()], |m| {
        both(m.time(0)?, m.time(1)?)?.token()
    });
}

/// A time of day and a part of the day in either order: "3 in the afternoon", "in the evening at
/// eight". `link` stands between, `morning` tells whether the part means the first half of the day.
pub fn tod_with_part(r: &mut Rules, part: &str, morning: &'static str, link: &'static str) {
    tod_then_part(r, part, morning, link);
    part_then_tod(r, part, morning, link);
}

/// "3 in the afternoon".
pub fn tod_then_part(r: &mut Rules, part: &str, morning: &'static str, link: &'static str) {
    let pattern = linked(link, part);
    let unzoned = time_where(|time| matches!(time.form, Form::TimeOfDay { .. }) && !time.zoned);
    r.add("time of day in part of day", [unzoned, re(pattern)], move |m| {
        let (time, is_morning) = (m.time(0)?, is_morning(&m.group(1, 1)?, morning));
        if time.is_twelve() {
            return in_half(time, is_morning)?.token();
        }
        (!is_morning && time.hour().is_some()).then(|| time.clone().clear())?.token()
    });
}

/// "in the evening at eight".
pub fn part_then_tod(r: &mut Rules, part: &str, morning: &'static str, link: &'static str) {
    let clock = || time_where(|time| !time.latent && time.is_twelve());
    r.add("part of day at time of day", [re(linked(link, part)), clock()], move |m| {
        in_half(m.time(1)?, is_morning(&m.group(0, 1)?, morning))?.token()
    });
}

// The link stands apart: "a manhã" is no "amanhã".
fn linked(link: &str, part: &str) -> String {
    format!("(?:(?:{link})(?:\\s+|(?<=')))?({part})")
}

fn is_morning(text: &str, morning: &str) -> bool {
    morning.split('|').any(|word| text.contains(word))
}

/// A whole-text word for an hour: "noon".
pub fn named_hours(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, value) in rows {
        r.add(format!("named hour {value}"), [re(pattern)], move |_| hour(value, false).token());
    }
}

/// A zone behind a time of day, its table: abbreviation and offset in minutes.
pub fn zones(r: &mut Rules, table: &'static [(&'static str, i64)]) {
    let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    let pattern = format!("\\(?({})\\)?", names.join("|"));
    let unzoned: fn() -> Item = || time_where(|time| is_clock(time) && !time.zoned);
    r.add("time of day in zone", [unzoned(), re(pattern)], move |m| {
        let name = m.group(1, 1)?;
        let &(_, offset) = table.iter().find(|(known, _)| *known == name)?;
        let time = m.time(0)?;
        let grain = time.grain.min(Grain::Minute);
        let series = time.series.in_zone(offset);
        Time { series, grain, zoned: true, latent: false, ..time.clone() }.token()
    });
}

fn is_clock(time: &Time) -> bool {
    !time.latent && matches!(time.form, Form::TimeOfDay { .. } | Form::ClockRange)
}
