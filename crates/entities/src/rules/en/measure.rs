//! English distances, volumes, temperatures and quantities.

use std::rc::Rc;

use crate::grammar::{Rules, re};
use crate::rules::build::{measure_where, number_where, positive};
use crate::rules::shapes::measure::{Words, blank, intervals, point, tidy, units, worded};
use crate::token::Dimension::{Distance, Quantity, Temperature, Volume};
use crate::token::{Measure, Payload};

const WORDS: Words = Words {
    about: "about|around|approximately|approx\\.?|close to|near(?: to)?|almost|exactly|precisely|~",
    from: "between|from",
    to: "-|to|and|and about|-\\s?~|to about",
    dash: "-|-\\s?~",
    under: "under|below|at most|less than|lower than|not? more than|up to",
    over: "over|above|exceeding|at least|more than|greater than|not? less than|beyond",
};

const DISTANCES: &[(&str, &str, f64)] = &[
    ("k(?:ilo)?m?(?:eter|etre)?s?", "kilometre", 1.0),
    ("(?:foot|feet|ft)", "foot", 1.0),
    ("(?:inch(?:es)?|in|'')", "inch", 1.0),
    ("y(?:ar)?ds?", "yard", 1.0),
    ("meters?|metres?", "metre", 1.0),
    ("cm|centimet(?:er|re)s?", "centimetre", 1.0),
    ("mm|millimet(?:er|re)s?", "millimetre", 1.0),
    ("mi(?:les?)?", "mile", 1.0),
    ("m", "m", 1.0),
];

const VOLUMES: &[(&str, &str, f64)] = &[
    ("(?:hl|hectolit(?:er|re)s?)", "hectolitre", 1.0),
    ("m(?:l\\.?s?|illilit(?:er|re)s?)", "millilitre", 1.0),
    ("gal(?:l?ons?|s)?\\.?", "gallon", 1.0),
    ("(?:l|lit(?:er|re)s?)", "litre", 1.0),
];

const QUANTITIES: &[(&str, &str, f64)] = &[
    ("m(?:illi)?\\.?g(?:ram(?:me)?)?\\.?s?", "gram", 0.001),
    ("k(?:ilo)?\\.?g(?:ram(?:me)?)?\\.?s?", "gram", 1000.0),
    ("g(?:ram(?:me)?)?s?\\.?", "gram", 1.0),
    ("cups?", "cup", 1.0),
    ("(?:ounces?|oz)", "ounce", 1.0),
    ("(?:pounds?|lbs?)", "pound", 1.0),
    ("pints?", "pint", 1.0),
    ("quarts?", "quart", 1.0),
    ("table\\s?spoons?|tbsps?", "tablespoon", 1.0),
    ("tea\\s?spoons?|tsps?", "teaspoon", 1.0),
    ("bowls?", "bowl", 1.0),
    ("dishe?s?", "dish", 1.0),
];

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Distance);
    units(r, Distance, DISTANCES);
    intervals(r, Distance, WORDS);
    sums(r);
    r.of(Volume);
    units(r, Volume, VOLUMES);
    worded(
        r,
        Volume,
        &[
            ("an?", 1.0),
            ("half(?:[ -]an?| of an?)?-?", 0.5),
            ("(?:a )?(?:quarter|fourth)(?: of)?(?: an?)?-?", 0.25),
            ("(?:a )?third(?: of)?(?: an?)?", 1.0 / 3.0),
            ("(?:a )?fifth(?: of)?(?: an?)?", 0.2),
            ("(?:a )?tenth(?: of)?(?: an?)?", 0.1),
        ],
        VOLUMES,
    );
    intervals(r, Volume, WORDS);
    r.of(Temperature);
    temperatures(r);
    intervals(r, Temperature, WORDS);
    r.of(Quantity);
    units(r, Quantity, QUANTITIES);
    worded(r, Quantity, &[("an?", 1.0)], QUANTITIES);
    intervals(r, Quantity, WORDS);
    products(r);
}

