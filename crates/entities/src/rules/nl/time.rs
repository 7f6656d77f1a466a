//! Dutch times.

use crate::calendar::{Grain, start_of, weekday_of};
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_part_of_day, a_weekday, both, clear_int, cycle, date, day_of_month, exact_year, hour_minute,
    minutes_after, month_day, ordinal_between, part_of_day, time_of_day, time_where, weekend,
};
use crate::rules::shapes::{clock, day, range};
use crate::token::{Dimension, Form};

const NEXT: &str = "volgende?|komende?|aanstaande";
const LAST: &str = "vorige?|afgelopen|laatste";

/// Adds them.
pub fn add(r: &mut Rules, region: Option<&'static str>) {
    r.of(Dimension::Time);
    names(r);
    holidays(r, region);
    cycles(r);
    dates(r);
    clocks(r);
    parts(r);
    ranges(r);
}

fn names(r: &mut Rules) {
    day::weekdays(
        r,
        [
            "maandags?|ma\\.",
            "dinsdags?|di\\.",
            "woensdags?|woe?\\.",
            "donderdags?|do(?:nd)?\\.",
            "vrijdags?|vr(?:ij)?\\.",
            "zaterdags?|zat?\\.",
            "zondags?|zon?\\.",
        ],
    );
    day::months(
        r,
        [
            "januari|jan\\.?",
            "februari|feb(?:r)?\\.?",
            "maart|mrt\\.?|maa\\.?",
            "april|apr\\.?",
            "mei",
            "juni|jun\\.?",
            "juli|jul\\.?",
            "augustus|aug\\.?",
            "september|sept?\\.?",
            "oktober|okt\\.?",
            "november|nov\\.?",
            "december|dec\\.?",
        ],
    );
    day::instants(
        r,
        &[
            ("nu|direct|zojuist|meteen|op dit moment", Grain::Second, 0),
            ("vandaag|op deze dag", Grain::Day, 0),
            ("morgen", Grain::Day, 1),
            ("gister(?:en)?", Grain::Day, -1),
            ("overmorgen", Grain::Day, 2),
            ("eergister(?:en)?", Grain::Day, -2),
        ],
    );
    day::seasons(
        r,
        &[
            ("zomer", (6, 21), (9, 23)),
            ("herfst", (9, 23), (12, 21)),
            ("winter", (12, 21), (3, 20)),
            ("lente|voorjaar", (3, 20), (6, 21)),
        ],
    );
    r.add("weekend", [re("week(?:\\s|-)?end")], |_| weekend().form(Form::Weekday).token());
}

fn holidays(r: &mut Rules, region: Option<&'static str>) {
    day::fixed_holidays(
        r,
        &[
            ("Kerstmis", "(?:eerste )?kerst(?:mis|dag)?", 12, 25),
            ("Kerstavond", "kerstavond", 12, 24),
            ("Tweede Kerstdag", "tweede kerstdag", 12, 26),
            ("Oudjaar", "oud(?:e)?jaars?(?:avond|dag)?", 12, 31),
            ("Nieuwjaarsdag", "nieuwjaar(?:s ?dag)?", 1, 1),
            ("Valentijnsdag", "valentijns?dag", 2, 14),
            ("Halloween", "hall?owe?en", 10, 31),
            ("Allerheiligen", "allerheiligen?|aller heiligen?", 11, 1),
            ("Bevrijdingsdag", "bevrijdingsdag", 5, 5),
            ("Dodenherdenking", "(?:nationale )?dodenherdenking", 5, 4),
            ("Driekoningen", "driekoningen", 1, 6),
        ],
    );
    let of_day = if region == Some("BE") { 6 } else { 5 };
    r.add("holiday Sinterklaas", [re("sinterklaas(?:avond)?|pakjesavond|sinter ?klaas")], move |_| {
        month_day(12, of_day)?.holiday("Sinterklaas").token()
    });
    use crate::rules::holidays::{day as on, easter, nth_weekday};
    day::movable_holidays(
        r,
        &[
            ("Vaderdag", "vader ?dag", |y| on(nth_weekday(y, 6, 7, 3))),
            ("Moederdag", "moeder ?dag", |y| on(nth_weekday(y, 5, 7, 2))),
            ("Pasen", "pasen|paaszondag|eerste paasdag", |y| easter(y, 0)),
            ("Paasmaandag", "paasmaandag|tweede paasdag", |y| easter(y, 1)),
            ("Goede Vrijdag", "goede vrijdag", |y| easter(y, -2)),
            ("Hemelvaart", "hemelvaart(?:sdag)?", |y| easter(y, 39)),
            ("Pinksteren", "pinksteren|eerste pinksterdag", |y| easter(y, 49)),
            ("Koningsdag", "koningsdag|king'?s day", |y| {
                let date = start_of(y, 4, 27);
                on(if weekday_of(date) == 7 { date - 86_400_000 } else { date })
            }),
        ],
    );
}

