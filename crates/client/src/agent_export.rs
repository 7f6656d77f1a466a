//! An agent fetched from Dialogflow ES as the zip of its export (`spec: dialogflow.md §3`).
//!
//! Exporting takes its time there: it is asked for, and asked after until it is done.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::percent_encode;
use serde_json::Value;

use crate::dialogflow::agent_url;
use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};
use crate::paid::{bearer, checked};
use crate::service_account::ServiceAccount;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take until it is done.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long to wait before asking after it, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// The largest export that is taken.
const BYTES_MAX: usize = 256 << 20;

/// Which agent, and who may read it.
pub struct Exporter {
    /// Sends.
    pub client: HttpClient,
    /// The service's address.
    pub url: String,
    /// The project.
    pub project: String,
    /// The region, if it is not the global one.
    pub location: Option<String>,
    /// May read the agent; without, it is asked without a token, as stand-ins are.
    pub account: Option<ServiceAccount>,
}

impl Exporter {
    /// Fetches the agent.
    ///
    /// # Errors
    /// When the service cannot be reached, refuses, or takes too long.
    pub async fn fetch(&self) -> Result<Vec<u8>> {
        let url = format!("{}:export", agent_url(&self.url, &self.project, self.location.as_deref()));
        let began = Instant::now();
        let mut operation = self.ask(&url, Outgoing::json(b"{}".to_vec(), REQUEST_TIMEOUT)).await?;
        let mut pause = PAUSES.0;
        while operation["done"] != Value::Bool(true) {
            if began.elapsed() > PATIENCE {
                let message = format!("the export was not done within {} s", PATIENCE.as_secs());
                return Err(Error::new(Kind::Timeout, message));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            operation = self.ask(&self.operation_url(&operation)?, Outgoing::get(REQUEST_TIMEOUT)).await?;
        }
        if let Some(why) = operation["error"]["message"].as_str() {
            return Err(Error::new(Kind::Refused, format!("the agent was not exported: {why}")));
        }
        let content = operation["response"]["agentContent"].as_str();
        let content = content.and_then(|content| STANDARD.decode(content).ok());
        content.ok_or_else(|| Error::new(Kind::Invalid, "the service answered with no agent"))
    }

    fn operation_url(&self, operation: &Value) -> Result<String> {
        let name = operation["name"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Error::new(Kind::Invalid, "the service began no export"))?;
        let mut url = format!("{}/v2", self.url.trim_end_matches('/'));
        for part in name.split('/') {
            url.push('/');
            percent_encode(part, &mut url);
        }
        Ok(url)
    }

    async fn ask(&self, url: &str, mut outgoing: Outgoing) -> Result<Value> {
        if let Some(account) = &self.account {
            outgoing = bearer(outgoing, &account.token().await?)?;
        }
        let answer = self.client.fetch(&Endpoint::bare(url)?, outgoing, BYTES_MAX).await;
        let answer = checked(answer).map_err(|failed| failed.error)?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::new(Kind::Invalid, "the service answered with no JSON").because(error))
    }
}
