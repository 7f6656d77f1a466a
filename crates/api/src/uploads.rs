//! Archives in and out over HTTP, in pieces.
//!
//! | method and path | does |
//! |---|---|
//! | `GET /api/models` | lists all versions with their tags |
//! | `GET /api/models/archives/<model>` | the archive of a version or tag, with `ETag` and `Range` |
//! | `GET /api/models/records/<model>` | its record |
//! | `PUT /api/models/records/<digest>` | keeps a record for the archive that will come |
//! | `GET /api/models/uploads/<digest>` | how many bytes of an archive have come |
//! | `PUT /api/models/uploads/<digest>?filename=` | a piece, by `Content-Range`; 202 until all is there, then 201 |
//!
//! A digest is the SHA-256 of the whole archive; one that does not have it is not taken.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use intendant_port::web::form_decode;
use intendant_registry::catalog::{self, Catalog, Version};
use serde_json::{Value, json};
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::early::Early;
use crate::registry::{ModelServer, refusal};

/// The largest archive that is taken.
const ARCHIVE_BYTES_MAX: u64 = 4 << 30;
/// The largest record that is taken.
const RECORD_BYTES_MAX: usize = 4 << 20;
/// Characters of a digest.
const DIGEST_LENGTH: usize = 64;

/// The routes; everything else is left to other routers.
pub fn router(models: ModelServer) -> Router {
    Router::new()
        .route("/api/models", get(list))
        .route("/api/models/archives/{model}", get(archive))
        .route("/api/models/records/{model}", get(record).put(put_record))
        .route("/api/models/uploads/{digest}", get(progress).put(put_piece))
        .layer(DefaultBodyLimit::max(RECORD_BYTES_MAX))
        .with_state(Arc::new(models))
}

type Answer = Result<Response, Early>;

/// The catalogue, for those who have the token.
struct Opened {
    catalog: Catalog,
    query: Vec<(String, String)>,
}

impl FromRequestParts<Arc<ModelServer>> for Opened {
    type Rejection = Early;

    async fn from_request_parts(parts: &mut Parts, models: &Arc<ModelServer>) -> Result<Self, Early> {
        let query = form_decode(parts.uri.query().unwrap_or_default());
        if !models.lets_in(&query, &parts.headers) {
            return Err(
                refusal(StatusCode::UNAUTHORIZED, "NotAuthenticated", "a valid token is needed").into()
            );
        }
        let catalog = Catalog::open(&models.folder, models.database.as_deref()).await.map_err(failed)?;
        Ok(Self { catalog, query })
    }
}

async fn list(Opened { catalog, .. }: Opened) -> Answer {
    catalog.adopt().await.map_err(failed)?;
    let tags = catalog.tags().await.map_err(failed)?;
    let told = catalog.versions().await.map_err(failed)?.into_iter().map(|version| {
        let tags: Vec<&str> =
            tags.iter().filter(|tag| tag.digest == version.digest).map(|tag| tag.name.as_str()).collect();
        let mut told = json!(version);
        told["tags"] = json!(tags);
        told
    });
    Ok(axum::Json(told.collect::<Vec<Value>>()).into_response())
}

async fn archive(Opened { catalog, .. }: Opened, Path(model): Path<String>, headers: HeaderMap) -> Answer {
    let version = find(&catalog, &model).await?;
    let sent = crate::registry::send(&catalog, &version, &headers).await;
    sent.map_err(|error| refusal(StatusCode::INTERNAL_SERVER_ERROR, "ModelError", &error).into())
}

async fn record(Opened { catalog, .. }: Opened, Path(model): Path<String>) -> Answer {
    Ok(axum::Json(find(&catalog, &model).await?).into_response())
}