fn sums(r: &mut Rules) {
    let exact = || measure_where(Distance, |measure| measure.value.is_some());
    for (name, link) in [("amount, amount", ""), ("amount and amount", ",? ?(?:and|,)|,")] {
        let mut items = vec![exact()];
        if !link.is_empty() {
            items.push(re(link));
        }
        items.push(exact());
        let last = items.len() - 1;
        r.add(name, items, move |m| {
            let (first, second) = (m.measure(0)?, m.measure(last)?);
            let (unit, value) = add_up(first, second)?;
            point(Distance, value, unit)
        });
    }
}

// Both in the finer unit; the undecided "m" becomes a mile beside feet and a metre beside centimetres.
fn add_up(first: &Measure, second: &Measure) -> Option<(&'static str, f64)> {
    let imperial = |unit: &str| matches!(unit, "inch" | "foot" | "yard" | "mile");
    let decide = |unit: &'static str, other: &str| match unit {
        "m" if imperial(other) => "mile",
        "m" => "metre",
        unit => unit,
    };
    let (one, other) = (first.unit?, second.unit?);
    let (one, other) = (decide(one, other), decide(other, one));
    let metres = |unit: &str| {
        Some(match unit {
            "millimetre" => 0.001,
            "centimetre" => 0.01,
            "metre" => 1.0,
            "kilometre" => 1000.0,
            "inch" => 0.0254,
            "foot" => 0.3048,
            "yard" => 0.9144,
            "mile" => 1609.344,
            _ => return None,
        })
    };
    let (large, small) = (metres(one)?, metres(other)?);
    if one == other {
        return None;
    }
    let total = first.value? * large + second.value? * small;
    // Across the systems the result is in metric units.
    let unit = match (imperial(one), imperial(other)) {
        (false, true) => one,
        (true, false) => other,
        _ if large > small => other,
        _ => one,
    };
    Some((unit, tidy(total / metres(unit)?)))
}

fn temperatures(r: &mut Rules) {
    let bare =
        |unit: &'static str| move |m: &crate::grammar::Match| point(Temperature, m.number(0)?.value, unit);
    r.add("degrees", [number_where(|_| true), re("(?:deg(?:ree)?s?\\.?|°)")], bare("degree"));
    let without_unit = || measure_where(Temperature, |measure| measure.unit == Some("degree"));
    for (name, pattern, unit) in [
        ("celsius", "(?:°\\s?)?(?:c|cel[cs]?(?:ius)?\\.?)", "celsius"),
        ("fahrenheit", "(?:°\\s?)?f(?:ah?rh?eh?n(?:h?eit)?)?\\.?", "fahrenheit"),
    ] {
        r.add(format!("degrees {name}"), [without_unit(), re(pattern)], move |m| {
            Some(Payload::Measure(Measure { unit: Some(unit), ..m.measure(0)?.clone() }))
        });
    }
    r.add("number celsius", [number_where(|_| true), re("(?:° ?)?(?:c|celsius)")], bare("celsius"));
    r.add("number fahrenheit", [number_where(|_| true), re("(?:° ?)?(?:f|fahrenheit)")], bare("fahrenheit"));
}

fn products(r: &mut Rules) {
    let bare = || measure_where(Quantity, |m| m.product.is_none() && m.unit.is_some_and(|u| u != "unnamed"));
    r.add("quantity of product", [bare(), re("of (\\w+)")], |m| {
        let product = Some(Rc::from(m.group(1, 1)?));
        Some(Payload::Measure(Measure { product, ..m.measure(0)?.clone() }))
    });
    r.add("latent quantity", [positive()], |m| {
        let value = Some(m.number(0)?.value);
        Some(Payload::Measure(Measure { value, unit: Some("unnamed"), latent: true, ..blank(Quantity) }))
    });
    r.add("about latent quantity", [re(WORDS.about), positive()], |m| {
        let value = Some(m.number(1)?.value);
        Some(Payload::Measure(Measure { value, unit: Some("unnamed"), latent: true, ..blank(Quantity) }))
    });
}
