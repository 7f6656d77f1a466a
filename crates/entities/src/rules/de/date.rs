//! German days, weeks, months and years.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_month, a_weekday, both, cycle, date, day_of_month, duration, duration_where, month_day,
    ordinal_between, through, time_where, up_to, weekend, year_month_day,
};
use crate::rules::shapes::day;
use crate::token::{Dimension, Form};

const OF: &str = "i[mn](?: de[rmn])?|des|de[rs]|von|vom|in diesem|dieses|diese[rn]|am";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    names(r);
    cycles(r);
    counted(r);
    dates(r);
}

fn names(r: &mut Rules) {
    day::weekdays(
        r,
        [
            "montags?|mo\\.?",
            "die?nstags?|di\\.?",
            "mittwochs?|mi\\.?",
            "donn?erstags?|do\\.?",
            "freitags?|fr\\.?",
            "samstags?|sonnabends?|sa\\.?",
            "sonntags?|so\\.?",
        ],
    );
    day::months(
        r,
        [
            "januars?|jänners?|jan\\.?",
            "februars?|feb\\.?",
            "märz(?:es)?|maerz|mär\\.?|mrz\\.?",
            "aprils?|apr\\.?",
            "mai(?:s|es)?\\.?",
            "junis?|jun\\.?",
            "julis?|jul\\.?",
            "augusts?|aug\\.?",
            "septembers?|sept?\\.?",
            "oktobers?|okt\\.?",
            "novembers?|nov\\.?",
            "dezembers?|dez\\.?",
        ],
    );
    day::instants(
        r,
        &[
            ("jetzt|gerade eben|genau jetzt|(?:in )?diesem moment|sofort", Grain::Second, 0),
            ("heute|(?:um diese|zu dieser) zeit", Grain::Day, 0),
            ("morgen", Grain::Day, 1),
            ("gestern", Grain::Day, -1),
            ("übermorgen", Grain::Day, 2),
            ("vorgestern", Grain::Day, -2),
        ],
    );
    day::seasons(
        r,
        &[
            ("sommer", (6, 21), (9, 23)),
            ("herbst", (9, 23), (12, 21)),
            ("winter", (12, 21), (3, 20)),
            ("frühling|frühjahr", (3, 20), (6, 21)),
        ],
    );
    r.add("weekend", [re("wochen ?enden?s?")], |_| weekend().form(Form::Weekday).token());
    r.add(
        "by the end of",
        [re("bis (?:zum )?ende? (?:des|der|dieser|dieses)? ?(tages|monats|jahres|woche)")],
        |m| {
            let grain = match m.group(0, 1)?.as_str() {
                "tages" => Grain::Day,
                "monats" => Grain::Month,
                "woche" => Grain::Week,
                _ => Grain::Year,
            };
            let end = cycle(grain, 1);
            if grain == Grain::Day {
                return crate::rules::build::hour(0, false).and_before().form(Form::Other).token();
            }
            up_to(&cycle(grain, 0), &end).and_before().token()
        },
    );
}

fn cycles(r: &mut Rules) {
    day::cycles_before(
        r,
        &[
            ("diese[rmns]?|aktuelle[rmns]?", 0),
            ("(?:die |der |das |den |dem )?(?:nächste|kommende|folgende)[rmns]?", 1),
            ("(?:die |der |das |den |dem )?(?:letzte|vergangene|vorige)[rmns]?", -1),
            ("(?:die |der |das |den |dem )?übernächste[rmns]?", 2),
            ("(?:die |der |das |den |dem )?vorletzte[rmns]?", -2),
        ],
    );
    day::several_before(
        r,
        &[
            ("nächste[rmns]?|kommende[rmns]?|folgende[rmns]?", 1),
            ("letzte[rmns]?|vergangene[rmns]?|vorige[rmns]?", -1),
        ],
    );
    day::named_before(
        r,
        &[
            ("diese[rmns]?|kommende[rmns]?", 0, false),
            ("nächste[rmns]?", 0, true),
            ("letzte[rmns]?|vergangene[rmns]?|vorige[rmns]?", -1, false),
            ("übernächste[rmns]?", 1, true),
        ],
    );
    r.add("named after next", [day::named(), re("nach dem nächsten")], |m| m.time(0)?.nth(1, true).token());
    day::nth_named_of(r, OF);
    r.add("nth time after time", [ordinal_between(1, 60), day::named(), re("nach"), date()], |m| {
        m.time(1)?.nth_after(m.time(3)?, m.int(0)? - 1, true).token()
    });
    day::last_named_of(r, "letzte[rmns]?", OF);
    day::quarters(r, OF);
    r.add(
        "weekday of that week",
        [a_weekday(), re("(?:der |in der )?(letzten?|nächsten?|kommenden|dieser|diese) woche")],
        |m| {
            let word = m.group(1, 1)?;
            let index = match word.chars().next()? {
                'l' => -1,
                'd' => 0,
                _ => 1,
            };
            both(m.time(0)?, &cycle(Grain::Week, index))?.token()
        },
    );
}

