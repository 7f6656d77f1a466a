//! Follows a model server: `models:` of `endpoints.yml`, as Rasa 3.6 does.
//!
//! The archive is asked for with the `ETag` of the last one; 304 and 204 mean that it is still the same.
//! A new one is loaded beside the old one and put into use when it is ready; one that cannot be loaded
//! is named in the log and not fetched again, and the old one stays. A download that broke off goes on where it
//! stopped, as far as the server knows ranges, and what arrives has the checksum that the server sent along.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use intendant_client::download::Partial;
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{Answer, HttpClient};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_serve as serve;
use intendant_serve::server::Server;
use intendant_train::assistant::{Assistant, LoadError};
use serde_json::Value;

use crate::failure::Failure;
use crate::model;
use crate::stopping::Stop;

/// The pause between two looks, unless `wait_time_between_pulls` says otherwise.
const PAUSE_DEFAULT: Duration = Duration::from_secs(100);
/// The largest archive that is fetched.
const ARCHIVE_BYTES_MAX: usize = 4 << 30;

/// A model server that is followed.
pub struct Pull {
    client: HttpClient,
    endpoint: Endpoint,
    /// `None` asks only once.
    pause: Option<Duration>,
    etag: HeaderValue,
    /// What has come of an archive whose line broke.
    partial: Partial,
}

impl Pull {
    /// Follows what `models:` says.
    ///
    /// # Errors
    /// When that cannot be used.
    pub fn new(config: &EndpointConfig, client: &HttpClient) -> Result<Self, Failure> {
        let failed = |error: &dyn std::error::Error| Failure::of("", error);
        let pause = match config.extra.get("wait_time_between_pulls") {
            None => Some(PAUSE_DEFAULT),
            Some(Value::Null) => None,
            Some(value) => match value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()) {
                Some(seconds) if seconds > 0.0 && seconds < 1e9 => Some(Duration::from_secs_f64(seconds)),
                Some(0.0) => None,
                _ => {
                    let message = format!(
                        "{}:{}: models: `wait_time_between_pulls` must be a number of seconds, found `{value}`",
                        config.source.file, config.source.line
                    );
                    return Err(Failure::new("", message));
                }
            },
        };
        Ok(Self {
            client: client.for_endpoint(config).map_err(|error| failed(&error))?,
            endpoint: Endpoint::new(config).map_err(|error| failed(&error))?,
            pause,
            etag: HeaderValue::from_static("\"none-yet\""),
            partial: Partial::default(),
        })
    }

    /// Asks once, and puts a new model into use.
    pub async fn once(&mut self, server: &Server) {
        if let Some(assistant) = self.ask(server).await {
            tracing::info!(model = assistant.model_file, "now serving a model of the model server");
            server.put_model(Arc::new(assistant));
        }
    }

    /// Asks once; a new model that can be used.
    pub async fn ask(&mut self, server: &Server) -> Option<serve::assistant::Assistant> {
        let partial = (&mut self.partial, ARCHIVE_BYTES_MAX);
        match self.client.download(&self.endpoint, &self.etag, partial).await {
            Ok(answer) if answer.status == StatusCode::OK => return self.take(answer, server).await,
            Ok(answer) if matches!(answer.status, StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT) => {}
            Ok(answer) => {
                tracing::warn!(
                    status = answer.status.as_u16(),
                    url = self.endpoint.url(),
                    "no model from the model server"
                );
            }
            Err(error) => tracing::warn!(error = error.chain(), "the model server cannot be asked"),
        }
        None
    }

    async fn take(&mut self, answer: Answer, server: &Server) -> Option<serve::assistant::Assistant> {
        let Some(etag) = answer.headers.get(header::ETAG).cloned() else {
            tracing::warn!(
                url = self.endpoint.url(),
                "the model server sent a model without ETag; it is not used"
            );
            return None;
        };
        let name = answer.headers.get("filename").and_then(|name| name.to_str().ok());
        let name = name.and_then(|name| name.rsplit('/').next()).unwrap_or("model.tar.gz").to_owned();
        let bytes = answer.body;
        let file = name.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let assistant = model::serving(Assistant::load(&bytes)?, file.as_ref());
            assistant.warm();
            Ok::<_, LoadError>(assistant)
        });
        let loaded = loading.await;
        // Fetched is fetched: what cannot be loaded today cannot be loaded in a minute either.
        self.etag = etag;
        let why = match loaded {
            Ok(Ok(assistant)) => return Some(assistant),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(
            model = name,
            error = why,
            "the model server's model cannot be loaded; the one in use stays"
        );
        server.note_unloadable(&name, &why);
        None
    }

    /// Asks again and again until the server stops.
    pub async fn follow(mut self, server: Server, stop: Stop) {
        let Some(pause) = self.pause else { return };
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => self.once(&server).await,
                () = stop.asked() => return,
            }
        }
    }
}
