//! Plain scalars: which are texts, which are something else, and variables in them.

use super::{Environment, Kind};

/// Resolves a plain scalar by the YAML 1.2 core schema as ruamel applies it: underscores allowed
/// in numbers, `012` decimal, `0o12` octal, `0x`, `0b`; `yes`, `no` and dates stay texts.
pub(crate) fn resolve(text: &str) -> Kind {
    let first = match text.as_bytes().first() {
        None => return Kind::Null,
        Some(first) => *first,
    };
    match first {
        b'~' if text == "~" => Kind::Null,
        b'n' | b'N' if matches!(text, "null" | "Null" | "NULL") => Kind::Null,
        b't' | b'T' if matches!(text, "true" | "True" | "TRUE") => Kind::Bool(true),
        b'f' | b'F' if matches!(text, "false" | "False" | "FALSE") => Kind::Bool(false),
        b'-' | b'+' | b'.' | b'0'..=b'9' => number(text).unwrap_or_else(|| Kind::Text(text.to_owned())),
        _ => Kind::Text(text.to_owned()),
    }
}

/// Reads an integer or float.
pub(super) fn number(text: &str) -> Option<Kind> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(Kind::Float(f64::INFINITY * f64::from(sign))),
        ".nan" | ".NaN" | ".NAN" if rest.len() == text.len() => return Some(Kind::Float(f64::NAN)),
        _ => {}
    }
    integer(rest, sign).or_else(|| float(rest, sign))
}

fn integer(digits: &str, sign: i32) -> Option<Kind> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'x', ..] => (16, &digits[2..]),
        _ => (10, digits),
    };
    let is_digit = |c: char| c == '_' || c.is_digit(radix);
    if !digits.chars().all(is_digit) || !digits.contains(|c: char| c.is_digit(radix)) {
        return None;
    }
    let plain = digits.replace('_', "");
    match i64::from_str_radix(&plain, radix) {
        Ok(number) => Some(Kind::Int(number * i64::from(sign))),
        Err(_) if radix == 10 => plain.parse().ok().map(|number: f64| Kind::Float(number * f64::from(sign))),
        Err(_) => None,
    }
}

fn float(text: &str, sign: i32) -> Option<Kind> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let has_digits_only = |part: &str| part.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit());
    let has_digit = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit());
    if !has_digits_only(whole) || !fraction.is_none_or(has_digits_only) {
        return None;
    }
    if (!has_digit(whole) && !fraction.is_some_and(has_digit)) || (fraction.is_none() && exponent.is_none()) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    let number: f64 = text.replace('_', "").parse().ok()?;
    Some(Kind::Float(number * f64::from(sign)))
}

/// Expands `$NAME` and `${NAME}` in a plain scalar that holds a `${…}`. `None` when it holds none.
///
/// # Errors
/// The words whose variable is not set.
pub(super) fn expand(text: &str, env: Environment<'_>) -> Option<Result<String, Vec<String>>> {
    let open = text.find("${")?;
    text[open + 2..].find('}')?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((name, length)) = variable(rest) else {
            out.push('$');
            rest = &rest[1..];
            continue;
        };
        match env(name) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    let unset: Vec<String> = out
        .split_whitespace()
        .filter(|word| word.starts_with('$') && text.contains(word))
        .map(str::to_owned)
        .collect();
    Some(if unset.is_empty() { Ok(out) } else { Err(unset) })
}

/// The name of the variable that `text` starts with, and the length of its mention.
fn variable(text: &str) -> Option<(&str, usize)> {
    let after = &text[1..];
    if let Some(braced) = after.strip_prefix('{') {
        let end = braced.find('}')?;
        return Some((&braced[..end], end + 3));
    }
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    (end > 0).then(|| (&after[..end], end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let text = |text: &str| Kind::Text(text.to_owned());
        let cases = [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("null", Kind::Null),
            ("True", Kind::Bool(true)),
            ("yes", text("yes")),
            ("on", text("on")),
            ("012", Kind::Int(12)),
            ("0o12", Kind::Int(10)),
            ("0x1F", Kind::Int(31)),
            ("0b11", Kind::Int(3)),
            ("1_000", Kind::Int(1000)),
            ("-7", Kind::Int(-7)),
            ("+7", Kind::Int(7)),
            ("1.5", Kind::Float(1.5)),
            ("1.", Kind::Float(1.0)),
            (".5", Kind::Float(0.5)),
            ("-1e3", Kind::Float(-1000.0)),
            ("1_0.5", Kind::Float(10.5)),
            ("-.inf", Kind::Float(f64::NEG_INFINITY)),
            ("123456789012345678901", Kind::Float(123_456_789_012_345_680_000.0)),
            ("12:30:45", text("12:30:45")),
            ("2020-01-01", text("2020-01-01")),
            ("-", text("-")),
            ("...", text("...")),
            (".", text(".")),
            ("_1", text("_1")),
            ("+", text("+")),
            ("1e", text("1e")),
            ("0x", text("0x")),
            ("3.1.2", text("3.1.2")),
            ("nullable", text("nullable")),
        ];
        for (input, expected) in cases {
            assert_eq!(resolve(input), expected, "{input}");
        }
        assert!(matches!(resolve(".nan"), Kind::Float(number) if number.is_nan()));
    }

    #[test]
    fn variables_expand_when_one_is_braced() {
        let env = |name: &str| match name {
            "HOST" => Some("example.com".to_owned()),
            "PORT" => Some("80".to_owned()),
            _ => None,
        };
        let unset = |words: &[&str]| Some(Err(words.iter().map(|word| (*word).to_owned()).collect()));
        let cases = [
            ("no variable", None),
            ("$HOST alone", None),
            ("${HOST", None),
            ("http://${HOST}:$PORT/x", Some(Ok("http://example.com:80/x".to_owned()))),
            ("a${NONE}b", Some(Ok("a${NONE}b".to_owned()))),
            ("${NONE} $ALSO_NONE ${HOST}", unset(&["${NONE}", "$ALSO_NONE"])),
            ("$$ ${HOST}", unset(&["$$"])),
        ];
        for (input, expected) in cases {
            assert_eq!(expand(input, &env), expected, "{input}");
        }
    }
}
