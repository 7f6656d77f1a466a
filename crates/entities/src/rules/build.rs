//! The vocabulary in which rules are written: items that ask for tokens, and what productions make.

use std::rc::Rc;

use crate::calendar::Grain;
use crate::grammar::{Item, token};
use crate::series::{Fields, Half, Series};
use crate::token::{Dimension, Direction, Duration, Form, Measure, Number, Payload, Time};

// ---------------------------------------------------------------- items

/// A number that passes a test.
pub fn number_where(test: impl Fn(&Number) -> bool + Send + Sync + 'static) -> Item {
    token(Dimension::Number, move |payload| matches!(payload, Payload::Number(number) if test(number)))
}

/// Any number.
pub fn number() -> Item {
    number_where(|_| true)
}

/// A number that is no mere multiplier without a number ("2", "two hundred").
pub fn positive() -> Item {
    number_where(|number| number.value >= 0.0)
}

/// A whole number, not below zero.
pub fn natural() -> Item {
    number_where(|number| number.value >= 0.0 && number.integer().is_some())
}

/// A whole number in a range, both ends included.
pub fn int_between(low: i64, high: i64) -> Item {
    number_where(move |number| number.integer().is_some_and(|value| (low..=high).contains(&value)))
}

/// A whole number in a range that is exact enough for a clock or calendar: not "few", not "dozen".
pub fn clear_int(low: i64, high: i64) -> Item {
    number_where(move |number| {
        !number.vague && number.integer().is_some_and(|value| (low..=high).contains(&value))
    })
}

/// An ordinal in a range, both ends included.
pub fn ordinal_between(low: i64, high: i64) -> Item {
    token(
        Dimension::Ordinal,
        move |payload| matches!(payload, Payload::Ordinal(value) if (low..=high).contains(value)),
    )
}

/// A duration.
pub fn duration() -> Item {
    duration_where(|_| true)
}

/// A duration that passes a test.
pub fn duration_where(test: impl Fn(&Duration) -> bool + Send + Sync + 'static) -> Item {
    token(
        Dimension::Duration,
        move |payload| matches!(payload, Payload::Duration(duration) if test(duration)),
    )
}

/// A unit of time.
pub fn grain() -> Item {
    grain_where(|_| true)
}

/// A unit of time that passes a test.
pub fn grain_where(test: impl Fn(Grain) -> bool + Send + Sync + 'static) -> Item {
    token(Dimension::Grain, move |payload| matches!(payload, Payload::Grain(grain) if test(*grain)))
}

/// A time that passes a test.
pub fn time_where(test: impl Fn(&Time) -> bool + Send + Sync + 'static) -> Item {
    token(Dimension::Time, move |payload| matches!(payload, Payload::Time(time) if test(time)))
}

/// A time that stands by itself.
pub fn time() -> Item {
    time_where(|time| !time.latent)
}

/// A time with a day or coarser.
pub fn date() -> Item {
    time_where(|time| {
        let named = matches!(time.form, Form::Month(_) | Form::Year);
        let shallow = time.series.depth <= crate::series::INTERVAL_DEPTH_MAX;
        shallow && (!time.latent || named) && time.grain >= Grain::Day && time.direction.is_none()
    })
}

/// A weekday.
pub fn a_weekday() -> Item {
    time_where(|time| time.form == Form::Weekday)
}

/// A month.
pub fn a_month() -> Item {
    time_where(|time| matches!(time.form, Form::Month(_)))
}

/// A time of day, latent or not.
pub fn time_of_day() -> Item {
    time_where(is_time_of_day)
}

/// A part of the day ("morning").
pub fn a_part_of_day() -> Item {
    time_where(|time| time.form == Form::PartOfDay)
}

/// A measure of a dimension that passes a test.
pub fn measure_where(dimension: Dimension, test: impl Fn(&Measure) -> bool + Send + Sync + 'static) -> Item {
    token(dimension, move |payload| matches!(payload, Payload::Measure(measure) if test(measure)))
}

/// Whether it is a time of day.
pub fn is_time_of_day(time: &Time) -> bool {
    matches!(time.form, Form::TimeOfDay { .. })
}

// ---------------------------------------------------------------- numbers and measures

/// A plain number.
pub fn num(value: f64) -> Option<Payload> {
    Some(Payload::Number(Number { value, power: None, multipliable: false, vague: false }))
}

/// A power of ten that a number before it multiplies.
pub fn power_of_ten(power: u32) -> Option<Payload> {
    let value = 10f64.powi(power as i32);
    Some(Payload::Number(Number { value, power: Some(power), multipliable: true, vague: false }))
}

