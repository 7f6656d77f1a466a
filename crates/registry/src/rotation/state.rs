//! What the rotator remembers between runs, and who owns the folder.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Kind, OWN_FOLDER};

/// Remembered between runs. Losing it loses no model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Digest of the model under the fixed name.
    pub published: Option<String>,
    /// When it was trained, nanoseconds since 1970, as it ranked.
    #[serde(default)]
    pub published_rank: Option<i64>,
    /// Digests of models that a server could not load.
    #[serde(default)]
    pub bad: BTreeSet<String>,
}

/// Our own files in a models folder.
#[derive(Clone, Debug)]
pub struct OwnFiles {
    root: PathBuf,
}

impl OwnFiles {
    /// Those of a models folder.
    pub fn of(folder: &Path) -> Self {
        OwnFiles { root: folder.join(OWN_FOLDER) }
    }

    /// Removed models, each named by when it was removed (milliseconds since 1970) and its name.
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// Files that never became complete.
    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// What was done, a JSON object per line.
    pub fn audit(&self) -> PathBuf {
        self.root.join("rotation.ndjson")
    }

    fn state(&self) -> PathBuf {
        self.root.join("rotation.json")
    }

    /// Makes a folder of ours.
    pub fn make(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(|error| Error::files("create the folder", folder, &error))
    }

    /// Reads the state; none, or a damaged one, counts as empty.
    pub fn load(&self) -> State {
        let Ok(bytes) = fs::read(self.state()) else { return State::default() };
        serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %self.state().display(), "the rotation's memory is damaged; beginning anew");
            State::default()
        })
    }

    /// Replaces the state in one step.
    pub fn save(&self, state: &State) -> Result<(), Error> {
        let path = self.state();
        let failed = |error: &std::io::Error| Error::files("write", &path, error);
        let temporary = path.with_extension("json.part");
        let bytes = serde_json::to_vec(state).map_err(|error| failed(&error.into()))?;
        let mut file = File::create(&temporary).map_err(|error| failed(&error))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
        fs::rename(&temporary, &path).map_err(|error| failed(&error))
    }

    /// Takes the folder for this process, or says who has it. It is given back when the file is dropped.
    pub fn own(&self) -> Result<File, Error> {
        self.make(&self.root)?;
        let path = self.root.join("rotation.lock");
        let failed = |error: &std::io::Error| Error::files("lock", &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who it is only helps the reader of the message.
                let _ = file.read_to_string(&mut owner);
                let message = format!(
                    "another rotation keeps this folder ({}); stop it, or let this one stand by with --watch",
                    if owner.is_empty() { "unknown" } else { owner.trim() }
                );
                return Err(Error::new(Kind::Owned, message));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let owner = format!("process {} on {}\n", std::process::id(), host.trim());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(owner.as_bytes()))
            .map_err(|error| failed(&error))?;
        Ok(file)
    }
}
