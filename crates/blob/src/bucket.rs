//! Which store is meant, by Rasa's names and variables or by an address.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use intendant_client::http::HttpClient;
use intendant_port::error::{Error, Kind, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};

use crate::connector::Connector;

/// The names that Rasa gives its stores.
pub const RASA_NAMES: [&str; 3] = ["aws", "gcs", "azure"];
/// How often a failed request is sent again.
const RETRIES_MAX: usize = 4;
/// How long all tries of a request may take.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the signature of a request that makes a bucket holds.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(300);

/// A place for archives in a store.
#[derive(Clone)]
pub struct Bucket {
    store: Store,
    name: String,
    prefix: Path,
    shown: String,
    client: HttpClient,
    region: Option<String>,
}

#[derive(Clone)]
enum Store {
    S3(Arc<AmazonS3>),
    Google(Arc<GoogleCloudStorage>),
    Azure(Arc<MicrosoftAzure>),
    Folder(Arc<LocalFileSystem>),
}

/// The variables that name keys and addresses of stores.
pub type Variables = BTreeMap<String, String>;

enum Service {
    S3,
    Google,
    Azure,
}

impl Bucket {
    /// Opens a store: `aws`, `gcs` or `azure` with Rasa's variables, `s3://bucket/folder`, `gs://…`, `az://…`, or a
    /// folder as a path or `file://…`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When the name is none of these, or a variable is missing.
    pub fn open(place: &str, variables: &Variables, client: &HttpClient) -> Result<Self> {
        let wanted = |name: &str| {
            variables.get(name).filter(|value| !value.is_empty()).cloned().ok_or_else(|| {
                let message = format!("object store `{place}`: the environment variable {name} is not set");
                Error::new(Kind::Unsupported, message)
            })
        };
        let (service, name, prefix) = match place.split_once("://") {
            None if place == "aws" => (Service::S3, wanted("BUCKET_NAME")?, String::new()),
            None if place == "gcs" => (Service::Google, wanted("BUCKET_NAME")?, String::new()),
            None if place == "azure" => (Service::Azure, wanted("AZURE_CONTAINER")?, String::new()),
            Some(("s3", rest)) => with_prefix(Service::S3, rest),
            Some(("gs" | "gcs", rest)) => with_prefix(Service::Google, rest),
            Some(("az" | "azure", rest)) => with_prefix(Service::Azure, rest),
            Some(("file", path)) => return Self::folder(path, place, client),
            None if place.contains('/') || std::path::Path::new(place).is_dir() => {
                return Self::folder(place, place, client);
            }
            _ => {
                let message = format!(
                    "`{place}` is no object store: there are {}, s3://BUCKET, gs://BUCKET, az://CONTAINER, and folders",
                    RASA_NAMES.join(", ")
                );
                return Err(Error::new(Kind::Unsupported, message));
            }
        };
        let unusable = |error: object_store::Error| {
            Error::new(Kind::Unsupported, format!("object store `{place}` cannot be used")).because(error)
        };
        let (store, region) = match service {
            Service::S3 => s3(&name, variables, client).map_err(unusable)?,
            Service::Google => (google(&name, variables, client).map_err(unusable)?, None),
            Service::Azure => (azure(&name, variables, client).map_err(unusable)?, None),
        };
        let shown = place.to_owned();
        Ok(Self { store, name, prefix: Path::from(prefix), shown, client: client.clone(), region })
    }

