//! Rules that belong to no language.

pub mod contact;
pub mod holiday;

use crate::grammar::{Rules, re};
use crate::rules::build::{num, number_where};
use crate::rules::shapes::measure::{blank, currency};
use crate::token::{Dimension, Measure, Number, Payload};

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Dimension::Number);
    r.add("digits", [re("\\d{1,18}")], |m| num(m.text(0).parse().ok()?));
    r.add("n/m", [re("(?<![/])(\\d+)\\s*/\\s*(\\d+)")], |m| {
        let (numerator, denominator) = (m.group_int(0, 1)?, m.group_int(0, 2)?);
        let value = numerator as f64 / denominator as f64;
        // A fraction is no hour or day, even when it is whole.
        let number = Number { value, power: None, multipliable: false, vague: true };
        (denominator != 0).then_some(Payload::Number(number))
    });
    r.of(Dimension::Money);
    let exact = || number_where(|number: &Number| number.value >= 0.0);
    r.add("currency, amount", [currency(), exact()], |m| {
        Some(Payload::Measure(Measure { value: Some(m.number(1)?.value), ..m.measure(0)?.clone() }))
    });
    r.add("amount, currency", [exact(), currency()], |m| {
        Some(Payload::Measure(Measure { value: Some(m.number(0)?.value), ..m.measure(1)?.clone() }))
    });
    r.add("latent amount", [number_where(|number| number.value >= 0.0)], |m| {
        let value = Some(m.number(0)?.value);
        let unit = Some("unknown");
        Some(Payload::Measure(Measure { value, unit, latent: true, ..blank(Dimension::Money) }))
    });
    contact::add(r);
}
