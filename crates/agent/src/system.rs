//! System entities (`@sys.number`, `@sys.date`, …): what they are called, where they are found, and
//! the values that Dialogflow gives them.
//!
//! Times, numbers, units and contacts come from the rules of `entities`. Names of places, people and
//! works are *open*: nothing here lists them, so they are taken from where phrases have them.

use intendant_entities::calendar::{Grain, fields_of};
use intendant_entities::{Dimension, Found, Language, Locale, Options, Point, Reading, Value, Zone};
use serde_json::{Value as Json, json};

/// How a kind of system entity is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By rules, in one dimension.
    Rules(Dimension),
    /// By a list of words.
    Colors,
    /// By the digits of a text.
    Digits,
    /// By its letters and digits.
    Flight,
    /// By where it stands in phrases.
    Open,
    /// By where it stands in phrases; may be anything.
    Any,
}

/// How the kind of a name without `@` is found; `None` when it is no system entity.
pub(crate) fn way(kind: &str) -> Option<Way> {
    let name = kind.strip_prefix("sys.")?;
    Some(match name {
        "number" | "number-integer" | "cardinal" | "percentage" | "age" => Way::Rules(match name {
            "age" => Dimension::Duration,
            _ => Dimension::Number,
        }),
        "ordinal" => Way::Rules(Dimension::Ordinal),
        "date" | "time" | "date-time" | "date-period" | "time-period" | "date-time-alpha" => {
            Way::Rules(Dimension::Time)
        }
        "duration" => Way::Rules(Dimension::Duration),
        "temperature" => Way::Rules(Dimension::Temperature),
        "unit-currency" => Way::Rules(Dimension::Money),
        "unit-length" => Way::Rules(Dimension::Distance),
        "unit-volume" => Way::Rules(Dimension::Volume),
        "unit-weight" => Way::Rules(Dimension::Quantity),
        "email" => Way::Rules(Dimension::Email),
        "phone-number" => Way::Rules(Dimension::Phone),
        "url" => Way::Rules(Dimension::Url),
        "color" => Way::Colors,
        "number-sequence" | "zip-code" => Way::Digits,
        "flight-number" => Way::Flight,
        "any" | "ignore" => Way::Any,
        _ => Way::Open,
    })
}

/// When and where a message was written.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) now_ms: i64,
    pub(crate) zone: Zone,
}

/// Finds everything of some dimensions.
pub(crate) fn find(
    text: &str,
    language: &str,
    dimensions: &[Dimension],
    moment: &Moment,
    latent: bool,
) -> Vec<Found> {
    if dimensions.is_empty() {
        return Vec::new();
    }
    let code = language.split('-').next().unwrap_or(language);
    let locale = Locale::from_name(&language.replace('-', "_"))
        .unwrap_or_else(|| Locale::plain(Language::from_code(code).unwrap_or(Language::En)));
    let options = Options {
        locale,
        dimensions: dimensions.to_vec(),
        reference_ms: moment.now_ms,
        zone: moment.zone.clone(),
        latent,
    };
    intendant_entities::parse(text, &options)
}

/// The value that a kind gives to what was found; `None` when it does not fit.
pub(crate) fn value(kind: &str, found: &Found, text: &str) -> Option<Json> {
    match (kind.strip_prefix("sys.")?, &found.value) {
        ("number" | "cardinal", Value::Number(number)) => Some(whole_if_possible(*number)),
        ("number-integer", Value::Number(number)) if number.fract() == 0.0 => {
            Some(whole_if_possible(*number))
        }
        ("percentage", Value::Number(number)) => {
            let rest: String = text.chars().skip(found.end_chars).collect();
            is_percent(&rest).then(|| json!(format!("{}%", whole_if_possible(*number))))
        }
        ("ordinal", Value::Ordinal(rank)) => Some(json!(rank)),
        ("duration", Value::Duration { value, grain }) => duration(*value, *grain),
        ("age", Value::Duration { value, grain }) => {
            let unit = match grain {
                Grain::Year => "year",
                Grain::Month => "mo",
                Grain::Week => "wk",
                Grain::Day => "day",
                _ => return None,
            };
            Some(json!({"amount": value, "unit": unit}))
        }
        (name, Value::Time { reading, readings, .. }) => time(name, reading, readings),
        ("unit-currency", Value::Measure { value: Some(amount), unit, .. }) => {
            Some(json!({"amount": whole_if_possible(*amount), "currency": currency(unit)}))
        }
        (name, Value::Measure { value: Some(amount), unit, .. }) => {
            Some(json!({"amount": whole_if_possible(*amount), "unit": short_unit(name, unit)}))
        }
        ("email", Value::Email(value)) | ("phone-number", Value::Phone(value)) => Some(json!(value)),
        ("url", Value::Url { value, .. }) => Some(json!(value)),
        _ => None,
    }
}

