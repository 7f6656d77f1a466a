//! Portuguese numbers, ordinals, units of time and durations.

use crate::calendar::Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
use crate::grammar::{Rules, re};
use crate::rules::build::{num, ordinal_between, rank};
use crate::rules::shapes::duration::{about, composed, counted, fixed, grains, worded};
use crate::rules::shapes::number::{
    decimal_word, digits, leading_point, multiply, negative, ordinal_words, powers, suffixes, sum,
    tens_and_units, vague_words, words,
};
use crate::token::{Dimension, Number, Payload};

const CARDINALS: &[(&str, f64)] = &[
    ("zero", 0.0),
    ("uma?", 1.0),
    ("d(?:oi|ua)s", 2.0),
    ("tr[eê]s", 3.0),
    ("quatro", 4.0),
    ("cinco", 5.0),
    ("seis", 6.0),
    ("sete", 7.0),
    ("oito", 8.0),
    ("nove", 9.0),
    ("dez", 10.0),
    ("onze", 11.0),
    ("doze", 12.0),
    ("treze", 13.0),
    ("(?:ca|qua)torze", 14.0),
    ("quinze", 15.0),
    ("dez[ea]sseis", 16.0),
    ("dez[ea]ssete", 17.0),
    ("dezoito", 18.0),
    ("dez[ea]nove", 19.0),
    ("vinte", 20.0),
    ("trinta", 30.0),
    ("quarenta", 40.0),
    ("cin[qc][uü]enta", 50.0),
    ("sessenta", 60.0),
    ("setenta", 70.0),
    ("oitenta", 80.0),
    ("noventa", 90.0),
];

const HUNDREDS: &[(&str, f64)] = &[
    ("cem", 100.0),
    ("cento", 100.0),
    ("duzent[oa]s", 200.0),
    ("trezent[oa]s", 300.0),
    ("quatrocent[oa]s", 400.0),
    ("quinhent[oa]s", 500.0),
    ("seiscent[oa]s", 600.0),
    ("setecent[oa]s", 700.0),
    ("oitocent[oa]s", 800.0),
    ("novecent[oa]s", 900.0),
];

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Number);
    words(r, CARDINALS);
    for &(pattern, value) in HUNDREDS {
        r.add(format!("number {value}"), [re(pattern)], move |_| {
            Some(Payload::Number(Number { value, power: Some(2), multipliable: false, vague: false }))
        });
    }
    vague_words(r, &[("(?:um )?par(?:es)?(?: de)?", 2.0), ("(?:uma )?d[uú]zias?(?: de)?", 12.0)]);
    r.add("dozens", [crate::rules::build::clear_int(2, 99), re("d[uú]zias?(?: de)?")], |m| {
        num(m.number(0)?.value * 12.0)
    });
    powers(r, &[("mil", 3), ("mi(?:lh(?:ão|ao|ões|oes))?", 6), ("bi(?:lh(?:ão|ao|ões|oes))?", 9)]);
    multiply(r);
    sum(r, Some("e"));
    tens_and_units(r, "e");
    negative(r, "(?:-|menos\\s?|negativo\\s?)(?!\\s*-)");
    decimal_word(r, "ponto|v[ií]rgula");
    leading_point(r, "ponto");
    digits(r, ',', "\\.");
    suffixes(r, "(?:(k)|(m)|(g))");
    r.of(Dimension::Ordinal);
    ordinals(r);
    durations(r);
}

fn ordinals(r: &mut Rules) {
    ordinal_words(
        r,
        &[
            ("primeir[oa]s?", 1),
            ("segund[oa]s?", 2),
            ("terceir[oa]s?", 3),
            ("quart[oa]s?", 4),
            ("quint[oa]s?", 5),
            ("sext[oa]s?", 6),
            ("s[eé]tim[oa]s?", 7),
            ("oitav[oa]s?", 8),
            ("non[oa]s?", 9),
            ("d[eé]cim[oa]s?", 10),
            ("vig[eé]sim[oa]s?", 20),
            ("trig[eé]sim[oa]s?", 30),
            ("quadrag[eé]sim[oa]s?", 40),
            ("q[uü]+inquag[eé]sim[oa]s?", 50),
            ("sexag[eé]sim[oa]s?", 60),
            ("sept?uag[eé]sim[oa]s?", 70),
            ("octog[eé]sim[oa]s?", 80),
            ("nonag[eé]sim[oa]s?", 90),
        ],
    );
    r.add("ordinal tens, units", [ordinal_between(10, 90), ordinal_between(1, 9)], |m| {
        let (tens, units) = (m.int(0)?, m.int(1)?);
        if tens % 10 == 0 { rank(tens + units) } else { None }
    });
    r.add("ordinal digits", [re("0*(\\d+) ?(?:o|a|º|ª)")], |m| rank(m.group_int(0, 1)?));
}

fn durations(r: &mut Rules) {
    r.of(Dimension::Grain);
    grains(
        r,
        [
            ("seg(?:undo)?s?", Second),
            ("min(?:uto)?s?", Minute),
            ("h(?:ora)?s?", Hour),
            ("dias?", Day),
            ("semanas?", Week),
            ("m[eê]s(?:es)?", Month),
            ("trimestres?", Quarter),
            ("anos?", Year),
        ],
    );
    r.of(Dimension::Duration);
    counted(r);
    worded(r, &[("mei[ao]", 0.5)]);
    fixed(r, &[("(?:um )?quarto de hora", 15, Minute)]);
    about(r, "aproximadamente|cerca de|por volta de");
    composed(r, "e|,");
}
