//! Sections `budget` and `gateway` to a till and a gateway.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use intendant_api::gateway::{Door, Front};
use intendant_budget::rule::Exhausted;
use intendant_budget::till::Till;
use intendant_client::alert::{MailNotifier, WebhookNotifier};
use intendant_client::clock::SystemClock;
use intendant_client::http::HttpClient;
use intendant_client::web::HttpWeb;
use intendant_config::Environment;
use intendant_config::budget::{BudgetSection, Durable, Notify};
use intendant_config::gateway::{GatewaySection, UpstreamSection};
use intendant_config::platform::Platform;
use intendant_gateway::service::{Gateway, Outside, Settings};
use intendant_gateway::session::Sessions;
use intendant_port::clock::Clock;
use intendant_port::error::Error;
use intendant_port::notify::Notifier;
use intendant_port::upstream::{Free, Upstream};
use intendant_serve::metrics::Metrics;
use intendant_store::ledger;
use intendant_store::ledger_redis::{Counted, FRESH};
use intendant_store::sqlite_file::Durability;
use uuid::Uuid;

use crate::commands::models::platform;
use crate::failure::Failure;
use crate::{report, wiring};

mod own;
mod paid;

pub use own::Own;
pub use paid::account;

/// How often reservations that nobody ended are looked for, and the figures of accounts made anew.
const TEND_INTERVAL: Duration = Duration::from_secs(10);

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
            let counted = Counted::start(ledger, url, FRESH).map_err(|error| outside(&error))?;
            Till::new(Arc::new(counted), budget)
        }
    })
}

/// The gateway of the settings; `None` when they name no upstream.
///
/// # Errors
/// When the settings or the database cannot be used.
pub async fn front(
    environment: &Environment,
    client: &HttpClient,
    own: Own,
) -> Result<Option<Arc<Front>>, Failure> {
    let (budget, section) = sections(environment)?;
    let Some(upstream) = &section.upstream else {
        return Ok(None);
    };
    section.check_secrets().map_err(unusable)?;
    let own: Arc<dyn Upstream> = Arc::new(Free(own));
    let timeout = Duration::from_millis(section.timeout_ms);
    let upstream = match upstream {
        UpstreamSection::Assistant {} => Arc::clone(&own),
        other => paid::upstream(other, client, timeout)?,
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

/// Shows what the gateway counts among other figures; how accounts stand is a few seconds old there.
pub fn show_figures(front: &Front, metrics: &Metrics) {
    let (gateway, standings) = (front.gateway.clone(), Arc::new(Mutex::new(Vec::new())));
    let shown = Arc::clone(&standings);
    metrics.also(move |text| {
        let standings = shown.lock().unwrap_or_else(PoisonError::into_inner);
        gateway.figures().write(text, &standings, gateway.is_resting());
    });
    let gateway = front.gateway.clone();
    tokio::spawn(async move {
        loop {
            if let Some(now) = gateway.standings().await {
                *standings.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
            tokio::time::sleep(TEND_INTERVAL).await;
        }
    });
}

async fn expire(till: Till) {
    loop {
        tokio::time::sleep(TEND_INTERVAL).await;
        if let Err(error) = till.expire(SystemClock.now()).await {
            tracing::error!(error = error.chain(), "reservations cannot be ended");
        }
    }
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
        return Ok(key.clone());
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
