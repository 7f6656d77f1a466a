//! English numbers and ordinals.

use crate::grammar::{Rules, re};
use crate::rules::build::{num, number, number_where, rank};
use crate::rules::shapes::number::{
    decimal_word, digits, dozen, leading_point, multiply, negative, ordinal_digits, ordinal_words, powers,
    suffixes, sum, tens_and_units, vague_words, words,
};
use crate::token::Dimension;

const CARDINALS: &[(&str, f64)] = &[
    ("zero|naught|nought|nil|none|zilch", 0.0),
    ("one", 1.0),
    ("two", 2.0),
    ("three", 3.0),
    ("four", 4.0),
    ("five", 5.0),
    ("six", 6.0),
    ("seven", 7.0),
    ("eight", 8.0),
    ("nine", 9.0),
    ("ten", 10.0),
    ("eleven", 11.0),
    ("twelve", 12.0),
    ("thirteen", 13.0),
    ("fourteen", 14.0),
    ("fifteen", 15.0),
    ("sixteen", 16.0),
    ("seventeen", 17.0),
    ("eighteen", 18.0),
    ("nineteen", 19.0),
    ("twenty", 20.0),
    ("thirty", 30.0),
    ("fou?rty", 40.0),
    ("fifty", 50.0),
    ("sixty", 60.0),
    ("seventy", 70.0),
    ("eighty", 80.0),
    ("ninety", 90.0),
];

const UNITS: [&str; 10] =
    ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"];

const ORDINALS: &[(&str, i64)] = &[
    ("first", 1),
    ("second", 2),
    ("third", 3),
    ("fourth", 4),
    ("fifth", 5),
    ("sixth", 6),
    ("seventh", 7),
    ("eighth", 8),
    ("ninth", 9),
    ("tenth", 10),
    ("eleventh", 11),
    ("twelfth", 12),
    ("thirteenth", 13),
    ("fourteenth", 14),
    ("fifteenth", 15),
    ("sixteenth", 16),
    ("seventeenth", 17),
    ("eighteenth", 18),
    ("nineteenth", 19),
    ("twentieth", 20),
    ("thirtieth", 30),
    ("fortieth", 40),
    ("fiftieth", 50),
    ("sixtieth", 60),
    ("seventieth", 70),
    ("eightieth", 80),
    ("ninetieth", 90),
];

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Number);
    words(r, CARDINALS);
    vague_words(
        r,
        &[
            ("single", 1.0),
            ("(?:a )?(?:couple|pair)s?(?: of)?", 2.0),
            ("(?:a )?few", 3.0),
            ("a dozens?(?: of)?", 12.0),
        ],
    );
    powers(
        r,
        &[
            ("hundreds?", 2),
            ("thousands?", 3),
            ("la(?:kh|c)s?|lkhs?", 5),
            ("m(?:illion|n|ln)s?", 6),
            ("(?:crore|krore|koti|cr|kr)s?", 7),
            ("b(?:illion|n|ln)s?", 9),
            ("trillions?", 12),
        ],
    );
    dozen(r, "dozens?(?: of)?");
    multiply(r);
    sum(r, Some("and"));
    tens_and_units(r, "[-—]|\\s");
    r.add("number (the same number)", [number(), re("\\("), number(), re("\\)")], |m| {
        let (one, other) = (m.number(0)?, m.number(2)?);
        (one.value == other.value).then(|| num(one.value))?
    });
    let tens = || number_where(|n| !n.vague && (10.0..100.0).contains(&n.value) && n.power.is_none());
    r.add("hundreds left out", [re("(one|two|three|four|five|six|seven|eight|nine)"), tens()], |m| {
        let word = m.text(0);
        let index = CARDINALS.iter().position(|(name, _)| *name == word)?;
        num(index as f64 * 100.0 + m.number(1)?.value)
    });
    negative(r, "(?:-|minus\\s?|negative\\s?)(?!\\s*-)");
    decimal_word(r, "point|dot");
    leading_point(r, "point");
    digits(r, '.', ",");
    suffixes(r, "(?:(k)|(m)|(g))");
    r.of(Dimension::Ordinal);
    ordinal_words(r, ORDINALS);
    ordinal_digits(r, "0*(\\d+) ?(?:st|nd|rd|th)");
    for (index, tens) in ["twenty", "thirty", "fou?rty", "fifty", "sixty", "seventy", "eighty", "ninety"]
        .into_iter()
        .enumerate()
    {
        for (unit, word) in UNITS.iter().enumerate().skip(1) {
            let value = (index as i64 + 2) * 10 + unit as i64;
            r.add(format!("ordinal {value}"), [re(format!("{tens}[\\s\\-—]?{word}"))], move |_| {
                rank(value)
            });
        }
    }
}
