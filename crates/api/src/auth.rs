//! Who may call what: a shared token in the query, or a signed JWT in the `Authorization` header.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::error::ApiError;
use crate::request::Request;

/// Who may call the API. Without token and key everybody may.
#[derive(Clone, Default)]
pub struct Auth {
    token: Option<String>,
    jwt: Option<Jwt>,
}

/// Checks signed tokens.
#[derive(Clone)]
pub struct Jwt {
    key: DecodingKey,
    validation: Validation,
}

/// A JWT setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadJwtSetting {
    /// What is wrong, lowercase, no full stop.
    pub message: String,
}

impl std::fmt::Display for BadJwtSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BadJwtSetting {}

impl Auth {
    /// The settings of `--auth-token`, `--jwt-secret` (a public key in PEM for asymmetric
    /// methods) and `--jwt-method`.
    pub fn new(
        token: Option<String>,
        jwt_secret: Option<&str>,
        jwt_method: &str,
    ) -> Result<Self, BadJwtSetting> {
        let jwt = jwt_secret.map(|secret| Jwt::new(secret, jwt_method)).transpose()?;
        Ok(Self { token, jwt })
    }

    /// Whether anything is asked of callers.
    pub fn is_required(&self) -> bool {
        self.token.is_some() || self.jwt.is_some()
    }

    /// Whether signed tokens are checked.
    pub fn checks_tokens(&self) -> bool {
        self.jwt.is_some()
    }

    /// Checks the request's signed token, whatever it allows.
    pub(crate) fn verify(&self, request: &Request) -> Result<(), ApiError> {
        let claims = match &self.jwt {
            Some(jwt) => jwt.claims(request)?,
            None => None,
        };
        claims.map(drop).ok_or_else(ApiError::not_authenticated)
    }

    /// Lets a request pass or says why not.
    pub fn check(&self, request: &Request, conversation_id: Option<&str>) -> Result<(), ApiError> {
        if !self.is_required() {
            return Ok(());
        }
        if let (Some(expected), Some(given)) = (&self.token, request.query("token"))
            && same_bytes(expected.as_bytes(), given.as_bytes())
        {
            return Ok(());
        }
        let claims = match &self.jwt {
            Some(jwt) => jwt.claims(request)?,
            None => None,
        };
        let claims = claims.ok_or_else(ApiError::not_authenticated)?;
        if may(&claims, conversation_id) { Ok(()) } else { Err(ApiError::not_authorized()) }
    }
}

fn may(claims: &Value, conversation_id: Option<&str>) -> bool {
    let user = &claims["user"];
    match user["role"].as_str() {
        Some("admin") => true,
        Some("user") => conversation_id.is_some() && user["username"].as_str() == conversation_id,
        _ => false,
    }
}

/// Compares without telling by its duration how far two secrets agree.
fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl Jwt {
    /// A check by this key: a shared secret or, for asymmetric methods, a public key in PEM.
    pub fn new(secret: &str, method: &str) -> Result<Self, BadJwtSetting> {
        let algorithm: Algorithm = method
            .parse()
            .map_err(|_| BadJwtSetting { message: format!("the JWT method '{method}' is not known") })?;
        let bytes = secret.as_bytes();
        let key = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Ok(DecodingKey::from_secret(bytes)),
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(bytes),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(bytes),
            _ => DecodingKey::from_rsa_pem(bytes),
        };
        let key = key.map_err(|error| BadJwtSetting {
            message: format!("the JWT secret is not a public key for {method}: {error}"),
        })?;
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        validation.leeway = 0;
        Ok(Self { key, validation })
    }

    fn claims(&self, request: &Request) -> Result<Option<Value>, ApiError> {
        let Some(header) = request.header(http::header::AUTHORIZATION) else {
            return Ok(None);
        };
        let token = header.strip_prefix("Bearer ").ok_or_else(ApiError::invalid_authorization)?;
        Ok(self.read(token))
    }

    /// What a token says, if its signature and time are right.
    pub(crate) fn read(&self, token: &str) -> Option<Value> {
        jsonwebtoken::decode::<Value>(token.trim(), &self.key, &self.validation).ok().map(|data| data.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method, header};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    fn request(token: Option<&str>, bearer: Option<String>) -> Request {
        let mut headers = HeaderMap::new();
        if let Some(bearer) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {bearer}")).unwrap();
            headers.insert(header::AUTHORIZATION, value);
        }
        let query = token.map(|token| ("token".to_owned(), token.to_owned())).into_iter().collect();
        Request { method: Method::GET, path: "/".to_owned(), query, headers, body: bytes::Bytes::new() }
    }

    fn signed(secret: &str, claims: Value) -> Option<String> {
        Some(encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap())
    }

    #[test]
    fn token_and_jwt_decide_who_may() {
        let admin = || signed("s", json!({"user": {"username": "root", "role": "admin"}}));
        let alice = || signed("s", json!({"user": {"username": "alice", "role": "user"}}));
        let check =
            |settings: (Option<&str>, Option<&str>), request: Request, on: Option<&str>, expected: u16| {
                let auth = Auth::new(settings.0.map(str::to_owned), settings.1, "HS256").unwrap();
                let found = match auth.check(&request, on) {
                    Ok(()) => 200,
                    Err(error) => error.body().unwrap()["code"].as_u64().unwrap(),
                };
                assert_eq!(found, u64::from(expected), "{settings:?} {request:?} on {on:?}");
            };
        check((None, None), request(None, None), None, 200);
        check((Some("t"), None), request(None, None), None, 401);
        check((Some("t"), None), request(Some("x"), None), None, 401);
        check((Some("t"), None), request(Some("t"), None), None, 200);
        check((Some("t"), None), request(None, admin()), None, 401);
        check((None, Some("s")), request(None, admin()), None, 200);
        check((None, Some("s")), request(None, alice()), None, 403);
        check((None, Some("s")), request(None, alice()), Some("alice"), 200);
        check((None, Some("s")), request(None, alice()), Some("bob"), 403);
        check(
            (None, Some("s")),
            request(None, signed("other", json!({"user": {"role": "admin"}}))),
            None,
            401,
        );
        check((None, Some("s")), request(None, signed("s", json!({"user": {"role": "guest"}}))), None, 403);
        check((None, Some("s")), request(None, signed("s", json!({}))), None, 403);
        let expired = || signed("s", json!({"user": {"role": "admin"}, "exp": 1}));
        check((None, Some("s")), request(None, expired()), None, 401);
        check((Some("t"), Some("s")), request(Some("t"), expired()), None, 200);
        check((Some("t"), Some("s")), request(Some("x"), admin()), None, 200);
    }

    #[test]
    fn unusable_jwt_settings_are_named() {
        let message = |secret, method| Auth::new(None, Some(secret), method).err().map(|error| error.message);
        assert_eq!(message("s", "XS1").unwrap(), "the JWT method 'XS1' is not known");
        assert!(message("s", "RS256").unwrap().starts_with("the JWT secret is not a public key for RS256"));
    }
}
