//! Portuguese times.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_weekday, both, cycle, grain, last_grain_of, ordinal_between, time_where, weekend,
};
use crate::rules::shapes::{clock, day, range};
use crate::token::{Dimension, Form};

const NEXT: &str = "pr[oó]xim[oa]s?|seguintes?";
const COMES: &str = "que v[eê]m|seguintes?";
const LAST: &str = "passad[oa]s?|[uú]ltim[oa]s?|anterior(?:es)?";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    names(r);
    cycles(r);
    dates(r);
    clocks(r);
    ranges(r);
}

fn names(r: &mut Rules) {
    day::weekdays(
        r,
        [
            "segunda(?:[- ]?feiras?)?|seg\\.?",
            "ter[cç]a(?:[- ]?feiras?)?|ter\\.?",
            "quarta(?:[- ]?feiras?)?|qua\\.?",
            "quinta(?:[- ]?feiras?)?|qui\\.?",
            "sexta(?:[- ]?feiras?)?|sex\\.?",
            "s[aá]bado|s[aá]b\\.?",
            "domingo|dom\\.?",
        ],
    );
    day::months(
        r,
        [
            "janeiro|jan\\.?",
            "fevereiro|fev\\.?",
            "mar[cç]o|mar\\.?",
            "abril|abr\\.?",
            "maio|mai\\.?",
            "junho|jun\\.?",
            "julho|jul\\.?",
            "agosto|ago\\.?",
            "setembro|set\\.?",
            "outubro|out\\.?",
            "novembro|nov\\.?",
            "dezembro|dez\\.?",
        ],
    );
    day::instants(
        r,
        &[
            ("agora|j[aá]|(?:nesse|neste) instante", Grain::Second, 0),
            ("hoje|(?:nesse|neste) momento", Grain::Day, 0),
            ("amanh[aã]", Grain::Day, 1),
            ("ontem", Grain::Day, -1),
            ("depois de amanh[aã]", Grain::Day, 2),
            ("antes de ontem|anteontem", Grain::Day, -2),
        ],
    );
    day::seasons(
        r,
        &[
            ("ver[aã]o", (6, 21), (9, 23)),
            ("outono", (9, 23), (12, 21)),
            ("inverno", (12, 21), (3, 20)),
            ("primavera", (3, 20), (6, 21)),
        ],
    );
    r.add("weekend", [re("fi(?:m|nal) de semana")], |_| weekend().form(Form::Weekday).token());
    day::unnamed_holidays(
        r,
        &[
            ("natal", 12, 25),
            ("v[eé]spera de ano[- ]novo", 12, 31),
            ("(?:ano novo|reveillon|r[eé]veillon)", 1, 1),
            ("(?:dia )?(?:dos? )?tiradentes", 4, 21),
            ("(?:dia (?:do|dos) )?trabalh(?:o|ador(?:es)?)", 5, 1),
            ("dia (?:d[aeo] )?(?:n\\. ?s[raª.]* )?aparecida", 10, 12),
            ("(?:dia de )?finados", 11, 2),
            ("v[eé]spera de natal", 12, 24),
        ],
    );
}

fn cycles(r: &mut Rules) {
    day::cycles_before(r, &[("[dn]?(?:est[ea]|ess[ea])", 0), (NEXT, 1), (LAST, -1)]);
    r.add("current grain", [grain(), re("atual")], |m| cycle(m.grain(0)?, 0).token());
    for (before, after, index) in [(NEXT, COMES, 1), (LAST, LAST, -1)] {
        day::cycles_after(r, "[oa]s?|n[oa]s?", &[(after, index)]);
        day::several_before(r, &[(before, index)]);
        day::several_between(r, &[(before, index)]);
        day::several_after(r, &[(after, index)]);
    }
    day::named_before(
        r,
        &[("n?est[ea]|n?ess[ea]", 0, false), ("pr[oó]xim[oa]s?", 0, true), ("[uú]ltim[oa]s?", -1, false)],
    );
    r.add("weekday of this week", [a_weekday(), re("[dn]est[ea] semana")], |m| {
        both(m.time(0)?, &cycle(Grain::Week, 0))?.token()
    });
    r.add("named that comes", [a_weekday(), re("que vem")], |m| {
        both(m.time(0)?, &cycle(Grain::Week, 1))?.token()
    });
    day::named_after(r, &[("seguinte", 0, true), ("passad[oa]", -1, false)]);
    day::nth_named_of(r, "d[aeo]|em");
    day::last_named_of(r, "[uú]ltim[oa]", "d[aeo]|em");
    r.add("last grain, year", [re("[uú]ltim[oa]"), grain(), time_where(|t| t.form == Form::Year)], |m| {
        last_grain_of(m.grain(1)?, m.time(2)?, 0).form(Form::Counted).token()
    });
    r.add(
        "last grain of year",
        [re("[uú]ltim[oa]"), grain(), re("d[eo]"), time_where(|t| t.form == Form::Year)],
        |m| last_grain_of(m.grain(1)?, m.time(3)?, 0).form(Form::Counted).token(),
    );
    let a_year = || time_where(|t| t.form == Form::Year);
    r.add("nth grain of year", [ordinal_between(1, 60), grain(), re("d[eo]"), a_year()], |m| {
        crate::rules::build::nth_grain_after(m.grain(1)?, m.time(3)?, m.int(0)? - 1)
            .form(Form::Counted)
            .token()
    });
    r.add("nth grain, year", [ordinal_between(1, 60), grain(), a_year()], |m| {
        crate::rules::build::nth_grain_after(m.grain(1)?, m.time(2)?, m.int(0)? - 1)
            .form(Form::Counted)
            .token()
    });
    day::absorbed(r, "the counted", "[oa]|ao|do|no", time_where(|time| time.form == Form::Counted));
    day::quarters(r, "d[eo]");
    day::from_now_before(r, &[("em", 1), ("faz(?:em)?|h[aá]", -1)]);
    day::from_now_after(r, &[("atr[aá]s", -1)]);
    day::within(r, "dentro de");
    day::moved_by(r, &[("depois d[aeo]|ap[oó]s", 1), ("antes d[aeo]", -1)]);
}

