//! Certificates from an authority that speaks ACME (RFC 8555), such as Let's Encrypt.
//!
//! That we serve a name is proved over HTTP (`http-01`, section 8.3): while an order is in hand,
//! [`Challenges`] knows what to answer under `/.well-known/acme-challenge/` on port 80. Account and
//! certificate are kept in a folder only we may read, so that a restart asks for nothing. Chain and
//! key are one file: whatever happens while it is written, they belong together.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use intendant_port::error::{Error, Kind, Result};
use serde_json::{Value, json};

use crate::http::HttpClient;

/// Where Let's Encrypt is.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// How long the authority may take to check, and to issue.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one request to it may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer of it that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const ACCOUNT: &str = "account.json";
const CERTIFICATE: &str = "certificate.json";
/// What an authority says that has forgotten an account.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// What is wanted of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address of the authority's directory.
    pub directory: String,
    /// The names that the certificate is for.
    pub names: Vec<String>,
    /// Whom the authority may write to.
    pub contact: Option<String>,
    /// The folder for account and certificate.
    pub store: PathBuf,
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate and those between it and its authority, PEM.
    pub chain: String,
    /// The private key, PEM.
    pub key: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

/// What is to be answered to the authority's questions.
#[derive(Debug, Default)]
pub struct Challenges {
    answers: Mutex<HashMap<String, String>>,
}

impl Challenges {
    /// The answer under `/.well-known/acme-challenge/<token>`.
    pub fn answer(&self, token: &str) -> Option<String> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn put(&self, token: String, answer: String) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(token, answer);
    }

    fn clear(&self) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The certificate that is kept for these names by this authority, if there is one.
///
/// # Errors
/// When it is there and cannot be read.
pub fn stored(settings: &Settings) -> Result<Option<Issued>> {
    let place = settings.store.join(CERTIFICATE);
    let Some(kept) = read(&place)? else { return Ok(None) };
    if kept["directory"] != settings.directory || kept["names"] != json!(settings.names) {
        return Ok(None);
    }
    match (&kept["chain"], &kept["key"]) {
        (Value::String(chain), Value::String(key)) => {
            Ok(Some(Issued { chain: chain.clone(), key: key.clone() }))
        }
        _ => Err(Error::new(Kind::Invalid, format!("{} holds no certificate", place.display()))),
    }
}

/// Asks the authority for a certificate and keeps it.
///
/// # Errors
/// When the authority cannot be reached, does not believe us, or the certificate cannot be kept.
pub async fn obtain(client: &HttpClient, settings: &Settings, challenges: &Challenges) -> Result<Issued> {
    let ordered = match order(client, settings).await {
        Err(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            // It has forgotten us, as test authorities do: we begin anew.
            let forgotten = fs::remove_file(settings.store.join(ACCOUNT));
            forgotten.map_err(|error| unkept(&settings.store, error))?;
            order(client, settings).await
        }
        other => other,
    };
    let mut ordered = ordered.map_err(|error| failed("order a certificate", error))?;
    let proved = prove(&mut ordered, settings, challenges).await;
    challenges.clear();
    proved?;
    let unissued = |error| failed("get the certificate", error);
    let key = ordered.finalize().await.map_err(unissued)?;
    let chain = ordered.poll_certificate(&patience()).await.map_err(unissued)?;
    let kept = json!({"directory": settings.directory, "names": settings.names, "chain": chain, "key": key});
    put(&settings.store.join(CERTIFICATE), &kept).map_err(|error| unkept(&settings.store, error))?;
    Ok(Issued { chain, key })
}

async fn order(client: &HttpClient, settings: &Settings) -> std::result::Result<Order, instant_acme::Error> {
    let account = account(client, settings).await?;
    let names: Vec<Identifier> = settings.names.iter().map(|name| Identifier::Dns(name.clone())).collect();
    account.new_order(&NewOrder::new(&names)).await
}

async fn account(
    client: &HttpClient,
    settings: &Settings,
) -> std::result::Result<Account, instant_acme::Error> {
    let builder = Account::builder_with_http(Box::new(Line(client.clone())));
    let place = settings.store.join(ACCOUNT);
    let kept = read(&place).map_err(other)?.filter(|kept| kept["directory"] == settings.directory);
    if let Some(mut kept) = kept {
        let credentials: AccountCredentials = serde_json::from_value(kept["credentials"].take())?;
        return builder.from_credentials(credentials).await;
    }
    let contact: Vec<String> = settings.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder.create(&wanted, settings.directory.clone(), None).await?;
    let kept = json!({"directory": settings.directory, "credentials": credentials});
    put(&place, &kept).map_err(|error| other(unkept(&settings.store, error)))?;
    Ok(account)
}

/// Lets the authority see that the names are ours.
async fn prove(order: &mut Order, settings: &Settings, challenges: &Challenges) -> Result<()> {
    let unproved = |error| failed("prove that the names are ours", error);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(unproved)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            let message = format!("the authority does not ask over HTTP for {}", settings.names.join(", "));
            return Err(Error::new(Kind::Unsupported, message));
        };
        let answer = challenge.key_authorization().as_str().to_owned();
        challenges.put(challenge.token.clone(), answer);
        challenge.set_ready().await.map_err(unproved)?;
    }
    match order.poll_ready(&patience()).await {
        Ok(OrderStatus::Ready) => Ok(()),
        outcome => {
            let why = match doubts(order).await {
                Some(doubts) => doubts,
                None => outcome.map_or_else(|error| error.to_string(), |status| format!("{status:?}")),
            };
            let message = format!(
                "the authority does not see that the names are ours; it asks each on port 80 under \
                 /.well-known/acme-challenge/: {why}"
            );
            Err(Error::new(Kind::Refused, message))
        }
    }
}

/// What the authority says of a name that it does not believe to be ours.
async fn doubts(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Some(problem.to_string());
        }
    }
    None
}

fn patience() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).timeout(PATIENCE)
}

/// Our client, as the library asks.
struct Line(HttpClient);

impl instant_acme::HttpClient for Line {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = std::result::Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let late = |_| Err(other(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())));
            let exchange = exchange(client, request);
            tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.unwrap_or_else(late)
        })
    }
}

async fn exchange(
    client: HttpClient,
    request: Request<BodyWrapper<Bytes>>,
) -> std::result::Result<BytesResponse, instant_acme::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|never: Infallible| -> instant_acme::Error { match never {} })?;
    let request = Request::from_parts(head, Full::new(body.to_bytes()));
    let response = client.exchange(request).await.map_err(|error| other(error.chain()))?;
    let (head, mut body) = response.into_parts();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(instant_acme::Error::Other)?;
        whole.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
        if whole.len() > ANSWER_BYTES_MAX {
            return Err(other(format!("an answer of more than {ANSWER_BYTES_MAX} bytes")));
        }
    }
    Ok(BytesResponse { parts: head, body: Box::new(Bytes::from(whole)) })
}

fn other(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> instant_acme::Error {
    instant_acme::Error::Other(why.into())
}

fn failed(action: &str, error: instant_acme::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {action}")).because(error)
}

fn unkept(store: &Path, error: io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot write in {}", store.display())).because(error)
}

fn read(path: &Path) -> Result<Option<Value>> {
    let bad = |why: &str| Error::new(Kind::Invalid, format!("{} {why}", path.display()));
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|error| bad("is damaged").because(error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad("cannot be read").because(error)),
    }
}

/// Writes a file that only we may read, whole or not at all.
fn put(path: &Path, value: &Value) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    folder.create(path.parent().unwrap_or(Path::new(".")))?;
    let mut file = options.open(&part)?;
    file.write_all(value.to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)
}
