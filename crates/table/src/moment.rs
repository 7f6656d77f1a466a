//! Points in time as tables hold them: civil, without a zone, to the second.

use std::fmt;

/// A civil date and time: seconds since 1970-01-01T00:00:00 of whatever zone the data speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    seconds: i64,
}

const SECONDS_PER_DAY: i64 = 86_400;

/// Years outside of these are taken for mistakes.
const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;

impl Moment {
    /// Midnight of a day of the proleptic Gregorian calendar; `None` when there is no such day.
    pub fn from_date(year: i64, month: u32, day: u32) -> Option<Self> {
        if !YEARS.contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        Some(Self { seconds: day_number(year, month, day) * SECONDS_PER_DAY })
    }

    /// The moment so many seconds after 1970-01-01T00:00:00.
    pub fn from_seconds(seconds: i64) -> Self {
        let (least, most) = (-62_135_596_800, 253_402_300_799);
        Self { seconds: seconds.clamp(least, most) }
    }

    /// Seconds since 1970-01-01T00:00:00.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Days since 1970-01-01, with the time of day as fraction.
    pub fn days(self) -> f64 {
        self.seconds as f64 / SECONDS_PER_DAY as f64
    }

    /// Year, month (1 to 12) and day (1 to 31).
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    pub fn date(self) -> (i64, u32, u32) {
        let days = self.seconds.div_euclid(SECONDS_PER_DAY) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }

    /// Seconds since midnight.
    pub fn second_of_day(self) -> u32 {
        self.seconds.rem_euclid(SECONDS_PER_DAY) as u32
    }

    /// Day of the week, Monday is 0.
    pub fn weekday(self) -> u32 {
        (self.seconds.div_euclid(SECONDS_PER_DAY) + 3).rem_euclid(7) as u32
    }

    /// Reads `2015-06-01`, `2015-06-01 08:30[:00[.5]]` or with `T`, `2015/06/01`, `01.06.2015`,
    /// `01/06/2015` (day first); a zone (`Z`, `+02:00`) after the time is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() || text.len() < 8 || text.len() > 40 {
            return None;
        }
        let (date, time) = match text.find(['T', 't', ' ']) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let separator = date.chars().find(|character| !character.is_ascii_digit())?;
        if !matches!(separator, '-' | '/' | '.') {
            return None;
        }
        let mut parts = date.split(separator);
        let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || second.len() > 2 {
            return None;
        }
        let (year, month, day) =
            if first.len() == 4 { (first, second, third) } else { (third, second, first) };
        if year.len() != 4 || day.len() > 2 {
            return None;
        }
        let midnight = Self::from_date(number(year)?, number(month)? as u32, number(day)? as u32)?;
        let seconds = time.map_or(Some(0), second_of_day)?;
        Some(Self { seconds: midnight.seconds + seconds })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((year, month, day), second) = (self.date(), self.second_of_day());
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        if second > 0 {
            write!(f, "T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        }
        Ok(())
    }
}

fn number(digits: &str) -> Option<i64> {
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| digits.parse().ok()).flatten()
}

fn second_of_day(text: &str) -> Option<i64> {
    let text = text.trim_end_matches(['Z', 'z']);
    let text = text.find(['+', '-']).map_or(text, |zone| &text[..zone]);
    let mut parts = text.trim_end().split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), |part| {
        let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
        number(fraction).and(number(whole))
    })?;
    let sound = hour < 24 && minute < 60 && second < 61 && parts.next().is_none();
    sound.then_some(hour * 3600 + minute * 60 + second.min(59))
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn day_number(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Moment::parse(text).map(|moment| moment.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        check("2015-06-01 00:00:00", Some("2015-06-01"));
        check("2015-06-01T08:30", Some("2015-06-01T08:30:00"));
        check("2015-06-01T08:30:07.250+02:00", Some("2015-06-01T08:30:07"));
        check("2024-02-29Z", None);
        check("2024-02-29T00:00Z", Some("2024-02-29"));
        check("01.06.2015", Some("2015-06-01"));
        check("1/6/2015", Some("2015-06-01"));
        check("2015/6/1", Some("2015-06-01"));
        for wrong in ["2023-02-29", "2015-13-01", "15565701", "1.234.567", "12:30:00", "2015-06-01T25:00", ""]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn calendar_arithmetic_agrees_both_ways() {
        for day in (-700_000..2_900_000).step_by(997) {
            let moment = Moment::from_seconds(day * SECONDS_PER_DAY);
            let (year, month, day_of_month) = moment.date();
            assert_eq!(Moment::from_date(year, month, day_of_month), Some(moment));
        }
        assert_eq!(Moment::parse("1970-01-01").map(Moment::weekday), Some(3));
    }
}
