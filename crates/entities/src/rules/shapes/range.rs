//! Times combined: both at once, from one to another, open on one side.

use crate::calendar::Grain;
use crate::grammar::{Item, Rules, re};
use crate::rules::build::{
    a_month, both, clear_int, day_of_month, in_half, is_time_of_day, now, ordinal_between, through, time,
    time_of_day, time_where, up_to,
};
use crate::series::INTERVAL_DEPTH_MAX;
use crate::token::{Form, Payload, Time};

/// Two times side by side, or with `link` between: "Monday at 5", "July 4, 2013".
pub fn intersections(r: &mut Rules, link: &str) {
    r.add("time, time", [time(), time()], |m| meet(m.time(0)?, m.time(1)?));
    r.add("time link time", [time(), re(link), time()], |m| meet(m.time(0)?, m.time(2)?));
}

fn meet(one: &Time, other: &Time) -> Option<Payload> {
    both(one, other)?.token()
}

/// A time that may begin or end an interval.
pub fn end_point() -> Item {
    time_where(|time| {
        let month = matches!(time.form, Form::Month(_));
        (!time.latent || month) && time.direction.is_none() && time.series.depth <= INTERVAL_DEPTH_MAX
    })
}

/// "Monday to Friday", "from Monday to Friday": `to` between, `from` before.
pub fn dates(r: &mut Rules, from: &str, to: &str, dash: &str) {
    r.add("time to time", [end_point(), re(dash), end_point()], |m| closed(m.time(0)?, m.time(2)?));
    r.add("from time to time", [re(from), end_point(), re(to), end_point()], |m| {
        closed(m.time(1)?, m.time(3)?)
    });
}

fn closed(from: &Time, to: &Time) -> Option<Payload> {
    let kind = |time: &Time| (is_time_of_day(time), time.grain >= Grain::Day);
    (kind(from) == kind(to)).then(|| through(from, to).form(Form::Range))?.token()
}

/// "from 9 to 11", "3-5 pm", "9:30 - 11:00": times of day.
pub fn clocks(r: &mut Rules, from: &str, to: &str, dash: &str) {
    let clear = || time_where(|time| is_time_of_day(time) && !time.latent);
    r.add("time of day to time of day", [clear(), re(dash), time_of_day()], |m| {
        let to = m.time(2)?;
        through(&toward(m.time(0)?, to)?, to).form(Form::ClockRange).token()
    });
    r.add("hour to time of day", [time_of_day(), re(dash), clear()], |m| {
        let from = m.time(0)?;
        let to = m.time(2)?;
        if from.latent { through(&toward(from, to)?, to).form(Form::ClockRange).token() } else { None }
    });
    r.add("from time of day to time of day", [re(from), time_of_day(), re(to), time_of_day()], |m| {
        let (from, to) = (m.time(1)?, m.time(3)?);
        let from = if from.latent { from.clone() } else { toward(from, to)? };
        through(&from, to).form(Form::ClockRange).token()
    });
}

// "3 to 5 pm" begins in the afternoon, "11 to 1 pm" in the morning.
fn toward(from: &Time, to: &Time) -> Option<Time> {
    match (from.hour(), to.hour()) {
        (Some(start), Some(end)) if from.is_twelve() && !to.is_twelve() => {
            in_half(from, end < 12 || start % 12 > end % 12)
        }
        _ => Some(from.clone()),
    }
}

/// "13 to 15 July", "from the 13th to the 15th of July": days before the month.
pub fn days_then_month(r: &mut Rules, from: &str, to: &str, of: &str) {
    fn make(low: i64, high: i64, month: &Time) -> Option<Payload> {
        let on = |day: i64| both(month, &day_of_month(day)?);
        (low < high).then_some(through(&on(low)?, &on(high)?).form(Form::Range))?.token()
    }
    for (name, low, high) in [
        ("numbers", clear_int as fn(i64, i64) -> Item, clear_int as fn(i64, i64) -> Item),
        ("ordinals", ordinal_between, ordinal_between),
        ("ordinal, number", ordinal_between, clear_int),
        ("number, ordinal", clear_int, ordinal_between),
    ] {
        r.add(format!("{name} to month"), [low(1, 31), re(to), high(1, 31), a_month()], |m| {
            make(m.int(0)?, m.int(2)?, m.time(3)?)
        });
        r.add(format!("{name} to of month"), [low(1, 31), re(to), high(1, 31), re(of), a_month()], |m| {
            make(m.int(0)?, m.int(2)?, m.time(4)?)
        });
        r.add(format!("from {name} to month"), [re(from), low(1, 31), re(to), high(1, 31), a_month()], |m| {
            make(m.int(1)?, m.int(3)?, m.time(4)?)
        });
        r.add(
            format!("from {name} to of month"),
            [re(from), low(1, 31), re(to), high(1, 31), re(of), a_month()],
            |m| make(m.int(1)?, m.int(3)?, m.time(5)?),
        );
    }
}

/// "July 13-15": the month before the days.
pub fn month_then_days(r: &mut Rules, from: &str, to: &str) {
    r.add("from range", [re(from), time_where(|time| time.form == Form::Range)], |m| {
        m.time(1)?.clone().token()
    });
    for (name, low, high) in [
        ("numbers", clear_int as fn(i64, i64) -> Item, clear_int as fn(i64, i64) -> Item),
        ("ordinals", ordinal_between, ordinal_between),
        ("ordinal, number", ordinal_between, clear_int),
        ("number, ordinal", clear_int, ordinal_between),
    ] {
        r.add(format!("month, {name}"), [a_month(), low(1, 31), re(to), high(1, 31)], |m| {
            let month = m.time(0)?;
            let on = |day: i64| both(month, &day_of_month(day)?);
            let (low, high) = (m.int(1)?, m.int(3)?);
            (low < high).then_some(through(&on(low)?, &on(high)?).form(Form::Range))?.token()
        });
    }
}

/// "after 5pm", "since Monday": from it on.
pub fn after(r: &mut Rules, pattern: &str) {
    r.add("after time", [re(pattern), time_where(can_open)], |m| {
        m.time(1)?.clone().clear().and_after().form(Form::Other).token()
    });
}

/// "before 5pm": up to it.
pub fn before(r: &mut Rules, pattern: &str) {
    r.add("before time", [re(pattern), time_where(can_open)], |m| {
        m.time(1)?.clone().clear().and_before().form(Form::Other).token()
    });
}

fn can_open(time: &Time) -> bool {
    time.direction.is_none()
        && (!time.latent || is_time_of_day(time) || time.form == Form::Year)
        && !matches!(time.form, Form::Range | Form::ClockRange)
}

/// "by Monday": from now to it.
pub fn by(r: &mut Rules, pattern: &str) {
    r.add("by time", [re(pattern), time_where(can_open)], |m| {
        up_to(&now(), &m.time(1)?.clone().clear()).token()
    });
}
