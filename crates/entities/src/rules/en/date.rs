//! English days, weeks, months and years.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_month, a_weekday, both, clear_int, cycle, date, day_of_month, duration, exact_year, grain, grain_where,
    last_grain_of, moved, now, nth_grain_after, ordinal_between, several, through, time_where, timed, up_to,
    weekend, year,
};
use crate::rules::shapes::day;
use crate::series::{Part, Series};
use crate::token::{Dimension, Duration, Form};

const NEXT: &str = "next|coming|upcoming|(?:the )?following";
const LAST: &str = "last|past|previous|prev\\.?";
const THIS: &str = "this|current|this current|this present";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    names(r);
    cycles(r);
    counted(r);
    dates(r);
    parts(r);
}

fn names(r: &mut Rules) {
    day::weekdays(
        r,
        [
            "mondays?|mon\\.?",
            "tuesdays?|tues?\\.?",
            "wed?nesdays?|wed\\.?",
            "thursdays?|thu(?:rs?)?\\.?",
            "fridays?|fri\\.?",
            "saturdays?|sat\\.?",
            "sundays?|sun\\.?",
        ],
    );
    day::months(
        r,
        [
            "january|jan\\.?",
            "february|feb\\.?",
            "march|mar\\.?",
            "april|apr\\.?",
            "",
            "june|jun\\.?",
            "july|jul\\.?",
            "august|aug\\.?",
            "september|sept?\\.?",
            "october|oct\\.?",
            "november|nov\\.?",
            "december|dec\\.?",
        ],
    );
    // The verb is more frequent than the month, so its rule is one of its own.
    r.add("May", [re("may")], |_| crate::rules::build::month(5).latent().token());
    day::instants(
        r,
        &[
            ("(?:just|right)? ?now|immediately|at the moment|atm", Grain::Second, 0),
            ("today|(?:at )?this time|(?:the )?present day|the day", Grain::Day, 0),
            ("tomorrow|tmrw?|tommorow|tomm?orr?ow", Grain::Day, 1),
            ("yesterday", Grain::Day, -1),
            ("(?:the )?day after tomorrow", Grain::Day, 2),
            ("(?:the )?day before yesterday", Grain::Day, -2),
        ],
    );
    day::seasons(
        r,
        &[
            ("summer", (6, 21), (9, 23)),
            ("(?:fall|autumn)", (9, 23), (12, 21)),
            ("winter", (12, 21), (3, 20)),
            ("spring", (3, 20), (6, 21)),
        ],
    );
    r.add("weekend", [re("(?:week[ -]?end|wkend)s?")], |_| weekend().form(Form::Weekday).token());
    r.add("season this", [re("(?:this|current) seasons?")], |_| season(0).token());
    r.add("season last", [re("(?:last|past|previous) seasons?")], |_| season(-1).token());
    r.add("season next", [re("next seasons?")], |_| season(1).token());
    let ends: &[(&str, Grain, Part)] = &[
        ("(?:the )?(?:eom|end of (?:the )?month)", Grain::Month, Part::End),
        ("(?:the )?(?:bom|beginning of (?:the )?month)", Grain::Month, Part::Beginning),
        ("(?:the )?(?:eoy|end of (?:the )?year)", Grain::Year, Part::End),
        ("(?:the )?(?:boy|beginning of (?:the )?year)", Grain::Year, Part::Beginning),
    ];
    for &(pattern, grain, part) in ends {
        r.add(format!("{part:?} of {}", grain.name()), [re(format!("(?:at )?{pattern}"))], move |_| {
            day::partial(&cycle(grain, 0), part)?.token()
        });
    }
    r.add("by the end of", [re("by (?:the )?(?:eo(d|m|y)|end of (?:the )?(day|month|year))")], |m| {
        let word = m.group(0, 1).or_else(|| m.group(0, 2))?;
        let grain = match word.chars().next()? {
            'd' => Grain::Day,
            'm' => Grain::Month,
            _ => Grain::Year,
        };
        up_to(&now(), &cycle(grain, 1)).token()
    });
    r.add("end of day", [re("(?:the )?(?:eod|end of (?:the )?day)")], |_| {
        let evening = crate::rules::build::hour(17, false);
        up_to(&both(&cycle(Grain::Day, 0), &evening)?, &cycle(Grain::Day, 1)).token()
    });
}

fn season(index: i64) -> crate::token::Time {
    timed(Series::seasons(index), Grain::Day)
}

