//! Addresses, links, phone and card numbers: matched by hand, in one pass over their characters.

use std::rc::Rc;

use crate::grammar::{Rules, re};
use crate::text::Text;
use crate::token::{Contact, Dimension, Payload};

const LABELS_MAX: usize = 12;
const LOCAL_MAX: usize = 64;
const LABEL_MAX: usize = 63;
const URL_MAX: usize = 2_000;

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Email);
    r.add_scan("email", email);
    r.of(Dimension::Url);
    r.add_scan("url", url);
    r.of(Dimension::Phone);
    r.add_scan("phone", phone);
    r.of(Dimension::Card);
    r.add_scan("card", card);
}

fn contact(dimension: Dimension, value: String, detail: Option<String>) -> Contact {
    Contact { dimension, value: Rc::from(value), detail: detail.map(Rc::from) }
}

// Emails and links keep the case they were written in; the text is put back by the caller of `Text`.
fn original(text: &Text, start: usize, end: usize) -> String {
    text.original(start, end)
}

fn run(text: &Text, start: usize, most: usize, wanted: impl Fn(char) -> bool) -> usize {
    text.chars[start..].iter().take(most).take_while(|c| wanted(**c)).count()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn email(text: &Text, start: usize) -> Option<(usize, Contact)> {
    let local = run(text, start, LOCAL_MAX, |c| is_word(c) || matches!(c, '.' | '+' | '-'));
    let at = start + local;
    if local == 0 || text.chars.get(at) != Some(&'@') {
        return None;
    }
    // Only the first character of the local part begins an address.
    if start > 0 && matches!(text.chars[start - 1], '.' | '+' | '-' | '_') {
        return None;
    }
    let end = host_end(text, at + 1)?;
    Some((end, contact(Dimension::Email, original(text, start, end), None)))
}

/// Addresses as spoken: "alice at example dot org", with the language's words for the signs.
pub fn spoken_email(r: &mut Rules, at: &'static str, dot: &'static str) {
    r.of(Dimension::Email);
    let label = "[\\w-]{1,63}";
    let dot_or_sign = format!("(?:\\.|\\s{dot}\\s)");
    let local = format!("[\\w+.-]{{1,64}}(?:\\s{dot}\\s[\\w+-]{{1,64}}){{0,2}}");
    let pattern = format!("({local})(?:\\s(?:{at})\\s|@)({label}(?:{dot_or_sign}{label}){{1,4}})");
    r.add("spoken email", [re(pattern)], move |m| {
        let written = m.original(0);
        let is_at = |word: &str| at.split('|').any(|known| known == word);
        if !written.to_lowercase().split(' ').any(|word| word == dot || is_at(word)) {
            return None;
        }
        let mut value = String::new();
        for word in written.split(' ') {
            let folded = word.to_lowercase();
            match folded.as_str() {
                folded if folded == dot => value.push('.'),
                folded if is_at(folded) => value.push('@'),
                _ => value.push_str(word),
            }
        }
        // A number as host is a time of day: "at 6.40".
        let named = value.rsplit('.').next()?.chars().all(char::is_alphabetic);
        named.then(|| Payload::Contact(contact(Dimension::Email, value, None)))
    });
}

// The end of at least two labels joined by dots.
fn host_end(text: &Text, start: usize) -> Option<usize> {
    let mut end = start;
    let mut labels = 0;
    while labels < LABELS_MAX {
        let from = if labels == 0 { end } else { end + 1 };
        if labels > 0 && text.chars.get(end) != Some(&'.') {
            break;
        }
        let length =
            text.chars.get(from..).map_or(0, |_| run(text, from, LABEL_MAX, |c| is_word(c) || c == '-'));
        if length == 0 {
            break;
        }
        end = from + length;
        labels += 1;
    }
    (labels >= 2).then_some(end)
}

fn starts_with(text: &Text, start: usize, wanted: &str) -> bool {
    wanted.chars().enumerate().all(|(i, c)| text.chars.get(start + i) == Some(&c))
}

fn url(text: &Text, start: usize) -> Option<(usize, Contact)> {
    // A link begins where its scheme or host begins.
    if start > 0 && matches!(text.chars[start - 1], '/' | '.' | '-' | '@' | ':' | '_' | '=' | '?') {
        return None;
    }
    let mut at = start;
    let scheme = run(text, at, 20, |c| c.is_ascii_alphanumeric());
    let has_scheme = scheme > 0 && starts_with(text, at + scheme, "://");
    if has_scheme {
        at += scheme + 3;
    }
    let mut host = at;
    let www =
        run(text, at, 4, |c| c == 'w') >= 2 && text.chars.get(at + run(text, at, 4, |c| c == 'w')).is_some();
    let mut labels: Vec<(usize, usize)> = Vec::new();
    while labels.len() < LABELS_MAX {
        let from = labels.last().map_or(at, |(_, end)| end + 1);
        if labels.last().is_some_and(|(_, end)| text.chars.get(*end) != Some(&'.'))
            || from >= text.chars.len()
        {
            break;
        }
        let length = run(text, from, LABEL_MAX, |c| is_word(c) || c == '-');
        if length == 0 {
            break;
        }
        labels.push((from, from + length));
    }
    let top_level = |&(from, to): &(usize, usize)| {
        (2..=4).contains(&(to - from)) && text.chars[from..to].iter().all(char::is_ascii_alphabetic)
    };
    let is_local = labels.len() == 1 && text.slice(labels[0].0, labels[0].1) == "localhost";
    if !(is_local || has_scheme && labels.len() == 1) {
        while labels.len() >= 2 && !labels.last().is_some_and(top_level) {
            labels.pop();
        }
        if labels.len() < 2 {
            return None;
        }
    }
    let host_end = labels.last()?.1;
    if !text.is_edge(host_end) || text.chars.get(host_end) == Some(&'@') {
        return None;
    }
    let first = text.slice(labels[0].0, labels[0].1);
    if www && labels.len() > 2 && (first == "www" || first.strip_prefix("www").is_some_and(is_digit)) {
        host = labels[1].0;
    }
    let domain = text.slice(host, host_end);
    let end = url_end(text, host_end);
    Some((end, contact(Dimension::Url, original(text, start, end), Some(domain))))
}

fn is_digit(rest: &str) -> bool {
    rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit())
}

