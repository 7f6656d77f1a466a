//! Dutch numbers, ordinals, units of time and durations.

use crate::calendar::Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
use crate::grammar::{Rules, re};
use crate::rules::build::{lasting, num, rank};
use crate::rules::shapes::duration::{about, composed, counted, fixed, grains, worded};
use crate::rules::shapes::number::{
    decimal_word, digits, dozen, multiply, negative, ordinal_digits, powers, suffixes, sum, units_and_tens,
    vague_words,
};
use crate::token::Dimension;

const SMALL: [(&str, i64); 20] = [
    ("nul", 0),
    ("een", 1),
    ("twee", 2),
    ("drie", 3),
    ("vier", 4),
    ("vijf", 5),
    ("zes", 6),
    ("zeven", 7),
    ("acht", 8),
    ("negen", 9),
    ("tien", 10),
    ("elf", 11),
    ("twaalf", 12),
    ("dertien", 13),
    ("veertien", 14),
    ("vijftien", 15),
    ("zestien", 16),
    ("zeventien", 17),
    ("achttien", 18),
    ("negentien", 19),
];

const TENS: [(&str, i64); 8] = [
    ("twintig", 20),
    ("dertig", 30),
    ("veertig", 40),
    ("vijftig", 50),
    ("zestig", 60),
    ("zeventig", 70),
    ("tachtig", 80),
    ("negentig", 90),
];

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Number);
    r.add("number word", [re("[a-zéë]+(?:-en-[a-z]+)?")], |m| {
        let word = m.text(0);
        if matches!(word.as_str(), "honderd" | "duizend") {
            return None;
        }
        num(read(&word)? as f64)
    });
    r.add("geen", [re("geen|niks|nop")], |_| num(0.0));
    vague_words(r, &[("(?:een )?paar", 2.0), ("enkele", 3.0)]);
    powers(r, &[("honderd", 2), ("duizend", 3), ("miljoen(?:en)?", 6), ("miljard(?:en)?", 9)]);
    dozen(r, "(?:een )?dozijn(?:en)?");
    multiply(r);
    sum(r, Some("en"));
    units_and_tens(r, "en");
    negative(r, "(?:-|min\\s?|minus\\s?|negatief\\s?)(?!\\s*-)");
    decimal_word(r, "komma");
    digits(r, ',', "\\.");
    suffixes(r, "(?:(k)|(m)|(g))");
    r.of(Dimension::Ordinal);
    ordinal_digits(r, "0*(\\d+) ?(?:ste|e|de)");
    r.add("ordinal word", [re("([a-zéë]+)(?:ste|de)")], |m| {
        let stem = m.group(0, 1)?;
        rank(match stem.as_str() {
            "eer" => 1,
            "der" => 3,
            _ => read(&stem)?,
        })
    });
    durations(r);
}

/// Reads a number written as one word.
fn read(word: &str) -> Option<i64> {
    let word = &word.replace(['é', 'ë'], "e").replace('-', "");
    let rest = |rest: &str| {
        let rest = rest.strip_prefix("en").unwrap_or(rest);
        if rest.is_empty() { Some(0) } else { read(rest) }
    };
    for (power, value, most) in [("duizend", 1000, 1000), ("honderd", 100, 100)] {
        if let Some((before, after)) = word.split_once(power) {
            let count = if before.is_empty() { 1 } else { read(before)? };
            return (count < most).then_some(count * value + rest(after)?);
        }
    }
    let exact = |word: &str, table: &[(&str, i64)]| {
        table.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
    };
    exact(word, &SMALL).or_else(|| exact(word, &TENS)).or_else(|| {
        let (tens, value) = TENS.iter().find(|(tens, _)| word.ends_with(tens))?;
        let unit = word[..word.len() - tens.len()].strip_suffix("en")?;
        exact(unit, &SMALL).filter(|unit| (1..10).contains(unit)).map(|unit| unit + value)
    })
}

fn durations(r: &mut Rules) {
    r.of(Dimension::Grain);
    grains(
        r,
        [
            ("s(?:ec(?:onden?|s)?)?|secondes", Second),
            ("m(?:in(?:uten?|uut)?)?", Minute),
            ("u(?:ur|ren)?|h", Hour),
            ("dag(?:en)?", Day),
            ("w(?:eken|eek)?", Week),
            ("maand(?:en)?", Month),
            ("kwartaal|kwartalen", Quarter),
            ("j(?:aar|aren)?", Year),
        ],
    );
    r.of(Dimension::Duration);
    counted(r);
    worded(r, &[("e?[eé]{1,2}n", 1.0), ("(?:een )?hal(?:f|ve)", 0.5), ("anderhal(?:f|ve)", 1.5)]);
    fixed(r, &[("(?:een |1 )?kwartier", 15, Minute), ("(?:drie|3) kwartier", 45, Minute)]);
    r.add("minutes as '", [re("(\\d+)'")], |m| lasting(m.group_int(0, 1)?, Minute));
    r.add("seconds as \"", [re("(\\d+)\"")], |m| lasting(m.group_int(0, 1)?, Second));
    about(r, "ongeveer|circa|ca\\.?|precies|exact|rond(?: de)?|~");
    composed(r, "en|,");
}