/// Whether a number was said by a word that is also an article.
pub(crate) fn is_article(kind: &str, original: &str) -> bool {
    const ARTICLES: [&str; 20] = [
        "a", "an", "ein", "eine", "einen", "einem", "einer", "eines", "un", "une", "uno", "una", "um", "uma",
        "een", "en", "et", "bir", "den", "det",
    ];
    kind.starts_with("sys.number") && ARTICLES.contains(&crate::words::fold(original).as_str())
}

fn whole_if_possible(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 9.0e15 { json!(number as i64) } else { json!(number) }
}

fn is_percent(rest: &str) -> bool {
    let rest = crate::words::fold(rest.trim_start());
    const WORDS: [&str; 8] =
        ["%", "percent", "per cent", "prozent", "pour cent", "por ciento", "per cento", "por cento"];
    WORDS.iter().any(|word| rest.starts_with(word))
}

fn duration(value: i64, grain: Grain) -> Option<Json> {
    let (factor, unit) = match grain {
        Grain::Second => (1, "s"),
        Grain::Minute => (1, "min"),
        Grain::Hour => (1, "h"),
        Grain::Day => (1, "day"),
        Grain::Week => (1, "wk"),
        Grain::Month => (1, "mo"),
        Grain::Quarter => (3, "mo"),
        Grain::Year => (1, "yr"),
    };
    Some(json!({"amount": value.saturating_mul(factor), "unit": unit}))
}

fn currency(unit: &str) -> String {
    match unit {
        "$" => "USD".to_owned(),
        "€" => "EUR".to_owned(),
        "£" => "GBP".to_owned(),
        "¥" => "JPY".to_owned(),
        "₽" => "RUB".to_owned(),
        "₹" => "INR".to_owned(),
        other => other.to_uppercase(),
    }
}

