//! Spanish times.

use crate::calendar::Grain;
use crate::grammar::{Rules, re};
use crate::rules::build::{
    a_weekday, both, clear_int, cycle, day_of_month, minutes_after, time_where, weekend,
};
use crate::rules::shapes::{clock, day, range};
use crate::token::{Dimension, Form};

const NEXT: &str = "(?:pr[oó]xim|siguiente)[oa]?s?";
const COMES: &str = "que vienen?|siguientes?";
const LAST: &str = "pasad[oa]s?|[uú]ltim[oa]s?|anterior(?:es)?";

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
            "lunes|lun?\\.?",
            "martes|ma(?:r)?\\.?",
            "mi[eé]\\.?(?:rcoles)?|mx|mier?\\.?",
            "jueves|jue|jue\\.",
            "viernes|vie|vie\\.",
            "s[aá]bado|s[aá]b|s[aá]b\\.",
            "domingo|dom|dom\\.",
        ],
    );
    day::months(
        r,
        [
            "enero|ene\\.?",
            "febrero|feb\\.?",
            "marzo|mar\\.?",
            "abril|abr\\.?",
            "mayo?\\.?",
            "junio|jun\\.?",
            "julio|jul\\.?",
            "agosto|ago\\.?",
            "septiembre|sept?\\.?",
            "octubre|oct\\.?",
            "noviembre|nov\\.?",
            "diciembre|dic\\.?",
        ],
    );
    day::instants(
        r,
        &[
            ("ahor(?:it)?a(?: mismo)?|ya|en\\s?seguida|cuanto antes", Grain::Second, 0),
            ("hoy|(?:en este|al) momento", Grain::Day, 0),
            ("ma[nñ]ana", Grain::Day, 1),
            ("ayer", Grain::Day, -1),
            ("pasado\\s?ma[nñ]ana", Grain::Day, 2),
            ("anteayer|antes de (?:ayer|anoche)|antier", Grain::Day, -2),
        ],
    );
    day::seasons(
        r,
        &[
            ("verano", (6, 21), (9, 23)),
            ("oto[nñ]o", (9, 23), (12, 21)),
            ("invierno", (12, 21), (3, 20)),
            ("primavera", (3, 20), (6, 21)),
        ],
    );
    r.add("weekend", [re("week[ -]?end|fin de semana")], |_| weekend().form(Form::Weekday).token());
    day::unnamed_holidays(
        r,
        &[
            ("(?:la )?navidad(?:es)?", 12, 25),
            ("(?:la )?(?:nochebuena|noche buena)", 12, 24),
            ("a[nñ]o nuevo", 1, 1),
            ("nochevieja|noche vieja|fin de a[nñ]o", 12, 31),
            ("halloween|noche de brujas", 10, 31),
            ("san valent[ií]n|d[ií]a de los enamorados", 2, 14),
        ],
    );
    day::fixed_holidays(
        r,
        &[
            ("Día Mundial de la Lengua Árabe", "d[ií]a mundial de la lengua [aá]rabe", 12, 18),
            ("Día de la Cero Discriminación", "d[ií]a de la cero discriminaci[oó]n", 3, 1),
            (
                "Día de la Prematuridad Mundial",
                "d[ií]a (?:de la prematuridad mundial|mundial del ni[nñ]o prematuro)",
                11,
                17,
            ),
            ("Día de los Inocentes de Abril", "d[ií]a de (?:las bromas|los inocentes de abril)", 4, 1),
            ("Día Internacional de la Mujer", "d[ií]a internacional de la mujer", 3, 8),
            ("Día de la Tierra", "d[ií]a de la tierra", 4, 22),
        ],
    );
    use crate::rules::holidays::{day as on, nth_weekday};
    day::movable_holidays(
        r,
        &[("Día Internacional de las Cooperativas", "d[ií]a internacional de las cooperativas", |y| {
            on(nth_weekday(y, 7, 6, 1))
        })],
    );
}

fn cycles(r: &mut Rules) {
    let article = "(?:el |la |los |las )?";
    day::cycles_before(r, &[("est[ea]", 0)]);
    for (pattern, index) in [(NEXT, 1), ("pasad[oa]s?|[uú]ltim[oa]s?|anterior", -1)] {
        r.add(
            format!("cycle {index}"),
            [re(format!("{article}(?:{pattern})")), crate::rules::build::grain()],
            move |m| cycle(m.grain(1)?, index).token(),
        );
        day::several_before(r, &[(pattern, index)]);
        day::several_between(r, &[(pattern, index)]);
    }
    for (pattern, index) in [(COMES, 1), (LAST, -1)] {
        day::cycles_after(r, "el|la|los|las", &[(pattern, index)]);
        day::several_after(r, &[(pattern, index)]);
    }
    day::named_before(r, &[("est[ea]", 0, false), (NEXT, 0, true), ("[uú]ltim[oa]s?", -1, false)]);
    r.add("named that comes", [a_weekday(), re("que vienen?")], |m| {
        both(m.time(0)?, &cycle(Grain::Week, 1))?.token()
    });
    day::named_after(r, &[("(?:pr[oó]xim[oa]|siguiente)", 0, true), ("pasad[oa]", -1, false)]);
    day::nth_named_of(r, "de|en|del");
    day::last_named_of(r, "(?:el |la )?[uú]ltim[oa]", "de|en|del");
    day::quarters(r, "de|del");
    day::from_now_before(r, &[("en", 1), ("hace", -1)]);
    day::within(r, "dentro de");
    day::moved_by(r, &[("despu[eé]s de", 1), ("antes de", -1)]);
}