fn cycles(r: &mut Rules) {
    day::cycles_before(r, &[("deze|dit|dezelfde", 0), (NEXT, 1), ("vorige?|afgelopen", -1)]);
    day::several_before(r, &[(NEXT, 1), (LAST, -1)]);
    day::named_before(
        r,
        &[
            ("deze|dit|aanstaande|komende?", 0, false),
            ("volgende?", 0, true),
            ("vorige?|afgelopen", -1, false),
        ],
    );
    for (pattern, index) in [("deze week", 0), ("volgende week", 1), ("vorige week", -1)] {
        r.add(format!("{pattern} weekday"), [re(pattern), a_weekday()], move |m| {
            both(m.time(1)?, &cycle(Grain::Week, index))?.token()
        });
        r.add(format!("weekday {pattern}"), [a_weekday(), re(pattern)], move |m| {
            both(m.time(0)?, &cycle(Grain::Week, index))?.token()
        });
    }
    day::nth_named_of(r, "in|van|op");
    r.add("nth time after time", [ordinal_between(1, 60), day::named(), re("na"), date()], |m| {
        m.time(1)?.nth_after(m.time(3)?, m.int(0)? - 1, true).token()
    });
    day::last_named_of(r, "laatste", "in|van");
    day::quarters(r, "van");
    day::from_now_before(r, &[("in|over", 1)]);
    day::from_now_after(r, &[("geleden", -1)]);
    day::within(r, "binnen");
    day::moved_by(r, &[("na", 1), ("voor", -1)]);
    r.add(
        "until the end",
        [re("tot(?: (?:aan )?het)? einde? van (?:de|het|dit|deze)"), crate::rules::build::grain()],
        |m| cycle(m.grain(1)?, 1).and_before().token(),
    );
}