/// A rank.
pub fn rank(value: i64) -> Option<Payload> {
    Some(Payload::Ordinal(value))
}

/// A length of time.
pub fn lasting(value: i64, grain: Grain) -> Option<Payload> {
    Some(Payload::Duration(Duration { value, grain }))
}

/// A length of time that may have a fraction: 1.5 hours are 90 minutes.
pub fn lasting_fraction(value: f64, grain: Grain) -> Option<Payload> {
    let (mut value, mut grain) = (value, grain);
    loop {
        if value.fract().abs() < 1e-9 {
            return lasting(value as i64, grain);
        }
        let (factor, finer) = match grain {
            Grain::Second => return None,
            Grain::Minute => (60.0, Grain::Second),
            Grain::Hour => (60.0, Grain::Minute),
            Grain::Day => (24.0, Grain::Hour),
            Grain::Week => (7.0, Grain::Day),
            Grain::Month => (30.0, Grain::Day),
            Grain::Quarter => (3.0, Grain::Month),
            Grain::Year => (12.0, Grain::Month),
        };
        value = (value * factor * 1e6).round() / 1e6;
        grain = finer;
    }
}

/// Both lengths together, in the finer of their grains.
pub fn sum_of(one: Duration, other: Duration) -> Option<Payload> {
    let grain = one.grain.min(other.grain);
    let in_grain = |duration: Duration| duration.value.checked_mul(factor(duration.grain, grain));
    lasting(in_grain(one)?.checked_add(in_grain(other)?)?, grain)
}

fn factor(coarse: Grain, fine: Grain) -> i64 {
    match (coarse, fine) {
        (Grain::Year, Grain::Month) => 12,
        (Grain::Year, Grain::Quarter) => 4,
        (Grain::Quarter, Grain::Month) => 3,
        (coarse, fine) => coarse.seconds() / fine.seconds(),
    }
}

// ---------------------------------------------------------------- times

/// A time of a series.
pub fn timed(series: Series, grain: Grain) -> Time {
    Time {
        series,
        grain,
        form: Form::Other,
        latent: false,
        not_immediate: false,
        direction: None,
        holiday: None,
        zoned: false,
    }
}

fn of_fields(fields: Fields, grain: Grain) -> Time {
    timed(Series::fields(fields), grain)
}

impl Time {
    /// As a token.
    pub fn token(self) -> Option<Payload> {
        Some(Payload::Time(self))
    }

    /// Marked as in need of help.
    pub fn latent(mut self) -> Time {
        self.latent = true;
        self
    }

    /// Standing by itself.
    pub fn clear(mut self) -> Time {
        self.latent = false;
        self
    }

    /// With another form.
    pub fn form(mut self, form: Form) -> Time {
        self.form = form;
        self
    }

    /// Passing over an occurrence that contains now.
    pub fn not_immediate(mut self) -> Time {
        self.not_immediate = true;
        self
    }

    /// Everything from it on.
    pub fn and_after(mut self) -> Time {
        self.direction = Some(Direction::After);
        self
    }

    /// Everything up to it.
    pub fn and_before(mut self) -> Time {
        self.direction = Some(Direction::Before);
        self
    }

    /// With the name of a holiday.
    pub fn holiday(mut self, name: &str) -> Time {
        self.holiday = (!name.is_empty()).then(|| Rc::from(name));
        self
    }

    /// The hour, of a time of day.
    pub fn hour(&self) -> Option<i64> {
        if let Form::TimeOfDay { hour, .. } = self.form { hour } else { None }
    }

    /// Whether it may be meant on a dial of twelve hours.
    pub fn is_twelve(&self) -> bool {
        matches!(self.form, Form::TimeOfDay { twelve: true, .. })
    }

    /// The n-th from now: "next Monday".
    pub fn nth(&self, index: i64, not_immediate: bool) -> Time {
        Time { holiday: self.holiday.clone(), ..timed(self.series.nth(index, not_immediate), self.grain) }
    }

    /// The n-th after each of `base`.
    pub fn nth_after(&self, base: &Time, index: i64, not_immediate: bool) -> Time {
        Time {
            holiday: self.holiday.clone(),
            ..timed(self.series.nth_after(&base.series, index, not_immediate), self.grain)
        }
    }

    /// The last within each of `base`.
    pub fn last_of(&self, base: &Time, index: i64) -> Time {
        timed(self.series.last_of(&base.series, index), self.grain)
    }
}

/// A weekday, Monday 1.
pub fn weekday(day: i64) -> Time {
    of_fields(Fields { weekday: Some(day), ..Fields::default() }, Grain::Day)
        .form(Form::Weekday)
        .not_immediate()
}

