//! French times of day, intervals and combinations.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_part_of_day, both, clear_int, day_of_month, hour, hour_minute, minutes_after, through, time_of_day,
    time_where,
};
use crate::rules::shapes::{clock, range};
use crate::token::{Dimension, Form};

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    clocks(r);
    day_parts(r);
    ranges(r);
}

fn clocks(r: &mut Rules) {
    clock::bare_hours(r);
    clock::at(r, "(?:vers|autour de|(?:à|a)(?: environ| peu pr[eè]s)?|aux alentours de|d[eè]s)");
    clock::oclock(r, "h\\.?(?:eure)?s?");
    clock::digital(r, ":", true);
    clock::digital_seconds(r, ":", true);
    r.add("hhhmm", [re("([01]?\\d|2[0-4]) ?h(?:eures?)? ?([0-5]\\d)")], |m| {
        let value = m.group_int(0, 1)?;
        hour_minute(value, m.group_int(0, 2)?, value != 0 && value != 12).token()
    });
    r.add("hhh", [re("([01]?\\d|2[0-4]) ?h")], |m| {
        let value = m.group_int(0, 1)?;
        hour(value, value != 0 && value < 12).token()
    });
    let clear_hour = || time_where(|t| clock::is_hour(t) && !t.latent);
    r.add("hour and minutes", [clear_hour(), clear_int(1, 59)], |m| {
        minutes_after(m.int(1)?, m.time(0)?)?.token()
    });
    clock::hour_then_minutes(r, &[("moins(?: le)?", -1), ("et|pass[ée](?:e?s?)(?: de)?", 1)]);
    r.add(
        "hour passed minutes",
        [clear_hour(), re("pass[ée]e?s? de"), clear_int(1, 59), re("minutes?")],
        |m| minutes_after(m.int(2)?, m.time(0)?)?.token(),
    );
    clock::hour_then_fraction(
        r,
        &[
            ("et (?:un )?quart|un quart", 15),
            ("et demie?", 30),
            ("(?:et )?trois quarts?", 45),
            ("moins (?:le |un )?quart", -15),
        ],
    );
    clock::named_hours(r, &[("midi", 12), ("minuit", 0)]);
    clock::zones(r, crate::rules::shapes::zones::ZONES);
}

fn day_parts(r: &mut Rules) {
    clock::parts(
        r,
        &[
            ("(?:le )?matin(?:[ée]e?)?|mat", 4, 12),
            ("(?:l')?apr[eè]s?[- ]?midi", 12, 19),
            ("(?:le |la )?soir(?:[ée]e?)?", 18, 0),
            ("(?:la )?nuit", 0, 4),
            ("d[ée]jeuner", 12, 14),
            (
                "(?:(?:en|au) )?d[ée]but de (?:la )?matin[ée]e|(?:le |la )?matin[ée]?e? (?:tr[eè]s )?t[oô]t|(?:tr[eè]s )?t[oô]t (?:le |dans la )?matin[ée]?e?",
                7,
                9,
            ),
            ("(?:(?:en|au) )?milieu de (?:la )?matin[ée]e", 9, 11),
            ("(?:(?:en|à la) )?fin de (?:la )?matin[ée]e|avant (?:le )?d[ée]jeuner", 10, 12),
            (
                "(?:(?:en|au) )?d[ée]but d(?:e l)?'apr[eè]s?[- ]?midi|(?:à l'heure du|au moment d[eu]|pendant(?: le)?) d[ée]jeuner",
                12,
                14,
            ),
            ("(?:(?:en|au) )?milieu d(?:e l)?'apr[eè]s?[- ]?midi", 14, 17),
            ("(?:(?:en|à la) )?fin d(?:e l)?'apr[eè]s?[- ]?midi", 17, 19),
            ("(?:(?:en|au) )?d[ée]but de (?:la )?journ[ée]e", 6, 10),
            ("(?:(?:en|au) )?milieu de (?:la )?journ[ée]e", 11, 16),
            ("(?:(?:en|à la) )?fin de (?:la )?journ[ée]e|apr[eè]s le travail", 17, 21),
            ("(?:(?:en|au) )?d[ée]but de (?:la )?soir[ée]e", 18, 21),
            ("(?:(?:en|à la) )?fin de (?:la )?soir[ée]e", 21, 0),
            ("apr[eè]s (?:le )?d[ée]jeuner", 13, 17),
        ],
    );
    let part = || time_where(|t| t.form == Form::PartOfDay);
    const IN: &str = "(?:(?:un peu )?plus tard )?(?:dans|pendant|durant|en|au|à|d[eè]s)(?: l[ae']| le)?|(?:un peu )?plus tard";
    r.add("in part of day", [re(IN), a_part_of_day()], |m| m.time(1)?.clone().clear().token());
    r.add("clear part", [part()], |m| {
        let text = m.text(0);
        let words = ["début", "debut", "milieu", "fin ", "tôt", "tot", "déjeuner", "dejeuner", "travail"];
        let clear = text.starts_with("l'") || words.iter().any(|word| text.contains(word));
        let time = m.time(0)?;
        let beside = text.starts_with("av") || text.starts_with("ap") || text.ends_with("travail");
        if clear && time.latent && beside {
            return both(&crate::rules::build::cycle(Grain::Day, 0), time)?.form(Form::PartOfDay).token();
        }
        (clear && time.latent).then(|| time.clone().clear())?.token()
    });
    clock::this_part(r, "ce(?:t(?:te)?)?");
    clock::date_with_part(r, "du|de|d'");
    clock::date_by_part(
        r,
        "date in part of day",
        "(?:dans|pendant|durant|au|en)(?: l[ae']| le)?|d[eè]s l[ea]|mais",
    );
    clock::tod_with_part(r, "matin|mat|apr[eè]s?[- ]?midi|soir[ée]?e?", "mat", "du|de l'|de la");
}