fn short_unit(kind: &str, unit: &str) -> String {
    let short = match unit {
        "celsius" | "degree" if kind == "temperature" => "C",
        "fahrenheit" => "F",
        "metre" => "m",
        "kilometre" => "km",
        "centimetre" => "cm",
        "millimetre" => "mm",
        "mile" => "mi",
        "yard" => "yd",
        "foot" => "ft",
        "inch" => "inch",
        "litre" => "L",
        "millilitre" => "mL",
        "gallon" => "gal",
        "gram" => "g",
        "kilogram" => "kg",
        "pound" => "lb",
        "ounce" => "oz",
        other => other,
    };
    short.to_owned()
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn time(kind: &str, reading: &Reading, readings: &[Reading]) -> Option<Json> {
    match (kind, reading) {
        ("date", Reading::At(point)) if has_date(point, readings) => Some(json!(at_noon(point))),
        ("date", Reading::Between(Some(from), _)) if from.grain >= Grain::Day => Some(json!(at_noon(from))),
        ("time", Reading::At(point)) if point.grain < Grain::Day => Some(json!(moment(point))),
        ("time", Reading::Between(Some(from), _)) if from.grain < Grain::Day => Some(json!(moment(from))),
        ("date-time" | "date-time-alpha", Reading::At(point)) => Some(match point.grain < Grain::Day {
            true => json!({"date_time": moment(point)}),
            false if point.grain == Grain::Day => json!(at_noon(point)),
            false => period(*point, end_of(point), "startDateTime", "endDateTime"),
        }),
        ("date-time" | "date-time-alpha", Reading::Between(from, to)) => {
            Some(period((*from)?, (*to)?, "startDateTime", "endDateTime"))
        }
        ("date-period", Reading::At(point)) if point.grain > Grain::Day => {
            Some(period(*point, end_of(point), "startDate", "endDate"))
        }
        ("date-period", Reading::Between(Some(from), Some(to))) if from.grain >= Grain::Day => {
            Some(period(*from, before(to), "startDate", "endDate"))
        }
        ("time-period", Reading::Between(Some(from), Some(to))) if from.grain < Grain::Day => {
            Some(period(*from, *to, "startTime", "endTime"))
        }
        _ => None,
    }
}

/// Whether a day was said: a time of day alone comes again every day.
fn has_date(point: &Point, readings: &[Reading]) -> bool {
    if point.grain >= Grain::Day {
        return true;
    }
    match readings {
        [Reading::At(one), Reading::At(other), ..] => {
            (other.wall_clock_ms - one.wall_clock_ms).abs() > DAY_MS + HOUR_MS
        }
        _ => true,
    }
}

/// The last moment of the span that a point of a coarse grain means.
fn end_of(point: &Point) -> Point {
    let next = intendant_entities::calendar::add(point.wall_clock_ms, point.grain, 1);
    before(&Point { wall_clock_ms: next, ..*point })
}

fn before(point: &Point) -> Point {
    Point { wall_clock_ms: point.wall_clock_ms - 1000, ..*point }
}

fn period(from: Point, to: Point, first: &str, last: &str) -> Json {
    json!({first: moment(&from), last: moment(&to)})
}

fn at_noon(point: &Point) -> String {
    let midnight = point.wall_clock_ms.div_euclid(DAY_MS) * DAY_MS;
    moment(&Point { wall_clock_ms: midnight + 12 * HOUR_MS, ..*point })
}

/// As `2019-01-28T12:00:00+01:00`.
fn moment(point: &Point) -> String {
    let [year, month, day, hour, minute, second, _] = fields_of(point.wall_clock_ms);
    let offset = point.offset_secs / 60;
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{hours:02}:{minutes:02}")
}

/// Names of colours, folded; the most common ones of each language with rules.
pub(crate) fn colors(language: &str) -> &'static [&'static str] {
    match language.split('-').next().unwrap_or("") {
        "de" => &[
            "rot",
            "blau",
            "grun",
            "gelb",
            "schwarz",
            "weiss",
            "orange",
            "lila",
            "violett",
            "rosa",
            "pink",
            "braun",
            "grau",
            "turkis",
            "beige",
            "gold",
            "silber",
            "hellblau",
            "dunkelblau",
            "hellgrun",
            "dunkelgrun",
        ],
        "fr" => &[
            "rouge",
            "bleu",
            "bleue",
            "vert",
            "verte",
            "jaune",
            "noir",
            "noire",
            "blanc",
            "blanche",
            "orange",
            "violet",
            "violette",
            "rose",
            "brun",
            "brune",
            "marron",
            "gris",
            "grise",
            "turquoise",
            "beige",
            "dore",
            "argent",
        ],
        "es" => &[
            "rojo", "roja", "azul", "verde", "amarillo", "amarilla", "negro", "negra", "blanco", "blanca",
            "naranja", "morado", "violeta", "rosa", "marron", "gris", "turquesa", "beige", "dorado",
            "plateado",
        ],
        "it" => &[
            "rosso",
            "rossa",
            "blu",
            "azzurro",
            "verde",
            "giallo",
            "gialla",
            "nero",
            "nera",
            "bianco",
            "bianca",
            "arancione",
            "viola",
            "rosa",
            "marrone",
            "grigio",
            "grigia",
            "turchese",
            "beige",
            "oro",
            "argento",
        ],
        "pt" => &[
            "vermelho", "vermelha", "azul", "verde", "amarelo", "amarela", "preto", "preta", "branco",
            "branca", "laranja", "roxo", "violeta", "rosa", "marrom", "cinza", "turquesa", "bege", "dourado",
            "prata",
        ],
        "nl" => &[
            "rood",
            "blauw",
            "groen",
            "geel",
            "zwart",
            "wit",
            "oranje",
            "paars",
            "roze",
            "bruin",
            "grijs",
            "turquoise",
            "beige",
            "goud",
            "zilver",
        ],
        _ => &[
            "red",
            "blue",
            "green",
            "yellow",
            "black",
            "white",
            "orange",
            "purple",
            "violet",
            "pink",
            "brown",
            "gray",
            "grey",
            "turquoise",
            "beige",
            "gold",
            "silver",
            "magenta",
            "cyan",
            "indigo",
            "maroon",
            "navy",
            "teal",
            "olive",
            "lavender",
            "crimson",
            "scarlet",
            "light blue",
            "dark blue",
            "light green",
            "dark green",
            "navy blue",
            "sky blue",
            "hot pink",
        ],
    }
}
