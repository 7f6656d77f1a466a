//! Spanish distances, volumes, temperatures, quantities and money.

use crate::grammar::Rules;
use crate::rules::shapes::measure::{Vocabulary, Words};

const VOCABULARY: Vocabulary = Vocabulary {
    words: Words {
        about: "alrededor de|aproximadamente|cerca de|casi|exactamente|~",
        from: "entre|de|desde",
        to: "-|y|a|hasta",
        dash: "-|a",
        under: "menos (?:de|que)|no m[aá]s (?:de|que)|a lo sumo|por debajo de|debajo de|como m[aá]ximo|menor (?:de|que)|hasta",
        over: "m[aá]s (?:de|que)|no menos (?:de|que)|al menos|por lo menos|como m[ií]nimo|mayor (?:de|que)|por encima de|sobre",
    },
    distances: &[
        ("k(?:il[oó])?m?(?:etro)?s?", "kilometre", 1.0),
        ("m(?:etros?)?", "metre", 1.0),
        ("cm|cent[ií]m(?:etros?)", "centimetre", 1.0),
        ("mm|mil[ií]metros?", "millimetre", 1.0),
        ("millas?", "mile", 1.0),
    ],
    volumes: &[
        ("m(?:l|ililitros?)", "millilitre", 1.0),
        ("c(?:l|entilitros?)", "centilitre", 1.0),
        ("h(?:l|ectolitros?)", "hectolitre", 1.0),
        ("l(?:itros?)?", "litre", 1.0),
        ("gal[oó]n(?:es)?", "gallon", 1.0),
    ],
    parts: &[("una?", 1.0), ("medio", 0.5), ("(?:un )?cuarto de", 0.25)],
    temperatures: Some([
        "grados?|°",
        "c(?:el[cs]?(?:ius)?)?\\.?|cent[ií]grados?",
        "f(?:ah?rh?eh?n(?:h?eit)?)?\\.?",
        "bajo cero",
    ]),
    quantities: &[
        ("m(?:ili)?g(?:ramo)?s?", "gram", 0.001),
        ("k(?:ilo)?g(?:ramo)?s?|kilos?", "gram", 1000.0),
        ("g(?:ramo)?s?", "gram", 1.0),
        ("tazas?", "cup", 1.0),
        ("onzas?|oz", "ounce", 1.0),
        ("libras?|lbs?", "pound", 1.0),
        ("cucharadas?", "tablespoon", 1.0),
        ("cucharaditas?", "teaspoon", 1.0),
    ],
    portions: &[("una?", 1.0)],
    of_product: "de ",
    currencies: &[
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
    and: "y",
};

/// Adds them.
pub fn add(r: &mut Rules) {
    VOCABULARY.add(r);
}
