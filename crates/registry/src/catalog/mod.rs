//! Every model a version: what it is, where it came from, how good it was measured to be, who uses it.
//!
//! The truth lies in files beside the models: one JSON record per version and a log of tag moves, both
//! in the folder `.intendant` of the models folder. An index in SQLite or PostgreSQL makes them one:
//! there tags move in transactions and numbers are given out. It can be made anew from the files.

mod arrivals;
mod index;
mod record;
mod tags;
mod trials;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

pub use index::{Move, Tag};
pub use record::{Measured, Provenance, Revision, Version};
pub use trials::{TrialEnd, TrialRecord};

use crate::inspect::{Origin, Verdict, inspect};
use crate::rotation::OWN_FOLDER;
use index::Index;

/// Why something could not be done; nothing was changed.
#[derive(Debug)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: Kind,
    message: String,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No such version or tag, or more than one that fits.
    NotFound,
    /// Not allowed as things stand.
    Refused,
    /// A file is no complete model.
    Damaged,
    /// A file or the database failed.
    Storage,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn file(what: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(Kind::Storage, format!("cannot {what} {}: {error}", path.display()))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What has been done to a tag, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who does it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// When.
    pub at: Timestamp,
}

/// The catalogue of one models folder.
pub struct Catalog {
    folder: PathBuf,
    index: Index,
}

impl Catalog {
    /// Whether a folder has a catalogue in its own files already.
    pub fn exists(folder: &Path) -> bool {
        folder.join(OWN_FOLDER).join("versions").is_dir()
    }

    /// Opens the catalogue of a folder. `database` is the URL of the index: SQLite in the folder's own
    /// files unless said otherwise. An index that is new is filled from the files.
    ///
    /// # Errors
    /// When the folder or the database cannot be used.
    pub async fn open(folder: &Path, database: Option<&str>) -> Result<Self, Error> {
        let own = folder.join(OWN_FOLDER);
        fs::create_dir_all(own.join("versions")).map_err(|error| Error::file("write to", &own, &error))?;
        let url = match database {
            Some(url) => url.to_owned(),
            None => own.join("registry.db").display().to_string(),
        };
        let index = Index::open(&url).await?;
        let catalog = Catalog { folder: folder.to_owned(), index };
        catalog.fill(true).await?;
        Ok(catalog)
    }

