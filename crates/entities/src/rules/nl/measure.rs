//! Dutch distances, volumes, quantities and money.

use crate::grammar::Rules;
use crate::rules::shapes::measure::{Vocabulary, Words, without_currency};

const VOCABULARY: Vocabulary = Vocabulary {
    words: Words {
        about: "ongeveer|circa|ca\\.?|precies|exact|rond(?: de)?|bijna|plusminus|~",
        from: "tussen(?: de)?|van(?: de)?",
        to: "-|en|tot|en ongeveer|-\\s?~",
        dash: "-|-\\s?~|tot",
        under: "onder(?: de)?|minder dan|lager dan|hoogstens|maximaal|niet meer dan|tot(?: de)?",
        over: "boven(?: de)?|meer dan|hoger dan|minstens|minimaal|niet minder dan|vanaf|over(?: de)?",
    },
    distances: &[
        ("k(?:ilo)?m?(?:eter)?s?", "kilometre", 1.0),
        ("m(?:eters?)?", "metre", 1.0),
        ("cm|centimeters?", "centimetre", 1.0),
        ("mm|millimeters?", "millimetre", 1.0),
        ("mijl(?:en)?", "mile", 1.0),
    ],
    volumes: &[
        ("m(?:l|illiliters?)", "millilitre", 1.0),
        ("c(?:l|entiliters?)", "centilitre", 1.0),
        ("h(?:l|ectoliters?)", "hectolitre", 1.0),
        ("l(?:iters?)?", "litre", 1.0),
        ("gallons?", "gallon", 1.0),
    ],
    parts: &[("een", 1.0), ("(?:een )?halve", 0.5), ("(?:een )?kwart", 0.25)],
    temperatures: None,
    quantities: &[
        ("mg|milligram", "gram", 0.001),
        ("kg|kilo(?:gram)?s?", "gram", 1000.0),
        ("g(?:r(?:am)?)?", "gram", 1.0),
        ("ons", "gram", 100.0),
        ("pond", "gram", 500.0),
        ("kopjes?", "cup", 1.0),
        ("eetlepels?|el", "tablespoon", 1.0),
        ("theelepels?|tl", "teaspoon", 1.0),
    ],
    portions: &[("een", 1.0), ("(?:een )?half", 0.5)],
    of_product: "",
    currencies: &[
        ("dollars?|\\$", "$"),
        ("us ?\\$|amerikaanse dollars?", "USD"),
        ("cents?|penn(?:ies|y)|pence|c|¢", "cent"),
        ("ponden|£", "£"),
        ("bucks?", "unknown"),
        ("dinars?", "dinar"),
        ("rial|rials", "rial"),
        ("yen|¥", "JPY"),
    ],
    and: "en",
};

/// Adds them.
pub fn add(r: &mut Rules) {
    VOCABULARY.add(r);
    without_currency(r, VOCABULARY.words.from, "tot|en");
}