    fn folder(path: &str, place: &str, client: &HttpClient) -> Result<Self> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Kind::Unavailable, format!("the folder {path} cannot be used")).because(error)
        };
        let path = PathBuf::from(path);
        std::fs::create_dir_all(&path).map_err(|error| failed(error.into()))?;
        let store = LocalFileSystem::new_with_prefix(&path).map_err(|error| failed(error.into()))?;
        Ok(Self {
            store: Store::Folder(Arc::new(store)),
            name: path.display().to_string(),
            prefix: Path::default(),
            shown: place.to_owned(),
            client: client.clone(),
            region: None,
        })
    }

    /// The place as it was named.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Makes the bucket of an S3-like store if it is not there, as Rasa does.
    ///
    /// # Errors
    /// When the store cannot be asked, or refuses.
    pub async fn prepare(&self) -> Result<()> {
        let Store::S3(store) = &self.store else { return Ok(()) };
        let missing = match store.head(&Path::from(".intendant-bucket-check")).await {
            Err(object_store::Error::NotFound { source, .. }) => source.to_string().contains("NoSuchBucket"),
            _ => return Ok(()),
        };
        // A HEAD has no body that says which of the two is missing, so a listing is asked as well.
        let missing = missing || store.list_with_delimiter(None).await.is_err();
        if !missing {
            return Ok(());
        }
        let failed =
            |why: String| Error::new(Kind::Refused, format!("cannot make the bucket {}: {why}", self.name));
        let url = store.signed_url(Method::PUT, &Path::default(), SIGNATURE_LIFETIME).await;
        let url = url.map_err(|error| failed(error.to_string()))?;
        let body = match self.region.as_deref() {
            None | Some("us-east-1") => String::new(),
            Some(region) => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        let request = Request::put(url.as_str()).body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| failed(error.to_string()))?;
        let answer = self.client.exchange(request).await?;
        match answer.status().as_u16() {
            // Somebody else made it meanwhile.
            200..300 | 409 => Ok(()),
            status => Err(failed(format!("the store answered {status}"))),
        }
    }

    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        match &self.store {
            Store::S3(store) => &**store,
            Store::Google(store) => &**store,
            Store::Azure(store) => &**store,
            Store::Folder(store) => &**store,
        }
    }

    /// The store's uploads in parts, where it has such.
    pub(crate) fn parts(&self) -> Option<&dyn MultipartStore> {
        match &self.store {
            Store::S3(store) => Some(&**store),
            Store::Google(store) => Some(&**store),
            Store::Azure(store) => Some(&**store),
            Store::Folder(_) => None,
        }
    }

    pub(crate) fn path(&self, key: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(key).parts()))
    }

    /// Names a failure of the store.
    pub(crate) fn failed(&self, what: &str, key: &str, error: object_store::Error) -> Error {
        let kind = match &error {
            object_store::Error::NotFound { .. } => Kind::Invalid,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Kind::Refused
            }
            _ => Kind::Unavailable,
        };
        Error::new(kind, format!("cannot {what} {key} in {}", self.shown)).because(error)
    }
}

fn with_prefix(service: Service, rest: &str) -> (Service, String, String) {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    (service, name.to_owned(), prefix.trim_matches('/').to_owned())
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}

fn s3(
    name: &str,
    variables: &Variables,
    client: &HttpClient,
) -> object_store::Result<(Store, Option<String>)> {
    let mut builder = AmazonS3Builder::new().with_bucket_name(name).with_region("us-east-1");
    let mut region = None;
    for (variable, value) in variables.iter().filter(|(variable, _)| variable.starts_with("AWS_")) {
        if let Ok(key) = variable.to_lowercase().parse::<AmazonS3ConfigKey>() {
            if matches!(key, AmazonS3ConfigKey::Region | AmazonS3ConfigKey::DefaultRegion) {
                region = Some(value.clone());
            }
            builder = builder.with_config(key, value);
        }
    }
    let is_plain = variables.get("AWS_ENDPOINT_URL").is_some_and(|url| url.starts_with("http://"));
    let builder = builder
        .with_client_options(ClientOptions::new().with_allow_http(is_plain))
        .with_retry(retries())
        .with_http_connector(Connector(client.clone()));
    Ok((Store::S3(Arc::new(builder.build()?)), region))
}

fn google(name: &str, variables: &Variables, client: &HttpClient) -> object_store::Result<Store> {
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(name);
    for (variable, value) in variables.iter().filter(|(variable, _)| variable.starts_with("GOOGLE_")) {
        if let Ok(key) = variable.to_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    // As Google's own libraries, for what stands in for it.
    if let Some(url) = variables.get("STORAGE_EMULATOR_HOST") {
        builder = builder.with_base_url(url).with_skip_signature(true);
    }
    let is_plain = ["STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"]
        .iter()
        .any(|name| variables.get(*name).is_some_and(|url| url.starts_with("http://")));
    let builder = builder
        .with_client_options(ClientOptions::new().with_allow_http(is_plain))
        .with_retry(retries())
        .with_http_connector(Connector(client.clone()));
    Ok(Store::Google(Arc::new(builder.build()?)))
}

fn azure(name: &str, variables: &Variables, client: &HttpClient) -> object_store::Result<Store> {
    let mut builder = MicrosoftAzureBuilder::new().with_container_name(name);
    for (variable, value) in variables.iter().filter(|(variable, _)| variable.starts_with("AZURE_")) {
        if let Ok(key) = variable.to_lowercase().parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    // Rasa's names for the two.
    if let Some(account) = variables.get("AZURE_ACCOUNT_NAME") {
        builder = builder.with_account(account);
    }
    if let Some(key) = variables.get("AZURE_ACCOUNT_KEY") {
        builder = builder.with_access_key(key);
    }
    let endpoint = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"].iter().find_map(|name| variables.get(*name));
    let is_plain = endpoint.is_some_and(|url| url.starts_with("http://"));
    let builder = builder
        .with_client_options(ClientOptions::new().with_allow_http(is_plain))
        .with_retry(retries())
        .with_http_connector(Connector(client.clone()));
    Ok(Store::Azure(Arc::new(builder.build()?)))
}
