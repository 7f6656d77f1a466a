//! Requests that cost money: what an outcome says about the bill, and when to try again.
//!
//! Only what was surely not billed is sent again: it never went out, or was turned away with 429 or
//! 503. After any other failure of the way or of the server nobody knows.

use std::time::{Duration, Instant};

use ::http::{HeaderValue, header};
use intendant_port::error::{Error, Kind, Result};
use intendant_port::upstream::{Billing, Failed};

use crate::endpoint::Endpoint;
use crate::http::{Answer, HttpClient, Outgoing};
use crate::web::{asked_pause, was_never_sent};

/// Most times a request is sent.
const TRIES_MAX: u32 = 3;
/// The first pause between; the next is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The largest answer that is read.
pub(crate) const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How much of an error's text is shown.
const SHOWN_CHARS: usize = 200;

/// Sends a request until it is answered well, within its time.
pub(crate) async fn send(
    client: &HttpClient,
    endpoint: &Endpoint,
    outgoing: &Outgoing,
) -> std::result::Result<Answer, Failed> {
    let end = Instant::now() + outgoing.timeout;
    let mut pause = FIRST_PAUSE;
    for tries in 1.. {
        let left = end.saturating_duration_since(Instant::now());
        let outcome =
            client.fetch(endpoint, Outgoing { timeout: left, ..outgoing.clone() }, ANSWER_BYTES_MAX);
        let failed = match checked(outcome.await) {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let wait = failed.retry_after_secs.map_or(pause, Duration::from_secs);
        let left = end.saturating_duration_since(Instant::now());
        let is_worth_it = failed.billing == Billing::Free && is_passing(failed.error.kind);
        if !is_worth_it || tries >= TRIES_MAX || wait >= left {
            return Err(failed);
        }
        tokio::time::sleep(wait).await;
        pause *= 2;
    }
    Err(free(Error::new(Kind::Unavailable, "a request was never sent")))
}

fn is_passing(kind: Kind) -> bool {
    match kind {
        Kind::Unavailable => true,
        Kind::Timeout | Kind::Invalid | Kind::Refused | Kind::Unsupported => false,
    }
}

/// What an outcome says about the bill.
pub(crate) fn checked(outcome: Result<Answer>) -> std::result::Result<Answer, Failed> {
    let answer = match outcome {
        Ok(answer) if answer.status.is_success() => return Ok(answer),
        Ok(answer) => answer,
        Err(error) if was_never_sent(&error) || error.kind == Kind::Unsupported => return Err(free(error)),
        Err(error) => return Err(unknown(error)),
    };
    let status = answer.status.as_u16();
    let shown: String = String::from_utf8_lossy(&answer.body).chars().take(SHOWN_CHARS).collect();
    let message = format!("it answered {}: {shown}", answer.status);
    Err(match status {
        429 | 503 => Failed {
            retry_after_secs: asked_pause(&answer).map(|pause| pause.as_secs()),
            ..free(Error::new(Kind::Unavailable, message))
        },
        // It says that it did not do what was asked.
        400..=499 => free(Error::new(Kind::Refused, message)),
        _ => unknown(Error::new(Kind::Unavailable, message)),
    })
}

/// A failure that is surely not billed.
pub(crate) fn free(error: Error) -> Failed {
    Failed { billing: Billing::Free, error, retry_after_secs: None }
}

/// A failure that may be billed.
pub(crate) fn unknown(error: Error) -> Failed {
    Failed { billing: Billing::Unknown, error, retry_after_secs: None }
}

/// The same request with a token.
pub(crate) fn bearer(mut outgoing: Outgoing, token: &str) -> Result<Outgoing> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|error| Error::new(Kind::Unsupported, "the token cannot be sent").because(error))?;
    value.set_sensitive(true);
    outgoing.headers.insert(header::AUTHORIZATION, value);
    Ok(outgoing)
}
