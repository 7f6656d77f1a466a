//! Files into a bucket and out of it, in pieces, so that one that broke off goes on where it stopped.

use std::io::ErrorKind;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use intendant_port::error::{Error, Kind, Result};
use object_store::multipart::PartId;
use object_store::{GetOptions, GetRange, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::bucket::Bucket;

/// Larger files are uploaded in parts of this size.
const PART_BYTES: u64 = 8 << 20;
/// How long a download may bring nothing.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a download that broke off is taken up again by itself.
const RESUMPTIONS_MAX: usize = 5;

/// What is known of an upload that has begun.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    place: String,
    key: String,
    upload: String,
    parts: Vec<String>,
}

/// What came down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its content in hexadecimal.
    pub digest: String,
}

impl Bucket {
    /// Puts a file into the bucket. Parts that have arrived are remembered in `journal`, a folder; called again with
    /// the same file and key, only what is missing is sent.
    ///
    /// # Errors
    /// When the file cannot be read or the store fails; what arrived stays remembered.
    pub async fn put_file(&self, key: &str, file: &FilePath, journal: &FilePath) -> Result<()> {
        let length = fs::metadata(file).await.map_err(|error| unreadable(file, error))?.len();
        let path = self.path(key);
        let Some(store) = self.parts().filter(|_| length > PART_BYTES) else {
            let bytes = fs::read(file).await.map_err(|error| unreadable(file, error))?;
            let put = self.objects().put(&path, bytes.into()).await;
            return put.map(drop).map_err(|error| self.failed("write", key, error));
        };
        let digest = digest_of(file).await?;
        fs::create_dir_all(journal).await.map_err(|error| unwritable(journal, error))?;
        let notes = journal.join(format!("{}.upload.json", named(&[self.shown(), key, &digest])));
        let mut begun =
            match fs::read(&notes).await.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                Some(begun) => begun,
                None => Begun {
                    place: self.shown().to_owned(),
                    key: key.to_owned(),
                    upload: store
                        .create_multipart(&path)
                        .await
                        .map_err(|error| self.failed("write", key, error))?,
                    parts: Vec::new(),
                },
            };
        let mut source = File::open(file).await.map_err(|error| unreadable(file, error))?;
        let arrived = begun.parts.len() as u64 * PART_BYTES;
        source.seek(std::io::SeekFrom::Start(arrived)).await.map_err(|error| unreadable(file, error))?;
        loop {
            let mut part = Vec::new();
            let read = (&mut source).take(PART_BYTES).read_to_end(&mut part).await;
            if read.map_err(|error| unreadable(file, error))? == 0 {
                break;
            }
            let sent = store.put_part(&path, &begun.upload, begun.parts.len(), PutPayload::from(part)).await;
            match sent {
                Ok(id) => begun.parts.push(id.content_id),
                Err(error @ object_store::Error::NotFound { .. }) => {
                    // The store has forgotten the upload, so the next try begins anew.
                    let _ = fs::remove_file(&notes).await;
                    return Err(self.failed("write", key, error));
                }
                Err(error) => return Err(self.failed("write", key, error)),
            }
            let text = serde_json::to_vec(&begun).map_err(|error| unwritable(&notes, error.into()))?;
            fs::write(&notes, text).await.map_err(|error| unwritable(&notes, error))?;
        }
        let parts = begun.parts.into_iter().map(|content_id| PartId { content_id }).collect();
        let completed = store.complete_multipart(&path, &begun.upload, parts).await;
        // Completed or refused: there is nothing to go on with.
        let _ = fs::remove_file(&notes).await;
        completed.map(drop).map_err(|error| self.failed("write", key, error))
    }

    /// Puts a few bytes into the bucket.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_bytes(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self.objects().put(&self.path(key), bytes.into()).await;
        put.map(drop).map_err(|error| self.failed("write", key, error))
    }

    /// A small object; `None` when it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn bytes(&self, key: &str) -> Result<Option<Bytes>> {
        let got = match self.objects().get(&self.path(key)).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", key, error)),
        }
    }

    /// Names of all objects in the bucket's folder, sorted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let prefix = self.path("");
        let listed = self.objects().list_with_delimiter(Some(&prefix)).await;
        let listed = listed.map_err(|error| self.failed("list", "what is there", error))?;
        let mut keys: Vec<String> = listed
            .objects
            .iter()
            .filter_map(|object| object.location.filename())
            .map(str::to_owned)
            .collect();
        keys.sort();
        Ok(keys)
    }

    /// Gets an object into `folder`, under a name that starts with a dot and that the caller replaces. What had
    /// arrived before of the same object, here or in an earlier process, is not fetched again.
    ///
    /// # Errors
    /// When it is not there, the store fails, or the file cannot be written.
    pub async fn get_file(&self, key: &str, folder: &FilePath) -> Result<Fetched> {
        fs::create_dir_all(folder).await.map_err(|error| unwritable(folder, error))?;
        let path = self.path(key);
        let head = self.objects().head(&path).await.map_err(|error| self.failed("read", key, error))?;
        let identity = head.e_tag.clone().unwrap_or_else(|| head.last_modified.to_rfc3339());
        let part = folder.join(format!(".{}.part", named(&[self.shown(), key, &identity])));
        for resumption in 0.. {
            match self.fetch(&path, &head, &part).await {
                Ok(()) => break,
                Err(Broken::Store(error)) if resumption == RESUMPTIONS_MAX || is_final(&error) => {
                    return Err(self.failed("read", key, error));
                }
                Err(Broken::File(error)) => return Err(unwritable(&part, error)),
                Err(Broken::Store(_)) => {}
            }
        }
        let digest = digest_of(&part).await?;
        Ok(Fetched { path: part, digest })
    }

    // Appends what is missing to a file.
    async fn fetch(
        &self,
        path: &object_store::path::Path,
        head: &object_store::ObjectMeta,
        part: &FilePath,
    ) -> std::result::Result<(), Broken> {
        let mut file = OpenOptions::new().append(true).create(true).open(part).await.map_err(Broken::File)?;
        let mut length = file.metadata().await.map_err(Broken::File)?.len();
        if length > head.size {
            file.set_len(0).await.map_err(Broken::File)?;
            length = 0;
        }
        if length < head.size {
            let range = Some(GetRange::Offset(length));
            let options = GetOptions { range, if_match: head.e_tag.clone(), ..GetOptions::default() };
            let got = self.objects().get_opts(path, options).await.map_err(Broken::Store)?;
            let mut pieces = got.into_stream();
            loop {
                let Ok(piece) = tokio::time::timeout(STALL_TIMEOUT, pieces.next()).await else {
                    let source = Box::new(std::io::Error::from(ErrorKind::TimedOut));
                    return Err(Broken::Store(object_store::Error::Generic { store: "download", source }));
                };
                let Some(piece) = piece else { break };
                file.write_all(&piece.map_err(Broken::Store)?).await.map_err(Broken::File)?;
            }
        }
        file.sync_all().await.map_err(Broken::File)
    }
}

enum Broken {
    Store(object_store::Error),
    File(std::io::Error),
}

fn is_final(error: &object_store::Error) -> bool {
    !matches!(error, object_store::Error::Generic { .. })
}

/// SHA-256 of a file's content in hexadecimal.
///
/// # Errors
/// When it cannot be read.
pub async fn digest_of(file: &FilePath) -> Result<String> {
    let owned = file.to_owned();
    let hashing = tokio::task::spawn_blocking(move || {
        let mut hasher = Sha256::new();
        std::io::copy(&mut std::fs::File::open(owned)?, &mut hasher)?;
        Ok(hexadecimal(&hasher.finalize()))
    });
    let hashed = hashing.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    hashed.map_err(|error| unreadable(file, error))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// A file name for what these words say together.
fn named(words: &[&str]) -> String {
    hexadecimal(&Sha256::digest(words.join("\n")))[..24].to_owned()
}

fn unreadable(path: &FilePath, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot read {}", path.display())).because(error)
}

fn unwritable(path: &FilePath, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot write {}", path.display())).because(error)
}