/// A month of the year.
pub fn month(month: i64) -> Time {
    of_fields(Fields { month: Some(month), ..Fields::default() }, Grain::Month).form(Form::Month(month))
}

/// A day of the month; not a time beyond 31.
pub fn day_of_month(day: i64) -> Option<Time> {
    (1..=31).contains(&day).then(|| of_fields(Fields { day: Some(day), ..Fields::default() }, Grain::Day))
}

/// A year; two digits mean 1950 to 2049.
pub fn year(year: i64) -> Time {
    of_fields(Fields { year: Some(full_year(year)), ..Fields::default() }, Grain::Year)
}

/// A year as it is, without guessing the century.
pub fn exact_year(year: i64) -> Time {
    of_fields(Fields { year: Some(year), ..Fields::default() }, Grain::Year)
}

fn full_year(year: i64) -> i64 {
    match year {
        0..=49 => year + 2000,
        50..=99 => year + 1900,
        other => other,
    }
}

/// A day of a month.
pub fn month_day(month: i64, day: i64) -> Option<Time> {
    let fits = (1..=12).contains(&month) && (1..=crate::calendar::days_in_month(2000, month)).contains(&day);
    fits.then(|| of_fields(Fields { month: Some(month), day: Some(day), ..Fields::default() }, Grain::Day))
}

/// A date.
pub fn year_month_day(year: i64, month: i64, day: i64) -> Option<Time> {
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day);
    let fields =
        Fields { year: Some(full_year(year)), month: Some(month), day: Some(day), ..Fields::default() };
    fits.then(|| of_fields(fields, Grain::Day))
}

/// A month of a year.
pub fn year_month(year: i64, month: i64) -> Option<Time> {
    let fields = Fields { year: Some(full_year(year)), month: Some(month), ..Fields::default() };
    (1..=12).contains(&month).then(|| of_fields(fields, Grain::Month))
}

/// An hour; `ambiguous` when it may be meant on a dial of twelve.
pub fn hour(hour: i64, ambiguous: bool) -> Time {
    let hour = if hour == 24 { 0 } else { hour };
    let ambiguous = ambiguous && hour <= 12;
    of_fields(Fields { hour: Some((ambiguous, hour)), ..Fields::default() }, Grain::Hour).form(clock(hour))
}

/// An hour and a minute.
pub fn hour_minute(hour: i64, minute: i64, ambiguous: bool) -> Time {
    let hour = if hour == 24 { 0 } else { hour };
    let ambiguous = ambiguous && hour <= 12;
    let fields = Fields { hour: Some((ambiguous, hour)), minute: Some(minute), ..Fields::default() };
    of_fields(fields, Grain::Minute).form(clock(hour))
}

/// An hour, a minute and a second.
pub fn hour_minute_second(hour: i64, minute: i64, second: i64, ambiguous: bool) -> Time {
    let hour = if hour == 24 { 0 } else { hour };
    let fields = Fields {
        hour: Some((ambiguous && hour <= 12, hour)),
        minute: Some(minute),
        second: Some(second),
        ..Fields::default()
    };
    of_fields(fields, Grain::Second).form(clock(hour))
}

// Up to twelve, the half of the day can still be said.
fn clock(hour: i64) -> Form {
    Form::TimeOfDay { hour: Some(hour), twelve: hour <= 12 }
}

/// A full hour and minutes after (or, negative, before) it; `None` when the hour is not known.
pub fn minutes_after(minutes: i64, time: &Time) -> Option<Time> {
    let hour = time.hour()?;
    let twelve = time.is_twelve();
    if time.grain != Grain::Hour || !(-59..=59).contains(&minutes) {
        return None;
    }
    // A time with a fixed half of the day keeps it by being moved as a whole.
    if minutes >= 0 {
        let fields = Fields { minute: Some(minutes), ..Fields::default() };
        let series = Series::intersect(&Series::fields(fields), &time.series)?;
        return Some(timed(series, Grain::Minute).form(Form::TimeOfDay { hour: Some(hour), twelve }));
    }
    let series = time.series.shift(Grain::Minute, minutes);
    Some(timed(series, Grain::Minute).form(Form::TimeOfDay { hour: Some(hour), twelve }))
}

/// The half of the day.
pub fn half_of_day(morning: bool) -> Time {
    let half = if morning { Half::Am } else { Half::Pm };
    of_fields(Fields { half: Some(half), ..Fields::default() }, Grain::Hour)
}

