//! Section `gateway`: who is asked for answers, and who may ask.

use std::path::PathBuf;

use serde::Deserialize;

/// The section as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySection {
    /// Who is asked.
    pub upstream: Option<UpstreamSection>,
    /// Our own assistant answers where the upstream cannot or may not.
    pub fallback: bool,
    /// Origins whose pages may ask, besides the gateway's own; `*` for all.
    pub origins: Vec<String>,
    /// Keys that clients must show, by name; without any everybody may ask.
    pub keys: std::collections::BTreeMap<String, String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Signs ids of conversations; made and kept in `session_key_file` without.
    pub session_key: Option<String>,
    /// Where a made key is kept.
    pub session_key_file: PathBuf,
    /// Most characters of a message.
    pub message_chars_max: usize,
    /// Most requests per minute from one address.
    pub per_address_per_minute: u32,
    /// Most requests per minute in one conversation.
    pub per_session_per_minute: u32,
    /// Seconds for which repeatable answers are kept; 0 keeps none.
    pub cache_seconds: u64,
    /// How many of them.
    pub cache_entries_max: usize,
    /// Milliseconds an upstream may take.
    pub timeout_ms: u64,
    /// Requests sent although the ledger cannot be written; 0 sends none.
    pub unmetered_max: u64,
    /// The fixed answer where a rule says `canned`.
    pub canned: Option<String>,
    /// Whose price our own answers save, as `upstream/edition`.
    pub instead_of: Option<String>,
    /// The language of messages that do not say theirs.
    pub language: String,
    /// Whether clients without a key may ask; they may unless there are keys.
    pub anonymous: Option<bool>,
    /// Clients without a key may see amounts too.
    pub show_amounts: bool,
}

/// Who is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum UpstreamSection {
    /// Dialogflow ES.
    Dialogflow {
        /// The project.
        project: String,
        /// The JSON file of a service account's key.
        credentials: Option<PathBuf>,
        /// The region.
        location: Option<String>,
        /// The environment.
        environment: Option<String>,
        /// The edition, for prices.
        #[serde(default = "essentials")]
        edition: String,
        /// Another address of the service.
        url: Option<String>,
    },
    /// A Rasa server.
    Rasa {
        /// Its address.
        url: String,
        /// Its token.
        token: Option<String>,
        /// The edition, for prices.
        #[serde(default = "standard")]
        edition: String,
    },
    /// A language model behind an endpoint for chat completions.
    Openai {
        /// The address before `/chat/completions`.
        #[serde(default = "openai")]
        url: String,
        /// The model.
        model: String,
        /// The key.
        token: Option<String>,
        /// What the model is told first.
        instructions: Option<String>,
        /// Most tokens of an answer.
        #[serde(default = "answer_tokens_max")]
        answer_tokens_max: u64,
    },
    /// Our own assistant, for nothing.
    Assistant {},
}

fn essentials() -> String {
    "essentials".to_owned()
}

fn standard() -> String {
    "standard".to_owned()
}

fn openai() -> String {
    "https://api.openai.com/v1".to_owned()
}

fn answer_tokens_max() -> u64 {
    500
}

impl Default for GatewaySection {
    fn default() -> Self {
        Self {
            upstream: None,
            fallback: false,
            origins: Vec::new(),
            keys: std::collections::BTreeMap::new(),
            trusted_proxies: Vec::new(),
            session_key: None,
            session_key_file: PathBuf::from(".intendant/session.key"),
            message_chars_max: 256,
            per_address_per_minute: 60,
            per_session_per_minute: 20,
            cache_seconds: 3_600,
            cache_entries_max: 10_000,
            timeout_ms: 20_000,
            unmetered_max: 0,
            canned: None,
            instead_of: None,
            language: "en".to_owned(),
            anonymous: None,
            show_amounts: false,
        }
    }
}

/// The shortest secret that cannot be guessed in a lifetime.
const SECRET_CHARS_MIN: usize = 16;
/// Parts of secrets that stand in manuals and in everybody's examples.
const KNOWN: [&str; 9] = [
    "changeme",
    "change-me",
    "default",
    "example",
    "password",
    "placeholder",
    "thisismysecret",
    "your-secret",
    "12345678",
];

impl GatewaySection {
    /// Refuses secrets that others know or guess.
    ///
    /// # Errors
    /// Which one, and what to do.
    pub fn check_secrets(&self) -> Result<(), String> {
        let keys = self.keys.iter().map(|(name, secret)| (format!("keys.{name}"), secret));
        let session_key = self.session_key.iter().map(|secret| ("session_key".to_owned(), secret));
        for (name, secret) in keys.chain(session_key) {
            let level = secret.to_lowercase();
            let is_known = KNOWN.iter().any(|known| level.contains(known));
            if is_known || secret.chars().count() < SECRET_CHARS_MIN {
                return Err(format!(
                    "gateway.{name}: a secret has at least {SECRET_CHARS_MIN} characters that nobody can guess; \
                     make one with `openssl rand -hex 16`"
                ));
            }
        }
        Ok(())
    }

    /// Whose price our own answers save.
    ///
    /// # Errors
    /// When it is not `upstream/edition`.
    pub fn instead_of(&self) -> Result<Option<(String, String)>, String> {
        let Some(text) = &self.instead_of else { return Ok(None) };
        let (upstream, edition) = text
            .split_once('/')
            .ok_or("gateway.instead_of: it is an upstream and an edition, like `dialogflow/essentials`")?;
        Ok(Some((upstream.to_owned(), edition.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_others_know_are_refused() {
        let check = |yaml: serde_json::Value, expected: Option<&str>| {
            let section: GatewaySection = serde_json::from_value(yaml.clone()).unwrap();
            let refused = section.check_secrets().err();
            assert_eq!(refused.as_deref().and_then(|why| why.split(": ").next()), expected, "{yaml}");
        };
        check(serde_json::json!({}), None);
        check(serde_json::json!({"keys": {"ann": "a-secret-that-ann-has"}}), None);
        check(serde_json::json!({"keys": {"ann": ""}}), Some("gateway.keys.ann"));
        check(serde_json::json!({"keys": {"ann": "short"}}), Some("gateway.keys.ann"));
        check(serde_json::json!({"keys": {"ann": "Please-ChangeMe-now"}}), Some("gateway.keys.ann"));
        check(serde_json::json!({"session_key": "password-password"}), Some("gateway.session_key"));
    }
}
