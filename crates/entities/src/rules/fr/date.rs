//! French days, weeks, months and years.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_month, a_weekday, both, clear_int, cycle, date, day_of_month, duration, from_now, grain_where,
    int_between, month_day, now, time_where, timed, up_to, weekend,
};
use crate::rules::shapes::day;
use crate::series::Part;
use crate::token::{Dimension, Duration, Form};

const OF: &str = "d'|du|de(?: la| l'| ce| cette)?|en|dans";
const NEXT: &str = "prochaine?s?|suivante?s?|qui suit|(?:d')?apr[eè]s|à venir";
const LAST: &str = "derni[eéè]re?s?|pass[ée]e?s?|pr[ée]c[ée]dente?s?|d'avant";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    names(r);
    holidays(r);
    cycles(r);
    counted(r);
    dates(r);
    parts(r);
}

fn names(r: &mut Rules) {
    day::weekdays(
        r,
        [
            "lun\\.?(?:di)?",
            "mar\\.?(?:di)",
            "mer\\.?(?:credi)?",
            "jeu\\.?(?:di)?",
            "ven\\.?(?:dredi)?",
            "sam\\.?(?:edi)?",
            "dim\\.?(?:anche)?",
        ],
    );
    day::months(
        r,
        [
            "janvier|janv?\\.?",
            "f[ée]vrier|f[ée]v\\.?",
            "mars",
            "avril|avr\\.?",
            "mai",
            "juin|jun\\.?",
            "juillet|juil?\\.?",
            "ao[uû]t",
            "septembre|sept?\\.?",
            "octobre|oct\\.?",
            "novembre|nov\\.?",
            "d[ée]cembre|d[ée]c\\.?",
        ],
    );
    day::instants(
        r,
        &[
            ("maintenant|(?:tout de|de) suite|imm[ée]diatement", Grain::Second, 0),
            ("(?:d')?aujourd'?hui|ce jour|dans la journ[ée]e?|en ce moment|ce jour", Grain::Day, 0),
            ("demain|le lendemain|(?:le )?jour (?:suivant|d'apr[eè]s)|un jour apr[eè]s", Grain::Day, 1),
            ("hier|la veille|le jour (?:d'avant|pr[ée]c[ée]dent)", Grain::Day, -1),
            ("apr[eè]s[- ]?demain", Grain::Day, 2),
            ("avant[- ]?hier", Grain::Day, -2),
        ],
    );
    day::seasons(
        r,
        &[
            ("(?:l')?[ée]t[ée]", (6, 21), (9, 23)),
            ("(?:l')?automne", (9, 23), (12, 21)),
            ("(?:l')?hiver", (12, 21), (3, 20)),
            ("(?:le )?printemps", (3, 20), (6, 21)),
        ],
    );
    r.add("weekend", [re("week(?:\\s|-)?end")], |_| weekend().form(Form::Weekday).token());
    r.add("later", [re("(?:un peu )?plus tard")], |_| cycle(Grain::Minute, 10).and_after().token());
}

fn holidays(r: &mut Rules) {
    for (pattern, month, of_day) in [
        ("(?:jour de )?no[eë]l", 12, 25),
        ("(?:le )?(?:soir|r[ée]veillon|veille) de no[eë]l", 12, 24),
        ("(?:le )?(?:(?:soir|r[ée]veillon) (?:du|de) )?(?:(?:saint|st)[- ]sylvestre)", 12, 31),
        ("(?:(?:le )?(?:premier de l'an|jour de l'an|nouvel an))", 1, 1),
        ("(?:la |la journ[ée]e de la |le jour de la )?toussaint|le jour des morts", 11, 1),
        ("(?:le )?(?:f[eê]te du travail|premier mai)", 5, 1),
        ("(?:la )?f[eê]te nationale", 7, 14),
        ("(?:la )?saint[- ]valentin", 2, 14),
        ("(?:l')?armistice", 11, 11),
        ("halloween", 10, 31),
    ] {
        r.add(format!("holiday {month}-{of_day}"), [re(pattern)], move |_| {
            month_day(month, of_day)?.holiday("").token()
        });
    }
    use crate::rules::holidays::{day as on, easter, nth_weekday};
    day::movable_holidays(
        r,
        &[
            ("", "p[aâ]ques|dimanche de p[aâ]ques", |y| easter(y, 0)),
            ("", "lundi de p[aâ]ques", |y| easter(y, 1)),
            ("", "(?:l')?ascension|jeudi de l'ascension", |y| easter(y, 39)),
            ("", "(?:la )?pentec[oô]te", |y| easter(y, 49)),
            ("", "lundi de pentec[oô]te", |y| easter(y, 50)),
            ("", "f[eê]te des p[eè]res", |y| on(nth_weekday(y, 6, 7, 3))),
            ("", "f[eê]te des m[eè]res", |y| on(nth_weekday(y, 5, 7, -1))),
        ],
    );
}

