//! Wall-clock arithmetic: grains, spans of time, rounding and adding.
//!
//! A moment is the number of milliseconds since 1970-01-01T00:00 on the wall clock of the request's
//! zone; the offset is looked up only when a value is written. So sums are sums on the clock's face.

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;

/// How fine a moment is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// One second.
    Second,
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// One day.
    Day,
    /// One week, from Monday.
    Week,
    /// One calendar month.
    Month,
    /// Three calendar months.
    Quarter,
    /// One calendar year.
    Year,
}

use Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};

impl Grain {
    /// The name used in answers.
    pub fn name(self) -> &'static str {
        match self {
            Second => "second",
            Minute => "minute",
            Hour => "hour",
            Day => "day",
            Week => "week",
            Month => "month",
            Quarter => "quarter",
            Year => "year",
        }
    }

    /// How many seconds one of it counts in a duration: a month 30 days, a year 365.
    pub fn seconds(self) -> i64 {
        match self {
            Second => 1,
            Minute => 60,
            Hour => 3_600,
            Day => 86_400,
            Week => 7 * 86_400,
            Month => 30 * 86_400,
            Quarter => 90 * 86_400,
            Year => 365 * 86_400,
        }
    }

    /// The grain at which "in two of these" is meant.
    pub fn finer(self) -> Grain {
        match self {
            Second | Minute => Second,
            Hour => Minute,
            Day => Hour,
            Week | Month => Day,
            Quarter | Year => Month,
        }
    }
}

/// A stretch of time: a start with a grain, or a start and an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Milliseconds on the wall clock since 1970.
    pub start: i64,
    /// How fine it is meant.
    pub grain: Grain,
    /// The exclusive end of an interval; `None` for a point of one grain.
    pub end: Option<i64>,
}

impl Span {
    /// The point of one grain at `start`.
    pub fn point(start: i64, grain: Grain) -> Span {
        Span { start, grain, end: None }
    }

    /// The exclusive end.
    pub fn end(&self) -> i64 {
        self.end.unwrap_or_else(|| add(self.start, self.grain, 1))
    }

    /// Moved by `count` of `grain`, as a point of the finer of both grains.
    pub fn plus(&self, grain: Grain, count: i64) -> Span {
        Span::point(add(self.start, grain, count), self.grain.min(grain))
    }

    /// Moved whole, with its end, by `count` of `grain`.
    pub fn shifted(&self, grain: Grain, count: i64) -> Span {
        Span {
            start: add(self.start, grain, count),
            grain: self.grain.min(grain),
            end: self.end.map(|end| add(end, grain, count)),
        }
    }

    /// The point of `grain` that holds the start.
    pub fn round(&self, grain: Grain) -> Span {
        Span::point(floor(self.start, grain), grain)
    }

    /// Whether it starts before `other` is over.
    pub fn starts_before_end_of(&self, other: &Span) -> bool {
        self.start < other.end()
    }

    /// What both have in common.
    pub fn intersect(&self, other: &Span) -> Option<Span> {
        if self.start > other.start {
            return other.intersect(self);
        }
        let grain = self.grain.min(other.grain);
        let (end, other_end) = (self.end(), other.end());
        if end <= other.start {
            return None;
        }
        if end < other_end || self.start == other.start && end == other_end && self.end.is_some() {
            return Some(Span { start: other.start, grain, end: self.end });
        }
        Some(Span { grain, ..*other })
    }

    /// From the start of this to `to`: to its start, or, when `closed`, to one grain after it.
    pub fn until(&self, to: &Span, closed: bool) -> Span {
        let grain = self.grain.min(to.grain);
        let end = if closed { Span { grain, ..*to }.end() } else { to.start };
        Span { start: self.start, grain, end: Some(end) }
    }
}

/// Year, month and day of a moment.
pub fn date_of(moment: i64) -> (i64, i64, i64) {
    civil_from_days(moment.div_euclid(DAY))
}

/// Year, month, day, hour, minute, second, millisecond of a moment.
pub fn fields_of(moment: i64) -> [i64; 7] {
    let (year, month, day) = date_of(moment);
    let rest = moment.rem_euclid(DAY);
    [year, month, day, rest / (3600 * SECOND), rest / (60 * SECOND) % 60, rest / SECOND % 60, rest % SECOND]
}

/// The start of a date.
pub fn start_of(year: i64, month: i64, day: i64) -> i64 {
    days_from_civil(year, month, day) * DAY
}

/// Monday 1 to Sunday 7.
pub fn weekday_of(moment: i64) -> i64 {
    (moment.div_euclid(DAY) + 3).rem_euclid(7) + 1
}

/// Number of days of a month.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The start of the `grain` that holds `moment`.
pub fn floor(moment: i64, grain: Grain) -> i64 {
    match grain {
        Second => moment.div_euclid(SECOND) * SECOND,
        Minute => moment.div_euclid(60 * SECOND) * 60 * SECOND,
        Hour => moment.div_euclid(3600 * SECOND) * 3600 * SECOND,
        Day => moment.div_euclid(DAY) * DAY,
        Week => (moment.div_euclid(DAY) - (weekday_of(moment) - 1)) * DAY,
        Month => {
            let (year, month, _) = date_of(moment);
            start_of(year, month, 1)
        }
        Quarter => {
            let (year, month, _) = date_of(moment);
            start_of(year, (month - 1) / 3 * 3 + 1, 1)
        }
        Year => start_of(date_of(moment).0, 1, 1),
    }
}

/// Adds on the calendar; a day beyond the end of a month is clipped to it.
pub fn add(moment: i64, grain: Grain, count: i64) -> i64 {
    // Far outside every range that is ever shown; keeps the sums from overflowing.
    let count = count.clamp(-400_000_000_000, 400_000_000_000);
    match grain {
        Second => moment + count * SECOND,
        Minute => moment + count.clamp(-10_000_000_000, 10_000_000_000) * 60 * SECOND,
        Hour => moment + count.clamp(-100_000_000, 100_000_000) * 3600 * SECOND,
        Day => moment + count.clamp(-5_000_000, 5_000_000) * DAY,
        Week => moment + count.clamp(-700_000, 700_000) * 7 * DAY,
        Month => add_months(moment, count.clamp(-200_000, 200_000)),
        Quarter => add_months(moment, count.clamp(-70_000, 70_000) * 3),
        Year => add_months(moment, count.clamp(-17_000, 17_000) * 12),
    }
}

fn add_months(moment: i64, count: i64) -> i64 {
    let (year, month, day) = date_of(moment);
    let months = year * 12 + month - 1 + count;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    start_of(year, month, day.min(days_in_month(year, month))) + moment.rem_euclid(DAY)
}

// Days since 1970 of a date in the proleptic Gregorian calendar, counted in 400-year eras from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}