// Port, path, query and fragment.
fn url_end(text: &Text, mut end: usize) -> usize {
    if text.chars.get(end) == Some(&':') {
        let digits = run(text, end + 1, 5, |c| c.is_ascii_digit());
        if digits > 0 {
            end += 1 + digits;
        }
    }
    let mut tail = end;
    if matches!(text.chars.get(end), Some('/' | '?' | '#')) {
        tail = end
            + run(text, end, URL_MAX, |c| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c));
        // Punctuation at the very end belongs to the sentence.
        while tail > end && matches!(text.chars[tail - 1], '.' | ',' | '!' | '?' | ';' | ':' | ')') {
            tail -= 1;
        }
    }
    tail
}

fn phone(text: &Text, start: usize) -> Option<(usize, Contact)> {
    if !matches!(text.chars[start], '0'..='9' | '+' | '(')
        || start > 0 && matches!(text.chars[start - 1], '+' | '$' | '(')
    {
        return None;
    }
    let (country, at) = country_code(text, start);
    // Six to sixteen characters of a number, blanks and signs included, and then none that goes on.
    let span = run(text, at, 60, |c| {
        c.is_ascii_digit() || matches!(c, '-' | '(' | ')' | '.') || c.is_ascii_whitespace()
    });
    let ends = |length: usize| !text.chars.get(at + length).is_some_and(char::is_ascii_digit);
    if span < 6 || !(6..=16.min(span)).any(ends) {
        return None;
    }
    let mut digits = String::new();
    let mut end = at;
    for position in at..at + 60 {
        match text.chars.get(position) {
            Some(c) if c.is_ascii_digit() => {
                digits.push(*c);
                end = position + 1;
            }
            Some('(' | ')' | '.' | '-' | ' ' | '\t') => {}
            _ => break,
        }
    }
    if digits.is_empty() || !text.is_edge(end) {
        return None;
    }
    let mut value = country.map(|code| format!("(+{code}) ")).unwrap_or_default();
    value.push_str(&digits);
    if let Some((extension, after)) = extension(text, end) {
        value.push_str(&format!(" ext {extension}"));
        end = after;
    }
    Some((end, contact(Dimension::Phone, value, None)))
}