/// A time of day in the morning or in the other half of the day.
pub fn in_half(time: &Time, morning: bool) -> Option<Time> {
    let half = half_of_day(morning);
    let series = Series::intersect(&half.series, &time.series)
        .filter(|_| time.is_twelve())
        .or_else(|| (!time.is_twelve()).then(|| time.series.clone()))?;
    let hour = time.hour().map(|hour| match (time.is_twelve(), morning) {
        (true, true) => hour % 12,
        (true, false) => hour % 12 + 12,
        _ => hour,
    });
    Some(timed(series, time.grain).form(Form::TimeOfDay { hour, twelve: false }))
}

/// Now, to the second.
pub fn now() -> Time {
    timed(Series::cycle(Grain::Second, 0), Grain::Second)
}

/// The n-th grain from now: 0 is the current one.
pub fn cycle(grain: Grain, index: i64) -> Time {
    timed(Series::cycle(grain, index), grain)
}

/// The next (or last, negative) so many as an interval.
pub fn several(grain: Grain, count: i64) -> Time {
    timed(Series::several(grain, count, false), grain)
}

/// The n-th grain after (negative: before) the start of each of `base`.
pub fn nth_grain_after(grain: Grain, base: &Time, index: i64) -> Time {
    timed(Series::each(grain).nth_after(&base.series, index, false), grain)
}

/// The n-th whole grain that begins within each of `base`.
pub fn nth_grain_within(grain: Grain, base: &Time, index: i64) -> Time {
    timed(Series::each(grain).nth_after(&base.series, index, true), grain)
}

/// Every one of a grain.
pub fn each(grain: Grain) -> Time {
    timed(Series::each(grain), grain)
}

/// The last grain within each of `base`.
pub fn last_grain_of(grain: Grain, base: &Time, index: i64) -> Time {
    timed(Series::each(grain).last_of(&base.series, index), grain)
}

/// "in two days": now plus a duration.
pub fn from_now(duration: Duration) -> Time {
    timed(Series::from_now(duration.grain, duration.value), duration.grain.finer())
}

/// "two days ago".
pub fn ago(duration: Duration) -> Time {
    from_now(Duration { value: -duration.value, ..duration })
}

/// A time moved by a duration, `sign` 1 or -1.
pub fn moved(time: &Time, duration: Duration, sign: i64) -> Time {
    let grain = time.grain.min(duration.grain);
    timed(time.series.shift(duration.grain, sign * duration.value), grain)
}

/// From a time on for a duration.
pub fn lasting_from(time: &Time, duration: Duration) -> Time {
    let grain = time.grain.min(duration.grain);
    timed(time.series.lasting(duration.grain, duration.value), grain)
}

/// Both at once.
pub fn both(one: &Time, other: &Time) -> Option<Time> {
    // Of two equally fine times the part of the day holds the other.
    let first_is_fine = one.grain < other.grain || one.grain == other.grain && other.form == Form::PartOfDay;
    let (fine, coarse) = if first_is_fine { (one, other) } else { (other, one) };
    let series = Series::intersect(&fine.series, &coarse.series)?;
    Some(Time {
        direction: one.direction.or(other.direction),
        holiday: one.holiday.clone().or_else(|| other.holiday.clone()),
        zoned: one.zoned || other.zoned,
        ..timed(series, fine.grain)
    })
}

/// From one to the other, the other's last grain included.
pub fn through(from: &Time, to: &Time) -> Time {
    between(from, to, true)
}

/// From one to the start of the other.
pub fn up_to(from: &Time, to: &Time) -> Time {
    between(from, to, false)
}

fn between(from: &Time, to: &Time, closed: bool) -> Time {
    let grain = from.grain.min(to.grain);
    Time { zoned: from.zoned || to.zoned, ..timed(Series::interval(&from.series, &to.series, closed), grain) }
}

/// A part of the day, by hours; latent until something makes it clear.
pub fn part_of_day(from: i64, to: i64) -> Time {
    up_to(&hour(from, false), &hour(to % 24, false)).form(Form::PartOfDay).latent()
}

/// From a day of a month to a day of a month, both included.
pub fn days(from: (i64, i64), to: (i64, i64)) -> Option<Time> {
    Some(through(&month_day(from.0, from.1)?, &month_day(to.0, to.1)?))
}

/// Friday evening to the end of Sunday.
pub fn weekend() -> Time {
    let friday = Fields { weekday: Some(5), hour: Some((false, 18)), ..Fields::default() };
    let monday = Fields { weekday: Some(1), hour: Some((false, 0)), ..Fields::default() };
    timed(Series::interval(&Series::fields(friday), &Series::fields(monday), false), Grain::Hour)
}
