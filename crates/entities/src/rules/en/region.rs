//! What differs between English-speaking regions.

use crate::calendar::{Span, start_of, weekday_of};
use crate::grammar::{Rules, re};
use crate::rules::build::timed;
use crate::rules::holidays::{day, days, easter, nth_weekday, weekday_on_or_before};
use crate::rules::shapes::day::{self as shape, MovableRow, fixed_holidays, movable_holidays};
use crate::series::Series;
use crate::token::Dimension;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const ADMIN: &str = "(?:administrative professional|secretarie|admin)s?'?s?'?s? day|secretary'?s'? day";
const FATHER: &str = "father'?s?'? ?day";
const MOTHER: &str = "mother'?s?'? ?day";
const LABOUR: &str = "labou?r day";

/// Adds the rules of a region; without one, those of the United States' date order.
pub fn add(r: &mut Rules, region: Option<&'static str>) {
    r.of(Dimension::Time);
    match region {
        None | Some("US" | "CA" | "PH") => {
            shape::numeric_month_first(r, "\\s*[-/.]\\s*", "\\s*[-/]\\s*");
        }
        Some("ZA") => {
            shape::numeric_month_first(r, "\\s*[/-]\\s*", "\\s*[-/]\\s*");
            shape::numeric_day_first(r, "\\s*[-/.]\\s*", "\\s*[-/]\\s*");
        }
        _ => shape::numeric_day_first(r, "\\s*[-/.]\\s*", "\\s*[-/]\\s*"),
    }
    parents(r, region);
    match region {
        None | Some("US") => united_states(r),
        Some("AU") => movable_holidays(r, AUSTRALIA),
        Some("BZ") => {
            fixed_holidays(
                r,
                &[
                    ("Garifuna Settlement Day", "garifuna settlement day", 11, 19),
                    ("Labour Day", LABOUR, 5, 1),
                ],
            );
        }
        Some("CA") => canada(r),
        Some("GB") => movable_holidays(r, BRITAIN),
        Some("IE") => movable_holidays(r, IRELAND),
        Some("IN") => india(r),
        Some("JM") => {
            fixed_holidays(
                r,
                &[("Labour Day", LABOUR, 5, 23), ("Independence Day", "independence day", 8, 6)],
            );
            movable_holidays(
                r,
                &[("Heroes' Day", "(?:national )?heroes'?'? day", |y| day(nth_weekday(y, 10, 1, 3)))],
            );
        }
        Some("NZ") => movable_holidays(r, NEW_ZEALAND),
        Some("PH") => {
            fixed_holidays(
                r,
                &[
                    ("Labour Day", LABOUR, 5, 1),
                    ("Independence Day", "independence day", 6, 12),
                    ("Bonifacio Day", "bonifacio day", 11, 30),
                    ("Rizal Day", "rizal day", 12, 30),
                ],
            );
            movable_holidays(
                r,
                &[("National Heroes' Day", "(?:national )?heroes'? day", |y| day(nth_weekday(y, 8, 1, -1)))],
            );
        }
        Some("TT") => {
            fixed_holidays(
                r,
                &[
                    ("Labour Day", LABOUR, 6, 19),
                    ("Indian Arrival Day", "indian arrival day", 5, 30),
                    ("Emancipation Day", "emancipation day", 8, 1),
                    ("Independence Day", "independence day", 8, 31),
                ],
            );
        }
        Some("ZA") => south_africa(r),
        _ => {}
    }
}

fn parents(r: &mut Rules, region: Option<&'static str>) {
    let down_under = matches!(region, Some("AU" | "NZ"));
    if down_under {
        movable_holidays(r, &[("Father's Day", FATHER, |y| day(nth_weekday(y, 9, 7, 1)))]);
    } else {
        movable_holidays(r, &[("Father's Day", FATHER, |y| day(nth_weekday(y, 6, 7, 3)))]);
    }
    if region != Some("GB") {
        movable_holidays(r, &[("Mother's Day", MOTHER, |y| day(nth_weekday(y, 5, 7, 2)))]);
    }
}

