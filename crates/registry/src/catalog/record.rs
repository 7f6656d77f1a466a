//! The files behind the index: a record per version, a log of tag moves.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Error, Kind, Move};

/// The head of an archive is never longer.
const METADATA_BYTES_MAX: u64 = 64 << 20;

/// Archives without a version of which it is known where they came from.
const PROVENANCES_MAX: usize = 200;

/// The fingerprint of everything that a model was trained on.
pub const DATA: &str = "data";

/// A trained model and all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// What it is a version of: the assistant's or predictor's name.
    pub name: String,
    /// Counted from 1 within the name.
    pub version: u32,
    /// `assistant`, `text`, `tabular`, `recommender` or `onnx`.
    pub kind: String,
    /// SHA-256 of the archive, hexadecimal.
    pub digest: String,
    /// Name of the archive in the models folder.
    pub file: String,
    /// Size of the archive.
    pub bytes: u64,
    /// When it was trained.
    pub trained_at: Timestamp,
    /// The id that the trainer gave it.
    pub model_id: Option<String>,
    /// What was trained: `both`, `nlu`, `core`.
    pub training_type: Option<String>,
    /// Program and version that trained it.
    pub made_by: String,
    /// Fingerprints of what went in.
    #[serde(default)]
    pub fingerprints: BTreeMap<String, String>,
    /// The project's revision.
    pub revision: Option<Revision>,
    /// How long training took.
    pub training_seconds: Option<f64>,
    /// What was measured, by dataset.
    #[serde(default)]
    pub metrics: BTreeMap<String, Measured>,
    /// Who trained it.
    pub who: Option<String>,
    /// Free words.
    #[serde(default)]
    pub notes: String,
    /// Digest of the version that training began from.
    pub parent: Option<String>,
    /// Why it could not be served when that was tried last, or did worse than the model before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Version {
    /// `name:version`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }
}

/// The state of the project in git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The commit.
    pub commit: String,
    /// Whether files differed from it.
    pub dirty: bool,
}

/// What was measured on one dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Fingerprint of the dataset.
    pub data: String,
    /// Values by name of the metric; of a slice as `metric[slice]`.
    pub values: BTreeMap<String, f64>,
}

/// What only the one who brings a model knows of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// When it was trained.
    pub trained_at: Option<Timestamp>,
    /// The project's revision.
    pub revision: Option<Revision>,
    /// How long training took.
    pub training_seconds: Option<f64>,
    /// Who trained it.
    pub who: Option<String>,
    /// Free words.
    pub notes: Option<String>,
    /// Digest of the version that training began from.
    pub parent: Option<String>,
    /// Fingerprint of the data as a whole.
    pub data: Option<String>,
}

impl Provenance {
    /// What the record of a version, made elsewhere, knows.
    pub fn of(version: &Version) -> Self {
        Provenance {
            trained_at: Some(version.trained_at),
            revision: version.revision.clone(),
            training_seconds: version.training_seconds,
            who: version.who.clone(),
            notes: Some(version.notes.clone()).filter(|notes| !notes.is_empty()),
            parent: version.parent.clone(),
            data: version.fingerprints.get(DATA).cloned(),
        }
    }

    /// These, completed by others where they say nothing.
    pub fn or(self, other: Option<Provenance>) -> Self {
        let other = other.unwrap_or_default();
        Provenance {
            trained_at: self.trained_at.or(other.trained_at),
            revision: self.revision.or(other.revision),
            training_seconds: self.training_seconds.or(other.training_seconds),
            who: self.who.or(other.who),
            notes: self.notes.or(other.notes),
            parent: self.parent.or(other.parent),
            data: self.data.or(other.data),
        }
    }
}

/// Writes down where an archive came from.
pub fn leave(folder: &Path, archive: &[u8], provenance: &Provenance) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::file("write to", folder, &error))?;
    forget_oldest(folder);
    let digest: String = Sha256::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
    put(folder, &digest, provenance)
}

/// What was written down of an archive.
pub fn left(folder: &Path, digest: &str) -> Option<Provenance> {
    serde_json::from_slice(&fs::read(folder.join(format!("{digest}.json"))).ok()?).ok()
}

/// Removes what was written down of an archive that is a version now.
pub fn forget(folder: &Path, digest: &str) {
    // One that stays is only in the way.
    let _ = fs::remove_file(folder.join(format!("{digest}.json")));
}

// Of trainings whose archives never became versions only so much is kept.
fn forget_oldest(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut dated: Vec<_> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    dated.sort();
    for (_, path) in dated.iter().rev().skip(PROVENANCES_MAX) {
        let _ = fs::remove_file(path);
    }
}

/// Writes a record in one step.
pub fn write(folder: &Path, version: &Version) -> Result<(), Error> {
    put(folder, &version.digest, version)
}

fn put(folder: &Path, digest: &str, value: &impl Serialize) -> Result<(), Error> {
    let path = folder.join(format!("{digest}.json"));
    let temporary = folder.join(format!(".{digest}.{}.part", std::process::id()));
    let failed = |error: &std::io::Error| Error::file("write", &path, error);
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| failed(&error.into()))?;
    let mut file = File::create(&temporary).map_err(|error| failed(&error))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
    fs::rename(&temporary, &path).map_err(|error| failed(&error))
}

/// Reads all records.
pub fn read_all(folder: &Path) -> Result<Vec<Version>, Error> {
    let failed = |error: &std::io::Error| Error::file("read", folder, error);
    let mut versions = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = fs::read(&path).map_err(|error| Error::file("read", &path, &error))?;
        let version = serde_json::from_slice(&bytes)
            .map_err(|error| Error::new(Kind::Damaged, format!("{}: {error}", path.display())))?;
        versions.push(version);
    }
    versions.sort_by(|one: &Version, other| (&one.name, one.version).cmp(&(&other.name, other.version)));
    Ok(versions)
}

/// Adds a move to the log.
pub fn append_move(path: &Path, moved: &Move) -> Result<(), Error> {
    let failed = |error: &std::io::Error| Error::file("write", path, error);
    let mut line = serde_json::to_vec(moved).map_err(|error| failed(&error.into()))?;
    line.push(b'\n');
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| failed(&error))?;
    file.write_all(&line).and_then(|()| file.sync_data()).map_err(|error| failed(&error))
}

/// Reads the log; a last line that a crash cut off does not count.
pub fn read_moves(path: &Path) -> Result<Vec<Move>, Error> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(Vec::new()) };
    let lines: Vec<&str> = text.lines().collect();
    let mut moves = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(moved) => moves.push(moved),
            Err(_) if at + 1 == lines.len() && !text.ends_with('\n') => {}
            Err(error) => {
                let message = format!("{}:{}: {error}", path.display(), at + 1);
                return Err(Error::new(Kind::Damaged, message));
            }
        }
    }
    Ok(moves)
}

/// The description in an archive.
pub fn metadata(file: &Path) -> Option<Value> {
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(File::open(file).ok()?)));
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if name.trim_start_matches("./") == "metadata.json" {
            return serde_json::from_reader(entry.take(METADATA_BYTES_MAX)).ok();
        }
    }
    None
}
