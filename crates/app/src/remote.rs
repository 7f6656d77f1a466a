//! Models elsewhere: in object stores under Rasa's names or an address, and on another Intendant.

use std::path::{Path, PathBuf};

use intendant_blob::bucket::Bucket;
use intendant_client::http::HttpClient;
use intendant_config::Environment;
use intendant_train::assistant::Assistant;

use crate::failure::Failure;
use crate::model;

/// The ending of archives.
const ENDING: &str = ".tar.gz";

/// The name of an object for a model, as Rasa makes it.
pub fn key_of(model: &str) -> String {
    match model.ends_with(ENDING) {
        true => model.to_owned(),
        false => format!("{model}{ENDING}"),
    }
}

/// Opens an object store.
///
/// # Errors
/// When its name or its variables cannot be used.
pub fn bucket(place: &str, environment: &Environment, client: &HttpClient) -> Result<Bucket, Failure> {
    let is_amazon = place == "aws" || place.starts_with("s3://");
    let variables = match is_amazon {
        true => environment.with_aws_profile().map_err(|why| Failure::new("", format!("{place}: {why}")))?,
        false => environment.all().clone(),
    };
    Bucket::open(place, &variables, client).map_err(|error| Failure::of("", &error))
}

/// Loads the model that `--remote-storage` and `--model` name.
///
/// # Errors
/// When the store does not have it, or it cannot be loaded.
pub async fn load(
    storage: &str,
    model: &Path,
    environment: &Environment,
    client: &HttpClient,
) -> Result<(Assistant, PathBuf), Failure> {
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    if model.is_dir() || model == Path::new("models") {
        let message = format!(
            "--remote-storage {storage}: name the model with --model NAME{ENDING}; `{}` is a folder",
            model.display()
        );
        return Err(Failure::new("", message));
    }
    let bucket = bucket(storage, environment, client)?;
    bucket.prepare().await.map_err(failed)?;
    let key = key_of(&model.to_string_lossy());
    let name = PathBuf::from(key.rsplit('/').next().unwrap_or(&key));
    let folder = std::env::temp_dir().join(format!("intendant-{}", uuid::Uuid::new_v4().simple()));
    let fetched = bucket.get_file(&key, &folder).await;
    let loaded = match fetched {
        Ok(fetched) => tokio::task::spawn_blocking(move || model::load_file(&fetched.path))
            .await
            .unwrap_or_else(|error| Err(Failure::of("", &error))),
        Err(error) => Err(failed(error)),
    };
    // What stays behind is only in the way.
    let _ = std::fs::remove_dir_all(&folder);
    let shown = |failure: Failure| {
        Failure::new("", format!("model {key} of {}: {}", bucket.shown(), failure.message()))
    };
    Ok((loaded.map_err(shown)?, name))
}
