//! Section `agents` to a service for an agent: where its conversations are kept, whom its webhook may call.

use std::sync::Arc;

use intendant_agent::Assistant;
use intendant_agents::service::{REPLY_BYTES_MAX, Service, WebhookSettings};
use intendant_client::clock::SystemClock;
use intendant_client::http::HttpClient;
use intendant_client::reach::Reach;
use intendant_client::web::HttpWeb;
use intendant_config::Environment;
use intendant_config::agents::Agents;
use intendant_store::agent_sessions::AgentSessions;

use crate::commands::models::platform;
use crate::failure::Failure;
use crate::report;

/// Where an agent's webhook is, instead of where the agent says.
const WEBHOOK_URL: &str = "INTENDANT_AGENT_WEBHOOK_URL";
/// The header `Authorization` of calls to it.
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
    let settings = WebhookSettings {
        url: variable(WEBHOOK_URL).or(webhook.url),
        authorization: variable(WEBHOOK_AUTHORIZATION).or(webhook.authorization),
    };
    let mut reach = Reach::public_but(webhook.allowed_hosts);
    if let Some(url) = &settings.url {
        // Whoever runs the server has chosen this one.
        reach = reach.and_host_of(url);
    }
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    let client = HttpClient::reaching(reach).map_err(failed)?;
    let web = Arc::new(HttpWeb::once(client, REPLY_BYTES_MAX));
    let sessions = AgentSessions::open(&database).await.map_err(failed)?;
    Ok(Arc::new(Service::new(assistant, Arc::new(SystemClock), web, settings).kept_in(sessions)))
}
