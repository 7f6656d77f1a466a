//! Numbers and ordinals.

use crate::grammar::{Rules, re};
use crate::rules::build::{clear_int, int_between, num, number_where, positive, power_of_ten, rank};
use crate::token::{Number, Payload};

/// Words that are numbers.
pub fn words(r: &mut Rules, rows: &[(&'static str, f64)]) {
    for &(pattern, value) in rows {
        r.add(format!("number {value}"), [re(pattern)], move |_| num(value));
    }
}

/// Words that are numbers but too vague for a clock ("few", "single").
pub fn vague_words(r: &mut Rules, rows: &[(&'static str, f64)]) {
    for &(pattern, value) in rows {
        r.add(format!("vague number {value}"), [re(pattern)], move |_| {
            Some(Payload::Number(Number { value, power: None, multipliable: false, vague: true }))
        });
    }
}

/// Words for powers of ten, which a number before them multiplies.
pub fn powers(r: &mut Rules, rows: &[(&'static str, u32)]) {
    for &(pattern, power) in rows {
        r.add(format!("power {power}"), [re(pattern)], move |_| power_of_ten(power));
    }
}

/// "dozen": multiplied by the number before it, but no power of ten.
pub fn dozen(r: &mut Rules, pattern: &'static str) {
    r.add("dozen", [re(pattern)], |_| {
        Some(Payload::Number(Number { value: 12.0, power: None, multipliable: true, vague: true }))
    });
}

/// "two hundred", "3 million".
pub fn multiply(r: &mut Rules) {
    r.add("number times power", [positive(), number_where(|number| number.multipliable)], |m| {
        let (number, power) = (m.number(0)?, m.number(1)?);
        let fits = power.power.is_none() || power.value > number.value;
        let product = number.value * power.value;
        fits.then_some(Payload::Number(Number {
            value: if product.abs() < 1e15 { (product * 1e6).round() / 1e6 } else { product },
            power: power.power,
            multipliable: false,
            vague: false,
        }))
    });
}

/// "two hundred five"; with a linking word "two hundred and five".
pub fn sum(r: &mut Rules, link: Option<&'static str>) {
    let large = || number_where(|number| number.power.is_some_and(|power| power > 1) && number.value > 0.0);
    let small = || number_where(|number| !number.multipliable && number.value > 0.0);
    let add = |large: &Number, small: &Number| {
        let power = large.power?;
        (10f64.powi(power as i32) > small.value).then_some(Payload::Number(Number {
            value: large.value + small.value,
            power: small.power,
            multipliable: false,
            vague: false,
        }))
    };
    r.add("large number, small number", [large(), small()], move |m| add(m.number(0)?, m.number(1)?));
    if let Some(link) = link {
        r.add("large number and small number", [large(), re(link), small()], move |m| {
            add(m.number(0)?, m.number(2)?)
        });
    }
}

/// Tens then units: "twenty one"; `link` stands between ("-", "et", "y").
pub fn tens_and_units(r: &mut Rules, link: &'static str) {
    let tens = || number_where(|number| is_one_of(number, &[20, 30, 40, 50, 60, 70, 80, 90]));
    let join = |m: &crate::grammar::Match, other: usize| num(m.number(0)?.value + m.number(other)?.value);
    r.add("tens, units", [tens(), clear_int(1, 9)], move |m| join(m, 1));
    r.add("tens link units", [tens(), re(link), clear_int(1, 9)], move |m| join(m, 2));
}

fn is_one_of(number: &Number, values: &[i64]) -> bool {
    number.integer().is_some_and(|value| values.contains(&value))
}

/// "minus 5", "-5".
pub fn negative(r: &mut Rules, pattern: &'static str) {
    r.add("negative number", [re(pattern), positive()], |m| {
        let number = m.number(1)?;
        Some(Payload::Number(Number { value: -number.value, ..*number }))
    });
}

/// "one point two".
pub fn decimal_word(r: &mut Rules, pattern: &'static str) {
    r.add("number point number", [positive(), re(pattern), number_where(|n| n.power.is_none())], |m| {
        num(m.number(0)?.value + fraction_of(m.number(2)?.integer()?)?)
    });
}

/// "point 77".
pub fn leading_point(r: &mut Rules, pattern: &'static str) {
    r.add("point number", [re(pattern), number_where(|n| n.power.is_none())], |m| {
        num(fraction_of(m.number(1)?.integer()?)?)
    });
}

fn fraction_of(digits: i64) -> Option<f64> {
    if digits < 0 {
        return None;
    }
    format!("0.{digits}").parse().ok()
}

/// Digits with a decimal sign and with groups of three: `1,200.5` or `1.200,5`.
pub fn digits(r: &mut Rules, decimal: char, group: &'static str) {
    let read = move |text: String| -> Option<Payload> {
        let cleaned: String = text
            .chars()
            .filter_map(|c| match c {
                c if c == decimal => Some('.'),
                c if c.is_ascii_digit() => Some(c),
                _ => None,
            })
            .collect();
        num(cleaned.parse().ok()?)
    };
    r.add("decimal number", [re(format!("\\d*\\{decimal}\\d+"))], move |m| read(m.text(0)));
    r.add(
        "number in groups of three",
        [re(format!("\\d+(?:{group}\\d\\d\\d)+(?:\\{decimal}\\d+)?"))],
        move |m| read(m.text(0)),
    );
}

/// "3K", "1.2M": a letter after the number; groups 1, 2, 3 of the pattern mean 10^3, 10^6, 10^9.
pub fn suffixes(r: &mut Rules, pattern: &'static str) {
    r.add("number with suffix", [number_where(|n| n.power.is_none() && !n.vague), re(pattern)], |m| {
        let power = (1..=3).find(|&group| m.has(1, group))?;
        num((m.number(0)?.value * 1000f64.powi(power as i32) * 1e6).round() / 1e6)
    });
}

/// Words that are ranks.
pub fn ordinal_words(r: &mut Rules, rows: &[(&'static str, i64)]) {
    for &(pattern, value) in rows {
        r.add(format!("ordinal {value}"), [re(pattern)], move |_| rank(value));
    }
}

/// Digits with a mark: `pattern` has the digits in group 1.
pub fn ordinal_digits(r: &mut Rules, pattern: &'static str) {
    r.add("ordinal digits", [re(pattern)], |m| rank(m.group_int(0, 1)?));
}

/// Numbers below a hundred that are counted on tens in another order: "einundzwanzig".
pub fn units_and_tens(r: &mut Rules, link: &'static str) {
    let tens = || number_where(|number| is_one_of(number, &[20, 30, 40, 50, 60, 70, 80, 90]));
    r.add("units and tens", [int_between(1, 9), re(link), tens()], |m| {
        num(m.number(0)?.value + m.number(2)?.value)
    });
}