    /// Leaves beside the models what only the one who trained a model knows of it, for when it becomes a
    /// version. Needs no database, so that training stays quick.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn leave(folder: &Path, archive: &[u8], provenance: &Provenance) -> Result<(), Error> {
        record::leave(&folder.join(OWN_FOLDER).join("provenance"), archive, provenance)
    }

    /// Fills the index from the files, beginning with none of what it knows.
    ///
    /// # Errors
    /// When a file cannot be read; the index is then as it was.
    pub async fn rebuild(&self) -> Result<(), Error> {
        self.fill(false).await
    }

    async fn fill(&self, only_empty: bool) -> Result<(), Error> {
        let versions = record::read_all(&self.versions_folder())?;
        let moves = record::read_moves(&self.moves_file())?;
        self.index.fill(&versions, &moves, only_empty).await
    }

    /// Makes a file in the folder a version, or gives the one that it already is.
    ///
    /// # Errors
    /// When it is no complete model, or lies outside the folder.
    pub async fn register(&self, file: &Path, provenance: Provenance) -> Result<Version, Error> {
        let reading = |error: &std::io::Error| Error::file("read", file, error);
        let opened = fs::File::open(file).map_err(|error| reading(&error))?;
        let model = match inspect(opened).map_err(|error| reading(&error))? {
            Verdict::Complete(model) => model,
            Verdict::Incomplete(why) | Verdict::Refused(why) => {
                return Err(Error::new(Kind::Damaged, format!("{}: {why}", file.display())));
            }
        };
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(mut known) = self.index.by_digest(&model.digest).await? {
            if known.file != name && !self.folder.join(&known.file).exists() {
                known.file = name;
                self.keep(&known).await?;
            }
            return Ok(known);
        }
        let provenance = provenance.or(record::left(&self.provenance_folder(), &model.digest));
        let metadata = record::metadata(file).unwrap_or(Value::Null);
        let modified = fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        let trained_at = provenance
            .trained_at
            .or(model.trained_at)
            .or_else(|| modified.and_then(|time| Timestamp::try_from(time).ok()))
            .unwrap_or_default();
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let series = match model.origin {
            Origin::Intendant | Origin::Rasa3 => text("name").or_else(|| text("assistant_id")),
            Origin::Rasa2 => None,
        };
        let mut fingerprints = strings(metadata.get("fingerprints"));
        if let Some(data) = provenance.data {
            fingerprints.entry(record::DATA.to_owned()).or_insert(data);
        }
        let mut version = Version {
            name: series.unwrap_or_else(|| "assistant".to_owned()),
            version: 0,
            kind: text("kind").unwrap_or_else(|| "assistant".to_owned()),
            digest: model.digest,
            file: name,
            bytes: model.bytes,
            trained_at,
            model_id: text("model_id"),
            training_type: text("training_type"),
            made_by: match model.origin {
                Origin::Intendant => format!("intendant {}", text("product_version").unwrap_or_default()),
                Origin::Rasa3 => {
                    format!("rasa {}", text("rasa_open_source_version").unwrap_or_else(|| "3".to_owned()))
                }
                Origin::Rasa2 => "rasa 2".to_owned(),
            },
            fingerprints,
            revision: provenance.revision,
            training_seconds: provenance.training_seconds,
            metrics: BTreeMap::new(),
            who: provenance.who,
            notes: provenance.notes.unwrap_or_default(),
            parent: provenance.parent,
            problem: None,
        };
        version.version = self.index.add(&version).await?;
        record::write(&self.versions_folder(), &version)?;
        record::forget(&self.provenance_folder(), &version.digest);
        Ok(version)
    }

    /// Makes every complete model of the folder that is none yet a version.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn adopt(&self) -> Result<Vec<Version>, Error> {
        let entries =
            fs::read_dir(&self.folder).map_err(|error| Error::file("read", &self.folder, &error))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.ends_with(".tar.gz") && !name.starts_with('.') && path.is_file()
            })
            .collect();
        files.sort();
        let known: BTreeMap<String, u64> =
            self.versions().await?.into_iter().map(|version| (version.file, version.bytes)).collect();
        let mut adopted = Vec::new();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let size = fs::metadata(&file).map(|metadata| metadata.len()).ok();
            if known.get(name.as_ref()).copied() == size {
                continue;
            }
            match self.register(&file, Provenance::default()).await {
                Ok(version) => adopted.push(version),
                // Still being written, or no model at all: not ours to judge here.
                Err(error) if error.kind == Kind::Damaged => {}
                Err(error) => return Err(error),
            }
        }
        Ok(adopted)
    }

    /// All versions, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn versions(&self) -> Result<Vec<Version>, Error> {
        self.index.versions().await
    }

    /// The version that a user means: a tag, `name:version`, a file's name, or the beginning of a digest.
    ///
    /// # Errors
    /// When none or more than one fits, naming what there is.
    pub async fn find(&self, reference: &str) -> Result<Version, Error> {
        if let Some(tag) = self.index.tag(reference).await? {
            return self.by_digest(&tag.digest).await;
        }
        let versions = self.versions().await?;
        if reference == "latest" {
            let newest = versions.into_iter().max_by_key(|version| (version.trained_at, version.version));
            return newest.ok_or_else(|| Error::new(Kind::NotFound, "there is no model yet"));
        }
        let file = reference.rsplit('/').next().unwrap_or(reference);
        let fits = |version: &&Version| {
            version.file == file
                || version.file.strip_suffix(".tar.gz") == Some(file)
                || version.reference() == reference
                || version.digest == reference
                || reference.len() >= 6 && version.digest.starts_with(reference)
        };
        let found: Vec<&Version> = versions.iter().filter(fits).collect();
        match found[..] {
            [version] => Ok(version.clone()),
            [] => {
                if let Some(version) = self.behind(file).await? {
                    return Ok(version);
                }
                let tags = self.tags().await?;
                let tags: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
                let message = format!(
                    "no model or tag is called `{reference}`; {} models are known (`intendant models list`), \
                     the tags are: {}",
                    versions.len(),
                    if tags.is_empty() { "none".to_owned() } else { tags.join(", ") }
                );
                Err(Error::new(Kind::NotFound, message))
            }
            _ => {
                let names: Vec<String> = found.iter().map(|version| version.reference()).collect();
                let message = format!("`{reference}` may mean {}", names.join(" or "));
                Err(Error::new(Kind::NotFound, message))
            }
        }
    }

    // The version that a file is a copy of under another name.
    async fn behind(&self, file: &str) -> Result<Option<Version>, Error> {
        let names = [file.to_owned(), format!("{file}.tar.gz")];
        let mut paths =
            names.into_iter().filter(|name| !name.starts_with('.')).map(|name| self.folder.join(name));
        let Some(path) = paths.find(|path| path.is_file()) else { return Ok(None) };
        let opened = fs::File::open(&path).map_err(|error| Error::file("read", &path, &error))?;
        match inspect(opened).map_err(|error| Error::file("read", &path, &error))? {
            Verdict::Complete(model) => self.index.by_digest(&model.digest).await,
            Verdict::Incomplete(_) | Verdict::Refused(_) => Ok(None),
        }
    }

    async fn by_digest(&self, digest: &str) -> Result<Version, Error> {
        let found = self.index.by_digest(digest).await?;
        found.ok_or_else(|| Error::new(Kind::NotFound, format!("the version {digest} is not recorded")))
    }

    /// Where the archive of a version lies; `None` when it has been removed.
    pub fn file(&self, version: &Version) -> Option<PathBuf> {
        let path = self.folder.join(&version.file);
        path.is_file().then_some(path)
    }

    /// Whether the archive of a version is still what was recorded.
    ///
    /// # Errors
    /// When it is missing, damaged, or another file.
    pub fn verify(&self, version: &Version) -> Result<(), Error> {
        let damaged = |why: String| Error::new(Kind::Damaged, format!("{}: {why}", version.reference()));
        let path = self.folder.join(&version.file);
        let file = fs::File::open(&path).map_err(|error| damaged(format!("{}: {error}", path.display())))?;
        match inspect(file).map_err(|error| damaged(error.to_string()))? {
            Verdict::Complete(model) if model.digest == version.digest => Ok(()),
            Verdict::Complete(_) => Err(damaged("the file holds another model".to_owned())),
            Verdict::Incomplete(why) | Verdict::Refused(why) => Err(damaged(why)),
        }
    }

    /// Writes down what was measured on a dataset.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn measured(&self, digest: &str, dataset: &str, measured: Measured) -> Result<(), Error> {
        let mut version = self.by_digest(digest).await?;
        version.metrics.insert(dataset.to_owned(), measured);
        self.keep(&version).await
    }

    /// Notes why a version could not be served, or that it can be.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn mark(&self, digest: &str, problem: Option<&str>) -> Result<(), Error> {
        let mut version = self.by_digest(digest).await?;
        if version.problem.as_deref() == problem {
            return Ok(());
        }
        version.problem = problem.map(str::to_owned);
        self.keep(&version).await
    }

    /// Writes down in the database that something was done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(&self, what: &str, at: Timestamp, record: &Value) -> Result<(), Error> {
        self.index.audit(what, at, record).await
    }

    /// What was done, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audits(&self, what: &str) -> Result<Vec<Value>, Error> {
        self.index.audits(what).await
    }

    /// Changes the notes of a version.
    ///
    /// # Errors
    /// When they cannot be stored.
    pub async fn note(&self, digest: &str, notes: &str) -> Result<(), Error> {
        let mut version = self.by_digest(digest).await?;
        notes.clone_into(&mut version.notes);
        self.keep(&version).await
    }

    async fn keep(&self, version: &Version) -> Result<(), Error> {
        record::write(&self.versions_folder(), version)?;
        self.index.change(version).await
    }

    /// Removes the record of a version whose archive is gone, or moves an archive that nobody uses to the
    /// trash and keeps its record.
    ///
    /// # Errors
    /// When a tag is on it, or a server tries it.
    pub async fn remove(&self, version: &Version, now: Timestamp) -> Result<(), Error> {
        let tags = self.tags().await?;
        if let Some(tag) = tags.iter().find(|tag| tag.digest == version.digest) {
            let message = format!("{} is tagged `{}`", version.reference(), tag.name);
            return Err(Error::new(Kind::Refused, message));
        }
        if self.used().await?.contains(&version.digest) {
            let message = format!("{} is tried beside the model in use", version.reference());
            return Err(Error::new(Kind::Refused, message));
        }
        let Some(path) = self.file(version) else { return Ok(()) };
        let trash = self.folder.join(OWN_FOLDER).join("trash");
        fs::create_dir_all(&trash).map_err(|error| Error::file("write to", &trash, &error))?;
        let place = trash.join(format!("{}-{}", now.as_millisecond(), version.file));
        fs::rename(&path, place).map_err(|error| Error::file("remove", &path, &error))
    }

    fn provenance_folder(&self) -> PathBuf {
        self.folder.join(OWN_FOLDER).join("provenance")
    }

    fn versions_folder(&self) -> PathBuf {
        self.folder.join(OWN_FOLDER).join("versions")
    }

    fn moves_file(&self) -> PathBuf {
        self.folder.join(OWN_FOLDER).join("tags.ndjson")
    }
}

fn strings(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
