//! Italian times.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_part_of_day, a_weekday, both, clear_int, cycle, date, day_of_month, grain, hour, month_day, now,
    ordinal_between, part_of_day, through, time_where, up_to, weekend,
};
use crate::rules::shapes::{clock, day, range};
use crate::token::{Dimension, Form};

const NEXT: &str = "prossim[oaie]";
const LAST: &str = "(?:ultim|scors|passat)[oaie]";
const ARTICLE: &str = "(?:il |lo |la |i |gli |le |l'|un |nell?[oe']? ?|nell'|nella |nei |negli |nelle |nel |dell?[oaie']? ?|del |dei )?";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    names(r);
    holidays(r);
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
            "luned[iì]|lun\\.?",
            "marted[iì]|mar\\.?",
            "mercoled[iì]|mer\\.?",
            "gioved[iì]|gio\\.?",
            "venerd[iì]|ven\\.?",
            "sabato|sab\\.?",
            "domenica|dom\\.?",
        ],
    );
    day::months(
        r,
        [
            "gennaio|genn?\\.?",
            "febbraio|febb?\\.?",
            "marzo",
            "aprile|apr\\.?",
            "maggio|magg?\\.?",
            "giugno|giu\\.?",
            "luglio|lug\\.?",
            "agosto|ago\\.?",
            "settembre|sett?\\.?",
            "ottobre|ott\\.?",
            "novembre|nov\\.?",
            "dicembre|dic\\.?",
        ],
    );
    day::instants(
        r,
        &[
            ("subito|immediatamente|(?:proprio )?adesso|(?:in questo )?momento|ora", Grain::Second, 0),
            ("(?:di )?oggi|in giornata", Grain::Day, 0),
            ("domani", Grain::Day, 1),
            ("ieri", Grain::Day, -1),
            ("(?:il giorno )?dopo\\s?domani", Grain::Day, 2),
            ("(?:l')?altro\\s?ieri|avant'?ieri", Grain::Day, -2),
        ],
    );
    day::seasons(
        r,
        &[
            ("(?:in |quest')?estate", (6, 21), (9, 23)),
            ("(?:in |quest')?autunno", (9, 23), (12, 21)),
            ("(?:in |quest')?inverno", (12, 21), (3, 20)),
            ("(?:in )?primavera", (3, 20), (6, 21)),
        ],
    );
    r.add("weekend", [re("week[ -]?end|fine ?settimana|we")], |_| weekend().form(Form::Weekday).token());
    r.add("weekend of", [re("(?:il )?(?:week[ -]?end|fine ?settimana|we) del"), date()], |m| {
        weekend().nth_after(m.time(1)?, 0, false).token()
    });
    r.add(
        "weekend of number",
        [re("(?:il )?(?:week[ -]?end|fine ?settimana|we) del"), clear_int(1, 31)],
        |m| weekend().nth_after(&day_of_month(m.int(1)?)?, 0, false).token(),
    );
}

fn holidays(r: &mut Rules) {
    day::unnamed_holidays(
        r,
        &[
            ("(?:(?:il )?giorno di )?natale", 12, 25),
            ("(?:la )?vigilia(?: di natale)?", 12, 24),
            ("capodanno", 1, 1),
            ("(?:l')?epifania|befana", 1, 6),
            ("s(?:an|\\.) valentino|festa degli innamorati", 2, 14),
            ("festa (?:della donna|delle donne)", 3, 8),
            ("festa del pap[aà]|(?:festa di )?s(?:an|\\.) giuseppe", 3, 19),
            ("(?:festa della |la )?liberazione", 4, 25),
            ("(?:festa dei|giorno dei) lavorator[ei]|(?:festa )?del lavoro|primo maggio", 5, 1),
            ("(?:festa della |la )?repubblica", 6, 2),
            ("ferragosto|(?:l')?assunzione", 8, 15),
            ("halloween", 10, 31),
            ("(?:tutti i santi|ognissanti|festa dei santi|giorno dei santi)", 11, 1),
            ("(?:commemorazione dei defunti|giorno dei morti|i morti|ai morti|morti)", 11, 2),
            ("(?:l')?immacolata(?: concezione)?", 12, 8),
            ("s(?:anto|\\.) stefano", 12, 26),
            ("(?:le )?idi di marzo", 3, 15),
            ("s(?:an|\\.) silvestro|ultimo dell'anno", 12, 31),
        ],
    );
    use crate::rules::holidays::{day as on, easter, nth_weekday};
    day::movable_holidays(
        r,
        &[
            ("", "festa della mamma", |y| on(nth_weekday(y, 5, 7, 2))),
            ("", "pasqua", |y| easter(y, 0)),
            ("", "pasquetta|luned[iì] dell'angelo", |y| easter(y, 1)),
            ("Giornata Internazionale delle cooperative", "giornata internazionale delle cooperative", |y| {
                on(nth_weekday(y, 7, 6, 1))
            }),
        ],
    );
    day::fixed_holidays(
        r,
        &[
            (
                "Giornata Mondiale contro la discriminazione",
                "giornata mondiale contro la discriminazione",
                3,
                1,
            ),
            (
                "Giornata Mondiale della Prematurità",
                "giornata mondiale (?:dei prematuri|della prematurit[aà])",
                11,
                17,
            ),
            ("Giornata dell'Africa", "giornata (?:dell'africa|della liberazione africana)", 5, 25),
        ],
    );
    r.add("night of new year's eve", [re("notte di san silvestro")], |_| {
        up_to(&both(&month_day(1, 1)?, &hour(0, false))?, &both(&month_day(1, 1)?, &hour(4, false))?).token()
    });
}

