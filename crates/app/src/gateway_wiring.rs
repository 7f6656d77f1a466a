//! Sections `budget` and `gateway` to a till and a gateway.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use intendant_api::gateway::{Door, Front};
use intendant_budget::rule::Exhausted;
use intendant_budget::till::Till;
use intendant_client::alert::{MailNotifier, WebhookNotifier};
use intendant_client::clock::SystemClock;
use intendant_client::completions::{Completions, Model};
use intendant_client::dialogflow::{Agent, Dialogflow, URL_DEFAULT};
use intendant_client::endpoint::Endpoint;
use intendant_client::http::HttpClient;
use intendant_client::remote::RemoteRasa;
use intendant_client::service_account::ServiceAccount;
use intendant_client::web::HttpWeb;
use intendant_config::Environment;
use intendant_config::budget::{BudgetSection, Durable, Notify};
use intendant_config::gateway::{GatewaySection, UpstreamSection};
use intendant_config::platform::Platform;
use intendant_gateway::service::{Gateway, Outside, Settings};
use intendant_gateway::session::Sessions;
use intendant_port::BoxFuture;
use intendant_port::clock::Clock;
use intendant_port::error::{Error, Kind};
use intendant_port::notify::Notifier;
use intendant_port::outlet::Outlet;
use intendant_port::upstream::{Answer, Billing, Failed, Input, Pieces, Question, Upstream, Usage};
use intendant_serve::server::{Incoming, Server};
use intendant_store::ledger;
use intendant_store::ledger_mirror::Mirrored;
use intendant_store::ledger_sqlite::Durability;
use intendant_talk::message::Object;
use serde_json::Value;
use uuid::Uuid;

use crate::commands::models::platform;
use crate::failure::Failure;
use crate::{report, wiring};

/// The channel that our own assistant sees.
const CHANNEL: &str = "gateway";
/// How often reservations that nobody ended are looked for.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(30);

/// A section of the settings.
fn section<T: serde::de::DeserializeOwned>(platform: &Platform, name: &str) -> Result<T, Failure> {
    platform.section(name).map_err(|finding| {
        report::print(&[finding]);
        Failure::new("", format!("the settings of section `{name}` cannot be used"))
    })
}

fn unusable(why: String) -> Failure {
    Failure::new("", format!("intendant.yml: {why}"))
}

fn outside(error: &Error) -> Failure {
    Failure::of("", error)
}

/// Both sections.
///
/// # Errors
/// When they cannot be used.
pub fn sections(environment: &Environment) -> Result<(BudgetSection, GatewaySection), Failure> {
    let platform = platform(environment)?;
    Ok((section(&platform, "budget")?, section(&platform, "gateway")?))
}

/// The ledger with the rules of the settings.
///
/// # Errors
/// When the settings or the database cannot be used.
pub async fn till(section: &BudgetSection, environment: &Environment) -> Result<Till, Failure> {
    let budget = section.budget().map_err(unusable)?;
    let durability = match section.durability {
        Durable::Process => Durability::Process,
        Durable::Power => Durability::Power,
    };
    let sql = wiring::broker_environment(environment)?.sql;
    let ledger = ledger::open(section.database.as_deref(), &sql, durability).await;
    let ledger = ledger.map_err(|error| outside(&error))?;
    Ok(match &section.redis {
        None => Till::new(ledger, budget),
        Some(url) => {
            let mirrored = Mirrored::start(ledger, url).map_err(|error| outside(&error))?;
            Till::new(Arc::new(mirrored), budget)
        }
    })
}

