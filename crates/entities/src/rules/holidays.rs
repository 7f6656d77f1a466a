//! Dates of movable holidays: the two Easters, the Jewish calendar, and holidays by the moon.

use crate::calendar::{Grain, Span, add, start_of, weekday_of};

const DAY_MS: i64 = 86_400_000;

/// The span of one day.
pub fn day(moment: i64) -> Option<Span> {
    Some(Span::point(moment, Grain::Day))
}

/// Days from `moment` on, the last one excluded.
pub fn days(moment: i64, count: i64) -> Option<Span> {
    Some(Span { start: moment, grain: Grain::Day, end: Some(moment + count * DAY_MS) })
}

/// So many days after western Easter Sunday.
pub fn easter(year: i64, days_after: i64) -> Option<Span> {
    day(western_easter(year) + days_after * DAY_MS)
}

/// So many days after Orthodox Easter Sunday.
pub fn orthodox_easter(year: i64, days_after: i64) -> Option<Span> {
    day(eastern_easter(year) + days_after * DAY_MS)
}

/// Western Easter Sunday. Source: the anonymous Gregorian computus (Meeus, Jones, Butcher).
pub fn western_easter(year: i64) -> i64 {
    let golden = year.rem_euclid(19);
    let (century, rest) = (year.div_euclid(100), year.rem_euclid(100));
    let correction = (8 * century + 13) / 25;
    let epact = (19 * golden + century - century / 4 - correction + 15).rem_euclid(30);
    let shift = (golden + 11 * epact) / 319;
    let weekday = (2 * (century % 4) + 2 * (rest / 4) - rest % 4 - epact + shift + 32).rem_euclid(7);
    let month = (epact - shift + weekday + 90) / 25;
    let day = (epact - shift + weekday + month + 19) % 32;
    start_of(year, month, day)
}

/// Orthodox Easter Sunday: the Julian computus, as a date of the Gregorian calendar.
pub fn eastern_easter(year: i64) -> i64 {
    let moon = (19 * year.rem_euclid(19) + 15) % 30;
    let weekday = (2 * year.rem_euclid(4) + 4 * year.rem_euclid(7) - moon + 34).rem_euclid(7);
    let month = (moon + weekday + 114) / 31;
    let day = (moon + weekday + 114) % 31 + 1;
    let century = year.div_euclid(100);
    let julian_to_gregorian = century - century.div_euclid(4) - 2;
    start_of(year, month, day) + julian_to_gregorian * DAY_MS
}

/// The n-th weekday (Monday 1) of a month; negative counts from the end.
pub fn nth_weekday(year: i64, month: i64, weekday: i64, count: i64) -> i64 {
    if count > 0 {
        let first = start_of(year, month, 1);
        let ahead = (weekday - weekday_of(first)).rem_euclid(7) + 7 * (count - 1);
        return first + ahead * DAY_MS;
    }
    let last = add(start_of(year, month, 1), Grain::Month, 1) - DAY_MS;
    let back = (weekday_of(last) - weekday).rem_euclid(7) + 7 * (-count - 1);
    last - back * DAY_MS
}

/// The weekday on or before a date.
pub fn weekday_on_or_before(year: i64, month: i64, of_day: i64, weekday: i64) -> i64 {
    let date = start_of(year, month, of_day);
    date - (weekday_of(date) - weekday).rem_euclid(7) * DAY_MS
}

// ---------------------------------------------------------------- the Jewish calendar

/// The evening before the 1st of Tishri of the Jewish year that begins in this Gregorian year,
/// so many days later.
pub fn jewish_autumn(year: i64, days_after: i64) -> i64 {
    tishri(year + 3761) + (days_after - 1) * DAY_MS
}

/// The evening before the 15th of Nisan in this Gregorian year, so many days later.
///
/// Nisan begins 177 days before Tishri, and from Nisan to Tishri no month varies.
pub fn jewish_spring(year: i64, days_after: i64) -> i64 {
    tishri(year + 3761) - (163 - days_after) * DAY_MS - DAY_MS
}

/// The evening before the 25th of Kislev.
pub fn hanukkah(year: i64) -> i64 {
    let start = tishri(year + 3761);
    let length = (tishri(year + 3762) - start) / DAY_MS;
    let heshvan = if length % 10 == 5 { 30 } else { 29 };
    start + (30 + heshvan + 23) * DAY_MS
}

/// The evening before the 15th of Shevat.
pub fn tu_bishvat(year: i64) -> i64 {
    let leap = (7 * (year + 3760) + 1).rem_euclid(19) < 7;
    jewish_spring(year, if leap { -89 } else { -59 })
}

// The 1st of Tishri. Source: the molad and its four postponements, in parts of 1/1080 hour.
fn tishri(jewish_year: i64) -> i64 {
    let delay = |year: i64| {
        let months = (235 * year - 234).div_euclid(19);
        let parts = 12_084 + 13_753 * months;
        let day = 29 * months + parts.div_euclid(25_920);
        if (3 * (day + 1)).rem_euclid(7) < 3 { day + 1 } else { day }
    };
    let (before, this, after) = (delay(jewish_year - 1), delay(jewish_year), delay(jewish_year + 1));
    let correction = if after - this == 356 {
        2
    } else if this - before == 382 {
        1
    } else {
        0
    };
    // Day 1 of the count is 7 September -3760 of the proleptic Gregorian calendar.
    start_of(-3760, 9, 7) + (this + correction) * DAY_MS
}