// "+33 ", "(+1)": the code and where the number goes on.
fn country_code(text: &Text, start: usize) -> (Option<String>, usize) {
    let bracket = usize::from(text.chars.get(start) == Some(&'('));
    let plus = start + bracket;
    if text.chars.get(plus) != Some(&'+') {
        return (None, start);
    }
    let digits = run(text, plus + 1, 2, |c| c.is_ascii_digit());
    if digits == 0 {
        return (None, start);
    }
    let mut after = plus + 1 + digits;
    // The code is one or two digits; the longer one when a separator follows it.
    if digits == 2 && text.chars.get(after).is_some_and(char::is_ascii_digit) {
        after = plus + 3;
    }
    let code = text.slice(plus + 1, after);
    if bracket == 1 {
        if text.chars.get(after) != Some(&')') {
            return (None, start);
        }
        after += 1;
    }
    while matches!(text.chars.get(after), Some(' ' | '\t' | '-' | '.')) {
        after += 1;
    }
    (Some(code), after)
}

fn extension(text: &Text, end: usize) -> Option<(String, usize)> {
    let at = text.skip_blanks(end);
    let word =
        ["extension", "ext.", "ext", "x", "ramal"].into_iter().find(|word| starts_with(text, at, word))?;
    let mut from = text.skip_blanks(at + word.len());
    if text.chars.get(from) == Some(&'.') {
        from = text.skip_blanks(from + 1);
    }
    let length = text.chars.get(from..).map_or(0, |_| run(text, from, 20, |c| c.is_ascii_digit()));
    (length > 0 && text.is_edge(from + length)).then(|| (text.slice(from, from + length), from + length))
}

fn card(text: &Text, start: usize) -> Option<(usize, Contact)> {
    if start > 0 && text.chars[start - 1] == '-' {
        return None;
    }
    let length = run(text, start, 30, |c| c.is_ascii_digit() || c == '-');
    let written = text.slice(start, start + length);
    let written = written.trim_end_matches('-');
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let groups: Vec<usize> = written.split('-').map(str::len).collect();
    if !(8..=19).contains(&digits.len()) || !passes_luhn(&digits) {
        return None;
    }
    let issuer = issuer(&digits);
    let grouped: &[usize] = match issuer {
        "visa" | "discover" | "mastercard" => &[4, 4, 4, 4],
        "amex" => &[4, 6, 5],
        "dinerclub" => &[4, 6, 4],
        _ => &[],
    };
    if groups.len() != 1 && groups != grouped {
        return None;
    }
    let end = start + written.chars().count();
    Some((end, contact(Dimension::Card, digits, Some(issuer.to_owned()))))
}

fn issuer(digits: &str) -> &'static str {
    let prefix = |length: usize| digits[..length].parse::<u32>().unwrap_or(0);
    match digits.len() {
        16 if digits.starts_with('4') => "visa",
        15 if matches!(prefix(2), 34 | 37) => "amex",
        16 if prefix(4) == 6011 || prefix(2) == 65 || (644..=649).contains(&prefix(3)) => "discover",
        16 if (51..=55).contains(&prefix(2)) || (2221..=2720).contains(&prefix(4)) => "mastercard",
        14 if (300..=305).contains(&prefix(3)) || matches!(prefix(2), 36 | 38) => "dinerclub",
        _ => "other",
    }
}

fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, byte)| {
            let digit = u32::from(byte - b'0');
            if i % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10) && digits.bytes().any(|byte| byte != b'0')
}
