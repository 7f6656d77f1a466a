//! Portuguese distances, volumes, temperatures, quantities and money.

use crate::grammar::Rules;
use crate::rules::shapes::measure::{Vocabulary, Words};

const VOCABULARY: Vocabulary = Vocabulary {
    words: Words {
        about: "cerca de|aproximadamente|por volta de|quase|exatamente|~",
        from: "entre|de|desde|do",
        to: "-|e|a|até",
        dash: "-|a",
        under: "menos (?:de|que|do que)|n[aã]o mais (?:de|que|do que)|no m[aá]ximo|abaixo de|menor que|at[eé]",
        over: "mais (?:de|que|do que)|n[aã]o menos (?:de|que|do que)|ao menos|pelo menos|no m[ií]nimo|maior que|acima de",
    },
    distances: &[
        ("k(?:il[oôó])?m?(?:etro)?s?", "kilometre", 1.0),
        ("m(?:etros?)?", "metre", 1.0),
        ("cm|cent[ií]m(?:etros?)", "centimetre", 1.0),
        ("mm|mil[ií]metros?", "millimetre", 1.0),
        ("milhas?", "mile", 1.0),
    ],
    volumes: &[
        ("m(?:l|ililitros?)", "millilitre", 1.0),
        ("c(?:l|entilitros?)", "centilitre", 1.0),
        ("h(?:l|ectolitros?)", "hectolitre", 1.0),
        ("l(?:itros?)?", "litre", 1.0),
        ("gal(?:ão|ao|ões|oes)", "gallon", 1.0),
    ],
    parts: &[("uma?", 1.0), ("mei[oa]", 0.5), ("(?:um )?quarto de", 0.25)],
    temperatures: Some([
        "graus?|°",
        "c(?:el[cs]?(?:ius)?)?\\.?|cent[ií]grados?",
        "f(?:ah?rh?eh?n(?:h?eit)?)?\\.?",
        "abaixo de zero",
    ]),
    quantities: &[
        ("m(?:ili)?g(?:rama)?s?", "gram", 0.001),
        ("k(?:ilo)?g(?:rama)?s?|quilos?|quilogramas?", "gram", 1000.0),
        ("g(?:rama)?s?", "gram", 1.0),
        ("copos?|x[ií]caras?", "cup", 1.0),
        ("on[cç]as?|oz", "ounce", 1.0),
        ("libras?|lbs?", "pound", 1.0),
        ("colher(?:es)? de sopa", "tablespoon", 1.0),
        ("colher(?:es)? de ch[aá]", "teaspoon", 1.0),
    ],
    portions: &[("uma?", 1.0)],
    of_product: "de ",
    currencies: &[
        ("d[oó]lar(?:es)?|\\$", "$"),
        ("us ?\\$", "USD"),
        ("libras?(?: esterlinas?)?|£", "£"),
        ("centavos?|c[eê]ntimos?|c|¢", "cent"),
        ("pt(?:a|as|s)?|pesetas?", "PTS"),
        ("r\\$|reais|real", "BRL"),
        ("dinars?|dinares", "dinar"),
        ("rupias?", "INR"),
        ("yen(?:es)?|¥", "JPY"),
    ],
    and: "e",
};

/// Adds them.
pub fn add(r: &mut Rules) {
    VOCABULARY.add(r);
}
