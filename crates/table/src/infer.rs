//! What kind of values untyped cells hold.

use std::collections::HashSet;

use crate::{Column, Kind, Moment, Table};

/// How cells that say "nothing is known" are written, besides being empty.
pub const MISSING_WORDS: [&str; 8] = ["NA", "N/A", "NaN", "nan", "null", "NULL", "#N/A", "<NA>"];

/// A column of words is free text when more than this share of its values is distinct and they have
/// more than [`TEXT_WORDS_MIN`] words on average.
const TEXT_DISTINCT_SHARE: f64 = 0.5;
const TEXT_WORDS_MIN: f64 = 3.0;

/// Largest whole number that `f64` holds exactly; longer codes stay words.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What was found out about a column of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What its values are.
    pub kind: Kind,
    /// How decimals are written, for numbers.
    pub decimal_mark: char,
}

/// What kind of values these words are. Nothing but missing values is taken for numbers.
///
/// Codes with leading zeros (`007`) and numbers too long for a float are categories; `Yes` and `No`
/// are categories, `true` and `false` booleans.
pub fn finding<'a>(words: impl Iterator<Item = &'a str> + Clone) -> Finding {
    let words = words.map(str::trim).filter(|word| !is_missing(word));
    let plain = |kind| Finding { kind, decimal_mark: '.' };
    if words.clone().any(is_code) {
        return plain(Kind::Category);
    }
    for decimal_mark in ['.', ','] {
        if words.clone().all(|word| number(word, decimal_mark).is_some()) {
            return Finding { kind: Kind::Number, decimal_mark };
        }
    }
    if words.clone().all(|word| word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")) {
        return plain(Kind::Boolean);
    }
    if words.clone().all(|word| Moment::parse(word).is_some()) {
        return plain(Kind::Date);
    }
    let (mut count, mut parts, mut distinct) = (0usize, 0usize, HashSet::new());
    for word in words {
        count += 1;
        parts += word.split_whitespace().count();
        distinct.insert(word);
    }
    let is_text = distinct.len() as f64 > TEXT_DISTINCT_SHARE * count as f64
        && parts as f64 > TEXT_WORDS_MIN * count as f64;
    plain(if is_text { Kind::Text } else { Kind::Category })
}

/// Whether a cell says that nothing is known.
pub fn is_missing(word: &str) -> bool {
    word.is_empty() || MISSING_WORDS.contains(&word)
}

/// Reads a number with this decimal mark; words such as `inf` are none.
pub fn number(word: &str, decimal_mark: char) -> Option<f64> {
    let word = word.trim();
    let is_numeric = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'e' | b'E');
    if !word.bytes().all(|byte| is_numeric(byte) || char::from(byte) == decimal_mark) {
        return None;
    }
    let parsed: Option<f64> = if decimal_mark == '.' {
        word.parse().ok()
    } else {
        word.replacen(decimal_mark, ".", 1).parse().ok()
    };
    parsed.filter(|number| number.is_finite())
}

/// Columns of words as what their values are; `declared` kinds win over what is found.
///
/// The second part lists row and column of cells that do not fit a declared kind; they are missing.
pub fn typed(table: &Table, declared: &[(String, Kind)]) -> (Table, Vec<(usize, String)>) {
    let mut misfits = Vec::new();
    let mut columns = Vec::new();
    for (name, column) in table.iter() {
        let Column::Text(words) = column else {
            columns.push((name.to_owned(), column.clone()));
            continue;
        };
        let found = finding(words.iter().flatten().map(String::as_str));
        let kind = declared.iter().find(|(other, _)| other == name).map_or(found.kind, |(_, kind)| *kind);
        let known = |word: &Option<String>| {
            word.as_ref().map(|word| word.trim()).filter(|word| !is_missing(word)).map(str::to_owned)
        };
        let known = Column::Text(words.iter().map(known).collect());
        if kind == Kind::Number && found.kind == Kind::Number && found.decimal_mark == ',' {
            let Column::Text(words) = &known else { continue };
            let read = |word: &Option<String>| {
                word.as_deref().and_then(|word| number(word, ',')).unwrap_or(f64::NAN)
            };
            columns.push((name.to_owned(), Column::Number(words.iter().map(read).collect())));
            continue;
        }
        let (column, failed) = known.cast(kind);
        misfits.extend(failed.into_iter().map(|row| (row, name.to_owned())));
        columns.push((name.to_owned(), column));
    }
    misfits.sort();
    let typed = Table::new(columns).expect("invariant: names and lengths are those of the given table");
    (typed, misfits)
}

/// Whether digits are a code and not a quantity.
fn is_code(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    (digits.len() > 1 && digits.starts_with('0')) || digits.parse().is_ok_and(|whole: f64| whole > WHOLE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], expected: Kind) {
        assert_eq!(finding(words.iter().copied()).kind, expected, "{words:?}");
    }

    #[test]
    fn kinds_are_found() {
        check(&["1", "2.5", "", "NA", "-3e4"], Kind::Number);
        check(&["1,5", "2"], Kind::Number);
        check(&["", "NaN"], Kind::Number);
        check(&["007", "012"], Kind::Category);
        check(&["12345678901234567890"], Kind::Category);
        check(&["inf", "infinity"], Kind::Category);
        check(&["Yes", "No"], Kind::Category);
        check(&["true", "False", ""], Kind::Boolean);
        check(&["2015-06-01 00:00:00", "2014-04-01"], Kind::Date);
        check(&["a film of its own kind", "what a bad idea this was"], Kind::Text);
        check(&["France", "Italy"], Kind::Category);
    }

    #[test]
    fn declared_kinds_win_and_misfits_are_told() {
        let words =
            |words: &[&str]| Column::Text(words.iter().map(|word| Some((*word).to_owned())).collect());
        let table = Table::new(vec![
            ("a".into(), words(&["1", "x", ""])),
            ("b".into(), words(&["1,5", "2,25", "NA"])),
        ])
        .unwrap();
        let (typed, misfits) = typed(&table, &[("a".into(), Kind::Number)]);
        assert_eq!(misfits, [(1, "a".to_owned())]);
        assert_eq!(typed.column("b").unwrap().value(1), crate::Value::Number(2.25));
        assert_eq!(typed.column("b").unwrap().missing_count(), 1);
    }
}
