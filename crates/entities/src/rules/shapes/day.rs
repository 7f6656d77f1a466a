//! Days, weeks, months, years: names, cycles, dates, and times counted from now.

use crate::calendar::Grain;
use crate::grammar::{Item, Rules, re};
use crate::rules::build::{
    a_month, a_weekday, ago, clear_int, cycle, date, day_of_month, duration, exact_year, from_now, grain,
    int_between, last_grain_of, lasting_from, month, month_day, moved, natural, now, nth_grain_after,
    nth_grain_within, ordinal_between, several, time, time_where, timed, weekday, year, year_month,
    year_month_day,
};
use crate::rules::build::{both, up_to};
use crate::series::{Calendar, Part, Series};
use crate::token::{Duration, Form, Payload, Time};

/// A season: pattern, month and day of the first day, of the last day.
pub type SeasonRow = (&'static str, (i64, i64), (i64, i64));

/// A holiday: name, pattern, its day in a year.
pub type MovableRow = (&'static str, &'static str, fn(i64) -> Option<crate::calendar::Span>);

/// Weekday names, Monday first.
pub fn weekdays(r: &mut Rules, rows: [&'static str; 7]) {
    for (index, pattern) in rows.into_iter().enumerate() {
        r.add(format!("weekday {}", index + 1), [re(pattern)], move |_| weekday(index as i64 + 1).token());
    }
}

/// Month names, January first; an empty one has a rule of its own elsewhere.
pub fn months(r: &mut Rules, rows: [&'static str; 12]) {
    for (index, pattern) in rows.into_iter().enumerate().filter(|(_, pattern)| !pattern.is_empty()) {
        r.add(format!("month {}", index + 1), [re(pattern)], move |_| month(index as i64 + 1).token());
    }
}

/// Expressions for one grain counted from now: "tomorrow" is a day, 1.
pub fn instants(r: &mut Rules, rows: &[(&'static str, Grain, i64)]) {
    for &(pattern, grain, index) in rows {
        r.add(format!("instant {} {index}", grain.name()), [re(pattern)], move |_| {
            if grain == Grain::Second { now().token() } else { cycle(grain, index).token() }
        });
    }
}

/// Seasons: pattern, first day, last day.
pub fn seasons(r: &mut Rules, rows: &[SeasonRow]) {
    for &(pattern, from, to) in rows {
        r.add(format!("season {pattern}"), [re(pattern)], move |_| {
            crate::rules::build::days(from, to)?.form(Form::Season).token()
        });
    }
}

/// Holidays on the same date each year.
pub fn fixed_holidays(r: &mut Rules, rows: &[(&'static str, &'static str, i64, i64)]) {
    for &(name, pattern, month, day) in rows {
        r.add(format!("holiday {name}"), [re(pattern)], move |_| {
            month_day(month, day)?.holiday(name).token()
        });
    }
}

/// Holidays computed from the year.
pub fn movable_holidays(r: &mut Rules, rows: &[MovableRow]) {
    computed_holidays(r, Calendar::Gregorian, rows);
}

/// Holidays computed from the year of the Islamic calendar.
pub fn islamic_holidays(r: &mut Rules, rows: &[MovableRow]) {
    computed_holidays(r, Calendar::Islamic, rows);
}

fn computed_holidays(r: &mut Rules, calendar: Calendar, rows: &[MovableRow]) {
    for &(name, pattern, day) in rows {
        r.add(format!("holiday {name}"), [re(pattern)], move |_| {
            timed(Series::yearly(name, calendar, day), Grain::Day).holiday(name).token()
        });
    }
}

/// Holidays on the n-th (negative: last) weekday of a month: name, pattern, n, weekday, month.
pub fn weekday_holidays(r: &mut Rules, rows: &[(&'static str, &'static str, i64, i64, i64)]) {
    for &(name, pattern, count, day, of_month) in rows {
        r.add(format!("holiday {name}"), [re(pattern)], move |_| {
            nth_weekday(count, day, of_month).holiday(name).token()
        });
    }
}

/// Holidays on the same date each year that answers do not name: pattern, month, day.
pub fn unnamed_holidays(r: &mut Rules, rows: &[(&'static str, i64, i64)]) {
    for &(pattern, month, day) in rows {
        r.add(format!("holiday {month}-{day}"), [re(pattern)], move |_| month_day(month, day)?.token());
    }
}

/// The n-th weekday of a month; negative counts from its end.
pub fn nth_weekday(count: i64, day: i64, of_month: i64) -> Time {
    let base = month(of_month);
    let day = weekday(day);
    let time =
        if count > 0 { day.nth_after(&base, count - 1, false) } else { day.last_of(&base, -count - 1) };
    Time { not_immediate: false, ..time }
}

/// "next week", by words before the unit: pattern and index.
pub fn cycles_before(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, index) in rows {
        r.add(format!("cycle {index}"), [re(pattern), grain()], move |m| cycle(m.grain(1)?, index).token());
    }
}

/// "la semaine prochaine", by words after the unit.
pub fn cycles_after(r: &mut Rules, article: &'static str, rows: &[(&'static str, i64)]) {
    for &(pattern, index) in rows {
        r.add(format!("the grain {index}"), [re(article), grain(), re(pattern)], move |m| {
            cycle(m.grain(1)?, index).token()
        });
        r.add(format!("grain {index}"), [grain(), re(pattern)], move |m| cycle(m.grain(0)?, index).token());
    }
}

/// "next 3 days" (1), "last 2 weeks" (-1): words before the number.
pub fn several_before(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        r.add(format!("several {sign}"), [re(pattern), int_between(1, 9999), grain()], move |m| {
            several(m.grain(2)?, sign * m.int(1)?).token()
        });
    }
}

/// "3 next days": words between number and unit.
pub fn several_between(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        r.add(format!("number {sign} grains"), [int_between(1, 9999), re(pattern), grain()], move |m| {
            several(m.grain(2)?, sign * m.int(0)?).token()
        });
    }
}

/// "les 3 jours suivants": words after the unit.
pub fn several_after(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        r.add(format!("number grains {sign}"), [int_between(2, 9999), grain(), re(pattern)], move |m| {
            several(m.grain(1)?, sign * m.int(0)?).token()
        });
    }
}

/// "in 2 days": words before a duration that lead from now to it (1) or back (-1).
pub fn from_now_before(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        r.add(format!("in duration {sign}"), [re(pattern), duration()], move |m| {
            signed(m.duration(1)?, sign).token()
        });
    }
}

