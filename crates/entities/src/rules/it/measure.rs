//! Italian distances, volumes, temperatures and money.

use crate::grammar::Rules;
use crate::rules::shapes::measure::{Vocabulary, Words};

const VOCABULARY: Vocabulary = Vocabulary {
    words: Words {
        about: "circa|quasi|approssimativamente|esattamente|~",
        from: "tra|fra|da",
        to: "-|e|a",
        dash: "-",
        under: "meno d[i']|non pi[uù] d[i']|al massimo|sotto(?: i)?|fino a",
        over: "pi[uù] d[i']|non meno d[i']|almeno|minimo|oltre|sopra(?: i)?",
    },
    distances: &[
        ("k(?:m|ilometr[oi])", "kilometre", 1.0),
        ("m(?:etr[oi])?", "metre", 1.0),
        ("cm|centimetr[oi]", "centimetre", 1.0),
        ("mm|millimetr[oi]", "millimetre", 1.0),
        ("migli(?:o|a)?", "mile", 1.0),
    ],
    volumes: &[
        ("m(?:l|illilitr[oi])", "millilitre", 1.0),
        ("c(?:l|entilitr[oi])", "centilitre", 1.0),
        ("(?:hl|ettolitr[oi])", "hectolitre", 1.0),
        ("l(?:itr[oi])?", "litre", 1.0),
        ("gal(?:lon[ei])?", "gallon", 1.0),
    ],
    parts: &[("un", 1.0), ("mezz[oa]", 0.5)],
    temperatures: Some([
        "grad[oi]|°",
        "c(?:el[cs]?(?:ius)?)?\\.?|centigrad[oi]",
        "f(?:ah?rh?eh?n(?:h?eit)?)?\\.?",
        "sotto (?:lo )?zero",
    ]),
    quantities: &[],
    portions: &[],
    of_product: "",
    currencies: &[
        ("dollar[oi]|\\$", "$"),
        ("us ?\\$|dollar[oi] american[oi]", "USD"),
        ("sterlin[ae]|£", "£"),
        ("centesim[oi]|cent|c|¢", "cent"),
        ("dinar[oi]", "dinar"),
        ("rupi[ae]", "INR"),
        ("yen|¥", "JPY"),
    ],
    and: "e",
};

/// Adds them.
pub fn add(r: &mut Rules) {
    VOCABULARY.add(r);
}
