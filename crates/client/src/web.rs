//! Requests to the HTTP interfaces of others, with a time limit and the policy of [`crate::retry`].

use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, header};
use intendant_port::BoxFuture;
use intendant_port::clock::Clock;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::{self, Method, Request, Web};
use serde_json::Value;

use crate::clock::SystemClock;
use crate::endpoint::Endpoint;
use crate::http::{ANSWER_BYTES_MAX, Answer, HttpClient, Outgoing};
use crate::origin::Credential;
use crate::retry::{Outcome, Repeats, Retry};

/// How long one try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests over HTTP.
pub struct HttpWeb {
    client: HttpClient,
    retry: Retry,
    answer_bytes_max: usize,
    credential: Option<Credential>,
}

impl HttpWeb {
    /// Sends by `client`.
    pub fn new(client: HttpClient) -> Self {
        Self { client, retry: Retry::default(), answer_bytes_max: ANSWER_BYTES_MAX, credential: None }
    }

    /// Sends by `client`, and what fails is not sent again; of an answer no more than this is read.
    pub fn once(client: HttpClient, answer_bytes_max: usize) -> Self {
        let retry = Retry { tries_max: 1, ..Retry::default() };
        Self { client, retry, answer_bytes_max, credential: None }
    }

    /// The same showing a secret to those it is meant for.
    #[must_use]
    pub fn with_credential(self, credential: Credential) -> Self {
        Self { credential: Some(credential), ..self }
    }

    async fn try_once(&self, endpoint: &Endpoint, request: &Request) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value).map_err(|error| {
                let message = format!("the header '{name}' of {} cannot be sent", request.label);
                Error::new(Kind::Unsupported, message).because(error)
            })?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(credential) = &self.credential {
            credential.put(&mut headers, (&endpoint.uri()?, &request.body), SystemClock.now());
        }
        let method = match request.method {
            Method::Get => ::http::Method::GET,
            Method::Post => ::http::Method::POST,
        };
        let body = request.body.clone().into();
        let outgoing = Outgoing { method, headers, body, timeout: TRY_TIMEOUT };
        self.client.fetch(endpoint, outgoing, self.answer_bytes_max).await
    }
}

impl Web for HttpWeb {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<web::Answer>> {
        Box::pin(async move {
            let endpoint = Endpoint::secret(&request.url, &request.label)?;
            let repeats = match request.method {
                Method::Get => Repeats::Freely,
                Method::Post => Repeats::IfNotDone,
            };
            let mut waited = Duration::ZERO;
            let mut tries = 0;
            loop {
                let result = self.try_once(&endpoint, request).await;
                tries += 1;
                let Some(pause) = self.retry.pause(tries, waited, outcome(&result), repeats) else {
                    let answer = result?;
                    return Ok(web::Answer { status: answer.status.as_u16(), body: answer.body.into() });
                };
                let why = result.map_or_else(|error| error.chain(), |answer| answer.status.to_string());
                tracing::debug!(request = request.label, tries, ?pause, why, "a request is sent again");
                tokio::time::sleep(pause).await;
                waited += pause;
            }
        })
    }
}

fn outcome(result: &Result<Answer>) -> Outcome {
    match result {
        Ok(answer) => Outcome::Answered(answer.status.as_u16(), asked_pause(answer)),
        Err(error) if was_never_sent(error) => Outcome::Unsent,
        Err(_) => Outcome::Unanswered,
    }
}

/// Whether a request failed before anything of it went out.
pub(crate) fn was_never_sent(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let error = source.and_then(|source| source.downcast_ref::<hyper_util::client::legacy::Error>());
    error.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// When to come again, in seconds: in the header, or in the body as Telegram writes it.
pub(crate) fn asked_pause(answer: &Answer) -> Option<Duration> {
    if answer.status.is_success() {
        return None;
    }
    let header = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|text| text.trim().parse().ok()).or_else(|| {
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        body["parameters"]["retry_after"].as_u64()
    });
    seconds.map(Duration::from_secs)
}
