//! Section `agents`: where conversations with Dialogflow agents are kept, and whom their webhooks may call.

use serde::Deserialize;

/// How agents are served.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agents {
    /// `postgresql://…` or the path of a SQLite file.
    pub database: String,
    /// The webhook.
    pub webhook: Webhook,
}

/// Whom the webhook of an agent may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// Stands instead of the address in the agent.
    pub url: Option<String>,
    /// The header `Authorization` of calls to `url` and to `authorization_for`, and to nobody else.
    pub authorization: Option<String>,
    /// Signs the bodies of these calls.
    pub signing_key: Option<String>,
    /// Origins that are called so when an agent names them: `hooks.example:8443`, HTTPS unless said.
    pub authorization_for: Vec<String>,
    /// Hosts, `host` or `host:port`, that an agent may name although they are at no public address.
    pub allowed_hosts: Vec<String>,
}

impl Default for Agents {
    fn default() -> Self {
        Self { database: ".intendant/agents.db".to_owned(), webhook: Webhook::default() }
    }
}
