//! Italian numbers, ordinals, units of time and durations.

use crate::calendar::Grain::{Day, Hour, Minute, Month, Quarter, Second, Week, Year};
use crate::grammar::{Rules, re};
use crate::rules::build::num;
use crate::rules::shapes::duration::{about, composed, counted, fixed, grains, worded};
use crate::rules::shapes::number::{
    decimal_word, digits, multiply, negative, ordinal_digits, ordinal_words, powers, suffixes, sum,
    vague_words,
};
use crate::token::Dimension;

const SMALL: [(&str, i64); 20] = [
    ("zero", 0),
    ("uno", 1),
    ("due", 2),
    ("tre", 3),
    ("quattro", 4),
    ("cinque", 5),
    ("sei", 6),
    ("sette", 7),
    ("otto", 8),
    ("nove", 9),
    ("dieci", 10),
    ("undici", 11),
    ("dodici", 12),
    ("tredici", 13),
    ("quattordici", 14),
    ("quindici", 15),
    ("sedici", 16),
    ("diciassette", 17),
    ("diciotto", 18),
    ("diciannove", 19),
];

const TENS: [(&str, i64); 8] = [
    ("vent", 20),
    ("trent", 30),
    ("quarant", 40),
    ("cinquant", 50),
    ("sessant", 60),
    ("settant", 70),
    ("ottant", 80),
    ("novant", 90),
];

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Number);
    r.add("number word", [re("[a-zé]+")], |m| num(read(&m.text(0))? as f64));
    r.add("un", [re("un[oa']?")], |_| num(1.0));
    vague_words(
        r,
        &[("un paio(?: di)?|coppia(?: di)?", 2.0), ("una? dozzina(?: di)?|dozzin[ae](?: di)?", 12.0)],
    );
    powers(r, &[("mil(?:a|le)", 3), ("milion[ei]", 6), ("miliard[oi]", 9)]);
    multiply(r);
    sum(r, None);
    negative(r, "(?:-|meno\\s?|negativo\\s?)(?!\\s*-)");
    decimal_word(r, "virgola");
    digits(r, ',', "[. ]");
    suffixes(r, "(?:(k)|(m)|(g))");
    r.of(Dimension::Ordinal);
    ordinal_words(
        r,
        &[
            ("prim[oaie]", 1),
            ("second[oaie]", 2),
            ("terz[oaie]", 3),
            ("quart[oaie]", 4),
            ("quint[oaie]", 5),
            ("sest[oaie]", 6),
            ("settim[oaie]", 7),
            ("ottav[oaie]", 8),
            ("non[oaie]", 9),
            ("decim[oaie]", 10),
            ("undicesim[oaie]", 11),
            ("dodicesim[oaie]", 12),
            ("ventesim[oaie]", 20),
        ],
    );
    ordinal_digits(r, "0*(\\d+) ?(?:ª|°|°|º)");
    durations(r);
}

/// Reads a number written as one word, a final vowel dropped before another: "trentotto".
fn read(word: &str) -> Option<i64> {
    if let Some((before, after)) = word.split_once("mila") {
        return Some(read(before)? * 1000 + rest(after)?);
    }
    if let Some(after) = word.strip_prefix("mille") {
        return (!after.is_empty()).then(|| read(after)).flatten().map(|value| value + 1000);
    }
    if let Some((before, after)) = word.split_once("cent") {
        let count = if before.is_empty() { 1 } else { read(before).filter(|count| *count < 10)? };
        let after = after.strip_prefix('o').unwrap_or(after);
        return Some(count * 100 + rest(after)?);
    }
    let exact = |word: &str| SMALL.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    exact(word).or_else(|| {
        let (stem, tens) = TENS.iter().find(|(stem, _)| word.starts_with(stem))?;
        let after = &word[stem.len()..];
        match after {
            "i" if *tens == 20 => Some(20),
            "a" if *tens > 20 => Some(*tens),
            "uno" | "un" => Some(tens + 1),
            "otto" => Some(tens + 8),
            _ => {
                let unit = after.strip_prefix(if *tens == 20 { 'i' } else { 'a' })?.replace('é', "e");
                exact(&unit).filter(|unit| (1..10).contains(unit)).map(|unit| tens + unit)
            }
        }
    })
}

fn rest(word: &str) -> Option<i64> {
    if word.is_empty() { Some(0) } else { read(word) }
}

fn durations(r: &mut Rules) {
    r.of(Dimension::Grain);
    grains(
        r,
        [
            ("second[oi]", Second),
            ("minut[oi]|min", Minute),
            ("or[ae]|h", Hour),
            ("giorn[oi]", Day),
            ("settiman[ae]", Week),
            ("mes[ei]", Month),
            ("trimestr[ei]", Quarter),
            ("ann[oi]", Year),
        ],
    );
    r.of(Dimension::Duration);
    counted(r);
    worded(r, &[("un[oa']?", 1.0), ("mezz['a]?(?:'| )?", 0.5)]);
    fixed(
        r,
        &[
            ("(?:un )?quarto d['i] ?ora", 15, Minute),
            ("mezz['a] ?ora|1/2 ?ora|1/2h", 30, Minute),
            ("(?:tre|3) quarti d['i] ?ora", 45, Minute),
        ],
    );
    about(r, "circa|approssimativamente");
    composed(r, "e|,");
}
