//! French distances, volumes, temperatures, quantities and money.

use std::rc::Rc;

use crate::grammar::{Rules, re};
use crate::rules::build::{measure_where, number, number_where};
use crate::rules::shapes::measure::{
    CURRENCIES, Words, and_cents, currencies, intervals, point, units, worded,
};
use crate::token::Dimension::{Distance, Money, Quantity, Temperature, Volume};
use crate::token::{Measure, Payload};

const WORDS: Words = Words {
    about: "environ|à peu pr[eè]s|approximativement|exactement|quasi(?:ment)?|presque|autour de|~",
    from: "entre|de",
    to: "-|et|à",
    dash: "-|à",
    under: "moins d[e']|pas plus d[e']|au plus|sous|en dessous de|au maximum|inférieur à",
    over: "plus d[e']|au moins|pas moins d[e']|au minimum|supérieur à|au dessus de",
};

const DISTANCES: &[(&str, &str, f64)] = &[
    ("k(?:ilo)?m?(?:[eéè]tre)?s?", "kilometre", 1.0),
    ("m(?:[eéè]tres?)?", "metre", 1.0),
    ("cm|centim[eéè]tres?", "centimetre", 1.0),
    ("mm|millim[eéè]tres?", "millimetre", 1.0),
    ("miles?", "mile", 1.0),
];

const VOLUMES: &[(&str, &str, f64)] = &[
    ("m(?:l|illilitres?)", "millilitre", 1.0),
    ("c(?:l|entilitres?)", "centilitre", 1.0),
    ("h(?:l|ectolitres?)", "hectolitre", 1.0),
    ("l(?:itres?)?", "litre", 1.0),
    ("gal(?:l?ons?)?", "gallon", 1.0),
];

const QUANTITIES: &[(&str, &str, f64)] = &[
    ("tasses?", "cup", 1.0),
    ("cuill?(?:e|è)res? à soupe|c\\.? ?à ?s\\.?", "tablespoon", 1.0),
    ("cuill?(?:e|è)res? à caf[ée]", "teaspoon", 1.0),
    ("g(?:r(?:amme?s?)?)?", "gram", 1.0),
    ("k(?:ilo)?g(?:ramme)?s?|kilos?", "gram", 1000.0),
    ("livres?", "pound", 1.0),
];

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Distance);
    units(r, Distance, DISTANCES);
    intervals(r, Distance, WORDS);
    r.of(Volume);
    units(r, Volume, VOLUMES);
    worded(
        r,
        Volume,
        &[
            ("une?", 1.0),
            ("(?:un )?demie?[- ]?", 0.5),
            ("(?:un )?quart d[e']", 0.25),
            ("(?:un )?tiers d[e']", 1.0 / 3.0),
        ],
        VOLUMES,
    );
    intervals(r, Volume, WORDS);
    r.of(Temperature);
    temperatures(r);
    intervals(r, Temperature, WORDS);
    r.of(Quantity);
    units(r, Quantity, &QUANTITIES[..3]);
    worded(r, Quantity, &[("une?", 1.0)], &QUANTITIES[..3]);
    let bare = || measure_where(Quantity, |measure| measure.product.is_none());
    r.add("quantity of product", [bare(), re("d[e'](?: la| l')? ?(\\w+é?)")], |m| {
        let product = Some(Rc::from(m.group(1, 1)?));
        Some(Payload::Measure(Measure { product, ..m.measure(0)?.clone() }))
    });
    money(r);
}

fn temperatures(r: &mut Rules) {
    let bare =
        |unit: &'static str| move |m: &crate::grammar::Match| point(Temperature, m.number(0)?.value, unit);
    r.add("degrees", [number(), re("(?:degr(?:é|e|è)s?\\.?|°)")], bare("degree"));
    r.add(
        "below zero",
        [number_where(|n| n.value > 0.0), re("(?:degr(?:é|e|è)s?|°)? ?en dessous de z[ée]ro")],
        |m| point(Temperature, -m.number(0)?.value, "degree"),
    );
    let degrees = || measure_where(Temperature, |measure| measure.unit == Some("degree"));
    for (name, pattern, unit) in [
        ("celsius", "c(?:el[cs]?(?:ius)?)?\\.?", "celsius"),
        ("fahrenheit", "f(?:ah?rh?eh?n(?:h?eit)?)?\\.?", "fahrenheit"),
    ] {
        r.add(format!("degrees {name}"), [degrees(), re(pattern)], move |m| {
            Some(Payload::Measure(Measure { unit: Some(unit), ..m.measure(0)?.clone() }))
        });
        r.add(format!("number {name}"), [number(), re(pattern)], bare(unit));
    }
}

fn money(r: &mut Rules) {
    r.of(Money);
    currencies(r, CURRENCIES);
    currencies(
        r,
        &[
            ("dollars?|\\$", "$"),
            ("us ?\\$|dollars? am[ée]ricains?", "USD"),
            ("livres?(?: sterlings?)?|£", "£"),
            ("(?:centimes?|cents?|c|¢)", "cent"),
            ("(?:poulou?te|pouloutos|balle|boule)s?", "unknown"),
            ("dinars?", "dinar"),
            ("dirhams?", "dirham"),
            ("rials?", "rial"),
            ("riyals?", "riyal"),
            ("roupies?", "INR"),
            ("yens?|¥", "JPY"),
            ("francs?", "CHF"),
        ],
    );
    intervals(r, Money, WORDS);
    and_cents(r, "et");
}