// ---------------------------------------------------------------- the moon

/// The moment of the new moon next to the n-th since January 2000, in milliseconds UTC, to some
/// minutes. Source: Meeus, Astronomical Algorithms, chapter 49, largest terms.
fn new_moon(index: i64) -> i64 {
    moon_phase(index as f64)
}

fn moon_phase(k: f64) -> i64 {
    let t = k / 1236.85;
    let mean = 2_451_550.097_66 + 29.530_588_861 * k + 0.000_154_37 * t * t;
    let sun = (2.5534 + 29.105_356_70 * k).to_radians();
    let moon = (201.5643 + 385.816_935_28 * k + 0.010_758_2 * t * t).to_radians();
    let latitude = (160.7108 + 390.670_502_84 * k - 0.001_611_8 * t * t).to_radians();
    let eccentricity = 1.0 - 0.002_516 * t;
    let correction = -0.407_20 * moon.sin()
        + 0.172_41 * eccentricity * sun.sin()
        + 0.016_08 * (2.0 * moon).sin()
        + 0.010_39 * (2.0 * latitude).sin()
        + 0.007_39 * eccentricity * (moon - sun).sin()
        - 0.005_14 * eccentricity * (moon + sun).sin()
        + 0.002_08 * eccentricity * eccentricity * (2.0 * sun).sin()
        - 0.001_11 * (moon - 2.0 * latitude).sin()
        - 0.000_57 * (moon + 2.0 * latitude).sin();
    let delta_t_days = 69.0 / 86_400.0;
    ((mean + correction - delta_t_days - 2_440_587.5) * DAY_MS as f64) as i64
}

/// The first new moon at or after a moment.
pub fn new_moon_from(moment: i64) -> i64 {
    let days = (moment - start_of(2000, 1, 6)) as f64 / DAY_MS as f64;
    let mut index = (days / 29.530_588_861).floor() as i64 - 1;
    while new_moon(index) < moment {
        index += 1;
    }
    new_moon(index)
}

/// The date of a moment at so many hours east of Greenwich.
pub fn date_at(moment: i64, hours_east: f64) -> i64 {
    (moment + (hours_east * 3_600_000.0) as i64).div_euclid(DAY_MS) * DAY_MS
}

/// Chinese New Year: the new moon's day in China between 21 January and 20 February.
pub fn chinese_new_year(year: i64) -> i64 {
    date_at(new_moon_from(start_of(year, 1, 21) - 8 * 3_600_000), 8.0)
}

/// So many days after the new moon of a Hindu month: the one in the 30 days from a date.
pub fn hindu(year: i64, month: i64, of_day: i64, days_after: i64) -> i64 {
    let moment = new_moon_from(start_of(year, month, of_day) - 19_800_000);
    // The day counts whose evening falls into the last lunar day before the new moon.
    date_at(moment - 12 * 3_600_000, 5.5) + days_after * DAY_MS
}

/// The date at so many hours east of Greenwich of the first full moon from a moment on.
pub fn full_moon_date(from: i64, hours_east: f64) -> i64 {
    let days = (from - start_of(2000, 1, 6)) as f64 / DAY_MS as f64;
    let mut index = (days / 29.530_588_861).floor() - 1.5;
    while moon_phase(index) < from {
        index += 1.0;
    }
    date_at(moon_phase(index), hours_east)
}

/// The first day of a month (1 to 12) of an Islamic year.
///
/// The day after the evening of the new moon at Mecca; a moon that is new only after sunset is
/// seen a day later. 1 Muharram 1421 followed the new moon of 4 April 2000.
pub fn islamic_month(islamic_year: i64, month: i64) -> i64 {
    let announced = ANNOUNCED.iter().find(|(year, of_month, _)| (*year, *of_month) == (islamic_year, month));
    let shift = announced.map_or(0, |(.., shift)| *shift);
    date_at(new_moon(3 + (islamic_year - 1421) * 12 + month - 1), 8.75) + (1 + shift) * DAY_MS
}

// Months that were announced a day before or after the moon's computed one.
const ANNOUNCED: [(i64, i64, i64); 3] = [(1397, 9, -1), (1408, 10, -1), (1468, 10, 1)];

/// So many days after the first of an Islamic month.
pub fn islamic(islamic_year: i64, month: i64, days_after: i64) -> Option<Span> {
    day(islamic_month(islamic_year, month) + days_after * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::date_of;

    fn check(moment: i64, expected: (i64, i64, i64)) {
        assert_eq!(date_of(moment), expected);
    }

    #[test]
    fn known_dates() {
        check(western_easter(2024), (2024, 3, 31));
        check(western_easter(2000), (2000, 4, 23));
        check(eastern_easter(2024), (2024, 5, 5));
        check(chinese_new_year(2024), (2024, 2, 10));
        check(chinese_new_year(2023), (2023, 1, 22));
        check(tishri(5785), (2024, 10, 3));
        check(tishri(5784), (2023, 9, 16));
        check(nth_weekday(2024, 11, 4, 4), (2024, 11, 28));
        check(nth_weekday(2024, 5, 1, -1), (2024, 5, 27));
    }
}