fn cycles(r: &mut Rules) {
    day::cycles_before(r, &[("(?:in )?quest[oaie']", 0)]);
    for (pattern, index) in [(NEXT, 1), (LAST, -1)] {
        r.add(format!("cycle {index}"), [re(format!("{ARTICLE}(?:{pattern})")), grain()], move |m| {
            cycle(m.grain(1)?, index).token()
        });
        day::cycles_after(r, ARTICLE_ALONE, &[(pattern, index)]);
        let count = || crate::rules::build::int_between(1, 9999);
        r.add(
            format!("several {index}"),
            [re(format!("{ARTICLE}(?:{pattern})")), count(), grain()],
            move |m| crate::rules::build::several(m.grain(2)?, index * m.int(1)?).token(),
        );
        r.add(
            format!("count {index} grains"),
            [re(ARTICLE_ALONE), count(), re(pattern), grain()],
            move |m| crate::rules::build::several(m.grain(3)?, index * m.int(1)?).token(),
        );
        r.add(
            format!("count grains {index}"),
            [re(ARTICLE_ALONE), count(), grain(), re(pattern)],
            move |m| crate::rules::build::several(m.grain(2)?, index * m.int(1)?).token(),
        );
    }
    r.add("next days", [re(format!("{ARTICLE}prossim[ie] (?:giorni)"))], |_| {
        crate::rules::build::several(Grain::Day, 3).token()
    });
    r.add("in settimana", [re("(?:in|per la) settimana")], |_| up_to(&now(), &cycle(Grain::Week, 1)).token());
    day::named_before(
        r,
        &[
            ("quest[oaie']", 0, false),
            ("prossim[oaie]", 0, true),
            ("(?:l')?(?:ultim|scors)[oaie]", -1, false),
        ],
    );
    r.add("weekday next", [a_weekday(), re("prossim[oa]")], |m| {
        both(m.time(0)?, &cycle(Grain::Week, 1))?.token()
    });
    day::named_after(r, &[("dopo", 0, true), ("scors[oa]|passat[oa]", -1, false)]);
    r.add("il weekday", [re("il|la"), a_weekday(), re("dopo")], |m| m.time(1)?.nth(0, true).token());
    const OF: &str = "d(?:i|el|ell[oa']|ella)(?: mese di)?|in|nel";
    day::nth_named_of(r, OF);
    r.add("nth time after time", [ordinal_between(1, 60), day::named(), re("dopo"), date()], |m| {
        m.time(1)?.nth_after(m.time(3)?, m.int(0)? - 1, true).token()
    });
    r.add("the grain after time", [re("il|la"), grain(), re("dopo"), date()], |m| {
        crate::rules::build::nth_grain_within(m.grain(1)?, m.time(3)?, 0).token()
    });
    day::last_named_of(r, "(?:l')?ultim[oa]", OF);
    day::absorbed(r, "the counted", "il|la|l'|del|nel", time_where(|time| time.form == Form::Counted));
    day::quarters(r, "del");
    let week = || crate::rules::build::grain_where(|grain| grain == Grain::Week);
    r.add("the week of", [re("la"), week(), re("del"), date()], |m| {
        crate::rules::build::nth_grain_within(Grain::Week, m.time(3)?, 0).token()
    });
    day::from_now_before(r, &[("in|tra|fra", 1)]);
    day::from_now_after(r, &[("fa", -1)]);
    day::within(r, "entro");
    day::moved_by(r, &[("dopo", 1), ("prima d[ie]l?", -1)]);
}

const ARTICLE_ALONE: &str =
    "il|lo|la|i|gli|le|l'|nel|nell'|nella|nei|negli|nelle|del|dell'|della|dei|delle|dallo?";

fn dates(r: &mut Rules) {
    day::weekday_then_number(r);
    day::weekday_with_day(r, "il|,");
    day::day_then_month(r, "di|del mese di");
    day::absorbed(r, "il date", "il|lo|la|l'|del|di|nel|al", day::a_clear_day());
    day::number_as_day(r, "il number", "il");
    day::the_day(r, "il");
    r.add("from number", [re("dal"), clear_int(1, 31)], |m| day_of_month(m.int(1)?)?.and_after().token());
    r.add("from ordinal", [re("dal"), ordinal_between(1, 31)], |m| {
        day_of_month(m.int(1)?)?.and_after().token()
    });
    day::day_of_that_month(r, "del|di");
    day::years(r);
    day::with_year(r, "del|di|,");
    day::in_year(r, "nel|del", 2100);
    day::numeric_year_first(r);
    day::numeric_day_first(r, "[-/]", "[-/]");
    day::absorbed(
        r,
        "in month",
        "in|a|nel mese di|il mese di",
        time_where(|t| matches!(t.form, Form::Month(_))),
    );
    r.add("until the end", [re("(?:fino )?alla fine del(?:l'| )?"), grain()], |m| {
        up_to(&now(), &cycle(m.grain(1)?, 1)).token()
    });
    r.add("by the end", [re("entro la fine del(?:l'| )?"), grain()], |m| {
        cycle(m.grain(1)?, 1).and_before().token()
    });
}