/// The gateway of the settings; `None` when they name no upstream. Our own assistant is `server`.
///
/// # Errors
/// When the settings or the database cannot be used.
pub async fn front(
    environment: &Environment,
    client: &HttpClient,
    server: &Server,
) -> Result<Option<Arc<Front>>, Failure> {
    let (budget, section) = sections(environment)?;
    let Some(upstream) = &section.upstream else {
        return Ok(None);
    };
    let own: Arc<dyn Upstream> = Arc::new(Own { server: server.clone() });
    let timeout = Duration::from_millis(section.timeout_ms);
    let upstream = match upstream {
        UpstreamSection::Assistant {} => Arc::clone(&own),
        other => paid(other, client, timeout)?,
    };
    let till = till(&budget, environment).await?;
    check_rules(&till, upstream.as_ref(), &section)?;
    let wrong = till.rebuild().await.map_err(|error| outside(&error))?;
    if !wrong.is_empty() {
        tracing::error!(counters = wrong.len(), "counters did not follow from the ledger and were made anew");
    }
    tokio::spawn(expire(till.clone()));
    let settings = Settings {
        message_chars_max: section.message_chars_max,
        per_address: section.per_address_per_minute,
        per_session: section.per_session_per_minute,
        cache_seconds: section.cache_seconds,
        cache_entries_max: section.cache_entries_max,
        timeout,
        unmetered_max: section.unmetered_max,
        canned: section.canned.clone(),
        instead_of: section.instead_of().map_err(unusable)?,
    };
    let parts = Outside {
        till,
        prices: budget.prices().map_err(unusable)?,
        upstream,
        fallback: section.fallback.then_some(own),
        notifiers: notifiers(&budget.notify, client)?,
        clock: Arc::new(SystemClock),
    };
    let door = Door {
        anonymous: section.anonymous.unwrap_or(section.keys.is_empty()),
        origins: section.origins.clone(),
        keys: section.keys.clone(),
        trusted_proxies: section.trusted_proxies.clone(),
        language: section.language.clone(),
        show_amounts: section.show_amounts,
        project: budget.project.clone(),
    };
    Ok(Some(Arc::new(Front {
        gateway: Gateway::new(parts, settings),
        sessions: Sessions::new(session_key(&section)?.as_bytes()),
        door,
        clock: Arc::new(SystemClock),
    })))
}

/// Settings that would not do what they say are refused at the start.
fn check_rules(till: &Till, upstream: &dyn Upstream, section: &GatewaySection) -> Result<(), Failure> {
    let rules = &till.budget().rules;
    if rules.is_empty() && !upstream.is_free() {
        let why = "budget.limit: an upstream that costs needs a limit, like `budget: {limit: 10 USD}`";
        return Err(unusable(why.to_owned()));
    }
    if !section.fallback && rules.iter().any(|rule| rule.exhausted == Exhausted::Degrade) {
        let why = "gateway.fallback: rules that degrade need our own assistant; say `fallback: true`";
        return Err(unusable(why.to_owned()));
    }
    Ok(())
}

async fn expire(till: Till) {
    loop {
        tokio::time::sleep(EXPIRE_INTERVAL).await;
        if let Err(error) = till.expire(SystemClock.now()).await {
            tracing::error!(error = error.chain(), "reservations cannot be ended");
        }
    }
}

