//! Turns a kept reading into the value that is shown.

use std::rc::Rc;

use crate::calendar::{Grain, Span};
use crate::series::Context;
use crate::token::{Contact, Dimension, Direction, Duration, Measure, Payload, Time};
use crate::zone::Zone;

/// A moment as shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Milliseconds since 1970 on the wall clock.
    pub wall_clock_ms: i64,
    /// Offset of the zone there, in seconds.
    pub offset_secs: i64,
    /// How fine it is meant.
    pub grain: Grain,
}

/// One occurrence of a time: a point, or an interval with at least one end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// A point of one grain.
    At(Point),
    /// From, to (exclusive).
    Between(Option<Point>, Option<Point>),
}

/// What an entity means.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A rank.
    Ordinal(i64),
    /// A length of time.
    Duration {
        /// How many.
        value: i64,
        /// Of what.
        grain: Grain,
    },
    /// An amount with a unit.
    Measure {
        /// A point value.
        value: Option<f64>,
        /// The lower end.
        from: Option<f64>,
        /// The upper end.
        to: Option<f64>,
        /// The unit.
        unit: &'static str,
        /// A quantity's product.
        product: Option<String>,
    },
    /// A time.
    Time {
        /// What is meant.
        reading: Reading,
        /// Up to three readings in order.
        readings: Vec<Reading>,
        /// The name of the holiday.
        holiday: Option<String>,
    },
    /// An address, number or link.
    Email(String),
    /// A phone number.
    Phone(String),
    /// A link and its domain.
    Url {
        /// As written.
        value: String,
        /// Its host without `www.`.
        domain: String,
    },
    /// A card number and its issuer.
    Card {
        /// The digits.
        value: String,
        /// Who issues such numbers.
        issuer: String,
    },
}

/// The value and whether it is latent; `None` when there is nothing to show.
pub(crate) fn resolve(
    payload: &Payload,
    context: Context,
    latent: bool,
    zone: &Zone,
) -> Option<(Value, bool)> {
    match payload {
        Payload::Text(_) | Payload::Grain(_) => None,
        Payload::Number(number) => Some((Value::Number(number.value), false)),
        Payload::Ordinal(value) => Some((Value::Ordinal(*value), false)),
        Payload::Duration(Duration { value, grain }) => {
            Some((Value::Duration { value: *value, grain: *grain }, false))
        }
        Payload::Measure(measure) => resolve_measure(measure, latent),
        Payload::Contact(contact) => resolve_contact(contact),
        Payload::Time(time) => resolve_time(time, context, latent, zone),
    }
}

fn resolve_measure(measure: &Measure, latent: bool) -> Option<(Value, bool)> {
    if measure.latent && !latent {
        return None;
    }
    if measure.value.is_none() && measure.from.is_none() && measure.to.is_none() {
        return None;
    }
    let value = Value::Measure {
        value: measure.value,
        from: measure.from,
        to: measure.to,
        unit: measure.unit?,
        product: measure.product.as_ref().map(|product| product.to_string()),
    };
    Some((value, measure.latent))
}

fn resolve_contact(contact: &Contact) -> Option<(Value, bool)> {
    let value = contact.value.to_string();
    let detail = || contact.detail.as_deref().unwrap_or_default().to_owned();
    let value = match contact.dimension {
        Dimension::Email => Value::Email(value),
        Dimension::Phone => Value::Phone(value),
        Dimension::Url => Value::Url { value, domain: detail() },
        Dimension::Card => Value::Card { value, issuer: detail() },
        _ => return None,
    };
    Some((value, false))
}

fn resolve_time(time: &Time, context: Context, latent: bool, zone: &Zone) -> Option<(Value, bool)> {
    if time.latent && !latent {
        return None;
    }
    let (past, future) = time.series.run(context.reference, context);
    let ahead: Vec<Span> = future.take(3).collect();
    let spans = if ahead.is_empty() { past.take(3).collect() } else { ahead.clone() };
    let first_passes = time.not_immediate
        && ahead.first().is_some_and(|first| first.intersect(&context.reference).is_some());
    let chosen = match spans.get(1) {
        Some(second) if first_passes => second,
        _ => spans.first()?,
    };
    let point = |moment: i64, grain: Grain| Point {
        wall_clock_ms: moment,
        offset_secs: zone.offset_at_wall_clock(moment),
        grain,
    };
    let reading = |span: &Span| {
        let start = point(span.start, span.grain);
        match (time.direction, span.end) {
            (Some(Direction::After), _) => Reading::Between(Some(start), None),
            (Some(Direction::Before), _) => Reading::Between(None, Some(start)),
            (None, Some(end)) => Reading::Between(Some(start), Some(point(end, span.grain))),
            (None, None) => Reading::At(start),
        }
    };
    let value = Value::Time {
        reading: reading(chosen),
        readings: spans.iter().map(reading).collect(),
        holiday: time.holiday.as_ref().map(Rc::as_ref).map(str::to_owned),
    };
    Some((value, time.latent))
}