const AUSTRALIA: &[MovableRow] = &[
    ("Labour Day", LABOUR, |y| day(nth_weekday(y, 10, 1, 1))),
    ("Australia Day", "australia day", |y| day(start_of(y, 1, 26))),
    ("Anzac Day", "anzac day", |y| day(start_of(y, 4, 25))),
    ("Royal Hobart Regatta", "royal hobart regatta", |y| days(nth_weekday(y, 2, 1, 2) - 2 * DAY_MS, 3)),
    ("NAIDOC Week", "naidoc week", |y| {
        days(nth_weekday(y, 7, 7, 1) + if y % 7 == 2 { 7 * DAY_MS } else { 0 }, 8)
            .filter(|_| true)
            .map(|span| naidoc(y, span))
    }),
    ("Reconciliation Day", "reconciliation day", |y| {
        let date = start_of(y, 5, 27);
        day(date + (8 - weekday_of(date)) % 7 * DAY_MS)
    }),
    (
        "Royal Queensland Show",
        "(?:royal (?:national|queensland) (?:agricultural )?show|ekka|rna show)",
        |y| days(ekka(y), 10),
    ),
    (
        "Royal Queensland Show Day",
        "(?:royal (?:national|queensland) (?:agricultural )?show|ekka|rna show) day",
        |y| day(ekka(y) + 5 * DAY_MS),
    ),
    ("Administrative Professionals' Day", ADMIN, |y| day(nth_weekday(y, 5, 5, 1))),
];

fn naidoc(_year: i64, span: Span) -> Span {
    span
}

// The first Friday of August, the second when the first comes before the 5th.
fn ekka(year: i64) -> i64 {
    let first = nth_weekday(year, 8, 5, 1);
    if first < start_of(year, 8, 5) { first + 7 * DAY_MS } else { first }
}

const BRITAIN: &[MovableRow] = &[
    ("Mothering Sunday", "mothering sunday|mother'?s?'? ?day", |y| easter(y, -21)),
    ("August Bank Holiday", "(?:late )?(?:summer|august) bank holiday", |y| day(nth_weekday(y, 8, 1, -1))),
    ("Spring Bank Holiday", "(?:late may|spring) bank holiday", |y| day(nth_weekday(y, 5, 1, -1))),
    ("Early May Bank Holiday", "(?:early )?may bank holiday", |y| day(nth_weekday(y, 5, 1, 1))),
    ("St. Andrew's Day", "(?:saint|st\\.?) andrew'?s'? day", |y| day(start_of(y, 11, 30))),
    ("St. David's Day", "(?:saint|st\\.?) david'?s'? day", |y| day(start_of(y, 3, 1))),
    ("Administrative Professionals' Day", ADMIN, |y| day(nth_weekday(y, 4, 7, -1) - 4 * DAY_MS)),
];

const IRELAND: &[MovableRow] = &[
    ("Labour Day", LABOUR, |y| day(nth_weekday(y, 5, 1, 1))),
    ("August Bank Holiday", "(?:august|summer) bank holiday", |y| day(nth_weekday(y, 8, 1, 1))),
    ("June Bank Holiday", "june bank holiday", |y| day(nth_weekday(y, 6, 1, 1))),
    ("October Bank Holiday", "october bank holiday", |y| day(nth_weekday(y, 10, 1, -1))),
];

const NEW_ZEALAND: &[MovableRow] = &[
    ("Labour Day", LABOUR, |y| day(nth_weekday(y, 10, 1, 4))),
    ("Waitangi Day", "waitangi day", |y| day(start_of(y, 2, 6))),
    ("Anzac Day", "anzac day", |y| day(start_of(y, 4, 25))),
    ("Administrative Professionals' Day", ADMIN, |y| day(nth_weekday(y, 4, 3, 3))),
];