async fn put_record(Opened { catalog, .. }: Opened, Path(digest): Path<String>, body: Bytes) -> Answer {
    let digest = checked(&digest)?;
    let record: Version = serde_json::from_slice(&body)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, "BadRequest", &format!("the record: {error}")))?;
    let folder = catalog.transfers();
    let written = async {
        fs::create_dir_all(&folder).await?;
        fs::write(folder.join(format!("{digest}.json")), json!(record).to_string()).await
    };
    written.await.map_err(|error| storage(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn progress(Opened { catalog, .. }: Opened, Path(digest): Path<String>) -> Answer {
    let digest = checked(&digest)?;
    let is_here = match catalog.find(digest).await {
        Ok(version) => catalog.file(&version).is_some(),
        Err(_) => false,
    };
    let bytes = length(&part(&catalog, digest)).await;
    Ok(axum::Json(json!({"complete": is_here, "bytes": bytes})).into_response())
}

async fn put_piece(
    Opened { catalog, query }: Opened,
    Path(digest): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let digest = checked(&digest)?;
    if let Ok(version) = catalog.find(digest).await
        && catalog.file(&version).is_some()
    {
        return Ok(axum::Json(version).into_response());
    }
    let piece = Piece::of(&headers)?;
    let part = part(&catalog, digest);
    fs::create_dir_all(catalog.transfers()).await.map_err(|error| storage(&error))?;
    let Some(file) = alone(&part).map_err(|error| storage(&error))? else {
        let message = "somebody else is sending this archive just now";
        return Err(refusal(StatusCode::CONFLICT, "Conflict", message).into());
    };
    let here = length(&part).await;
    if piece.first != here {
        let message = format!("{here} bytes have come, go on from there");
        return Err(so_far(refusal(StatusCode::CONFLICT, "Conflict", &message), here).into());
    }
    let here = append(file, body, piece.total).await?;
    if here < piece.total {
        return Ok(so_far(StatusCode::ACCEPTED.into_response(), here));
    }
    let notes = catalog.transfers().join(format!("{digest}.json"));
    let record = fs::read(&notes).await.ok().and_then(|bytes| serde_json::from_slice::<Version>(&bytes).ok());
    let name = query.iter().find(|(key, _)| key == "filename").map(|(_, name)| name.as_str());
    let name = name.or(record.as_ref().map(|record| record.file.as_str())).unwrap_or("model.tar.gz");
    let received = catalog.receive(&part, digest, name, record.as_ref()).await.map_err(failed)?;
    let _ = fs::remove_file(&notes).await;
    Ok((StatusCode::CREATED, axum::Json(received)).into_response())
}

/// Which part of an archive a body is.
struct Piece {
    first: u64,
    total: u64,
}

impl Piece {
    /// `Content-Range: bytes <first>-<last>/<total>`; a body without it is the whole.
    fn of(headers: &HeaderMap) -> Result<Self, Early> {
        let wrong = |message: &str| refusal(StatusCode::BAD_REQUEST, "BadRequest", message);
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let piece = match text(header::CONTENT_RANGE) {
            Some(range) => {
                let parsed = range.strip_prefix("bytes ").and_then(|range| {
                    let (span, total) = range.split_once('/')?;
                    let (first, _) = span.split_once('-')?;
                    Some(Piece { first: first.trim().parse().ok()?, total: total.trim().parse().ok()? })
                });
                parsed.ok_or_else(|| wrong("`Content-Range` must be `bytes FIRST-LAST/TOTAL`"))?
            }
            None => {
                let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
                let total = length.ok_or_else(|| wrong("`Content-Range` or `Content-Length` is needed"))?;
                Piece { first: 0, total }
            }
        };
        if piece.total > ARCHIVE_BYTES_MAX {
            let message = format!("an archive may have at most {ARCHIVE_BYTES_MAX} bytes");
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", &message).into());
        }
        Ok(piece)
    }
}

// The file for what comes, unless another request writes it.
fn alone(part: &FilePath) -> std::io::Result<Option<std::fs::File>> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(part)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

// How many bytes there are then. What came before a connection broke stays.
async fn append(file: std::fs::File, body: Body, total: u64) -> Result<u64, Early> {
    let mut here = file.metadata().map_err(|error| storage(&error))?.len();
    let mut file = fs::File::from_std(file);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else { break };
        here += piece.len() as u64;
        if here > total {
            return Err(refusal(StatusCode::BAD_REQUEST, "BadRequest", "more came than was announced").into());
        }
        file.write_all(&piece).await.map_err(|error| storage(&error))?;
    }
    file.sync_all().await.map_err(|error| storage(&error))?;
    Ok(here)
}

fn so_far(mut response: Response, bytes: u64) -> Response {
    if let Some(last) = bytes.checked_sub(1)
        && let Ok(value) = HeaderValue::from_str(&format!("bytes=0-{last}"))
    {
        response.headers_mut().insert(header::RANGE, value);
    }
    response
}

async fn find(catalog: &Catalog, model: &str) -> Result<Version, Early> {
    // Looking through the folder takes time, so only when it is needed.
    if let Ok(version) = catalog.find(model).await {
        return Ok(version);
    }
    catalog.adopt().await.map_err(failed)?;
    Ok(catalog.find(model).await.map_err(failed)?)
}

fn checked(digest: &str) -> Result<&str, Early> {
    let is_digest = digest.len() == DIGEST_LENGTH
        && digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let message = "a digest is 64 hexadecimal digits, in lower case";
    if is_digest { Ok(digest) } else { Err(refusal(StatusCode::BAD_REQUEST, "BadRequest", message).into()) }
}

fn part(catalog: &Catalog, digest: &str) -> PathBuf {
    catalog.transfers().join(format!(".{digest}.part"))
}

async fn length(path: &FilePath) -> u64 {
    fs::metadata(path).await.map_or(0, |metadata| metadata.len())
}

fn failed(error: catalog::Error) -> Response {
    let (status, reason) = match error.kind {
        catalog::Kind::NotFound => (StatusCode::NOT_FOUND, "ModelNotFound"),
        catalog::Kind::Damaged => (StatusCode::UNPROCESSABLE_ENTITY, "Damaged"),
        catalog::Kind::Refused => (StatusCode::CONFLICT, "Conflict"),
        catalog::Kind::Storage => {
            tracing::error!(%error, "the models folder or its index cannot be used");
            return refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ModelError",
                "the models cannot be read at present",
            );
        }
    };
    refusal(status, reason, &error.to_string())
}

fn storage(error: &std::io::Error) -> Response {
    tracing::error!(%error, "an archive that comes cannot be written");
    refusal(StatusCode::INSUFFICIENT_STORAGE, "ModelError", "the archive cannot be written")
}
