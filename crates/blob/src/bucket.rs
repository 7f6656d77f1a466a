//! Which store is meant, by Rasa's names and variables or by an address.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use intendant_client::http::HttpClient;
use intendant_port::error::{Error, Kind, Result};
use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use object_store::azure::MicrosoftAzure;
use object_store::gcp::GoogleCloudStorage;
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;

use crate::services::{azure, google, s3};

/// The names that Rasa gives its stores.
pub const RASA_NAMES: [&str; 3] = ["aws", "gcs", "azure"];

/// A place for archives in a store.
#[derive(Clone)]
pub struct Bucket {
    pub(crate) store: Store,
    pub(crate) name: String,
    prefix: Path,
    shown: String,
    pub(crate) client: HttpClient,
}

#[derive(Clone)]
pub(crate) enum Store {
    S3 {
        store: Arc<AmazonS3>,
        region: Option<String>,
    },
    Google {
        store: Arc<GoogleCloudStorage>,
        /// Where its other API is, which makes buckets.
        url: String,
        /// Whose a new bucket is.
        project: Option<String>,
    },
    Azure {
        store: Arc<MicrosoftAzure>,
        account: String,
        /// Where the account's containers are.
        url: String,
    },
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
        let store = match service {
            Service::S3 => s3(&name, variables, client),
            Service::Google => google(&name, variables, client),
            Service::Azure => azure(&name, variables, client),
        };
        let store = store.map_err(unusable)?;
        let shown = place.to_owned();
        Ok(Self { store, name, prefix: Path::from(prefix), shown, client: client.clone() })
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
        })
    }

    /// The place as it was named.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        match &self.store {
            Store::S3 { store, .. } => &**store,
            Store::Google { store, .. } => &**store,
            Store::Azure { store, .. } => &**store,
            Store::Folder(store) => &**store,
        }
    }

    /// The store's uploads in parts, where it has such.
    pub(crate) fn parts(&self) -> Option<&dyn MultipartStore> {
        match &self.store {
            Store::S3 { store, .. } => Some(&**store),
            Store::Google { store, .. } => Some(&**store),
            Store::Azure { store, .. } => Some(&**store),
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