fn cycles(r: &mut Rules) {
    day::cycles_before(r, &[("(?:dans )?(?:ce(?:t(?:te)?)?)", 0)]);
    let weeks = || grain_where(|grain| grain >= Grain::Week);
    r.add("dans la semaine", [re("dans l[ae']"), weeks()], |m| cycle(m.grain(1)?, 0).token());
    for (pattern, index) in [(NEXT, 1), (LAST, -1)] {
        r.add(
            format!("the grain {index}"),
            [re("l[ae'](?: )?|l'|une?"), crate::rules::build::grain(), re(pattern)],
            move |m| cycle(m.grain(1)?, index).token(),
        );
        r.add(format!("grain {index}"), [weeks(), re(pattern)], move |m| cycle(m.grain(0)?, index).token());
    }
    for (before, sign) in
        [("prochain(?:e)?s?|suivant(?:e)?s?", 1), ("derni[eéè]re?s?|pass[ée]e?s?|pr[ée]c[ée]dente?s?", -1)]
    {
        day::several_between(r, &[(before, sign)]);
        day::several_after(r, &[(before, sign)]);
    }
    day::named_after(r, &[("prochaine?", 0, true), ("derni[eéè]re?|pass[ée]e?", -1, false)]);
    day::named_before(r, &[("ce(?:t(?:te)?)?", 0, false)]);
    r.add("weekday after", [a_weekday(), re("(?:suivant|d'apr[eè]s)")], |m| {
        m.time(0)?.nth(1, false).token()
    });
    r.add("weekday of week", [a_weekday(), re("(?:de )?(?:(cette)|la) semaine ?(prochaine|suivante|d'apr[eè]s|qui suit)?(derni[eè]re|pass[ée]e)?")], |m| {
        let index = if m.has(1, 2) { 1 } else if m.has(1, 3) { -1 } else { 0 };
        both(m.time(0)?, &cycle(Grain::Week, index))?.token()
    });
    for (word, weeks) in [("huit|8", 1), ("quinze|15", 2)] {
        r.add(format!("weekday in {weeks} weeks"), [a_weekday(), re(format!("en (?:{word})"))], move |m| {
            m.time(0)?.nth(weeks, false).token()
        });
    }
    day::nth_named_of(r, OF);
    day::last_named_of(r, "(?:le |la |l')?derni[eéè]re?", OF);
    day::absorbed(r, "the counted", "l[ae]", time_where(|time| time.form == Form::Counted));
    let counted_week = || grain_where(|grain| grain == Grain::Week);
    r.add("the week of day", [re("la"), counted_week(), re("d[ue']"), date()], |m| {
        crate::rules::build::nth_grain_within(Grain::Week, m.time(3)?, 0).token()
    });
    r.add("the week of day number", [re("la"), counted_week(), re("du"), clear_int(1, 31)], |m| {
        crate::rules::build::nth_grain_within(Grain::Week, &day_of_month(m.int(3)?)?, 0).token()
    });
    day::quarters(r, OF);
}

fn counted(r: &mut Rules) {
    day::from_now_before(r, &[("dans|d'ici|en", 1), ("il y a", -1)]);
    day::from_now_after(r, &[("(?:plus t[oô]t|avant)", -1)]);
    day::within(r, "dans les|d'ici");
    r.add("duration later", [duration(), re("plus tard|apr[eè]s")], |m| {
        let duration = m.duration(0)?;
        if duration.grain < Grain::Day {
            from_now(duration).token()
        } else {
            cycle(duration.grain, duration.value).token()
        }
    });
    day::moved_by(r, &[("apr[eè]s", 1), ("avant", -1)]);
    r.add("le lendemain du", [re("(?:le )?lendemain (?:du|de)"), date()], |m| {
        crate::rules::build::moved(m.time(1)?, Duration { value: 1, grain: Grain::Day }, 1).token()
    });
    r.add("dans les days", [re("dans les"), int_between(2, 999), grain_where(|g| g == Grain::Day)], |m| {
        up_to(&now(), &from_now(Duration { value: m.int(1)?, grain: Grain::Day })).token()
    });
}