/// "2 days ago" (-1), "2 days hence" (1): words after a duration.
pub fn from_now_after(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        r.add(format!("duration ago {sign}"), [duration(), re(pattern)], move |m| {
            signed(m.duration(0)?, sign).token()
        });
    }
}

fn signed(duration: Duration, sign: i64) -> Time {
    if sign < 0 { ago(duration) } else { from_now(duration) }
}

/// "within 2 weeks": from now for a duration.
pub fn within(r: &mut Rules, pattern: &'static str) {
    r.add("within duration", [re(pattern), duration()], |m| up_to(&now(), &from_now(m.duration(1)?)).token());
}

/// "three days after Easter" (1), "before" (-1).
pub fn moved_by(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        let items = [duration(), re(pattern), time()];
        r.add(format!("duration from time {sign}"), items, move |m| {
            moved(m.time(2)?, m.duration(0)?, sign).token()
        });
    }
}

/// "for 10 days from 18 December": patterns for "for" and "from".
pub fn lasting_since(r: &mut Rules, for_word: &'static str, from: &'static str) {
    r.add("for duration from time", [re(for_word), duration(), re(from), time()], |m| {
        lasting_from(m.time(3)?, m.duration(1)?).token()
    });
    r.add("time for duration", [time(), re(for_word), duration()], |m| {
        lasting_from(m.time(0)?, m.duration(2)?).token()
    });
    r.add("from time for duration", [re(from), time(), re(for_word), duration()], |m| {
        lasting_from(m.time(1)?, m.duration(3)?).token()
    });
}

