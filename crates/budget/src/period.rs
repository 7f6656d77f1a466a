//! Stretches of time in which a limit holds: calendar months, weeks and days in a zone, a rolling
//! length, or for ever.
//!
//! Money is counted in slots. A calendar period is one slot. A rolling period is cut into slices, and
//! the window is all slices that any part of the length falls into: so whatever stretch of that
//! length one looks at, its spending stays within the limit.

use std::fmt;

use intendant_talk::time::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

/// Slices of a rolling period.
const SLICES: i64 = 24;
/// The shortest rolling period, one second per slice.
pub const ROLLING_MICROS_MIN: i64 = SLICES * 1_000_000;

/// How long a limit holds before it starts anew.
#[derive(Clone, Debug, PartialEq)]
pub enum Period {
    /// A month, week (from Monday) or day.
    Calendar(Span, TimeZone),
    /// The last so many microseconds, at any time.
    Rolling(i64),
    /// It never starts anew.
    Never,
}

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Span {
    Month,
    Week,
    Day,
}

/// What of the past counts at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first slot that counts.
    pub first: Timestamp,
    /// The slot that new spending falls into.
    pub slot: Timestamp,
    /// When the window moves on; `None` for never.
    pub ends: Option<Timestamp>,
}

impl Period {
    /// The window at some time.
    pub fn window(&self, now: Timestamp) -> Window {
        match self {
            Self::Calendar(span, zone) => {
                let (first, ends) = calendar(*span, zone, now);
                Window { first, slot: first, ends: Some(ends) }
            }
            Self::Rolling(length) => {
                let slice = (length / SLICES).max(1);
                let floor = |micros: i64| Timestamp::from_micros(micros.div_euclid(slice) * slice);
                let slot = floor(now.micros);
                let ends = Timestamp::from_micros(slot.micros.saturating_add(slice));
                Window { first: floor(now.micros.saturating_sub(*length)), slot, ends: Some(ends) }
            }
            Self::Never => Window { first: Timestamp::default(), slot: Timestamp::default(), ends: None },
        }
    }

    /// When what was spent in a slot no longer counts; `None` for never.
    pub fn forgets(&self, slot: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Calendar(..) => self.window(slot).ends,
            Self::Rolling(length) => {
                let slice = (length / SLICES).max(1);
                Some(Timestamp::from_micros(slot.micros.saturating_add(slice).saturating_add(*length)))
            }
            Self::Never => None,
        }
    }
}

fn calendar(span: Span, zone: &TimeZone, now: Timestamp) -> (Timestamp, Timestamp) {
    // Outside of what the calendar knows, the ends of it stand for everything beyond.
    let instant = jiff::Timestamp::from_microsecond(now.micros).unwrap_or(match now.micros < 0 {
        true => jiff::Timestamp::MIN,
        false => jiff::Timestamp::MAX,
    });
    let here = instant.to_zoned(zone.clone());
    bounds(span, &here).unwrap_or_else(|_| {
        // The very first and last days of the calendar have no neighbours.
        (stamp(&here), Timestamp::from_micros(i64::MAX))
    })
}

fn bounds(span: Span, here: &Zoned) -> Result<(Timestamp, Timestamp), jiff::Error> {
    let date = here.date();
    let (first, length) = match span {
        Span::Day => (date, 1.day()),
        Span::Week => {
            let since_monday = date.weekday().since(Weekday::Monday);
            (date.checked_sub(i64::from(since_monday).days())?, 1.week())
        }
        Span::Month => (date.first_of_month(), 1.month()),
    };
    // A day starts at its first moment, which need not be midnight where clocks change.
    let zone = here.time_zone();
    let start = first.to_zoned(zone.clone())?.start_of_day()?;
    let end = first.checked_add(length)?.to_zoned(zone.clone())?.start_of_day()?;
    Ok((stamp(&start), stamp(&end)))
}

fn stamp(zoned: &Zoned) -> Timestamp {
    Timestamp::from_micros(zoned.timestamp().as_microsecond())
}

