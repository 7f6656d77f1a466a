//! Models by tag, as model servers of Rasa assistants give them out.
//!
//! `GET /api/projects/<project>/models/tags/<tag>`, newer `GET /api/models/tags/<tag>`: the archive with
//! its digest as `ETag` and its name as `filename`; 304 when the caller has it already, 404 when nothing
//! has the tag. A download that broke off goes on with `Range: bytes=<from>-` and `If-Range`.
//! Source: Rasa 3.6 `model.py` (pull) and Rasa X's API.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use intendant_registry::catalog::{Catalog, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// The archive is read in pieces of this size.
const PIECE_BYTES: usize = 1 << 18;

/// Whose models are given out, and to whom.
#[derive(Clone, Debug)]
pub struct ModelServer {
    /// The models folder.
    pub folder: PathBuf,
    /// URL of the index, if it is not in the folder.
    pub database: Option<String>,
    /// Who asks must give this as `token`, `api_token`, or as a bearer token.
    pub token: Option<String>,
}

/// The routes; everything else is left to other routers.
pub fn router(models: ModelServer) -> Router {
    Router::new()
        .route("/api/projects/{project}/models/tags/{tag}", get(of_project))
        .route("/api/models/tags/{tag}", get(by_tag))
        .with_state(Arc::new(models))
}

type Tokens = Vec<(String, String)>;

type Shared = State<Arc<ModelServer>>;

async fn of_project(
    state: Shared,
    Path((_, tag)): Path<(String, String)>,
    tokens: Query<Tokens>,
    headers: HeaderMap,
) -> Response {
    answer(&state, &tag, &tokens, &headers).await
}

async fn by_tag(
    state: Shared,
    Path(tag): Path<String>,
    tokens: Query<Tokens>,
    headers: HeaderMap,
) -> Response {
    answer(&state, &tag, &tokens, &headers).await
}

async fn answer(models: &ModelServer, tag: &str, tokens: &Tokens, headers: &HeaderMap) -> Response {
    if !models.lets_in(tokens, headers) {
        return refusal(StatusCode::UNAUTHORIZED, "NotAuthenticated", "a valid token is needed");
    }
    match models.archive(tag, headers).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error, tag, "a model could not be given out");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "ModelError", "the model cannot be read at present")
        }
    }
}

pub(crate) fn refusal(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({"status": "failure", "code": status.as_u16(), "reason": reason, "message": message});
    (status, axum::Json(body)).into_response()
}

impl ModelServer {
    /// Whether a request has the token, where one is asked for.
    pub(crate) fn lets_in(&self, query: &[(String, String)], headers: &HeaderMap) -> bool {
        let Some(wanted) = &self.token else { return true };
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let tokens = query.iter().filter(|(key, _)| key == "token" || key == "api_token");
        tokens
            .map(|(_, token)| token.as_str())
            .chain(bearer)
            .any(|given| is_same(given.as_bytes(), wanted.as_bytes()))
    }

    async fn archive(&self, tag: &str, headers: &HeaderMap) -> Result<Response, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let nothing = || refusal(StatusCode::NOT_FOUND, "ModelNotFound", "no model has this tag");
        let catalog =
            Catalog::open(&self.folder, self.database.as_deref()).await.map_err(|error| text(&error))?;
        let Some(version) = catalog.tagged(tag).await.map_err(|error| text(&error))? else {
            return Ok(nothing());
        };
        if catalog.file(&version).is_none() {
            return Ok(nothing());
        }
        send(&catalog, &version, headers).await
    }
}

/// The archive of a version, or the rest of it, or that the caller has it.
pub(crate) async fn send(
    catalog: &Catalog,
    version: &Version,
    headers: &HeaderMap,
) -> Result<Response, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let etag = format!("\"{}\"", version.digest);
    let has = |name: header::HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|one| one.trim().trim_start_matches("W/").trim_matches('"') == version.digest)
    };
    if has(header::IF_NONE_MATCH) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let Some(path) = catalog.file(version) else {
        return Ok(refusal(StatusCode::NOT_FOUND, "ModelNotFound", "the archive has been removed"));
    };
    let mut file = tokio::fs::File::open(&path).await.map_err(|error| text(&error))?;
    // A part is only of use to somebody who has the beginning of the same archive.
    let from = if headers.contains_key(header::IF_RANGE) && !has(header::IF_RANGE) {
        None
    } else {
        range_start(headers)
    };
    let from = match from {
        Some(from) if from >= version.bytes => {
            let range = format!("bytes */{}", version.bytes);
            let headers = [(header::CONTENT_RANGE, range)];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
        from => from,
    };
    file.seek(std::io::SeekFrom::Start(from.unwrap_or(0))).await.map_err(|error| text(&error))?;
    let mut response = Response::new(pieces(file));
    let mut set = |name: header::HeaderName, value: String| -> Result<(), String> {
        let value = HeaderValue::from_str(&value).map_err(|error| text(&error))?;
        response.headers_mut().insert(name, value);
        Ok(())
    };
    set(header::ETAG, etag)?;
    set(header::HeaderName::from_static("repr-digest"), repr_digest(&version.digest))?;
    set(header::HeaderName::from_static("filename"), version.file.clone())?;
    set(header::CONTENT_TYPE, "application/gzip".to_owned())?;
    set(header::ACCEPT_RANGES, "bytes".to_owned())?;
    set(header::CONTENT_LENGTH, (version.bytes - from.unwrap_or(0)).to_string())?;
    if let Some(from) = from {
        let last = version.bytes - 1;
        set(header::CONTENT_RANGE, format!("bytes {from}-{last}/{}", version.bytes))?;
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

// The digest as RFC 9530 wants it.
fn repr_digest(digest: &str) -> String {
    let pairs = digest.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Vec<u8> = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    format!("sha-256=:{}:", STANDARD.encode(bytes))
}

// `bytes=<from>-`; other ranges are not served in parts.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn pieces(file: tokio::fs::File) -> Body {
    Body::from_stream(stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                Some((Ok(Bytes::from(piece)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

// Takes as long for a wrong first letter as for a wrong last one.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
}