fn canada(r: &mut Rules) {
    fixed_holidays(
        r,
        &[
            ("Memorial Day", "memorial day|(?:canada|dominion) day", 7, 1),
            ("Vimy Ridge Day", "vimy ridge day", 4, 9),
            ("The Twelfth", "(?:the )?(?:glorious )?twelfth|orangemen'?s day", 7, 12),
            ("Remembrance Day", "remembrance day|armistice day", 11, 11),
        ],
    );
    movable_holidays(
        r,
        &[
            ("Thanksgiving Day", "thanks? ?giving(?: day)?", |y| day(nth_weekday(y, 10, 1, 2))),
            ("Labour Day", LABOUR, |y| day(nth_weekday(y, 9, 1, 1))),
            ("Discovery Day", "discovery day", |y| {
                let date = start_of(y, 6, 24);
                let back = (weekday_of(date) - 1).rem_euclid(7);
                day(date - back * DAY_MS + if back > 3 { 7 * DAY_MS } else { 0 })
            }),
            ("Victoria Day", "victoria day|sovereign'?s birthday", |y| {
                day(weekday_on_or_before(y, 5, 24, 1))
            }),
            ("National Patriots' Day", "(?:national )?patriots'? day", |y| {
                day(weekday_on_or_before(y, 5, 24, 1))
            }),
            (
                "Civic Holiday",
                "civic holiday|(?:natal|new brunswick|saskatchewan|terry fox|british columbia|heritage) day",
                |y| day(nth_weekday(y, 8, 1, 1)),
            ),
            ("Family Day", "(?:family|louis riel|(?:nova scotia )?heritage|islander) day", |y| {
                day(nth_weekday(y, 2, 1, 3))
            }),
            ("Administrative Professionals' Day", ADMIN, administrative),
        ],
    );
    long_weekend(r, "Labour Day weekend", "labou?r day", |y| weekend_before(nth_weekday(y, 9, 1, 1)));
}

fn india(r: &mut Rules) {
    fixed_holidays(
        r,
        &[
            ("Labour Day", LABOUR, 5, 1),
            ("Independence Day", "independence day", 8, 15),
            ("Republic Day", "republic day", 1, 26),
            ("Shivaji Jayanti", "(?:chhatrapati )?shivaji(?: maharaj)? jayanti", 2, 19),
        ],
    );
    shape::islamic_holidays(
        r,
        &[("Hazarat Ali's Birthday", "hazarat ali'?s? birthday", |h| {
            crate::rules::holidays::islamic(h, 7, 12)
        })],
    );
}

fn south_africa(r: &mut Rules) {
    fixed_holidays(
        r,
        &[
            ("Labour Day", "(?:labou?r|workers'?) day", 5, 1),
            ("Heroes' Day", "(?:heroes'?|kruger) day", 10, 10),
            (
                "Day of Reconciliation",
                "day of (?:reconciliation|the vow|the covenant)|dingane'?s day",
                12,
                16,
            ),
            ("Freedom Day", "freedom day", 4, 27),
            ("Youth Day", "youth day", 6, 16),
        ],
    );
    movable_holidays(
        r,
        &[
            ("National Arbor Week", "(?:national )?arbor week", |y| days(start_of(y, 9, 1), 7)),
            ("Administrative Professionals' Day", ADMIN, |y| day(nth_weekday(y, 9, 3, 1))),
        ],
    );
}

fn administrative(year: i64) -> Option<Span> {
    // The Wednesday of the last full week of April.
    let last_saturday = nth_weekday(year, 4, 6, -1);
    day(last_saturday - 3 * DAY_MS)
}

fn united_states(r: &mut Rules) {
    fixed_holidays(
        r,
        &[
            ("Independence Day", "independence day", 7, 4),
            ("Veterans Day", "veterans?'?s? day", 11, 11),
            ("Loyalty Day", "(?:law|lei|loyalty) day", 5, 1),
            ("Lincoln's Birthday", "(?:abraham )?lincoln'?s?'? birthday", 2, 12),
            ("Siblings Day", "(?:national )?siblings?'? day", 4, 10),
            ("Cinco de Mayo", "cinco de mayo", 5, 5),
            ("Flag Day", "flag day", 6, 14),
            ("Patriot Day", "patriot day", 9, 11),
            ("Juneteenth", "juneteenth(?: day)?", 6, 19),
        ],
    );
    movable_holidays(r, UNITED_STATES);
    long_weekend(r, "Memorial Day weekend", "(?:memorial|decoration) day", |y| {
        weekend_before(nth_weekday(y, 5, 1, -1))
    });
    long_weekend(r, "Labor Day weekend", "labou?r day", |y| weekend_before(nth_weekday(y, 9, 1, 1)));
}

