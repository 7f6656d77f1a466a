//! Duckling's HTTP API as pure functions: a form to options, findings to JSON.

use serde_json::{Map, Value as Json, json};

use crate::calendar::fields_of;
use crate::resolve::{Point, Reading, Value};
use crate::{Dimension, Found, Language, Locale, Options, Zone};

/// The zone when a request names none.
pub const DEFAULT_ZONE: &str = "America/Los_Angeles";

/// A request that cannot be answered, with the status it deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// No field `text`.
    #[error("Need a 'text' parameter to parse")]
    NoText,
    /// The field `reftime` is no integer.
    #[error("'reftime' must be an integer: milliseconds since 1970 UTC")]
    ReferenceTime,
    /// The form is not UTF-8 once decoded.
    #[error("the form fields must be UTF-8, percent-encoded")]
    Encoding,
}

impl BadRequest {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        if self == BadRequest::NoText { 422 } else { 400 }
    }
}

/// Reads the body of `POST /parse`: the text and how to read it.
///
/// # Errors
/// When the text is missing, the reference time is no integer or a field is not UTF-8.
pub fn read_request(body: &[u8], now_ms: i64) -> Result<(String, Options), BadRequest> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |&byte| byte == b'=');
        let key = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        match fields.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = format!("{old} {value}"),
            None => fields.push((key, value)),
        }
    }
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let text = field("text").ok_or(BadRequest::NoText)?.to_owned();
    let locale = match field("locale") {
        Some(locale) => Locale::from_name(locale).unwrap_or(Locale::plain(Language::En)),
        None => Locale::plain(field("lang").and_then(Language::from_code).unwrap_or(Language::En)),
    };
    let reference_ms = match field("reftime") {
        Some(time) => time.trim().parse().map_err(|_| BadRequest::ReferenceTime)?,
        None => now_ms,
    };
    let zone = Zone::named(field("tz").unwrap_or(DEFAULT_ZONE)).unwrap_or_else(Zone::utc);
    let latent = field("latent").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let dimensions = field("dims").map(read_dimensions).unwrap_or_default();
    Ok((text, Options { locale, dimensions, reference_ms, zone, latent }))
}

/// The dimensions of a field `dims`; empty, that is all, when it cannot be read or names none known.
pub fn read_dimensions(field: &str) -> Vec<Dimension> {
    let field = field.strip_prefix('"').unwrap_or(field);
    let field = field.strip_suffix('"').unwrap_or(field).replace('\\', "");
    let names: Vec<String> = serde_json::from_str(&field).unwrap_or_default();
    names.iter().filter_map(|name| Dimension::from_name(name)).collect()
}

/// The answer to `POST /parse`.
pub fn parse(text: &str, options: &Options) -> Json {
    Json::Array(crate::parse(text, options).iter().map(Found::to_json).collect())
}

/// The answer to `GET /targets`: each language with its dimensions.
pub fn targets() -> Json {
    let mut all = Map::new();
    for language in Language::ALL {
        let names = language.dimensions().iter().map(|dimension| json!(dimension.name())).collect();
        all.insert(language.code().to_owned(), Json::Array(names));
    }
    Json::Object(all)
}

fn decode(bytes: &[u8]) -> Result<String, BadRequest> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) => decoded.push(b' '),
            (byte, ..) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).map_err(|_| BadRequest::Encoding)
}

impl Found {
    /// The entity as Duckling writes it.
    pub fn to_json(&self) -> Json {
        json!({
            "body": self.body,
            "dim": self.dimension.name(),
            "end": self.end_chars,
            "latent": self.latent,
            "start": self.start_chars,
            "value": value_to_json(&self.value),
        })
    }
}

/// The value object of an entity.
pub fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Number(value) => json!({"type": "value", "value": number(*value)}),
        Value::Ordinal(value) => json!({"type": "value", "value": value}),
        Value::Duration { value, grain } => {
            let name = grain.name();
            let seconds = value.saturating_mul(grain.seconds());
            json!({
                "normalized": {"unit": "second", "value": seconds},
                "type": "value", "unit": name, "value": value, name: value,
            })
        }
        Value::Measure { value, from, to, unit, product } => {
            let amount = |value: f64| {
                let mut object = Map::new();
                if let Some(product) = product {
                    object.insert("product".into(), json!(product));
                }
                object.insert("unit".into(), json!(unit));
                object.insert("value".into(), number(value));
                object
            };
            match value {
                Some(value) => typed("value", amount(*value)),
                None => {
                    let mut object = Map::new();
                    object.extend(from.map(|from| ("from".to_owned(), Json::Object(amount(from)))));
                    object.extend(to.map(|to| ("to".to_owned(), Json::Object(amount(to)))));
                    typed("interval", object)
                }
            }
        }
        Value::Time { reading, readings, holiday } => {
            let mut object = Map::new();
            if let Some(holiday) = holiday {
                object.insert("holidayBeta".into(), json!(holiday));
            }
            if let Json::Object(fields) = reading_to_json(reading) {
                object.extend(fields);
            }
            object.insert("values".into(), readings.iter().map(reading_to_json).collect());
            Json::Object(object)
        }
        Value::Email(value) | Value::Phone(value) => json!({"type": "value", "value": value}),
        Value::Url { value, domain } => json!({"domain": domain, "type": "value", "value": value}),
        Value::Card { value, issuer } => json!({"issuer": issuer, "value": value}),
    }
}

fn typed(kind: &str, mut object: Map<String, Json>) -> Json {
    object.insert("type".into(), json!(kind));
    Json::Object(object)
}

// Whole numbers are written as such.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 9.0e15 { json!(value as i64) } else { json!(value) }
}

fn reading_to_json(reading: &Reading) -> Json {
    let fields = |point: &Point| json!({"grain": point.grain.name(), "value": timestamp(point)});
    match reading {
        Reading::At(point) => {
            json!({"grain": point.grain.name(), "type": "value", "value": timestamp(point)})
        }
        Reading::Between(from, to) => {
            let mut object = Map::new();
            object.extend(from.as_ref().map(|from| ("from".to_owned(), fields(from))));
            object.extend(to.as_ref().map(|to| ("to".to_owned(), fields(to))));
            typed("interval", object)
        }
    }
}

/// A moment as `2013-02-12T04:30:00.000-02:00`.
pub fn timestamp(point: &Point) -> String {
    let [year, month, day, hour, minute, second, millisecond] = fields_of(point.wall_clock_ms);
    let sign = if year < 0 { "-" } else { "" };
    let offset = point.offset_secs / 60;
    let offset_sign = if offset < 0 { '-' } else { '+' };
    format!(
        "{sign}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}{offset_sign}{:02}:{:02}",
        year.abs(),
        offset.abs() / 60,
        offset.abs() % 60
    )
}
