//! Finds times, numbers, money, units and contacts in running text and says what they mean.
//!
//! A rule engine in the manner of Duckling: rules over expressions and earlier findings are applied
//! until nothing new appears, times are lazy series evaluated around a reference time, and of
//! competing readings the longest and most plausible are kept. Answers have the form of Duckling's
//! HTTP API (module `wire`). Everything is pure: the caller gives the reference time and the zone.

pub mod calendar;
mod chart;
mod grammar;
mod pattern;
mod rank;
mod resolve;
mod rules;
mod series;
mod text;
mod token;
pub mod training;
pub mod wire;
mod zone;

pub use resolve::{Point, Reading, Value};
pub use rules::{Language, Locale};
pub use token::Dimension;
pub use zone::Zone;

use crate::calendar::{Grain, Span};
use crate::series::Context;

/// How a text is to be read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Language and region.
    pub locale: Locale,
    /// The dimensions to find; empty: all of the language.
    pub dimensions: Vec<Dimension>,
    /// Now, in milliseconds since 1970 UTC.
    pub reference_ms: i64,
    /// The zone in which times are meant and shown.
    pub zone: Zone,
    /// Whether readings are given that need help from the context ("7" as an hour).
    pub latent: bool,
}

/// An entity in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The piece of the text.
    pub body: String,
    /// First code point.
    pub start_chars: usize,
    /// After the last code point.
    pub end_chars: usize,
    /// What it is.
    pub dimension: Dimension,
    /// Whether it needed the option `latent`.
    pub latent: bool,
    /// What it means.
    pub value: Value,
}

/// Finds the entities of a text, in order of their place.
pub fn parse(text: &str, options: &Options) -> Vec<Found> {
    parse_counting(text, options).0
}

/// Like `parse`, and says how many times a rule was tried: grows linearly with the text.
pub fn parse_counting(text: &str, options: &Options) -> (Vec<Found>, usize) {
    let grammar = options.locale.grammar();
    let folded = text::Text::new(text);
    let (enabled, wanted) = masks(&options.dimensions);
    let chart = chart::saturate(grammar, &folded, enabled);
    let now = options.zone.wall_clock(options.reference_ms);
    let context = context_of(options, now, chart.tokens.iter().any(chart::Token::is_zoned));
    series::allow_evaluations(4_000 + folded.chars.len() as u64);
    let kept = rank::select(&chart.tokens, wanted, |token| {
        resolve::resolve(&token.payload, context, options.latent, &options.zone)
    });
    let mut found: Vec<(String, Found)> = kept
        .into_iter()
        .map(|(id, (value, latent))| {
            let token = &chart.tokens[id];
            let (start, end) = (token.start as usize, token.end as usize);
            let dimension = token.payload.dimension().unwrap_or(Dimension::Number);
            let body = folded.original(start, end);
            let found = Found { body, start_chars: start, end_chars: end, dimension, latent, value };
            (wire::value_to_json(&found.value).to_string(), found)
        })
        .collect();
    found.sort_by(|(one_value, one), (other_value, other)| {
        (one.start_chars, one.end_chars, one_value, one.latent).cmp(&(
            other.start_chars,
            other.end_chars,
            other_value,
            other.latent,
        ))
    });
    found.dedup_by(|(one_value, one), (other_value, other)| {
        (one.start_chars, one.end_chars, &*one_value, one.latent)
            == (other.start_chars, other.end_chars, &*other_value, other.latent)
    });
    (found.into_iter().map(|(_, found)| found).collect(), chart.work)
}

// What times are evaluated against; the zone's changes are looked up only where a text names a zone.
fn context_of(options: &Options, now: i64, zoned: bool) -> Context {
    let offset = options.zone.offset_at_instant(options.reference_ms) / 60;
    Context {
        reference: Span::point(now, Grain::Second),
        earliest: Span::point(calendar::add(now, Grain::Year, -2000), Grain::Second),
        latest: Span::point(calendar::add(now, Grain::Year, 2000), Grain::Second),
        offsets: if zoned {
            options.zone.offsets_around(options.reference_ms)
        } else {
            series::Offsets([(i64::MIN, offset); 8])
        },
    }
}

// The dimensions whose rules must run, and those that are shown.
fn masks(dimensions: &[Dimension]) -> (u32, u32) {
    let bit = |dimension: Dimension| 1u32 << dimension as u32;
    if dimensions.is_empty() {
        return (u32::MAX, u32::MAX);
    }
    let wanted = dimensions.iter().fold(0, |mask, &dimension| mask | bit(dimension));
    let helpers = |dimension: Dimension| match dimension {
        Dimension::Money
        | Dimension::Distance
        | Dimension::Quantity
        | Dimension::Temperature
        | Dimension::Volume
        | Dimension::Ordinal => bit(Dimension::Number),
        Dimension::Duration => bit(Dimension::Number) | bit(Dimension::Grain),
        Dimension::Time => {
            bit(Dimension::Number)
                | bit(Dimension::Grain)
                | bit(Dimension::Ordinal)
                | bit(Dimension::Duration)
        }
        _ => 0,
    };
    let enabled = dimensions.iter().fold(wanted, |mask, &dimension| mask | helpers(dimension));
    (enabled, wanted)
}