fn ranges(r: &mut Rules) {
    const FROM: &str = "depuis|d[e'u]|entre|du|par exemple entre|mais entre";
    const TO: &str = "-|(?:jusqu')?(?:à|au)|et|jusqu'(?:à|au)";
    range::dates(r, FROM, TO, "-|(?:jusqu')?(?:à|au)");
    range::clocks(r, FROM, TO, "-|(?:jusqu')?à");
    range::days_then_month(r, "du|entre le|de", "-|(?:jusqu')?au?|et(?: le)?", "d[e']");
    range::month_then_days(r, "du|de", "-|au");
    r.add("du number au number", [re("du"), clear_int(1, 31), re("au|jusqu'au"), clear_int(1, 31)], |m| {
        through(&day_of_month(m.int(1)?)?, &day_of_month(m.int(3)?)?).form(Form::Range).token()
    });
    r.add(
        "number to date",
        [clear_int(1, 31), re("-|au|jusqu'au"), time_where(|t| !t.latent && t.grain == Grain::Day)],
        |m| number_to_date(m.int(0)?, m.time(2)?),
    );
    r.add(
        "from number to date",
        [
            re("du"),
            crate::rules::build::ordinal_between(1, 31),
            re("-|au|jusqu'au"),
            time_where(|t| !t.latent && t.grain == Grain::Day),
        ],
        |m| number_to_date(m.int(1)?, m.time(3)?),
    );
    r.add(
        "from plain number to date",
        [re("du"), clear_int(1, 31), re("-|au|jusqu'au"), time_where(|t| !t.latent && t.grain == Grain::Day)],
        |m| number_to_date(m.int(1)?, m.time(3)?),
    );
    for (name, first) in [
        ("number", clear_int as fn(i64, i64) -> crate::grammar::Item),
        ("ordinal", crate::rules::build::ordinal_between),
    ] {
        let weekday = crate::rules::build::a_weekday;
        let items =
            [re("du"), first(1, 31), re("au"), weekday(), clear_int(1, 31), crate::rules::build::a_month()];
        r.add(format!("du {name} au weekday number month"), items, |m| {
            let on = |day: i64| both(m.time(5)?, &day_of_month(day)?);
            through(&on(m.int(1)?)?, &on(m.int(4)?)?).form(Form::Range).token()
        });
    }
    range::after(r, "apr[eè]s|à partir (?:de|du|d')|à partir de|plus tard que|depuis(?: le)?|d[eè]s(?: le)?");
    range::before(r, "(?:n'importe quand )?avant(?: le)?|jusqu'(?:à|au)");
    r.add("from day number", [re("à partir du|apr[eè]s le|depuis le"), clear_int(1, 31)], |m| {
        day_of_month(m.int(1)?)?.and_after().token()
    });
    r.add(
        "date until hour",
        [time_where(|t| !t.latent && t.grain == Grain::Day), re("jusqu'à"), time_of_day()],
        |m| {
            let day = m.time(0)?;
            let end = both(day, m.time(2)?)?;
            through(&both(day, &hour(0, false))?, &end).token()
        },
    );
    range::intersections(r, "de|,|à|mais|du|d'|vers|le|par exemple");
}

fn number_to_date(low: i64, date: &crate::token::Time) -> Option<crate::token::Payload> {
    // The first day lies in the month of the last one.
    let first = crate::rules::build::timed(date.series.with_day(low), Grain::Day);
    through(&first, date).form(Form::Range).token()
}
