//! Section `agents` to a service for an agent: where its conversations are kept, whom its webhook may call.

use std::sync::Arc;

use intendant_agent::Assistant;
use intendant_agents::service::{REPLY_BYTES_MAX, Service};
use intendant_client::clock::SystemClock;
use intendant_client::http::HttpClient;
use intendant_client::origin::{Credential, Origin};
use intendant_client::reach::Reach;
use intendant_client::web::HttpWeb;
use intendant_config::Environment;
use intendant_config::agents::Agents;
use intendant_port::error::Error;
use intendant_store::agent_sessions::AgentSessions;

use crate::commands::models::platform;
use crate::failure::Failure;
use crate::report;

/// Where an agent's webhook is, instead of where the agent says.
const WEBHOOK_URL: &str = "INTENDANT_AGENT_WEBHOOK_URL";
/// The header `Authorization` of calls there.
const WEBHOOK_AUTHORIZATION: &str = "INTENDANT_AGENT_WEBHOOK_AUTHORIZATION";

/// A service for an agent, as the settings say.
///
/// # Errors
/// When they cannot be used, or the database of conversations cannot be reached.
pub async fn service(assistant: Assistant, environment: &Environment) -> Result<Arc<Service>, Failure> {
    let Agents { database, webhook } = platform(environment)?.section("agents").map_err(|finding| {
        report::print(&[finding]);
        Failure::new("", "the settings of agents cannot be used")
    })?;
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let url = variable(WEBHOOK_URL).or(webhook.url);
    let authorization = variable(WEBHOOK_AUTHORIZATION).or(webhook.authorization);
    let mut reach = Reach::public_but(webhook.allowed_hosts);
    if let Some(url) = &url {
        // Whoever runs the server has chosen this one.
        reach = reach.and_host_of(url);
    }
    let client = HttpClient::reaching(reach).map_err(failed)?;
    let mut web = HttpWeb::once(client, REPLY_BYTES_MAX);
    if authorization.is_some() || webhook.signing_key.is_some() {
        let mut credential = Credential::of(origins(url.as_deref(), &webhook.authorization_for)?);
        if let Some(secret) = &authorization {
            credential = credential.with_authorization(secret).map_err(failed)?;
        }
        if let Some(key) = &webhook.signing_key {
            credential = credential.with_signing_key(key);
        }
        web = web.with_credential(credential);
    }
    let sessions = AgentSessions::open(&database).await.map_err(failed)?;
    let service = Service::new(assistant, Arc::new(SystemClock), Arc::new(web));
    Ok(Arc::new(service.with_webhook_at(url).kept_in(sessions)))
}

/// Who is shown the webhook's secrets. An address that only an agent names is not.
fn origins(url: Option<&str>, listed: &[String]) -> Result<Vec<Origin>, Failure> {
    let mut origins = Vec::new();
    for text in listed {
        let parsed = Origin::parse(text);
        origins.push(parsed.map_err(|error| Failure::of("agents.webhook.authorization_for", &error))?);
    }
    if let Some(url) = url {
        origins.push(Origin::of_url(url).map_err(|error| Failure::of("agents.webhook.url", &error))?);
    }
    if origins.is_empty() {
        tracing::warn!(
            "the secrets of agents.webhook are shown to nobody: set agents.webhook.url, or list origins that the \
             agent may name in agents.webhook.authorization_for"
        );
    }
    Ok(origins)
}

fn failed(error: Error) -> Failure {
    Failure::of("", &error)
}