fn dates(r: &mut Rules) {
    day::weekday_then_number(r);
    day::weekday_with_day(r, "le|,");
    day::day_then_month(r, "d[eu']|du mois d[e']");
    day::absorbed(r, "le date", "le|ce|du", day::a_clear_day());
    day::number_as_day(r, "le number", "le|ce");
    day::the_day(r, "le|ce");
    day::day_of_that_month(r, OF);
    day::years(r);
    r.add("premier", [re("premier")], |_| day_of_month(1)?.token());
    day::with_year(r, "de|en|,");
    day::in_year(r, "en(?: l'an)?|de l'ann[ée]e", 2100);
    r.add(
        "day month yy",
        [time_where(|t| t.grain == Grain::Day && !t.latent), re("'?([5-9]\\d)(?!\\s*h|:)")],
        |m| both(m.time(0)?, &crate::rules::build::year(m.group_int(1, 1)?))?.token(),
    );
    day::numeric_year_first(r);
    day::numeric_day_first(r, "[-/. ]", "[-/]");
    r.add("dd mm", [re("(?:le )?(3[01]|[12]\\d|0?[1-9]) (1[0-2]|0?[1-9])")], |m| {
        month_day(m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
    r.add("mm/yyyy", [re("(1[0-2]|0?[1-9])[-/](\\d{4})")], |m| {
        crate::rules::build::year_month(m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
    day::absorbed(
        r,
        "in month",
        "en|au mois d[e']|le mois d[e']",
        time_where(|t| matches!(t.form, Form::Month(_) | Form::Season)),
    );
}

fn parts(r: &mut Rules) {
    for (pattern, part) in [
        ("(?:en |au |le )?d[ée]but(?: de| du| d')?(?: la| l')?", Part::Beginning),
        ("(?:en |[àa] la |la )?fin(?: de| du| d')?(?: la| l')?", Part::End),
        ("(?:en |au )?(?:mi[- ]|milieu (?:de |du |d')?)(?:la |l')?", Part::Middle),
    ] {
        r.add(format!("{part:?} of month"), [re(pattern), a_month()], move |m| {
            month_part(m.time(1)?, part)?.token()
        });
        r.add(
            format!("{part:?} of grain"),
            [re(pattern), grain_where(|g| matches!(g, Grain::Week | Grain::Month | Grain::Year))],
            move |m| {
                let base = crate::rules::build::each(m.grain(1)?);
                match (part, m.grain(1)?) {
                    (Part::Beginning, Grain::Month) => day::partial(&base, part)?.token(),
                    _ => month_part_of_cycle(&base, part)?.token(),
                }
            },
        );
    }
    r.add("en semaine", [re("(?:en|pendant la|durant la) semaine")], |_| {
        let monday = crate::rules::build::each(Grain::Week);
        timed(monday.series.part(Part::Weekdays), Grain::Day).token()
    });
    r.add("quinzaine", [re("(?:la )?(premi[eè]re|deuxi[eè]me|seconde) quinzaine d[e']"), a_month()], |m| {
        let part = if m.group(0, 1)?.starts_with('p') { Part::FirstHalf } else { Part::SecondHalf };
        timed(m.time(1)?.series.part(part), Grain::Day).token()
    });
}

fn month_part(month: &crate::token::Time, part: Part) -> Option<crate::token::Time> {
    let part = match part {
        Part::Beginning => Part::FirstDays,
        Part::Middle => Part::SecondTen,
        part => part,
    };
    Some(timed(month.series.part(part), Grain::Day))
}

fn month_part_of_cycle(base: &crate::token::Time, part: Part) -> Option<crate::token::Time> {
    let grain = if base.grain == Grain::Year { Grain::Month } else { Grain::Day };
    let part = match (part, base.grain) {
        (Part::Beginning, Grain::Year) => Part::FirstMonths,
        (Part::End, Grain::Year) => Part::LastMonths,
        (Part::Middle, Grain::Week) => Part::Midweek,
        (Part::End, Grain::Week) => Part::LongEnd,
        _ => part,
    };
    Some(timed(base.series.part(part), grain))
}