/// "next Monday": words before a weekday, month, season or holiday.
///
/// The index counts occurrences from now; with `not_immediate` the current one does not count.
pub fn named_before(r: &mut Rules, rows: &[(&'static str, i64, bool)]) {
    for &(pattern, index, not_immediate) in rows {
        r.add(format!("named {index} {not_immediate}"), [re(pattern), named()], move |m| {
            m.time(1)?.nth(index, not_immediate).token()
        });
    }
}

/// "lundi prochain": words after it.
pub fn named_after(r: &mut Rules, rows: &[(&'static str, i64, bool)]) {
    for &(pattern, index, not_immediate) in rows {
        r.add(format!("named after {index} {not_immediate}"), [named(), re(pattern)], move |m| {
            m.time(0)?.nth(index, not_immediate).token()
        });
    }
}

/// A day that is surely meant, without "before" or "after".
pub fn a_clear_day() -> Item {
    time_where(|time| !time.latent && time.grain == Grain::Day && time.direction.is_none())
}

/// A weekday, not a weekend.
pub fn a_single_weekday() -> Item {
    time_where(|time| time.form == Form::Weekday && time.grain == Grain::Day)
}

/// A time with a name that comes back: weekday, month, season, holiday.
pub fn named() -> Item {
    time_where(|time| {
        matches!(time.form, Form::Weekday | Form::Month(_) | Form::Season) || time.holiday.is_some()
    })
}

/// "the first Monday of March": `of` links both.
pub fn nth_named_of(r: &mut Rules, of: &'static str) {
    r.add("nth weekday of time", [ordinal_between(1, 60), a_weekday(), re(of), date()], |m| {
        // The nearest of the months is meant, not those of later years as well.
        let base = m.time(3)?;
        let base = if matches!(base.form, Form::Month(_)) { base.nth(0, false) } else { base.clone() };
        m.time(1)?.nth_after(&base, m.int(0)? - 1, true).form(Form::Counted).token()
    });
    r.add("nth grain of time", [ordinal_between(1, 400), grain(), re(of), date()], |m| {
        nth_grain(m.grain(1)?, m.time(3)?, m.int(0)? - 1).form(Form::Counted).token()
    });
}

fn nth_grain(grain: Grain, base: &Time, index: i64) -> Time {
    // A week belongs to the month in which it begins.
    if grain == Grain::Week {
        nth_grain_within(grain, base, index)
    } else {
        nth_grain_after(grain, base, index)
    }
}

/// "last Monday of March", "last week of 2018": `last` before and `of` between.
pub fn last_named_of(r: &mut Rules, last: &'static str, of: &'static str) {
    r.add("last weekday of time", [re(last), a_weekday(), re(of), date()], |m| {
        m.time(1)?.last_of(m.time(3)?, 0).form(Form::Counted).token()
    });
    r.add("last grain of time", [re(last), grain(), re(of), date()], |m| {
        last_grain_of(m.grain(1)?, m.time(3)?, 0).form(Form::Counted).token()
    });
}

/// "the week of October 6th": `before` comes before the unit, `of` after it.
pub fn grain_of_date(r: &mut Rules, of: &'static str) {
    r.add("grain of time", [grain(), re(of), date()], |m| {
        let (grain, time) = (m.grain(0)?, m.time(2)?);
        (grain > time.grain || grain == Grain::Day && time.grain == grain)
            .then(|| nth_grain(grain, time, 0))?
            .form(Form::Counted)
            .token()
    });
}

// ---------------------------------------------------------------- dates

/// A weekday and a day of the month: "Friday the 17th", with `link` between or not.
pub fn weekday_with_day(r: &mut Rules, link: &'static str) {
    r.add("weekday, day of month", [a_weekday(), ordinal_between(1, 31)], |m| {
        both(m.time(0)?, &day_of_month(m.int(1)?)?)?.token()
    });
    r.add("weekday link day of month", [a_weekday(), re(link), ordinal_between(1, 31)], |m| {
        both(m.time(0)?, &day_of_month(m.int(2)?)?)?.token()
    });
    r.add("weekday link number", [a_weekday(), re(link), clear_int(1, 31)], |m| {
        both(m.time(0)?, &day_of_month(m.int(2)?)?)?.token()
    });
}

/// "lunes 17": a weekday and a number, nothing between.
pub fn weekday_then_number(r: &mut Rules) {
    r.add("weekday number", [a_weekday(), clear_int(1, 31)], |m| {
        both(m.time(0)?, &day_of_month(m.int(1)?)?)?.token()
    });
}

/// "el 17": a word that makes a number the day of a month.
pub fn number_as_day(r: &mut Rules, name: &'static str, pattern: &'static str) {
    r.add(name, [re(pattern), clear_int(1, 31)], |m| day_of_month(m.int(1)?)?.token());
}

/// "in 2015": a word that makes a number of 1000 to `most` a year.
pub fn in_year(r: &mut Rules, pattern: &'static str, most: i64) {
    r.add("in year", [re(pattern), clear_int(1000, most)], |m| {
        exact_year(m.int(1)?).form(Form::Year).token()
    });
}

/// Day then month: "3 March", "3rd of March".
pub fn day_then_month(r: &mut Rules, of: &'static str) {
    let make = |m: &crate::grammar::Match, month: usize| dated(m.time(month)?, m.int(0)?);
    r.add("ordinal, month", [ordinal_between(1, 31), a_month()], move |m| make(m, 1));
    r.add("ordinal of month", [ordinal_between(1, 31), re(of), a_month()], move |m| make(m, 2));
    r.add("number, month", [clear_int(1, 31), a_month()], move |m| make(m, 1));
    r.add("number of month", [clear_int(1, 31), re(of), a_month()], move |m| make(m, 2));
}

/// Month then day: "March 3", "March the 3rd".
pub fn month_then_day(r: &mut Rules, the: &'static str) {
    r.add("month, ordinal", [a_month(), ordinal_between(1, 31)], |m| dated(m.time(0)?, m.int(1)?));
    r.add("month the ordinal", [a_month(), re(the), ordinal_between(1, 31)], |m| {
        dated(m.time(0)?, m.int(2)?)
    });
    r.add("month, number", [a_month(), clear_int(1, 31)], |m| dated(m.time(0)?, m.int(1)?));
}

/// Years that stand by themselves.
pub fn clear_years(r: &mut Rules) {
    r.add("clear year", [clear_int(1000, 2100)], |m| year(m.int(0)?).form(Form::Year).token());
}

/// A day in a month token.
pub fn dated(month: &Time, day: i64) -> Option<Payload> {
    both(month, &day_of_month(day)?)?.token()
}

/// "20th of next month": an ordinal and a time of month grain.
pub fn day_of_that_month(r: &mut Rules, of: &'static str) {
    let that_month = || time_where(|time| time.grain == Grain::Month && !time.latent);
    r.add("ordinal of that month", [ordinal_between(1, 31), re(of), that_month()], |m| {
        dated(m.time(2)?, m.int(0)?)
    });
    r.add("number of that month", [clear_int(1, 31), re(of), that_month()], |m| dated(m.time(2)?, m.int(0)?));
}

/// Bare years: four digits by themselves, latent unless likely.
pub fn years(r: &mut Rules) {
    r.add("year", [clear_int(1000, 2100)], |m| year(m.int(0)?).form(Form::Year).latent().token());
    r.add("latent year", [int_between(-10000, 999)], |m| {
        let value = m.int(0)?;
        (!(0..=31).contains(&value)).then(|| exact_year(value).form(Form::Year).latent())?.token()
    });
    r.add("far year", [int_between(2101, 10000)], |m| year(m.int(0)?).form(Form::Year).latent().token());
}

/// A month, a day of a month or a quarter, then a year: "October 2014", "March 3 2015".
pub fn with_year(r: &mut Rules, link: &'static str) {
    let dated = || {
        time_where(|time| {
            let month = matches!(time.form, Form::Month(_));
            (!time.latent || month)
                && matches!(time.grain, Grain::Day | Grain::Week | Grain::Month | Grain::Quarter)
                && time.direction.is_none()
        })
    };
    let a_year = || time_where(|time| time.form == Form::Year && time.grain == Grain::Year);
    r.add("date, year", [dated(), a_year()], |m| both(m.time(0)?, m.time(1)?)?.token());
    r.add("date of year", [dated(), re(link), a_year()], |m| both(m.time(0)?, m.time(2)?)?.token());
}

/// Numeric dates with the day first: "15/2", "15.2.2013"; `separator` is a class.
pub fn numeric_day_first(r: &mut Rules, separator: &'static str, short_separator: &'static str) {
    let day = "(3[01]|[12]\\d|0?[1-9])";
    let month = "(1[0-2]|0?[1-9])";
    r.add("dd/mm/yyyy", [re(format!("{day}{separator}{month}{separator}(\\d{{4}}|\\d\\d)"))], |m| {
        year_month_day(m.group_int(0, 3)?, m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
    r.add("dd/mm", [re(format!("(?<![/.-]){day}{short_separator}{month}"))], |m| {
        month_day(m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
}

/// Numeric dates with the month first.
pub fn numeric_month_first(r: &mut Rules, separator: &'static str, short_separator: &'static str) {
    let day = "(3[01]|[12]\\d|0?[1-9])";
    let month = "(1[0-2]|0?[1-9])";
    r.add("mm/dd/yyyy", [re(format!("{month}{separator}{day}{separator}(\\d{{4}}|\\d\\d)"))], |m| {
        year_month_day(m.group_int(0, 3)?, m.group_int(0, 1)?, m.group_int(0, 2)?)?.token()
    });
    r.add("mm/dd", [re(format!("(?<![/.-]){month}{short_separator}{day}"))], |m| {
        month_day(m.group_int(0, 1)?, m.group_int(0, 2)?)?.token()
    });
}

/// "2015-03-03".
pub fn numeric_year_first(r: &mut Rules) {
    r.add("yyyy-mm-dd", [re("(\\d{4})\\s*-\\s*(1[0-2]|0?[1-9])\\s*-\\s*(3[01]|[12]\\d|0?[1-9])")], |m| {
        year_month_day(m.group_int(0, 1)?, m.group_int(0, 2)?, m.group_int(0, 3)?)?.token()
    });
}

/// "2/2013".
pub fn numeric_month_year(r: &mut Rules, separator: &'static str) {
    r.add("mm/yyyy", [re(format!("(1[0-2]|0?[1-9]){separator}(\\d{{4}})"))], |m| {
        year_month(m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
}

/// "beginning of March", "end of the year": the part, the words before it.
pub fn parts_of(r: &mut Rules, rows: &[(&'static str, Part)]) {
    for &(pattern, part) in rows {
        r.add(format!("{part:?} of time"), [re(pattern), part_base()], move |m| {
            let time = m.time(1)?;
            partial(time, part)?.token()
        });
    }
}

/// A time that has a beginning, a middle and an end of their own.
pub fn part_base() -> Item {
    time_where(|time| {
        (!time.latent || time.form == Form::Year)
            && matches!(time.grain, Grain::Week | Grain::Month | Grain::Year)
            && time.direction.is_none()
    })
}

/// A part of a time.
pub fn partial(time: &Time, part: Part) -> Option<Time> {
    let grain = if time.grain == Grain::Year { Grain::Month } else { Grain::Day };
    Some(timed(time.series.part(part), grain))
}

/// Words that add nothing: "on Monday", "in March".
pub fn absorbed(r: &mut Rules, name: &'static str, pattern: &'static str, item: Item) {
    r.add(name, [re(pattern), item], |m| m.time(1)?.clone().token());
}

/// Words that add nothing, behind: "Monday then".
pub fn absorbed_after(r: &mut Rules, name: &'static str, item: Item, pattern: &'static str) {
    r.add(name, [item, re(pattern)], |m| m.time(0)?.clone().token());
}

/// "the 15th" of any month: `the` before an ordinal; by itself it is latent.
pub fn the_day(r: &mut Rules, the: &'static str) {
    r.add("the ordinal", [re(the), ordinal_between(1, 31)], |m| day_of_month(m.int(1)?)?.token());
}

/// An ordinal of quarters: "third quarter", "4th quarter 2018".
pub fn quarters(r: &mut Rules, of: &'static str) {
    let quarter = || crate::rules::build::grain_where(|grain| grain == Grain::Quarter);
    r.add("nth quarter", [ordinal_between(1, 4), quarter()], |m| {
        nth_grain_after(Grain::Quarter, &cycle(Grain::Year, 0), m.int(0)? - 1).form(Form::Counted).token()
    });
    let a_year = || time_where(|time| time.grain == Grain::Year);
    r.add("nth quarter, year", [ordinal_between(1, 4), quarter(), a_year()], |m| {
        nth_grain_after(Grain::Quarter, m.time(2)?, m.int(0)? - 1).form(Form::Counted).token()
    });
    r.add("nth quarter of year", [ordinal_between(1, 4), quarter(), re(of), a_year()], |m| {
        nth_grain_after(Grain::Quarter, m.time(3)?, m.int(0)? - 1).form(Form::Counted).token()
    });
}

/// Counts on a named day: "3 Fridays from now" (1), "2 Thursdays ago" (-1).
pub fn counted_names(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, sign) in rows {
        r.add(format!("weekdays from now {sign}"), [natural(), a_weekday(), re(pattern)], move |m| {
            let count = m.int(0)?;
            let index = if sign > 0 { count - 1 } else { -count };
            (count > 0).then(|| m.time(1).map(|day| day.nth(index, true)))??.token()
        });
    }
}
