//! Spanish distances, volumes, temperatures, quantities and money.

use crate::grammar::Rules;
use crate::rules::shapes::measure::{
    CURRENCIES, Words, and_cents, currencies, intervals, of_product, temperatures, units, worded,
};
use crate::token::Dimension::{Distance, Money, Quantity, Volume};

const WORDS: Words = Words {
    about: "alrededor de|aproximadamente|cerca de|casi|exactamente|~",
    from: "entre|de|desde",
    to: "-|y|a|hasta",
    dash: "-|a",
    under: "menos (?:de|que)|no m[aá]s (?:de|que)|a lo sumo|por debajo de|debajo de|como m[aá]ximo|menor (?:de|que)|hasta",
    over: "m[aá]s (?:de|que)|no menos (?:de|que)|al menos|por lo menos|como m[ií]nimo|mayor (?:de|que)|por encima de|sobre",
};

/// Adds them.
pub fn add(r: &mut Rules) {
    r.of(Distance);
    units(
        r,
        Distance,
        &[
            ("k(?:il[oó])?m?(?:etro)?s?", "kilometre", 1.0),
            ("m(?:etros?)?", "metre", 1.0),
            ("cm|cent[ií]m(?:etros?)", "centimetre", 1.0),
            ("mm|mil[ií]metros?", "millimetre", 1.0),
            ("millas?", "mile", 1.0),
        ],
    );
    intervals(r, Distance, WORDS);
    let volumes = &[
        ("m(?:l|ililitros?)", "millilitre", 1.0),
        ("c(?:l|entilitros?)", "centilitre", 1.0),
        ("h(?:l|ectolitros?)", "hectolitre", 1.0),
        ("l(?:itros?)?", "litre", 1.0),
        ("gal[oó]n(?:es)?", "gallon", 1.0),
    ];
    r.of(Volume);
    units(r, Volume, volumes);
    worded(r, Volume, &[("una?", 1.0), ("medio", 0.5), ("(?:un )?cuarto de", 0.25)], volumes);
    intervals(r, Volume, WORDS);
    temperatures(
        r,
        "grados?|°",
        "c(?:el[cs]?(?:ius)?)?\\.?|cent[ií]grados?",
        "f(?:ah?rh?eh?n(?:h?eit)?)?\\.?",
        "bajo cero",
    );
    intervals(r, crate::token::Dimension::Temperature, WORDS);
    let quantities = &[
        ("m(?:ili)?g(?:ramo)?s?", "gram", 0.001),
        ("k(?:ilo)?g(?:ramo)?s?|kilos?", "gram", 1000.0),
        ("g(?:ramo)?s?", "gram", 1.0),
        ("tazas?", "cup", 1.0),
        ("onzas?|oz", "ounce", 1.0),
        ("libras?|lbs?", "pound", 1.0),
        ("cucharadas?", "tablespoon", 1.0),
        ("cucharaditas?", "teaspoon", 1.0),
    ];
    r.of(Quantity);
    units(r, Quantity, quantities);
    worded(r, Quantity, &[("una?", 1.0)], quantities);
    of_product(r, "de ");
    intervals(r, Quantity, WORDS);
    r.of(Money);
    currencies(r, CURRENCIES);
    currencies(
        r,
        &[
            ("d[oó]l+ar(?:es)?|dollars?|\\$", "$"),
            ("us ?\\$", "USD"),
            ("libras?(?: esterlinas?)?|£", "£"),
            ("centavos?|c[eé]ntimos?|centavos|c|¢", "cent"),
            ("pt(?:a|as|s)?|pesetas?", "PTS"),
            ("pesos?", "$"),
            ("dinars?|dinares", "dinar"),
            ("rupias?", "INR"),
            ("yen(?:es)?|¥", "JPY"),
        ],
    );
    intervals(r, Money, WORDS);
    and_cents(r, "y");
}
