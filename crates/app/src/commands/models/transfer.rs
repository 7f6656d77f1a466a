//! `models push` and `models pull`: archives with their records to object stores and other servers, and back.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use intendant_blob::bucket::Bucket;
use intendant_client::http::HttpClient;
use intendant_client::model_server::ModelServer;
use intendant_config::Environment;
use intendant_registry::catalog::{Act, Catalog, Version};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Where, catalog, failure, registry};
use crate::failure::Failure;
use crate::remote;
use crate::terminal::say;

/// The ending of a record beside its archive.
const RECORD_ENDING: &str = ".json";

/// What goes where.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// A tag, `name:version`, a file's name, the beginning of a digest, or `latest`.
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    place: Place,
}

/// What comes from where.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// The archive's name; of a server also a tag, `name:version` or a digest.
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    place: Place,
    /// Put this tag on it, without asking its gates.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

#[derive(Debug, Args)]
struct Place {
    /// `s3://BUCKET/FOLDER`, `gs://…`, `az://…`, `aws`, `gcs`, `azure`, a folder, or the URL of a server [default: `registry.remote` of
    /// intendant.yml].
    #[arg(value_name = "REMOTE")]
    remote: Option<String>,
    /// The server's token [default: `registry.remote_token` of intendant.yml].
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    #[command(flatten)]
    models: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

enum Remote {
    Bucket(Bucket),
    Server(ModelServer),
}

impl Place {
    fn remote(&self, environment: &Environment) -> Result<(Remote, String), Failure> {
        let failed = |error: intendant_port::error::Error| Failure::of("", &error);
        let settings = registry(environment)?;
        let Some(name) = self.remote.clone().or(settings.remote) else {
            let message = "name where to: `intendant models push MODEL REMOTE`, or `registry: {remote: …}` in intendant.yml";
            return Err(Failure::new("", message));
        };
        let client = HttpClient::new().map_err(failed)?;
        let remote = if name.starts_with("http://") || name.starts_with("https://") {
            let token = self.token.clone().or(settings.remote_token);
            Remote::Server(ModelServer::new(&name, token, client).map_err(failed)?)
        } else {
            Remote::Bucket(remote::bucket(&name, environment, &client)?)
        };
        Ok((remote, name))
    }
}

/// Runs `models push`.
pub async fn push(arguments: &PushArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let (remote, name) = arguments.place.remote(environment)?;
    let catalog = catalog(&arguments.place.models, environment).await?;
    let version = catalog.find(&arguments.model).await.map_err(failure)?;
    catalog.verify(&version).map_err(failure)?;
    let Some(file) = catalog.file(&version) else {
        return Err(Failure::new("", format!("the archive of {} has been removed", version.reference())));
    };
    let record = json!(version);
    match remote {
        Remote::Server(server) => {
            server.send(&version.digest, &file, &record).await.map_err(|error| Failure::of("", &error))?;
        }
        Remote::Bucket(bucket) => {
            let sent = async {
                bucket.prepare().await?;
                bucket.put_file(&version.file, &file, &catalog.transfers()).await?;
                // After the archive, so that a record tells of one that is there.
                bucket
                    .put_bytes(&format!("{}{RECORD_ENDING}", version.file), record.to_string().into_bytes())
                    .await
            };
            sent.await.map_err(|error| Failure::of("", &error))?;
        }
    }
    match arguments.place.json {
        true => say!("{}", json!({"model": version.reference(), "digest": version.digest, "remote": name})),
        false => say!("{} is at {name} as {}", version.reference(), version.file),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `models pull`.
pub async fn pull(arguments: &PullArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let (remote, name) = arguments.place.remote(environment)?;
    let folder = &arguments.place.models.folder;
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new("", format!("cannot create {}: {error}", folder.display())))?;
    let catalog = catalog(&arguments.place.models, environment).await?;
    let version = match remote {
        Remote::Server(server) => from_server(&catalog, &server, &arguments.model).await?,
        Remote::Bucket(bucket) => from_bucket(&catalog, &bucket, &arguments.model).await?,
    };
    if let Some(tag) = &arguments.tag {
        let current = catalog.tagged(tag).await.map_err(failure)?.map(|version| version.digest);
        let by = environment.user().unwrap_or("unknown");
        let reason = format!("pulled from {name}");
        let act = Act { by, reason: &reason, at: Timestamp::now() };
        catalog.tag(tag, &version, current.as_deref(), act).await.map_err(failure)?;
    }
    match arguments.place.json {
        true => say!("{}", json!(version)),
        false => say!("{} is here as {}", version.reference(), folder.join(&version.file).display()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn from_bucket(catalog: &Catalog, bucket: &Bucket, model: &str) -> Result<Version, Failure> {
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    let key = remote::key_of(model);
    let record = bucket.bytes(&format!("{key}{RECORD_ENDING}")).await.map_err(failed)?;
    let record = record.and_then(|bytes| serde_json::from_slice::<Version>(&bytes).ok());
    let fetched = match bucket.get_file(&key, &catalog.transfers()).await {
        Ok(fetched) => fetched,
        Err(error) => return Err(missing(bucket, &error).await),
    };
    // An archive that somebody else put there has no record; it still must be complete.
    let digest = record.as_ref().map_or(&fetched.digest, |record| &record.digest);
    catalog.receive(&fetched.path, digest, &key, record.as_ref()).await.map_err(failure)
}

// Who mistypes a name wants to see the names.
async fn missing(bucket: &Bucket, error: &intendant_port::error::Error) -> Failure {
    let failed = Failure::of("", error);
    let mut names = bucket.keys().await.unwrap_or_default();
    names.retain(|name| name.ends_with(".tar.gz"));
    match error.kind {
        intendant_port::error::Kind::Invalid => {
            let there = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            Failure::new("", format!("{}; there is {there}", error.message))
        }
        _ => failed,
    }
}

async fn from_server(catalog: &Catalog, server: &ModelServer, model: &str) -> Result<Version, Failure> {
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    let record: Value = server.record(model).await.map_err(failed)?;
    let record: Version = serde_json::from_value(record).map_err(|error| {
        Failure::new("", format!("the server's record of {model} cannot be read: {error}"))
    })?;
    if let Ok(known) = catalog.find(&record.digest).await
        && catalog.file(&known).is_some()
    {
        return Ok(known);
    }
    let part: PathBuf = catalog.transfers().join(format!(".{}.part", record.digest));
    std::fs::create_dir_all(catalog.transfers())
        .map_err(|error| Failure::new("", format!("cannot write {}: {error}", part.display())))?;
    server.fetch(&record.digest, record.bytes, &part).await.map_err(failed)?;
    catalog.receive(&part, &record.digest, &record.file, Some(&record)).await.map_err(failure)
}
