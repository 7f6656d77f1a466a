//! Tokens of declared routes: given out for a name and a password, shown as `Authorization: Bearer`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use intendant_port::web::form_decode;
use intendant_predictor::spec::{Spec, Tokens};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Predictors, json_body};
use crate::early::Early;

/// How long tokens are good for, unless declared otherwise.
const MINUTES: u64 = 30;
/// A hash of no password, compared with when the name is not known, so that both take as long.
const NOBODY: &str = "$2b$12$C6UzMDM.H6dfI/f/IKcEeOf3KBxbIDUiZ3LkwvCJ7oxwEEYkn16xG";

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

/// The routes that give tokens out.
pub fn router(predictors: &Predictors) -> Router {
    // Predictors of one service share their users.
    let mut all: BTreeMap<String, Tokens> = BTreeMap::new();
    for tokens in predictors.service.all().filter_map(|predictor| predictor.spec.serve.tokens.as_ref()) {
        let path = tokens.path.clone().unwrap_or_else(|| "/get_token".to_owned());
        match all.get_mut(&path) {
            Some(known) => {
                known.users.extend(tokens.users.clone());
                known.minutes = known.minutes.or(tokens.minutes);
            }
            None => drop(all.insert(path, tokens.clone())),
        }
    }
    all.into_iter().fold(Router::new(), |router, (path, tokens)| {
        let tokens = Arc::new(tokens);
        router.route(&path, post(move |body: Bytes| give(Arc::clone(&tokens), body)))
    })
}

async fn give(tokens: Arc<Tokens>, body: Bytes) -> Response {
    let form = form_decode(&String::from_utf8_lossy(&body));
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (Some(name), Some(password)) = (field("username"), field("password")) else {
        let detail = |name: &str| json!({"loc": ["body", name], "msg": "Field required", "type": "missing"});
        let missing: Vec<_> =
            ["username", "password"].into_iter().filter(|key| field(key).is_none()).map(detail).collect();
        return json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": missing}));
    };
    let known = tokens.users.get(&name).cloned();
    let hash = known.clone().unwrap_or_else(|| NOBODY.to_owned());
    // Comparing takes long on purpose.
    let fits = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
    if known.is_none() || !fits.unwrap_or(false) || tokens.secret.is_empty() {
        return json_body(StatusCode::BAD_REQUEST, &json!({"detail": "Incorrect username or password"}));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = Claims { sub: name, exp: now + 60 * tokens.minutes.unwrap_or(MINUTES) };
    let key = EncodingKey::from_secret(tokens.secret.as_bytes());
    match jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key) {
        Ok(token) => json_body(StatusCode::OK, &json!({"access_token": token, "token_type": "bearer"})),
        Err(error) => {
            tracing::error!(%error, "a token could not be signed");
            json_body(StatusCode::INTERNAL_SERVER_ERROR, &json!({"detail": "no token could be made"}))
        }
    }
}

/// Whether a caller shows a good token.
pub fn check(spec: &Spec, headers: &HeaderMap) -> Result<(), Early> {
    let secret =
        spec.serve.tokens.as_ref().map(|tokens| tokens.secret.as_str()).filter(|secret| !secret.is_empty());
    let shown =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let is_good = |token: &str| {
        let key = DecodingKey::from_secret(secret?.as_bytes());
        jsonwebtoken::decode::<Claims>(token.trim(), &key, &Validation::new(Algorithm::HS256)).ok()
    };
    if shown.and_then(is_good).is_some() {
        return Ok(());
    }
    let detail = if shown.is_none() { "Not authenticated" } else { "Could not validate credentials" };
    let mut response = json_body(StatusCode::UNAUTHORIZED, &json!({"detail": detail}));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(response.into())
}
