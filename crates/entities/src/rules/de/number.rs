//! German numbers and ordinals.

use crate::grammar::{Rules, re};
use crate::rules::build::{num, rank};
use crate::rules::shapes::measure::currencies;
use crate::rules::shapes::number::{
    decimal_word, digits, multiply, negative, ordinal_digits, powers, suffixes, sum, vague_words,
};
use crate::token::Dimension;

const SMALL: [(&str, i64); 23] = [
    ("null", 0),
    ("eins", 1),
    ("ein", 1),
    ("zwei", 2),
    ("zwo", 2),
    ("drei", 3),
    ("vier", 4),
    ("fünf", 5),
    ("sechs", 6),
    ("sieben", 7),
    ("acht", 8),
    ("neun", 9),
    ("zehn", 10),
    ("elf", 11),
    ("zwölf", 12),
    ("dreizehn", 13),
    ("vierzehn", 14),
    ("fünfzehn", 15),
    ("sechzehn", 16),
    ("siebzehn", 17),
    ("achtzehn", 18),
    ("neunzehn", 19),
    ("fuenf", 5),
];

const TENS: [(&str, i64); 9] = [
    ("zwanzig", 20),
    ("dreißig", 30),
    ("dreissig", 30),
    ("vierzig", 40),
    ("fünfzig", 50),
    ("sechzig", 60),
    ("siebzig", 70),
    ("achtzig", 80),
    ("neunzig", 90),
];

const PARTS: &str = "null|eins?|zw(?:ei|o|ölf|anzig)|drei(?:ß|ss)?(?:ig|zehn)?|vier(?:zehn|zig)?|fünf(?:zehn|zig)?|sech(?:s|zehn|zig)|sieb(?:en|zehn|zig)|acht(?:zehn|zig)?|neun(?:zehn|zig)?|zehn|elf|und|hundert|tausend";

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Number);
    r.add("number word", [re(format!("(?:{PARTS})+"))], |m| {
        let word = m.text(0);
        // The bare article is too frequent to be a number; its inflected forms count.
        let value = read(&word)? as f64;
        match word.as_str() {
            "hundert" | "tausend" => Some(crate::token::Payload::Number(crate::token::Number {
                value,
                power: Some(if word == "hundert" { 2 } else { 3 }),
                multipliable: true,
                vague: false,
            })),
            _ => num(value),
        }
    });
    r.add("keine", [re("kein(?:e[rnms]?|s)?|nichts")], |_| num(0.0));
    r.add("eine", [re("ein(?:e[rsnm]?)")], |_| num(1.0));
    vague_words(r, &[("(?:ein )?paar", 2.0), ("einige", 3.0)]);
    r.add("dutzend", [re("(?:ein )?dutzend")], |_| num(12.0));
    powers(
        r,
        &[
            ("million(?:en)?|mio\\.?", 6),
            ("milliarden?|mrd\\.?", 9),
            ("billion(?:en)?", 12),
            ("billiarden?", 15),
        ],
    );
    multiply(r);
    sum(r, Some("und"));
    negative(r, "(?:-|minus\\s?|negativ\\s?)(?!\\s*-)");
    decimal_word(r, "komma");
    digits(r, ',', "\\.");
    suffixes(r, "(?:(k)|(m)|(g))");
    r.of(Dimension::Ordinal);
    ordinal_digits(r, "0*(\\d+)(?:\\.|t?e[rns]?|sten?|ster)");
    r.add("ordinal word", [re("([a-zäöüß]+t)(?:e[rnsm]?)")], |m| {
        let stem = m.group(0, 1)?;
        rank(match stem.as_str() {
            "erst" => 1,
            "dritt" => 3,
            "siebt" => 7,
            "acht" => 8,
            _ => {
                let number = stem.strip_suffix("st").and_then(read).filter(|value| *value > 19);
                number.or_else(|| stem.strip_suffix('t').and_then(read).filter(|value| *value < 20))?
            }
        })
    });
    r.of(Dimension::Money);
    currencies(r, crate::rules::shapes::measure::CURRENCIES);
}

/// Reads a number written as one word.
fn read(word: &str) -> Option<i64> {
    let rest = |rest: &str| {
        let rest = rest.strip_prefix("und").unwrap_or(rest);
        if rest.is_empty() { Some(0) } else { read(rest) }
    };
    if let Some((before, after)) = word.split_once("tausend") {
        let count = if before.is_empty() { 1 } else { read(before)? };
        return (count < 1000).then_some(count * 1000 + rest(after)?);
    }
    if let Some((before, after)) = word.split_once("hundert") {
        let count = if before.is_empty() { 1 } else { read(before)? };
        return (count < 100).then_some(count * 100 + rest(after)?);
    }
    let exact = |word: &str, table: &[(&str, i64)]| {
        table.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
    };
    exact(word, &SMALL).or_else(|| exact(word, &TENS)).or_else(|| {
        let (unit, tens) = word.split_once("und")?;
        let unit = exact(unit, &SMALL).filter(|unit| (1..10).contains(unit))?;
        Some(exact(tens, &TENS)? + unit)
    })
}
