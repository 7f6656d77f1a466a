//! Spanish numbers, ordinals, units of time and durations.

use crate::calendar::Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
use crate::grammar::{Rules, re};
use crate::rules::build::{clear_int, lasting, num};
use crate::rules::shapes::duration::{about, composed, counted, fixed, grains, worded};
use crate::rules::shapes::number::{
    decimal_word, digits, leading_point, multiply, negative, ordinal_words, powers, suffixes, sum,
    tens_and_units, words,
};
use crate::token::Dimension;

const CARDINALS: &[(&str, f64)] = &[
    ("[cz]ero", 0.0),
    ("un[oa]?", 1.0),
    ("dos", 2.0),
    ("tr[eé]s", 3.0),
    ("cuatro", 4.0),
    ("cinco", 5.0),
    ("s[eé]is", 6.0),
    ("siete", 7.0),
    ("ocho", 8.0),
    ("nueve", 9.0),
    ("diez", 10.0),
    ("once", 11.0),
    ("doce", 12.0),
    ("trece", 13.0),
    ("catorce", 14.0),
    ("quince", 15.0),
    ("dieci?s[eé]is|diez y s[eé]is", 16.0),
    ("diecisiete|diez y siete", 17.0),
    ("dieciocho|diez y ocho", 18.0),
    ("diecinueve|diez y nueve", 19.0),
    ("veinte", 20.0),
    ("veinti[uú]n[oa]?", 21.0),
    ("veintid[oó]s", 22.0),
    ("veintitr[eé]s", 23.0),
    ("veinticuatro", 24.0),
    ("veinticinco", 25.0),
    ("veintis[eé]is", 26.0),
    ("veintisiete", 27.0),
    ("veintiocho", 28.0),
    ("veintinueve", 29.0),
    ("treinta", 30.0),
    ("cuarenta", 40.0),
    ("cincuenta", 50.0),
    ("sesenta", 60.0),
    ("setenta", 70.0),
    ("ochenta", 80.0),
    ("noventa", 90.0),
];

const HUNDREDS: &[(&str, f64)] = &[
    ("doscient[oa]s", 200.0),
    ("trescient[oa]s", 300.0),
    ("cuatrocient[oa]s", 400.0),
    ("quinient[oa]s", 500.0),
    ("seiscient[oa]s", 600.0),
    ("setecient[oa]s", 700.0),
    ("ochocient[oa]s", 800.0),
    ("novecient[oa]s", 900.0),
];

/// Adds them.
pub fn add(r: &mut Rules, region: Option<&'static str>) {
    r.of(Dimension::Number);
    words(r, CARDINALS);
    for &(pattern, value) in HUNDREDS {
        r.add(format!("number {value}"), [re(pattern)], move |_| {
            Some(crate::token::Payload::Number(crate::token::Number {
                value,
                power: Some(2),
                multipliable: false,
                vague: false,
            }))
        });
    }
    powers(r, &[("cien(?:t[oa]s?)?", 2), ("mil(?:es)?", 3), ("mill[oó]n(?:es)?", 6)]);
    multiply(r);
    sum(r, None);
    tens_and_units(r, "y");
    r.add("zero before digit", [re("[cz]ero"), clear_int(1, 9)], |m| num(m.number(1)?.value));
    negative(r, "(?:-|menos\\s?|negativ[oa]\\s?)(?!\\s*-)");
    decimal_word(r, "punto|con|coma");
    leading_point(r, "punto|coma");
    let points = matches!(region, Some("MX"));
    if points {
        digits(r, '.', ",")
    } else {
        digits(r, ',', "\\.")
    }
    suffixes(r, "(?:(k)|(m)|(g))");
    r.of(Dimension::Ordinal);
    ordinal_words(
        r,
        &[
            ("primer(?:[oa]s?)?", 1),
            ("segund[oa]s?", 2),
            ("tercer(?:[oa]s?)?", 3),
            ("cuart[oa]s?", 4),
            ("quint[oa]s?", 5),
            ("sext[oa]s?", 6),
            ("s[eé]ptim[oa]s?", 7),
            ("octav[oa]s?", 8),
            ("noven[oa]s?", 9),
            ("d[eé]cim[oa]s?", 10),
        ],
    );
    durations(r);
}

fn durations(r: &mut Rules) {
    r.of(Dimension::Grain);
    grains(
        r,
        [
            ("seg(?:undo)?s?", Second),
            ("min(?:uto)?s?", Minute),
            ("h(?:ora)?s?", Hour),
            ("d[ií]as?", Day),
            ("semanas?", Week),
            ("mes(?:es)?", Month),
            ("trimestres?", Quarter),
            ("a[nñ]os?", Year),
        ],
    );
    r.of(Dimension::Duration);
    counted(r);
    worded(r, &[("media", 0.5)]);
    fixed(
        r,
        &[
            ("(?:un )?cuartos? de hora", 15, Minute),
            ("(?:1/2\\s?h(?:ora)?|media horas?)", 30, Minute),
            ("(?:tres|3) cuartos? de horas?", 45, Minute),
        ],
    );
    r.add("hour y minutes", [clear_int(1, 99), re("horas? y"), clear_int(1, 59), re("min(?:uto)?s?")], |m| {
        lasting(m.int(0)? * 60 + m.int(2)?, Minute)
    });
    about(r, "aproximadamente|alrededor de|cerca de");
    composed(r, "y|,");
}