fn dates(r: &mut Rules) {
    day::weekday_with_day(r, ",?(?: el)?|,|el");
    day::weekday_then_number(r);
    day::day_then_month(r, "de|del mes de");
    day::month_then_day(r, "el");
    day::absorbed(r, "el date", "el|la|los", day::a_clear_day());
    day::number_as_day(r, "el number", "el|(?:el )?d[ií]a|al");
    day::the_day(r, "el|d[ií]a");
    day::day_of_that_month(r, "de|del");
    day::years(r);
    day::with_year(r, "de|del|en|,");
    day::in_year(r, "en(?: el a[nñ]o)?|del? a[nñ]o", 2100);
    day::numeric_year_first(r);
    day::numeric_day_first(r, "[-/.]", "[-/]");
    day::absorbed(
        r,
        "in month",
        "en|por|durante",
        time_where(|t| matches!(t.form, Form::Month(_) | Form::Season)),
    );
}

fn clocks(r: &mut Rules) {
    r.add("hour", [clear_int(0, 24)], |m| crate::rules::build::hour(m.int(0)?, true).latent().token());
    let zero = || time_where(|t| t.hour() == Some(0) && t.latent && t.grain == Grain::Hour);
    r.add("zero hours, minutes", [zero(), clear_int(1, 59)], |m| {
        minutes_after(m.int(1)?, m.time(0)?)?.clear().token()
    });
    let any_hour = || time_where(clock::is_hour);
    r.add("hour y minutos", [any_hour(), re("y"), clear_int(1, 59), re("min(?:uto)?s?")], |m| {
        minutes_after(m.int(2)?, m.time(0)?)?.clear().token()
    });
    r.add("hour, minutos", [any_hour(), clear_int(1, 59), re("min(?:uto)?s?")], |m| {
        minutes_after(m.int(1)?, m.time(0)?)?.clear().token()
    });
    r.add("primero", [re("primero|uno")], |_| day_of_month(1)?.token());
    clock::at(r, "(?:para )?(?:(?:al?|sobre|hacia) )?las?|para");
    r.add("latent hour with article", [re("una hora")], |_| {
        crate::rules::build::hour(1, true).latent().token()
    });
    clock::oclock(r, "h(?:oras?)?");
    clock::digital(r, "[:.h]", true);
    clock::digital_seconds(r, "[:.]", true);
    clock::halves(r, "(?:(a\\.?\\s?m\\.?)|(p\\.?\\s?m\\.?))");
    let clear_hour = || time_where(clock::is_hour);
    r.add("hour and minutes", [clear_hour(), re("y"), clear_int(1, 59)], |m| {
        minutes_after(m.int(2)?, m.time(0)?)?.token()
    });
    r.add("hour zero minutes", [clear_hour(), re("(?:[cz]ero|0)"), clear_int(1, 9)], |m| {
        minutes_after(m.int(2)?, m.time(0)?)?.token()
    });
    clock::hour_then_minutes(r, &[("menos", -1)]);
    clock::hour_then_fraction(
        r,
        &[("y cuarto", 15), ("y media", 30), ("menos cuarto", -15), ("y tres cuartos", 45)],
    );
    clock::named_hours(r, &[("(?:el )?medio\\s?d[ií]a", 12), ("(?:la )?media\\s?noche", 0)]);
    clock::zones(r, crate::rules::shapes::zones::ZONES);
    clock::parts(r, &[("ma[nñ]ana", 4, 12), ("tarde", 12, 19), ("noche", 18, 0), ("madrugada", 0, 4)]);
    clock::in_part(r, "(?:en|por|de|a) la");
    clock::this_part(r, "est[ea]|hoy (?:por|en|a) la");
    clock::date_by_part(r, "date by part", "(?:por|en|a|de)(?: la)?");
    clock::date_with_part(r, "del?");
    clock::tod_with_part(r, "ma[nñ]ana|tarde|noche|madrugada", "mañana|manana|madrugada", "(?:de|en|por) la");
}

fn ranges(r: &mut Rules) {
    range::dates(r, "desde|entre|del?|el", "-|a|al|hasta|y", "-|al?|hasta");
    range::clocks(r, "desde|entre|de", "-|a|hasta|y", "-|a|hasta");
    range::days_then_month(r, "desde|entre|del?", "-|al?|y|hasta(?: el)?", "de");
    range::month_then_days(r, "desde|del?", "-|al?");
    range::after(r, "despu[eé]s de|a partir del?|desde");
    range::before(r, "antes de|hasta");
    range::intersections(r, "de|,|a|del|y|en");
}