fn clocks(r: &mut Rules) {
    clock::bare_hours_of_24(r);
    clock::at(
        r,
        "(?:(?:verso|circa|per|intorno) )?(?:al?l[e']|l[e']|a)|verso(?: le)?|circa(?: alle)?|per(?: le)?",
    );
    clock::oclock(r, "ore|in punto");
    clock::digital(r, "[:.]", false);
    clock::digital_seconds(r, "[:.]", false);
    clock::hour_then_minutes(r, &[("e", 1), ("meno", -1)]);
    clock::hour_then_fraction(
        r,
        &[("e (?:un )?quarto", 15), ("e mezz[ao]", 30), ("e tre quarti", 45), ("meno (?:un )?quarto", -15)],
    );
    clock::fraction_past(r, &[("un quarto a(?:lle|l)?", -15)]);
    clock::past(r, &[("minuti (?:a|alle)", -1)]);
    clock::named_hours(r, &[("mezz?ogiorno", 12), ("(?:la )?mezz?anott?e", 0)]);
    clock::zones(r, crate::rules::shapes::zones::ZONES);
}

fn parts(r: &mut Rules) {
    clock::parts(
        r,
        &[
            ("mattin(?:o|a(?:ta)?)", 4, 12),
            ("pomeriggio", 12, 19),
            ("sera(?:ta)?", 18, 0),
            ("nott(?:e|ata)", 0, 4),
            ("pranzo", 12, 14),
        ],
    );
    r.add("in part of today", [re("(?:verso|la|alla|nella|in|nel|per la|di)"), a_part_of_day()], |m| {
        both(&cycle(Grain::Day, 0), m.time(1)?)?.form(Form::PartOfDay).token()
    });
    clock::this_part(r, "quest[oa']");
    r.add("stasera", [re("stasera")], |_| {
        both(&cycle(Grain::Day, 0), &part_of_day(18, 0))?.form(Form::PartOfDay).token()
    });
    r.add("stamattina", [re("stamattina|stamani")], |_| {
        both(&cycle(Grain::Day, 0), &part_of_day(4, 12))?.form(Form::PartOfDay).token()
    });
    r.add("domattina", [re("domattina")], |_| both(&cycle(Grain::Day, 1), &part_of_day(4, 12))?.token());
    // The night that follows a day belongs to the next date.
    r.add("stanotte", [re("stanotte|in nottata|nella notte")], |_| {
        both(&cycle(Grain::Day, 1), &part_of_day(0, 4))?.token()
    });
    r.add("domani notte", [re("domani (?:notte|in nottata)|nella (?:nottata|notte) di domani")], |_| {
        both(&cycle(Grain::Day, 2), &part_of_day(0, 4))?.token()
    });
    clock::date_by_part(r, "date in part", "(?:in|al|alla|nel|nella|a|di)");
    r.add("in part of date", [re("nella|nel"), a_part_of_day(), re("di|del"), day::a_clear_day()], |m| {
        both(m.time(1)?, m.time(3)?)?.token()
    });
    clock::date_with_part(r, "di|del");
    clock::tod_with_part(
        r,
        "mattin[oa]|pomeriggio|sera|notte|stasera",
        "mattin|notte",
        "(?:di|del|della|nel)",
    );
}

fn ranges(r: &mut Rules) {
    const FROM: &str = "tra|fra|da(?:l(?:l[ea'])?)?|tra il|tra le|fra le";
    const TO: &str = "-|a(?:l(?:l[ea'])?)?|e(?: il| le| l')?";
    range::dates(r, FROM, TO, "-|a(?:l)?");
    range::clocks(r, FROM, TO, "-|a(?:ll[ea'])?");
    range::days_then_month(r, "dal?|tra(?: il)?|fra(?: il)?", "-|al?|e(?: il)?", "di");
    range::month_then_days(r, "dal?", "-|al?");
    r.add("dal number al number", [re("dal"), clear_int(1, 31), re("al"), clear_int(1, 31)], |m| {
        through(&day_of_month(m.int(1)?)?, &day_of_month(m.int(3)?)?).form(Form::Range).token()
    });
    range::after(r, "dopo(?: l[ea'])?|da(?:l(?:l[ea'])?)?|a partire da(?:l(?:le)?)?");
    range::before(r, "prima d(?:i|el(?:l[ea'])?)|entro(?: le| la)?|fino a(?:l(?:le)?)?");
    range::intersections(r, "d[ie]l?|,|alle|il|della");
}
