//! The file of a model trained elsewhere: on this machine, at an HTTP address, or in an object store.
//!
//! What was fetched stays in `.intendant/fetched`: it is asked for again only with the tag of the copy, and the copy is
//! used while its place cannot be reached. With a declared digest nothing is asked at all once the copy has it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{HttpClient, Outgoing};
use intendant_config::Environment;
use intendant_predictor::spec::Model;
use intendant_streams::row::digest;
use intendant_train::files;

use super::failed;
use crate::failure::Failure;
use crate::{remote, wiring};

/// Where copies are.
const FOLDER: &str = ".intendant/fetched";
/// How long fetching may take.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The largest file that is fetched.
const FILE_BYTES_MAX: usize = 2 << 30;

/// The bytes of the model's file; with a digest declared, they have it.
///
/// # Errors
/// When the file is not there, or another one than declared.
pub fn model_file(model: &Model, environment: &Environment) -> Result<Vec<u8>, Failure> {
    let place = model.file.as_deref().unwrap_or_default();
    let wanted = model.sha256.as_deref().map(str::to_lowercase);
    if !place.contains("://") {
        let bytes = read(Path::new(place))?;
        return checked(bytes, place, wanted.as_deref());
    }
    let copy = Path::new(FOLDER).join(&digest(place.as_bytes())[..32]);
    if let (Some(wanted), Ok(bytes)) = (&wanted, std::fs::read(&copy))
        && digest(&bytes) == *wanted
    {
        return Ok(bytes);
    }
    let fetched = wiring::runtime()?.block_on(fetch(place, &copy, environment));
    let bytes = match fetched {
        Ok(bytes) => bytes,
        Err(failure) => {
            let Ok(bytes) = std::fs::read(&copy) else { return Err(failure) };
            tracing::warn!(place, error = failure.message(), "the copy fetched before is used");
            bytes
        }
    };
    checked(bytes, place, wanted.as_deref())
}

fn checked(bytes: Vec<u8>, place: &str, wanted: Option<&str>) -> Result<Vec<u8>, Failure> {
    let found = digest(&bytes);
    match wanted.is_none_or(|wanted| wanted == found) {
        true => Ok(bytes),
        false => Err(Failure::new(
            "",
            format!("{place} is not the file that `model.sha256` declares: it has {found}"),
        )),
    }
}

async fn fetch(place: &str, copy: &Path, environment: &Environment) -> Result<Vec<u8>, Failure> {
    let client = HttpClient::new().map_err(|error| failed(&error))?;
    if place.starts_with("http://") || place.starts_with("https://") {
        return fetch_by_http(place, copy, &client).await;
    }
    let Some((bucket, key)) = place.rsplit_once('/').filter(|(_, key)| !key.is_empty()) else {
        return Err(Failure::new("", format!("{place} names no file")));
    };
    let bucket = remote::bucket(bucket, environment, &client)?;
    // A file that is there whole is not sent again.
    let fetched = bucket.get_file(key, Path::new(FOLDER)).await.map_err(|error| failed(&error))?;
    let bytes = read(&fetched.path)?;
    keep(copy, &bytes)?;
    Ok(bytes)
}

async fn fetch_by_http(place: &str, copy: &Path, client: &HttpClient) -> Result<Vec<u8>, Failure> {
    let endpoint = Endpoint::bare(place).map_err(|error| failed(&error))?;
    let tag_file = with_tag(copy);
    let mut outgoing = Outgoing::get(TIMEOUT);
    let known = std::fs::read_to_string(&tag_file).ok().filter(|_| copy.exists());
    if let Some(tag) = known.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        outgoing.headers.insert(header::IF_NONE_MATCH, tag);
    }
    let answer = client.fetch(&endpoint, outgoing, FILE_BYTES_MAX).await.map_err(|error| failed(&error))?;
    match answer.status {
        StatusCode::NOT_MODIFIED => read(copy),
        status if status.is_success() => {
            let bytes = answer.body.to_vec();
            // The tag goes first and comes last: it never stands beside another file.
            let _ = std::fs::remove_file(&tag_file);
            keep(copy, &bytes)?;
            if let Some(tag) = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()) {
                keep(&tag_file, tag.as_bytes())?;
            }
            Ok(bytes)
        }
        status => Err(Failure::new("", format!("{place} answered with status {status}"))),
    }
}

fn with_tag(copy: &Path) -> PathBuf {
    copy.with_extension("tag")
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    files::read(path).map_err(|error| failed(&error))
}

fn keep(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write_whole(path, bytes).map_err(|error| failed(&error))
}
