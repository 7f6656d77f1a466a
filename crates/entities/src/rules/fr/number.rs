//! French numbers and ordinals.

use crate::grammar::{Rules, re};
use crate::rules::build::{clear_int, num, number_where};
use crate::rules::shapes::number::{
    decimal_word, digits, multiply, negative, ordinal_digits, ordinal_words, powers, suffixes, sum, words,
};
use crate::token::Dimension;

const CARDINALS: &[(&str, f64)] = &[
    ("z[ée]ro", 0.0),
    ("une?", 1.0),
    ("deux", 2.0),
    ("trois", 3.0),
    ("quatre", 4.0),
    ("cinq", 5.0),
    ("six", 6.0),
    ("sept", 7.0),
    ("huit", 8.0),
    ("neuf", 9.0),
    ("dix", 10.0),
    ("onze", 11.0),
    ("douze", 12.0),
    ("treize", 13.0),
    ("quatorze", 14.0),
    ("quinze", 15.0),
    ("seize", 16.0),
    ("dix[\\s-]?sept", 17.0),
    ("dix[\\s-]?huit", 18.0),
    ("dix[\\s-]?neuf", 19.0),
    ("vingt", 20.0),
    ("trente", 30.0),
    ("quarante", 40.0),
    ("cinquante", 50.0),
    ("soixante", 60.0),
    ("septante", 70.0),
    ("soixante[\\s-]?dix", 70.0),
    ("quatre[\\s-]?vingts?", 80.0),
    ("huitante|octante", 80.0),
    ("nonante", 90.0),
    ("quatre[\\s-]?vingt[\\s-]?dix", 90.0),
];

const STEMS: [(&str, i64); 20] = [
    ("un", 1),
    ("deux", 2),
    ("trois", 3),
    ("quatr", 4),
    ("cinqu", 5),
    ("six", 6),
    ("sept", 7),
    ("huit", 8),
    ("neuv", 9),
    ("dix", 10),
    ("onz", 11),
    ("douz", 12),
    ("treiz", 13),
    ("quatorz", 14),
    ("quinz", 15),
    ("seiz", 16),
    ("dix[\\s-]sept", 17),
    ("dix[\\s-]huit", 18),
    ("dix[\\s-]neuv", 19),
    ("vingt", 20),
];

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Number);
    words(r, CARDINALS);
    powers(r, &[("cents?", 2), ("mill?es?", 3), ("millions?", 6), ("milliards?", 9)]);
    multiply(r);
    sum(r, None);
    let tens = |values: &'static [i64]| {
        number_where(move |n| n.integer().is_some_and(|value| values.contains(&value)) && n.power.is_none())
    };
    const TENS: &[i64] = &[20, 30, 40, 50, 60, 70, 80, 90];
    // Sixty and eighty count on to nineteen.
    const LONG: &[i64] = &[60, 80];
    let join = |m: &crate::grammar::Match, other: usize| num(m.number(0)?.value + m.number(other)?.value);
    r.add("tens, units", [tens(TENS), clear_int(2, 9)], move |m| join(m, 1));
    r.add("tens-units", [tens(TENS), re("-"), clear_int(2, 9)], move |m| join(m, 2));
    r.add("tens et un", [tens(TENS), re("-?et-?"), clear_int(1, 1)], move |m| join(m, 2));
    r.add("tens, teens", [tens(LONG), clear_int(10, 19)], move |m| join(m, 1));
    r.add("tens-teens", [tens(LONG), re("-|-?et-?"), clear_int(10, 19)], move |m| join(m, 2));
    r.add("quatre-vingt-un", [tens(&[80]), re("-"), clear_int(1, 1)], move |m| join(m, 2));
    negative(r, "(?:-|moins\\s?)(?!\\s*-)");
    decimal_word(r, "virgule");
    digits(r, ',', "[. ]");
    suffixes(r, "(?:(k)|(m)|(g))");
    r.of(Dimension::Ordinal);
    ordinal_words(r, &[("premi(?:er|[eè]re)s?", 1), ("seconde?s?", 2)]);
    for (stem, value) in STEMS {
        r.add(format!("ordinal {value} ième"), [re(format!("{stem}i[eè]mes?"))], move |_| {
            crate::rules::build::rank(value)
        });
    }
    ordinal_digits(r, "0*(\\d+) ?(?:i?[eéè]me?s?|[eè]re?|er?|ième)");
}