fn paid(
    section: &UpstreamSection,
    client: &HttpClient,
    timeout: Duration,
) -> Result<Arc<dyn Upstream>, Failure> {
    Ok(match section {
        UpstreamSection::Dialogflow { project, credentials, location, environment, edition, url } => {
            let account = credentials.as_deref().map(|path| account(client, path)).transpose()?;
            if account.is_none() && url.is_none() {
                let why = "gateway.upstream.credentials: name the JSON file of a service account's key";
                return Err(unusable(why.to_owned()));
            }
            let agent = Agent {
                url: url.clone().unwrap_or_else(|| match location {
                    Some(location) => format!("https://{location}-dialogflow.googleapis.com"),
                    None => URL_DEFAULT.to_owned(),
                }),
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

fn account(client: &HttpClient, path: &Path) -> Result<ServiceAccount, Failure> {
    let json = std::fs::read_to_string(path).map_err(|error| {
        unusable(format!("gateway.upstream.credentials: cannot read {}: {error}", path.display()))
    })?;
    ServiceAccount::new(client.clone(), &json).map_err(|error| outside(&error))
}

fn notifiers(section: &Notify, client: &HttpClient) -> Result<Vec<Arc<dyn Notifier>>, Failure> {
    let mut notifiers: Vec<Arc<dyn Notifier>> = Vec::new();
    if let Some(url) = &section.webhook {
        let web = Arc::new(HttpWeb::new(client.clone()));
        notifiers.push(Arc::new(WebhookNotifier::new(web, url.clone())));
    }
    if let Some(mail) = &section.mail {
        let notifier = MailNotifier::new(&mail.server, &mail.from, &mail.to);
        notifiers.push(Arc::new(notifier.map_err(|error| outside(&error))?));
    }
    Ok(notifiers)
}

/// The key of the settings, or one that is made once and kept in a file only its owner reads.
fn session_key(section: &GatewaySection) -> Result<String, Failure> {
    if let Some(key) = &section.session_key {
        return match key.len() >= 16 {
            true => Ok(key.clone()),
            false => Err(unusable("gateway.session_key: it has at least 16 characters".to_owned())),
        };
    }
    let path = &section.session_key_file;
    let failed = |error: std::io::Error| {
        unusable(format!("gateway.session_key_file: cannot keep a key in {}: {error}", path.display()))
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            file.write_all(key.as_bytes()).map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let key = std::fs::read_to_string(path).map_err(failed)?;
            match key.trim().len() >= 16 {
                true => Ok(key.trim().to_owned()),
                false => Err(unusable(format!("gateway.session_key_file: {} holds no key", path.display()))),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// Our own assistant as an upstream.
struct Own {
    server: Server,
}

/// Collects what it says.
#[derive(Default)]
struct Collected {
    messages: Mutex<Vec<Object>>,
}

impl Outlet for Collected {
    fn name(&self) -> &str {
        CHANNEL
    }

    fn send<'a>(
        &'a self,
        _recipient_id: &'a str,
        message: &'a Object,
    ) -> BoxFuture<'a, intendant_port::error::Result<()>> {
        let kept = message.iter().filter(|(_, value)| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => true,
        });
        let message = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Upstream for Own {
    fn name(&self) -> &str {
        "assistant"
    }

    fn edition(&self) -> &str {
        "own"
    }

    fn needs(&self, _question: &Question) -> Vec<Usage> {
        Vec::new()
    }

    fn is_repeatable(&self) -> bool {
        false
    }

    fn is_free(&self) -> bool {
        true
    }

    fn ask<'a>(
        &'a self,
        question: &'a Question,
        _pieces: Option<&'a dyn Pieces>,
    ) -> BoxFuture<'a, Result<Answer, Failed>> {
        Box::pin(async move {
            let text = match &question.input {
                Input::Text(text) => text.clone(),
                Input::Event { name, parameters } if parameters.is_empty() => format!("/{name}"),
                Input::Event { name, parameters } => format!("/{name}{}", Value::Object(parameters.clone())),
            };
            let mut metadata = Object::new();
            metadata.insert("language".to_owned(), question.language.clone().into());
            let incoming = Incoming {
                text,
                sender_id: question.session.clone(),
                input_channel: Some(CHANNEL.to_owned()),
                metadata,
                parse: None,
            };
            let collected = Arc::new(Collected::default());
            self.server.handle(incoming, Arc::<Collected>::clone(&collected)).await.map_err(|error| {
                Failed {
                    billing: Billing::Free,
                    error: Error::new(Kind::Unavailable, "our own assistant cannot answer").because(error),
                    retry_after_secs: None,
                }
            })?;
            let messages =
                std::mem::take(&mut *collected.messages.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(Answer { messages, leaves_state: true, ..Answer::default() })
        })
    }
}