fn counted(r: &mut Rules) {
    day::from_now_before(r, &[("in", 1), ("vor", -1)]);
    day::within(r, "binnen|innerhalb(?: von)?");
    day::moved_by(r, &[("nach", 1), ("vor", -1)]);
    let weeks = || duration_where(|duration| duration.grain == Grain::Week);
    for (name, pattern, sign) in [("weekday in weeks", "in", 1), ("weekday weeks ago", "vor", -1)] {
        r.add(name, [a_weekday(), re(pattern), weeks()], move |m| {
            crate::rules::build::moved(&m.time(0)?.nth(0, true), m.duration(2)?, sign).token()
        });
    }
    let other = || {
        time_where(|time| {
            time.form != Form::Weekday && (matches!(time.form, Form::Month(_)) || time.holiday.is_some())
        })
    };
    r.add("time in duration", [other(), re("in"), duration()], |m| {
        let base = crate::rules::build::from_now(m.duration(2)?);
        m.time(0)?.nth_after(&base, 0, false).token()
    });
    day::lasting_since(r, "für", "ab|von|vom");
}

fn dates(r: &mut Rules) {
    day::weekday_with_day(r, ",? ?(?:de[rnm])?|de[rnm]|,");
    day::day_then_month(r, "im|des|vom");
    r.add("the ordinal month", [re("der|am|dem|den|des"), ordinal_between(1, 31), a_month()], |m| {
        day::dated(m.time(2)?, m.int(1)?)
    });
    day::month_then_day(r, "der|den");
    day::the_day(r, "am|der|den|dem|vom|zum");
    day::day_of_that_month(r, OF);
    day::years(r);
    day::clear_years(r);
    r.add("ordinal as day", [ordinal_between(1, 31)], |m| day_of_month(m.int(0)?)?.token());
    day::with_year(r, "im jahre?|in|von|,");
    day::in_year(r, "i[mn] jahre?|in", 2100);
    r.add("ordinal month yy", [ordinal_between(1, 31), a_month(), re("'?(\\d\\d)")], |m| {
        let date = both(m.time(1)?, &day_of_month(m.int(0)?)?)?;
        both(&date, &crate::rules::build::year(m.group_int(2, 1)?))?.token()
    });
    day::numeric_year_first(r);
    day::numeric_day_first(r, "[-/.]", "\\.");
    r.add("dd.mm.", [re("(3[01]|[12]\\d|0?[1-9])\\.(1[0-2]|0?[1-9])\\.")], |m| {
        month_day(m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
    r.add("mm/yyyy", [re("(1[0-2]|0?[1-9])[-/.](\\d{4})")], |m| {
        crate::rules::build::year_month(m.group_int(0, 2)?, m.group_int(0, 1)?)?.token()
    });
    r.add("dd. - dd.mm.yyyy", [re("(?:vom\\s*)?(3[01]|[12]\\d|0?[1-9])\\.?\\s*(?:-|/|bis(?: zum)?|auf den)\\s*(3[01]|[12]\\d|0?[1-9])\\.(1[0-2]|0?[1-9])\\.?(\\d{4}|\\d\\d)?")], |m| {
        let month = m.group_int(0, 3)?;
        let on = |day: i64| match m.group_int(0, 4) {
            Some(year) => year_month_day(year, month, day),
            None => month_day(month, day),
        };
        let (low, high) = (m.group_int(0, 1)?, m.group_int(0, 2)?);
        (low < high).then_some(through(&on(low)?, &on(high)?).form(Form::Range))?.token()
    });
    let date = "(3[01]|[12]\\d|0?[1-9])\\.(1[0-2]|0?[1-9])\\.?";
    r.add(
        "dd.mm. - dd.mm.yyyy",
        [re(format!("(?:vom\\s*)?{date}\\s*(?:-|/|bis(?: zum)?|auf den)\\s*{date}(\\d{{4}}|\\d\\d)"))],
        |m| {
            let year = m.group_int(0, 5)?;
            let from = year_month_day(year, m.group_int(0, 2)?, m.group_int(0, 1)?)?;
            let to = year_month_day(year, m.group_int(0, 4)?, m.group_int(0, 3)?)?;
            through(&from, &to).form(Form::Range).token()
        },
    );
    day::absorbed(r, "on day", "am|an|den|der", day::a_clear_day());
    day::absorbed(r, "in month", "im|in", time_where(|t| matches!(t.form, Form::Month(_) | Form::Season)));
    day::absorbed(r, "on weekend", "am|übers|über das", time_where(|t| t.form == Form::Weekday));
    day::absorbed_after(r, "weekday,", day::a_single_weekday(), ",");
}
