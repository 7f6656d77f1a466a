//! Behaviour at the boundary: a form in, entities out.
#![allow(clippy::unwrap_used)]

mod cases;
mod properties;
mod request;

use intendant_entities::{Found, Options, parse, wire};

/// Noon in universal time on Wednesday, 15 May 2024.
const REFERENCE_MS: &str = "1715774400000";

/// How a text is read, by form fields beside zone and reference time.
pub fn options(fields: &str) -> Options {
    let form = format!("text=&tz=Etc/UTC&reftime={REFERENCE_MS}&{fields}");
    wire::read_request(form.as_bytes(), 0).expect("the test's form is well formed").1
}

/// The entities of a text.
pub fn found(fields: &str, text: &str) -> Vec<Found> {
    parse(text, &options(fields))
}
