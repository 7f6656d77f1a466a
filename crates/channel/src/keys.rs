//! Public keys that a provider signs its tokens with, fetched when needed and kept for a day.

use std::sync::Mutex;
use std::sync::PoisonError;

use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::Request;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::platform::{Reach, ask};

/// How long keys are used.
const KEPT_SECS: i64 = 24 * 60 * 60;
/// How soon keys are fetched again for a token signed by another one.
const REFRESH_SECS: i64 = 60;

/// The keys of one provider.
pub(crate) struct Keys {
    source: Source,
    kept: Mutex<Option<(JwkSet, i64)>>,
}

/// Where keys are.
pub(crate) enum Source {
    /// At this URL.
    At(String),
    /// At the URL that an OpenID configuration at this URL names.
    Named(String),
}

/// What a token must say.
pub(crate) struct Expected<'a> {
    /// For whom it is.
    pub(crate) audience: &'a str,
    /// By whom it is.
    pub(crate) issuer: &'a str,
}

impl Keys {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, kept: Mutex::default() }
    }

    /// What a token says, if it is signed by one of the keys and says what it must.
    pub(crate) async fn read(&self, token: &str, expected: &Expected<'_>, reach: &Reach) -> Result<Value> {
        let refused = |why: &str| Error::new(Kind::Refused, format!("the token is refused: {why}"));
        let header = decode_header(token).map_err(|error| refused("it cannot be read").because(error))?;
        let id = header.kid.ok_or_else(|| refused("it names no key"))?;
        let keys = self.with(&id, reach).await?;
        let key = keys.find(&id).ok_or_else(|| refused("its key is not known"))?;
        let key =
            DecodingKey::from_jwk(key).map_err(|error| refused("its key is unusable").because(error))?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[expected.audience]);
        validation.set_issuer(&[expected.issuer]);
        // The clocks of two machines never agree.
        validation.leeway = 300;
        let claims = decode::<Value>(token, &key, &validation);
        Ok(claims.map_err(|error| refused("it is not valid here").because(error))?.claims)
    }

    async fn with(&self, id: &str, reach: &Reach) -> Result<JwkSet> {
        let now = reach.now_secs();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((keys, fetched)) = &kept {
            let age = now - fetched;
            if age < REFRESH_SECS || (age < KEPT_SECS && keys.find(id).is_some()) {
                return Ok(keys.clone());
            }
        }
        match self.fetch(reach).await {
            Ok(keys) => {
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((keys.clone(), now));
                Ok(keys)
            }
            Err(error) => match kept {
                Some((keys, _)) => {
                    tracing::warn!(error = error.chain(), "going on with the keys of yesterday");
                    Ok(keys)
                }
                None => Err(error),
            },
        }
    }

    async fn fetch(&self, reach: &Reach) -> Result<JwkSet> {
        let url = match &self.source {
            Source::At(url) => url.clone(),
            Source::Named(url) => {
                let configuration = ask(reach, Request::get("the OpenID configuration", url.clone())).await?;
                let named = configuration["jwks_uri"].as_str().map(str::to_owned);
                named.ok_or_else(|| Error::new(Kind::Invalid, "the OpenID configuration names no keys"))?
            }
        };
        let keys = ask(reach, Request::get("the keys of tokens", url)).await?;
        serde_json::from_value(keys)
            .map_err(|error| Error::new(Kind::Invalid, "the keys of tokens cannot be read").because(error))
    }
}
