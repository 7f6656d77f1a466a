//! An address that is looked at again and again: only what has changed is read (`ETag`), and whoever
//! asks for patience (`Retry-After`) gets it.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{Answer, HttpClient, Outgoing};
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::stream::Message;
use serde_json::{Value, json};

use super::{Next, Polled, Source};
use crate::row::at;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest wait that a server can ask for.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How an address is looked at.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time between two looks.
    pub interval: Duration,
    /// Where in the answer the items are; the answer itself unless given.
    pub items: Option<String>,
}

/// Items of an address.
pub struct HttpSource {
    client: HttpClient,
    endpoint: Endpoint,
    settings: Settings,
    /// `ETag` and `Last-Modified` of the answer before.
    etag: Option<String>,
    modified: Option<String>,
    asked_wait: Option<Duration>,
}

impl HttpSource {
    /// Looks at an endpoint. Nothing is connected.
    pub fn new(client: HttpClient, endpoint: Endpoint, settings: Settings) -> Self {
        Self { client, endpoint, settings, etag: None, modified: None, asked_wait: None }
    }

    async fn look(&mut self) -> Result<Polled> {
        self.asked_wait = None;
        let mut outgoing = Outgoing::get(TIMEOUT);
        let known = [(header::IF_NONE_MATCH, &self.etag), (header::IF_MODIFIED_SINCE, &self.modified)];
        for (name, value) in known {
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                outgoing.headers.insert(name, value);
            }
        }
        let next = Next::After(self.settings.interval);
        let answer = self.client.send(&self.endpoint, outgoing).await?;
        match answer.status {
            StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT => Ok(Polled { next, ..Polled::default() }),
            status if status.is_success() => {
                let items = self.items(&answer)?;
                let text = |name| Some(answer.headers.get(name)?.to_str().ok()?.to_owned());
                (self.etag, self.modified) = (text(header::ETAG), text(header::LAST_MODIFIED));
                let state = json!({"etag": self.etag, "modified": self.modified}).to_string();
                Ok(Polled { items, state: Some(state), next })
            }
            status => {
                self.asked_wait = asked_wait(&answer);
                let message = format!("{} answered with status {status}", self.endpoint.url());
                let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                Err(Error::new(if is_passing { Kind::Unavailable } else { Kind::Refused }, message))
            }
        }
    }

    fn items(&self, answer: &Answer) -> Result<Vec<Message>> {
        let url = self.endpoint.url();
        let invalid = |why: String| Error::new(Kind::Invalid, format!("the answer of {url} {why}"));
        let message = |body: String| Message { key: None, body };
        let value: Value = match serde_json::from_slice(&answer.body) {
            Ok(value) => value,
            Err(error) => {
                // Lines of JSON are no JSON document, unless there is only one.
                let text = String::from_utf8_lossy(&answer.body);
                let lines = super::records::lines(&text);
                let is_json = |line: &String| serde_json::from_str::<Value>(line).is_ok();
                return match lines.iter().all(is_json) {
                    true => Ok(lines.into_iter().map(message).collect()),
                    false => Err(invalid(format!("is not JSON: {error}"))),
                };
            }
        };
        let found = match &self.settings.items {
            None => &value,
            Some(path) => at(&value, path).ok_or_else(|| invalid(format!("has nothing at `{path}`")))?,
        };
        Ok(match found {
            Value::Array(items) => items.iter().map(|item| message(item.to_string())).collect(),
            Value::Null => Vec::new(),
            one => vec![message(one.to_string())],
        })
    }
}

fn asked_wait(answer: &Answer) -> Option<Duration> {
    let seconds = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(ASKED_WAIT_MAX))
}

impl Source for HttpSource {
    fn restore(&mut self, state: Option<&str>) {
        let state: Value = state.and_then(|state| serde_json::from_str(state).ok()).unwrap_or_default();
        let text = |name: &str| state[name].as_str().map(str::to_owned);
        (self.etag, self.modified) = (text("etag"), text("modified"));
    }

    fn poll(&mut self) -> BoxFuture<'_, Result<Polled>> {
        Box::pin(self.look())
    }

    fn asked_wait(&self) -> Option<Duration> {
        self.asked_wait
    }
}