fn dates(r: &mut Rules) {
    day::weekday_with_day(r, ",?(?: dia)?|,|dia");
    day::day_then_month(r, "de|\\/");
    day::month_then_day(r, "dia");
    day::absorbed(r, "on date", "n[oa]|[oa]|(?:n[oa] )?dia|(?:n?est[ea]|n?ess[ea]) dia", day::a_clear_day());
    day::number_as_day(r, "dia number", "(?:n[oa] |est[ea] |ess[ea] )?dia");
    day::day_of_that_month(r, "d[eo]");
    day::years(r);
    day::clear_years(r);
    day::with_year(r, "d[eo]|em|,");
    day::in_year(r, "em|no ano(?: de)?", 2100);
    day::numeric_year_first(r);
    day::numeric_day_first(r, "[-/.]", "[-/]");
    day::absorbed(
        r,
        "in month",
        "em|n[oa]|durante",
        time_where(|t| matches!(t.form, Form::Month(_) | Form::Season)),
    );
}

fn clocks(r: &mut Rules) {
    clock::bare_hours(r);
    clock::at(r, "[àa]s?|para as|pelas|por volta das?");
    clock::oclock(r, "h(?:oras?)?");
    clock::digital(r, "[:.]", true);
    clock::digital_seconds(r, "[:.]", true);
    clock::lettered(r, "hhh", "([01]?\\d|2[0-4]) ?h([0-5]\\d)?", true);
    clock::halves(r, "(?:(a\\.?\\s?m\\.?)|(p\\.?\\s?m\\.?))");
    clock::hour_then_minutes(r, &[("e", 1), ("menos", -1)]);
    clock::hour_then_fraction(
        r,
        &[("e (?:um )?quarto", 15), ("e meia", 30), ("e (?:3|tr[eê]s) quartos", 45)],
    );
    clock::past(r, &[("para [oa]s?|para", -1)]);
    clock::named_hours(r, &[("(?:o )?meio[\\s-]?dia", 12), ("(?:a )?meia[\\s-]?noite", 0)]);
    clock::zones(r, crate::rules::shapes::zones::ZONES);
    clock::parts(r, &[("manh[aã]", 4, 12), ("tarde", 12, 19), ("noite", 18, 0), ("madrugada", 0, 4)]);
    clock::in_part(r, "(?:de|pela|na|[àa]) ?(?:a )?");
    clock::this_part(r, "est[ea]|ess[ea]|n?est[ea]");
    clock::date_by_part(r, "date by part", "(?:de|pela|na|[àa])");
    clock::date_with_part(r, "d[aeo]");
    clock::tod_with_part(r, "manh[aã]|tarde|noite|madrugada", "manh|madrugada", "(?:da|de|na|pela|[àa])");
}

fn ranges(r: &mut Rules) {
    const FROM: &str = "desde(?: o)?|entre(?: o| a)?|d[aeo]|a partir d[aeo]";
    const TO: &str = "-|at[eé](?: ao?)?|ao?|e(?: o| a)?";
    range::dates(r, FROM, TO, "-|at[eé](?: ao?)?|ao?");
    range::clocks(r, FROM, TO, "-|at[eé]|[àa]s?");
    range::days_then_month(r, "desde|entre|d[aeo]|a partir d[eo]", TO, "de");
    range::month_then_days(r, "desde", "-|ao?|at[eé]");
    range::after(r, "depois d[aeo]|ap[oó]s(?: as?)?|a partir d[aeo]s?|desde");
    range::before(r, "antes d[aeo]|at[eé](?: [aà]s?| o| ao)?|n[aã]o mais que(?: o)?");
    range::intersections(r, "d[aeo]|,|[àa]s?|em");
}
