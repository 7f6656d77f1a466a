//! Access tokens for a Google service account.
//!
//! A signed claim is exchanged for a token that is good for an hour; it is kept until shortly before
//! its end, and one exchange serves all who wait. Source: RFC 7523; Google's "OAuth 2.0 for server to
//! server applications".

use std::fmt;
use std::time::{Duration, Instant};

use intendant_port::clock::Clock;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::form_encode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::clock::SystemClock;
use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};

const SCOPE: &str = "https://www.googleapis.com/auth/dialogflow";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long a claim is good.
const CLAIM_SECONDS: i64 = 3_600;
/// A token is renewed so long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// How long the exchange may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A service account that tokens are fetched for.
pub struct ServiceAccount {
    client: HttpClient,
    email: String,
    token_uri: Endpoint,
    audience: String,
    key: EncodingKey,
    key_id: Option<String>,
    token: Mutex<Option<(String, Instant)>>,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.email).finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// Reads the JSON file of an account's key.
    ///
    /// # Errors
    /// When it is no such file. What it says of the file holds no secret.
    pub fn new(client: HttpClient, json: &str) -> Result<Self> {
        let unusable = |why: &str| Error::new(Kind::Unsupported, format!("the service account's key {why}"));
        let file: Value =
            serde_json::from_str(json).map_err(|error| unusable("is no JSON").because(error))?;
        let field = |name: &str| {
            file[name]
                .as_str()
                .ok_or_else(|| unusable(&format!("has no `{name}`; use the JSON file of a key")))
        };
        let key = EncodingKey::from_rsa_pem(field("private_key")?.as_bytes())
            .map_err(|_| unusable("holds no RSA key in PEM"))?;
        let audience = file["token_uri"].as_str().unwrap_or("https://oauth2.googleapis.com/token").to_owned();
        Ok(Self {
            client,
            email: field("client_email")?.to_owned(),
            token_uri: Endpoint::bare(&audience)?,
            audience,
            key,
            key_id: file["private_key_id"].as_str().map(str::to_owned),
            token: Mutex::new(None),
        })
    }

    /// A token that is good for a while.
    ///
    /// # Errors
    /// When the exchange fails.
    pub async fn token(&self) -> Result<String> {
        let mut kept = self.token.lock().await;
        if let Some((token, until)) = &*kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let (token, lifetime) = self.exchange().await?;
        let until = Instant::now() + lifetime.saturating_sub(RENEW_BEFORE);
        *kept = Some((token.clone(), until));
        Ok(token)
    }

    /// Forgets the token, which was refused.
    pub async fn forget(&self, refused: &str) {
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|(token, _)| token == refused) {
            *kept = None;
        }
    }

    async fn exchange(&self) -> Result<(String, Duration)> {
        let now = SystemClock.now().micros / 1_000_000;
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.key_id);
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.audience,
            "iat": now,
            "exp": now + CLAIM_SECONDS,
        });
        let claim = jsonwebtoken::encode(&header, &claims, &self.key).map_err(|error| {
            Error::new(Kind::Unsupported, "cannot sign with the service account's key").because(error)
        })?;
        let body = form_encode(&[("grant_type", GRANT), ("assertion", &claim)]);
        let mut outgoing = Outgoing::json(body.into_bytes(), EXCHANGE_TIMEOUT);
        let form = ::http::HeaderValue::from_static("application/x-www-form-urlencoded");
        outgoing.headers.insert(::http::header::CONTENT_TYPE, form);
        let answer = self.client.send(&self.token_uri, outgoing).await?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(token) = body["access_token"].as_str().filter(|_| answer.status.is_success()) else {
            // What it says may repeat the claim; its words for the error do not.
            let why = body["error"].as_str().unwrap_or("no token");
            let kind = if answer.status.is_server_error() { Kind::Unavailable } else { Kind::Refused };
            return Err(Error::new(
                kind,
                format!("{} answered {} to the service account: {why}", self.audience, answer.status),
            ));
        };
        let seconds = body["expires_in"].as_u64().unwrap_or(3_600);
        Ok((token.to_owned(), Duration::from_secs(seconds)))
    }
}
