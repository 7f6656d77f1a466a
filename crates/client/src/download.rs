//! Downloads that go on where they broke off.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use intendant_port::error::{Error, Kind, Result};
use sha2::{Digest, Sha256};

use crate::endpoint::Endpoint;
use crate::http::{Answer, HttpClient, Outgoing, decoded};

/// How long a download may bring nothing.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a transfer that broke off is taken up again by itself.
pub(crate) const RESUMPTIONS_MAX: usize = 5;
/// Pause before that.
pub(crate) const RESUMPTION_PAUSE: Duration = Duration::from_millis(200);
/// The checksum of a whole representation. Source: RFC 9530.
const REPR_DIGEST: &str = "repr-digest";

/// What has come of an answer whose line broke.
#[derive(Debug, Default)]
pub struct Partial {
    /// Of the answer that it is the beginning of.
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl HttpClient {
    /// Gets an answer of up to so many bytes, unless it is still the one with the `ETag` `known`. What comes before
    /// the line breaks is kept in `partial`, and only the rest is asked for, here or in the next call. The
    /// answer has status 200 when all of it is there.
    ///
    /// # Errors
    /// When it broke off again and again, or is not what the server says that it sends.
    pub async fn download(
        &self,
        endpoint: &Endpoint,
        known: &HeaderValue,
        (partial, bytes_max): (&mut Partial, usize),
    ) -> Result<Answer> {
        for resumption in 0.. {
            match self.go_on(endpoint, known, (&mut *partial, bytes_max)).await {
                Err(error) if error.kind != Kind::Unavailable || resumption == RESUMPTIONS_MAX => {
                    return Err(error);
                }
                // Nothing has come that a second try could go on with.
                Err(error) if partial.bytes.is_empty() => return Err(error),
                Err(_) => tokio::time::sleep(RESUMPTION_PAUSE).await,
                Ok(answer) => return Ok(answer),
            }
        }
        Err(Error::new(Kind::Unavailable, "it broke off"))
    }

    async fn go_on(
        &self,
        endpoint: &Endpoint,
        known: &HeaderValue,
        (partial, bytes_max): (&mut Partial, usize),
    ) -> Result<Answer> {
        let url = endpoint.url();
        let mut outgoing = Outgoing::get(STALL_TIMEOUT);
        outgoing.headers.insert(header::IF_NONE_MATCH, known.clone());
        // Archives are compressed already, and must arrive as they are.
        outgoing.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(etag) = partial.headers.get(header::ETAG).filter(|_| !partial.bytes.is_empty()) {
            outgoing.headers.extend(rest(partial.bytes.len() as u64, etag.clone())?);
        }
        let opening = self.open(endpoint, outgoing, HeaderValue::from_static("identity"));
        let late = |_| Error::new(Kind::Timeout, format!("no answer from {url} in time"));
        let (head, mut body) =
            tokio::time::timeout(STALL_TIMEOUT, opening).await.map_err(late)??.into_parts();
        match head.status {
            StatusCode::PARTIAL_CONTENT if begins_at(&head.headers, partial.bytes.len()) => {}
            StatusCode::OK => *partial = Partial { headers: head.headers, bytes: Vec::new() },
            status => {
                let is_over = !status.is_server_error();
                if is_over {
                    *partial = Partial::default();
                }
                if matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) {
                    return Err(Error::new(
                        Kind::Unavailable,
                        format!("{url} gave another part than asked for"),
                    ));
                }
                return Ok(Answer { status, headers: head.headers, body: Bytes::new() });
            }
        }
        loop {
            match piece(&mut body).await {
                Ok(Some(piece)) if partial.bytes.len() + piece.len() > bytes_max => {
                    *partial = Partial::default();
                    return Err(Error::new(Kind::Invalid, format!("the answer of {url} is too large")));
                }
                Ok(Some(piece)) => partial.bytes.extend_from_slice(&piece),
                Ok(None) => break,
                Err(error) => {
                    // Without a strong validator nobody knows what a rest would be the rest of.
                    let etag = partial.headers.get(header::ETAG).map(HeaderValue::as_bytes);
                    if etag.is_none_or(|etag| etag.starts_with(b"W/")) {
                        *partial = Partial::default();
                    }
                    let message = format!("the answer of {url} broke off");
                    return Err(Error::new(Kind::Unavailable, message).because(error));
                }
            }
        }
        let Partial { headers, bytes } = std::mem::take(partial);
        if let Some(why) = is_other(&headers, &bytes) {
            return Err(Error::new(Kind::Invalid, format!("the answer of {url} arrived damaged: {why}")));
        }
        let body = decoded(&headers, bytes.into()).await.map_err(|error| {
            Error::new(Kind::Invalid, format!("the answer of {url} cannot be decompressed")).because(error)
        })?;
        Ok(Answer { status: StatusCode::OK, headers, body })
    }
}

/// What asks for the rest of an answer, if it still is the same.
pub(crate) fn rest(from: u64, etag: HeaderValue) -> Result<HeaderMap> {
    let range = HeaderValue::from_str(&format!("bytes={from}-"));
    let range = range.map_err(|error| Error::new(Kind::Invalid, "a range cannot be sent").because(error))?;
    Ok([(header::RANGE, range), (header::IF_RANGE, etag)].into_iter().collect())
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn piece<B>(
    body: &mut B,
) -> std::result::Result<Option<Bytes>, Box<dyn std::error::Error + Send + Sync>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        match tokio::time::timeout(STALL_TIMEOUT, body.frame()).await? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(data) = frame.map_err(Into::into)?.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn begins_at(headers: &HeaderMap, from: usize) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// Why an answer is not what its server says that it is.
fn is_other(headers: &HeaderMap, bytes: &[u8]) -> Option<String> {
    let said = headers.get_all(REPR_DIGEST).iter().filter_map(|value| value.to_str().ok());
    let said = said.flat_map(|value| value.split(',')).find_map(|one| {
        let value = one.trim().strip_prefix("sha-256=")?;
        STANDARD.decode(value.trim_matches(':')).ok()
    })?;
    (Sha256::digest(bytes).as_slice() != said)
        .then(|| "its SHA-256 is not the one that was sent along".to_owned())
}