fn dates(r: &mut Rules) {
    day::weekday_with_day(r, ",?(?: de)?|,|de");
    day::day_then_month(r, "van|in");
    day::month_then_day(r, "de");
    day::the_day(r, "op(?: de)?|de");
    day::day_of_that_month(r, "van");
    day::years(r);
    r.add("ordinal as day", [ordinal_between(1, 31)], |m| day_of_month(m.int(0)?)?.token());
    day::with_year(r, "van|in|,");
    day::in_year(r, "in(?: het jaar)?", 2100);
    day::numeric_year_first(r);
    day::numeric_day_first(r, "[-/.]", "[-/]");
    r.add("on dd.mm", [re("op (3[01]|[12]\\d|0?[1-9])\\.(1[0-2]|0?[1-9])")], |m| {
        month_day(m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
    day::absorbed(r, "on date", "op|de", day::a_clear_day());
    day::absorbed(r, "on clock", "op", time_where(|t| !t.latent && crate::rules::build::is_time_of_day(t)));
    day::absorbed(r, "in month", "in|de", time_where(|t| matches!(t.form, Form::Month(_) | Form::Season)));
    day::absorbed_after(r, "weekday,", day::a_single_weekday(), ",");
}

fn clocks(r: &mut Rules) {
    clock::bare_hours(r);
    const ABOUT: &str = "ongeveer|circa|ca\\.?|rond|tegen|stipt|precies";
    clock::at(r, AT);
    r.add("about time of day", [re(ABOUT), time_of_day()], |m| m.time(1)?.clone().clear().token());
    clock::oclock(r, "uur|u|h");
    r.add("hour uur minutes", [time_where(clock::is_hour), re("uur|u"), clear_int(1, 59)], |m| {
        minutes_after(m.int(2)?, m.time(0)?)?.token()
    });
    clock::digital(r, ":", false);
    clock::digital_seconds(r, ":", false);
    r.add("hh:mm u", [re("([01]?\\d|2[0-4])[:.]([0-5]\\d) ?(?:u(?:ur)?|h)")], |m| {
        hour_minute(m.group_int(0, 1)?, m.group_int(0, 2)?, false).token()
    });
    r.add("hhhmm", [re("([01]?\\d|2[0-4])[hu]([0-5]\\d)")], |m| {
        hour_minute(m.group_int(0, 1)?, m.group_int(0, 2)?, false).token()
    });
    clock::halves(r, "(?:(a\\.?m\\.?)|(p\\.?m\\.?))");
    clock::past(r, &[("(?:minuten )?over", 1), ("(?:minuten )?voor", -1)]);
    clock::fraction_past(r, &[("kwart over", 15), ("kwart voor", -15), ("half", -30)]);
    r.add(
        "minutes before half",
        [clear_int(1, 29), re("(?:minuten )?(?:(voor)|over) half"), time_where(clock::is_hour)],
        |m| {
            let shift = if m.has(1, 1) { -30 - m.int(0)? } else { -30 + m.int(0)? };
            minutes_after(shift, m.time(2)?)?.token()
        },
    );
    clock::named_hours(r, &[("middernacht", 0)]);
    clock::zones(r, crate::rules::shapes::zones::ZONES);
}

const AT: &str = "(?:stipt |precies )?om(?: ongeveer| circa)?";

fn parts(r: &mut Rules) {
    clock::parts(
        r,
        &[
            ("'s (?:morgens|ochtends)|ochtend|voormiddag", 0, 12),
            ("(?:'s )?(?:middags?|namiddags?)", 12, 18),
            ("(?:'s )?avonds?", 18, 0),
            ("(?:'s )?nachts?", 0, 6),
        ],
    );
    clock::in_part(r, "(?:in|tijdens)(?: de)?");
    clock::this_part(r, "deze|vandaag");
    for (pattern, day_index, from, to) in [
        ("van(?:morgen|ochtend)", 0, 0, 12),
        ("vanmiddag", 0, 12, 18),
        ("vanavond|vannacht", 0, 18, 0),
        ("morgen(?:ochtend|morgen)", 1, 0, 12),
        ("morgenmiddag", 1, 12, 18),
        ("morgen(?:avond|nacht)", 1, 18, 0),
        ("gister(?:en)?ochtend", -1, 0, 12),
        ("gister(?:en)?middag", -1, 12, 18),
        ("gister(?:en)?(?:avond|nacht)", -1, 18, 0),
    ] {
        r.add(format!("part of day {day_index} {from}"), [re(pattern)], move |_| {
            both(&cycle(Grain::Day, day_index), &part_of_day(from, to))?.form(Form::PartOfDay).token()
        });
    }
    r.add("after lunch", [re("na de lunch")], |_| {
        both(&cycle(Grain::Day, 0), &part_of_day(13, 17))?.form(Form::PartOfDay).token()
    });
    clock::date_with_part(r, "van");
    r.add("time of day, part", [time_of_day(), a_part_of_day()], |m| both(m.time(0)?, m.time(1)?)?.token());
    r.add("time of day in part", [time_of_day(), re("in de"), a_part_of_day()], |m| {
        both(m.time(0)?, m.time(2)?)?.token()
    });
    clock::tod_with_part(r, "morgen|middag|avond|nacht", "morgen|nacht", "in de|op de");
}

fn ranges(r: &mut Rules) {
    const FROM: &str = "van|tussen|vanaf";
    const TO: &str = "-|tot(?: en met)?|t/m|en";
    range::dates(r, FROM, TO, "-|tot(?: en met)?|t/m");
    range::clocks(r, FROM, TO, "-|tot(?: en met)?");
    range::days_then_month(r, "van|vanaf", "-|tot(?: en met)?|t/m", "van");
    range::month_then_days(r, "van", "-|tot(?: en met)?|t/m");
    range::after(r, "na|vanaf|sinds|op zijn vroegst");
    range::before(r, "tot|op zijn laatst|uiterlijk");
    r.add("before clear time", [re("voor"), time_where(|t| !t.latent && t.direction.is_none())], |m| {
        m.time(1)?.clone().and_before().form(Form::Other).token()
    });
    r.add(
        "before latent",
        [re("voor"), time_where(|t| t.latent && crate::rules::build::is_time_of_day(t))],
        |m| m.time(1)?.clone().and_before().form(Form::Other).latent().token(),
    );
    r.add("before year", [re("voor(?: het jaar)?"), clear_int(1000, 2100)], |m| {
        exact_year(m.int(1)?).and_before().token()
    });
    let clear = || time_where(|t| !t.latent && crate::rules::build::is_time_of_day(t));
    r.add("time at the earliest", [clear(), re("op zijn vroegst")], |m| {
        m.time(0)?.clone().and_after().token()
    });
    r.add("time at the latest", [clear(), re("op zijn laatst")], |m| m.time(0)?.clone().and_before().token());
    r.add(
        "after but before",
        [
            time_where(|t| t.direction == Some(crate::token::Direction::After)),
            re("maar"),
            time_where(|t| t.direction == Some(crate::token::Direction::Before)),
        ],
        |m| {
            let from = crate::token::Time { direction: None, ..m.time(0)?.clone() };
            let to = crate::token::Time { direction: None, ..m.time(2)?.clone() };
            crate::rules::build::through(&from, &to).form(Form::ClockRange).token()
        },
    );
    range::intersections(r, "van|,|om|op|in|tegen");
}