/// As settings write it: `month Europe/Berlin`, `rolling 30 d`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar(span, zone) => {
                let span = match span {
                    Span::Month => "month",
                    Span::Week => "week",
                    Span::Day => "day",
                };
                write!(f, "{span} {}", zone.iana_name().unwrap_or("UTC"))
            }
            Self::Rolling(length) => {
                let seconds = length / 1_000_000;
                match (seconds % 86_400, seconds % 3_600) {
                    (0, _) => write!(f, "rolling {} d", seconds / 86_400),
                    (_, 0) => write!(f, "rolling {} h", seconds / 3_600),
                    _ => write!(f, "rolling {seconds} s"),
                }
            }
            Self::Never => f.write_str("for ever"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn shown(time: Timestamp) -> String {
        jiff::Timestamp::from_microsecond(time.micros).unwrap().to_string()
    }

    #[test]
    fn calendar_periods_start_with_their_first_moment() {
        let check = |span: Span, zone: &str, now: &str, first: &str, ends: &str| {
            let period = Period::Calendar(span, TimeZone::get(zone).unwrap());
            let window = period.window(at(now));
            assert_eq!(shown(window.first), first, "{span:?} {zone} {now}");
            assert_eq!(shown(window.ends.unwrap()), ends, "{span:?} {zone} {now}");
            // The last moment belongs to the period, its end to the next one.
            let ends = window.ends.unwrap();
            assert_eq!(period.window(Timestamp::from_micros(ends.micros - 1)), window, "{now}");
            assert_eq!(period.window(ends).first, ends, "{now}");
        };
        let pacific = "America/Los_Angeles";
        check(
            Span::Month,
            "UTC",
            "2026-01-31T23:59:59.999999Z",
            "2026-01-01T00:00:00Z",
            "2026-02-01T00:00:00Z",
        );
        check(Span::Month, pacific, "2026-02-01T07:59:59Z", "2026-01-01T08:00:00Z", "2026-02-01T08:00:00Z");
        check(Span::Month, "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
        check(Span::Month, "UTC", "2027-02-28T12:00:00Z", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z");
        check(Span::Month, "UTC", "2026-12-31T12:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
        // Summer time begins and ends: months and days are an hour shorter or longer.
        check(
            Span::Month,
            "Europe/Berlin",
            "2026-03-29T12:00:00Z",
            "2026-02-28T23:00:00Z",
            "2026-03-31T22:00:00Z",
        );
        check(
            Span::Day,
            "Europe/Berlin",
            "2026-03-29T12:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        );
        check(
            Span::Day,
            "Europe/Berlin",
            "2026-10-25T00:30:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        );
        // A day without midnight, and one that never was.
        check(
            Span::Day,
            "Africa/Cairo",
            "2026-04-24T12:00:00Z",
            "2026-04-23T22:00:00Z",
            "2026-04-24T21:00:00Z",
        );
        check(
            Span::Day,
            "Pacific/Apia",
            "2011-12-31T12:00:00Z",
            "2011-12-31T10:00:00Z",
            "2012-01-01T10:00:00Z",
        );
        check(Span::Week, "UTC", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z");
        check(
            Span::Week,
            "Europe/Berlin",
            "2026-03-23T00:00:00Z",
            "2026-03-22T23:00:00Z",
            "2026-03-29T22:00:00Z",
        );
    }

    #[test]
    fn a_rolling_window_covers_its_whole_length() {
        let day = 86_400_000_000;
        let period = Period::Rolling(30 * day);
        for hour in 0..200_i64 {
            let now = Timestamp::from_micros(20_000 * day + hour * day / 24 + 7);
            let window = period.window(now);
            let covered = now.micros - window.first.micros;
            assert!(covered >= 30 * day && covered <= 30 * day + 30 * day / 24, "{hour}");
            assert!(window.slot <= now && now < window.ends.unwrap());
            // What counts now is forgotten when the window has left it, and not before.
            let forgets = period.forgets(window.first).unwrap();
            assert!(period.window(forgets).first > window.first);
            assert_eq!(period.window(Timestamp::from_micros(forgets.micros - 1)).first, window.first);
        }
    }

    #[test]
    fn no_time_is_out_of_range() {
        for micros in [i64::MIN, i64::MIN / 2, -1, 0, i64::MAX / 2, i64::MAX] {
            let now = Timestamp::from_micros(micros);
            for span in [Span::Month, Span::Week, Span::Day] {
                let window = Period::Calendar(span, TimeZone::UTC).window(now);
                assert!(window.first < window.ends.unwrap(), "{micros}");
            }
            Period::Never.window(now);
        }
    }
}
