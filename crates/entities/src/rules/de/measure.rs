//! German distances and volumes.

use crate::grammar::Rules;
use crate::rules::shapes::measure::{Words, intervals, units, worded};
use crate::token::Dimension::{Distance, Volume};

const WORDS: Words = Words {
    about: "ungefähr|zirka|circa|ca\\.?|etwa|genau|exakt|rund|fast|~",
    from: "zwischen|von",
    to: "-|bis|und|und etwa|bis etwa|-\\s?~",
    dash: "-|-\\s?~",
    under: "unter|weniger als|höchstens|maximal|nicht mehr als|bis zu",
    over: "über|mehr als|mindestens|wenigstens|nicht weniger als|ab",
};

const DISTANCES: &[(&str, &str, f64)] = &[
    ("km|kilometern?", "kilometre", 1.0),
    ("m|metern?", "metre", 1.0),
    ("cm|[zc]entimetern?", "centimetre", 1.0),
    ("mm|millimetern?", "millimetre", 1.0),
    ("meilen?", "mile", 1.0),
    ("zoll|inch(?:es)?|''|\"", "inch", 1.0),
    ("fu(?:ß|ss)|'", "foot", 1.0),
    ("yards?", "yard", 1.0),
];

const VOLUMES: &[(&str, &str, f64)] = &[
    ("ml|millilitern?", "millilitre", 1.0),
    ("cl|[zc]entilitern?", "centilitre", 1.0),
    ("hl|he[ck]tolitern?", "hectolitre", 1.0),
    ("l|litern?", "litre", 1.0),
    ("gall?onen?", "gallon", 1.0),
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
            ("ein(?:e[rnms]?)?", 1.0),
            ("(?:ein(?:e[rnms]?)? )?halbe[rnms]?", 0.5),
            ("(?:ein(?:e[rnms]?)? )?viertel", 0.25),
            ("(?:ein(?:e[rnms]?)? )?drittel", 1.0 / 3.0),
        ],
        VOLUMES,
    );
    intervals(r, Volume, WORDS);
}