fn cycles(r: &mut Rules) {
    day::cycles_before(
        r,
        &[
            ("(?:(?:around|this) )?(?:next|coming|upcoming|the following)", 1),
            ("(?:this )?(?:last|past|previous)", -1),
            ("this|current|this current|(?:in )?the current", 0),
        ],
    );
    r.add("grain after next", [grain(), re("after next")], |m| cycle(m.grain(0)?, 2).token());
    r.add(
        "the grain",
        [
            re("the"),
            grain_where(|grain| matches!(grain, Grain::Week | Grain::Month | Grain::Quarter | Grain::Year)),
        ],
        |m| {
            let grain = m.grain(1)?;
            if grain == Grain::Week {
                day::partial(&cycle(grain, 0), Part::Rest)?.latent().token()
            } else {
                cycle(grain, 0).token()
            }
        },
    );
    r.add("all week", [re("all week|the whole week")], |_| {
        day::partial(&cycle(Grain::Week, 0), Part::Whole)?.token()
    });
    r.add("rest of the week", [re("(?:the )?rest of the (week|month|year)")], |m| {
        let grain = match m.group(0, 1)?.as_str() {
            "week" => Grain::Week,
            "month" => Grain::Month,
            _ => Grain::Year,
        };
        day::partial(&cycle(grain, 0), Part::Rest)?.token()
    });
    let next = NEXT.to_owned();
    let last = LAST.to_owned();
    r.add("several next", [re(next), clear_or_few(), grain()], |m| {
        upcoming_or_several(m.grain(2)?, m.int(1)?, m.text(0).contains("upcoming"))
    });
    r.add("several last", [re(last), clear_or_few(), grain()], |m| several(m.grain(2)?, -m.int(1)?).token());
    r.add("number upcoming", [clear_or_few(), re("upcoming"), grain()], |m| {
        cycle(m.grain(2)?, m.int(0)?).token()
    });
    day::named_before(
        r,
        &[
            (THIS, 0, false),
            ("(?:coming|upcoming|the following)", 0, true),
            ("(?:this )?(?:last|past|previous)", -1, false),
        ],
    );
    r.add("next weekday", [re("next"), day::named()], |m| {
        let time = m.time(1)?;
        if time.form == Form::Weekday && time.grain == Grain::Day {
            return both(time, &cycle(Grain::Week, 1))?.token();
        }
        time.nth(0, true).token()
    });
    r.add("named after next", [day::named(), re("after next")], |m| m.time(0)?.nth(1, true).token());
    r.add("grain's weekday", [re("(last|this|next) week'?s"), a_weekday()], |m| {
        let index = match m.group(0, 1)?.as_str() {
            "last" => -1,
            "this" => 0,
            _ => 1,
        };
        both(m.time(1)?, &cycle(Grain::Week, index))?.token()
    });
    day::nth_named_of(r, "of|in|from");
    r.add("nth time after time", [ordinal_between(1, 60), day::named(), re("after"), date()], |m| {
        m.time(1)?.nth_after(m.time(3)?, m.int(0)? - 1, true).form(Form::Counted).token()
    });
    day::last_named_of(r, "(?:the )?last", "of|in");
    r.add("nth last", [ordinal_between(1, 60), re("last"), grain(), re("of|in"), date()], |m| {
        last_grain_of(m.grain(2)?, m.time(4)?, m.int(0)? - 1).form(Form::Counted).token()
    });
    day::grain_of_date(r, "of");
    r.add("closest", [re("(?:the )?closest"), day::named(), re("to"), date()], |m| {
        closest(m.time(1)?, m.time(3)?, 0).token()
    });
    r.add(
        "nth closest",
        [re("the"), ordinal_between(1, 20), re("closest"), day::named(), re("to"), date()],
        |m| closest(m.time(3)?, m.time(5)?, m.int(1)? - 1).token(),
    );
    day::quarters(r, "of");
    r.add("yyyyqq", [re("(\\d{2,4})\\s?q([1-4])")], |m| {
        nth_grain_after(Grain::Quarter, &year(m.group_int(0, 1)?), m.group_int(0, 2)? - 1).token()
    });
}

fn clear_or_few() -> crate::grammar::Item {
    crate::rules::build::int_between(1, 9999)
}

fn upcoming_or_several(grain: Grain, count: i64, upcoming: bool) -> Option<crate::token::Payload> {
    if upcoming { cycle(grain, count).token() } else { several(grain, count).token() }
}

fn closest(of: &crate::token::Time, base: &crate::token::Time, index: i64) -> crate::token::Time {
    crate::token::Time {
        holiday: of.holiday.clone(),
        ..timed(of.series.closest(&base.series, index), of.grain)
    }
}

fn counted(r: &mut Rules) {
    day::from_now_before(r, &[("in(?: another)?", 1)]);
    day::from_now_after(r, &[("ago|earlier", -1), ("(?:from (?:right )?now|hence|later)", 1)]);
    r.add("in number", [re("in"), clear_int(0, 60)], |m| {
        crate::rules::build::from_now(Duration { value: m.int(1)?, grain: Grain::Minute }).token()
    });
    let clock = crate::rules::build::time_of_day;
    r.add("in duration at time of day", [re("in"), duration(), re("at|@"), clock()], |m| {
        both(&m.time(3)?.clone().clear(), &day_from_now(m.duration(1)?))?.token()
    });
    r.add("at time of day in duration", [re("at|@"), clock(), re("in"), duration()], |m| {
        both(&m.time(1)?.clone().clear(), &day_from_now(m.duration(3)?))?.token()
    });
    day::within(r, "within(?: the next)?");
    day::moved_by(r, &[("after|from", 1), ("before", -1)]);
    r.add("time in duration", [day::named(), re("in"), duration()], |m| relative(m.time(0)?, m.duration(2)?));
    r.add("time ago", [day::named(), duration(), re("ago")], |m| {
        let duration = m.duration(1)?;
        let back = Duration { value: -duration.value, ..duration };
        m.time(0)?.nth_after(&moved(&cycle(back.grain, 0), back, 1), 0, false).token()
    });
    day::counted_names(r, &[("from now|hence", 1), ("ago|back", -1)]);
    r.add("after duration", [re("after"), duration()], |m| {
        crate::rules::build::from_now(m.duration(1)?).and_after().token()
    });
    r.add("for duration from now", [re("for"), duration(), re("from now")], |m| {
        through(&now(), &crate::rules::build::from_now(m.duration(1)?)).token()
    });
    day::lasting_since(r, "for", "from|starting(?: from)?|since");
}

