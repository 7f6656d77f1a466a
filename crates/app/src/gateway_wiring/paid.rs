//! Upstreams that are paid, as the settings name them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use intendant_client::completions::{Completions, Model};
use intendant_client::dialogflow::{Agent, Dialogflow, service_url};
use intendant_client::endpoint::Endpoint;
use intendant_client::http::HttpClient;
use intendant_client::remote::RemoteRasa;
use intendant_client::service_account::ServiceAccount;
use intendant_config::gateway::UpstreamSection;
use intendant_port::upstream::Upstream;

use super::{outside, unusable};
use crate::failure::Failure;

/// An upstream that is not our own.
///
/// # Errors
/// When its settings cannot be used.
pub fn upstream(
    section: &UpstreamSection,
    client: &HttpClient,
    timeout: Duration,
) -> Result<Arc<dyn Upstream>, Failure> {
    Ok(match section {
        UpstreamSection::Dialogflow { project, credentials, location, environment, edition, url } => {
            let read = |path: &Path| account(client, path, "gateway.upstream.credentials");
            let account = credentials.as_deref().map(read).transpose()?;
            if account.is_none() && url.is_none() {
                let why = "gateway.upstream.credentials: name the JSON file of a service account's key";
                return Err(unusable(why.to_owned()));
            }
            let agent = Agent {
                url: url.clone().unwrap_or_else(|| service_url(location.as_deref())),
                project: project.clone(),
                location: location.clone(),
                environment: environment.clone(),
                edition: edition.clone(),
                timeout,
            };
            Arc::new(Dialogflow::new(client.clone(), agent, account))
        }
        UpstreamSection::Rasa { url, token, edition } => {
            let mut url = format!("{}/webhooks/rest/webhook", url.trim_end_matches('/'));
            if let Some(token) = token {
                url.push_str("?token=");
                intendant_port::web::percent_encode(token, &mut url);
            }
            let endpoint = Endpoint::secret(&url, "the rasa server").map_err(|error| outside(&error))?;
            Arc::new(RemoteRasa::new(client.clone(), endpoint, (edition.clone(), timeout)))
        }
        UpstreamSection::Openai { url, model, token, instructions, answer_tokens_max } => {
            let url = format!("{}/chat/completions", url.trim_end_matches('/'));
            let endpoint = Endpoint::bare(&url).map_err(|error| outside(&error))?;
            let model = Model {
                name: model.clone(),
                instructions: instructions.clone(),
                answer_tokens_max: *answer_tokens_max,
                token: token.clone(),
                timeout,
            };
            Arc::new(Completions::new(client.clone(), endpoint, model))
        }
        UpstreamSection::Assistant {} => {
            return Err(unusable("gateway.upstream: our own assistant is no paid upstream".to_owned()));
        }
    })
}

/// The service account whose key is in a file, which `named` says.
///
/// # Errors
/// When it is no such file.
pub fn account(client: &HttpClient, path: &Path, named: &'static str) -> Result<ServiceAccount, Failure> {
    let json = std::fs::read_to_string(path)
        .map_err(|error| Failure::new("", format!("{named}: cannot read {}: {error}", path.display())))?;
    ServiceAccount::new(client.clone(), &json).map_err(|error| Failure::of(named, &error))
}