const UNITED_STATES: &[MovableRow] = &[
    ("Cyber Monday", "cyber monday", |y| day(nth_weekday(y, 11, 4, 4) + 4 * DAY_MS)),
    ("Memorial Day", "(?:memorial|decoration) day", |y| day(nth_weekday(y, 5, 1, -1))),
    ("Labor Day", LABOUR, |y| day(nth_weekday(y, 9, 1, 1))),
    ("President's Day", "president'?s?'? day|washington'?s?'? birthday|daisy gatson bates'?s? day", |y| {
        day(nth_weekday(y, 2, 1, 3))
    }),
    ("Columbus Day", "(?:columbus|indigenous peoples?'?) day", |y| day(nth_weekday(y, 10, 1, 2))),
    ("Military Spouse Day", "military spouse day", |y| day(nth_weekday(y, 5, 7, 2) - 2 * DAY_MS)),
    ("Administrative Professionals' Day", ADMIN, administrative),
    ("Emergency Medical Services Week", "(?:emergency medical services|ems) week", |y| {
        days(nth_weekday(y, 5, 7, 3), 7)
    }),
    ("Emancipation Day", "emancipation day", |y| day(emancipation(y))),
    ("Tax Day", "tax day", |y| {
        let date = start_of(y, 4, 15);
        let mut due = match weekday_of(date) {
            6 => date + 2 * DAY_MS,
            7 => date + DAY_MS,
            _ => date,
        };
        if due == emancipation(y) {
            due += if weekday_of(due) == 5 { 3 } else { 1 } * DAY_MS;
        }
        day(due)
    }),
    ("Daylight Saving Start Day", "daylight savings? start(?: day)?", |y| day(nth_weekday(y, 3, 7, 2))),
    ("Daylight Saving End Day", "daylight savings? end(?: day)?", |y| day(nth_weekday(y, 11, 7, 1))),
    ("Super Tuesday", "super tue(?:sday|s\\.?|\\.)?", |y| {
        SUPER_TUESDAYS.iter().find(|(year, ..)| *year == y).and_then(|&(y, m, d)| day(start_of(y, m, d)))
    }),
    ("Super Tuesday", "(?:(?:mega )?giga|tsunami|super duper) tue(?:sday|s\\.?|\\.)?", |y| {
        if y == 2008 { day(start_of(2008, 2, 5)) } else { None }
    }),
    ("Mini-Tuesday", "mini[- ]tuesday", |y| if y == 2004 { day(start_of(2004, 2, 3)) } else { None }),
];

const SUPER_TUESDAYS: [(i64, i64, i64); 8] = [
    (1996, 3, 12),
    (2000, 3, 7),
    (2004, 3, 2),
    (2008, 2, 5),
    (2012, 3, 6),
    (2016, 3, 1),
    (2020, 3, 3),
    (2024, 3, 5),
];

// 16 April, on the nearest working day.
fn emancipation(year: i64) -> i64 {
    let date = start_of(year, 4, 16);
    match weekday_of(date) {
        6 => date - DAY_MS,
        7 => date + DAY_MS,
        _ => date,
    }
}

// From Friday evening to the end of a Monday.
fn long_weekend(r: &mut Rules, name: &'static str, pattern: &'static str, row: fn(i64) -> Option<Span>) {
    r.add(format!("holiday {name}"), [re(format!("{pattern} (?:week(?:\\s|-)?end|wkend)s?"))], move |_| {
        timed(Series::yearly(name, crate::series::Calendar::Gregorian, row), crate::calendar::Grain::Hour)
            .holiday(name)
            .token()
    });
}

fn weekend_before(monday: i64) -> Option<Span> {
    let start = monday - 3 * DAY_MS + 18 * HOUR_MS;
    Some(Span { start, grain: crate::calendar::Grain::Hour, end: Some(monday + DAY_MS) })
}