// The day, or the coarser grain, that a duration leads to.
fn day_from_now(duration: Duration) -> crate::token::Time {
    match duration.grain {
        Grain::Day => cycle(Grain::Day, duration.value),
        _ => crate::rules::build::from_now(duration),
    }
}

fn relative(time: &crate::token::Time, duration: Duration) -> Option<crate::token::Payload> {
    let base = crate::rules::build::from_now(duration);
    time.nth_after(&base, 0, false).token()
}

fn dates(r: &mut Rules) {
    day::weekday_with_day(r, "the|,? ?the");
    day::day_then_month(r, "of|in");
    day::absorbed(r, "the counted", "the", time_where(|time| time.form == Form::Counted));
    r.add("ordinal month yy", [ordinal_between(1, 31), a_month(), re("'?(\\d\\d)")], |m| {
        let date = both(m.time(1)?, &day_of_month(m.int(0)?)?)?;
        both(&date, &year(m.group_int(2, 1)?))?.token()
    });
    day::absorbed_after(r, "weekday,", day::a_single_weekday(), ",");
    r.add("the ordinal of month", [re("the"), ordinal_between(1, 31), re("of"), a_month()], |m| {
        day::dated(m.time(3)?, m.int(1)?)
    });
    r.add("the number of month", [re("the"), clear_int(1, 31), re("of"), a_month()], |m| {
        day::dated(m.time(3)?, m.int(1)?)
    });
    r.add("the ordinal month", [re("the"), ordinal_between(1, 31), a_month()], |m| {
        day::dated(m.time(2)?, m.int(1)?)
    });
    day::month_then_day(r, "the");
    day::day_of_that_month(r, "(?:day )?(?:of|in)(?: the)?");
    day::the_day(r, "the|on the");
    r.add("on ordinal", [re("on"), ordinal_between(1, 31)], |m| day_of_month(m.int(1)?)?.latent().token());
    day::years(r);
    day::with_year(r, "of|in|,");
    day::numeric_year_first(r);
    day::numeric_month_year(r, "\\s*[-/]\\s*");
    r.add("yyyy-mm", [re("(\\d{4})\\s*[-/]\\s*(1[0-2]|0?[1-9])")], |m| {
        crate::rules::build::year_month(m.group_int(0, 1)?, m.group_int(0, 2)?)?.token()
    });
    day::in_year(r, "in(?: the year)?", 9999);
    r.add(
        "year bc ad",
        [time_where(|time| time.form == Form::Year), re("(?:(b\\.?c\\.?)|(a\\.?d\\.?))")],
        |m| {
            let time = m.time(0)?;
            if m.has(1, 1) { None } else { time.clone().clear().token() }
        },
    );
    r.add("in year bc", [re("(?:in )?(\\d{1,4}) ?b\\.?c\\.?")], |m| exact_year(-m.group_int(0, 1)?).token());
    r.add("dd-mon-yy", [re("(3[01]|[12]\\d|0?[1-9])[-/\\s](jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[-/\\s](\\d{2,4})")], |m| {
        const NAMES: [&str; 12] =
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let name = m.group(0, 2)?;
        let month = NAMES.iter().position(|known| name.starts_with(known))? as i64 + 1;
        crate::rules::build::year_month_day(m.group_int(0, 3)?, month, m.group_int(0, 1)?)?.token()
    });
    r.add("month year two digits", [a_month(), re("'(\\d\\d)")], |m| {
        both(m.time(0)?, &year(m.group_int(1, 1)?))?.token()
    });
}

fn parts(r: &mut Rules) {
    day::parts_of(
        r,
        &[
            ("(?:at )?(?:the )?(?:beginning|start) of", Part::Beginning),
            ("(?:at )?(?:the )?end of", Part::End),
            ("early", Part::Beginning),
            ("(?:in )?(?:the )?(?:mid(?:dle)?)[- ]?(?:of )?", Part::Middle),
            ("late", Part::End),
        ],
    );
    r.add("rest of", [re("(?:the )?rest of"), day::part_base()], |m| {
        day::partial(m.time(1)?, Part::Rest)?.token()
    });
}
