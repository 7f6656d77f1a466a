//! A model server as a scorer: `{"instances": [rows]}` is posted to it, `{"predictions": [answers]}`
//! comes back, as TensorFlow Serving, KServe (protocol 1) and MLflow have it.

use std::time::Duration;

use intendant_client::endpoint::Endpoint;
use intendant_client::http::{HttpClient, Outgoing};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::score::Score;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a refusal is kept as the reason of a dead letter.
const REASON_CHARS_MAX: usize = 300;

/// Asks a model server.
pub struct RemoteScorer {
    client: HttpClient,
    endpoint: Endpoint,
    runtime: Handle,
}

impl RemoteScorer {
    /// Posts to an endpoint. Nothing is connected.
    pub fn new(client: HttpClient, endpoint: Endpoint, runtime: Handle) -> Self {
        Self { client, endpoint, runtime }
    }

    /// The answers, or the reason why the server refuses these rows.
    fn ask(&self, rows: &[Value]) -> Result<Result<Vec<Value>, String>, String> {
        let url = self.endpoint.url();
        let outgoing = Outgoing::json(json!({"instances": rows}).to_string().into_bytes(), TIMEOUT);
        let answer = self.runtime.block_on(self.client.send(&self.endpoint, outgoing));
        let answer = answer.map_err(|error| error.chain())?;
        let text =
            || String::from_utf8_lossy(&answer.body).chars().take(REASON_CHARS_MAX).collect::<String>();
        let status = answer.status.as_u16();
        match status {
            200..=299 => {}
            // Who may not ask, asks too often or at the wrong place is no fault of the rows.
            400 | 413 | 415 | 422 => return Ok(Err(format!("the model server refuses it: {}", text()))),
            _ => return Err(format!("{url} answered with status {status}: {}", text())),
        }
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the answer of {url} is not JSON: {error}"))?;
        match body.get("predictions").and_then(Value::as_array) {
            Some(answers) if answers.len() == rows.len() => Ok(Ok(answers.clone())),
            Some(answers) => Err(format!("{url} gave {} answers to {} rows", answers.len(), rows.len())),
            None => Err(format!("the answer of {url} has no list `predictions`")),
        }
    }
}

impl Score for RemoteScorer {
    fn score(&self, rows: &[Value]) -> Result<Vec<Result<Value, String>>, String> {
        if let Ok(answers) = self.ask(rows)? {
            return Ok(answers.into_iter().map(Ok).collect());
        }
        // One of them is at fault, or several: each is asked about alone.
        rows.iter().map(|row| Ok(self.ask(std::slice::from_ref(row))?.map(|mut one| one.remove(0)))).collect()
    }

    fn model(&self) -> String {
        self.endpoint.url().to_owned()
    }
}
