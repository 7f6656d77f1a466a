//! Keeps a models folder in order: the newest complete model under a fixed name, a few older ones, no more.
//!
//! Replaces a rotator that copied whatever changed last and deleted everything else. What differs:
//!
//! * a file counts only when it has been quiet for a while and is complete to its last byte;
//! * the newest is decided by when a model was trained, not by which file was touched last;
//! * the fixed name is replaced in one step, so that a reader finds the old model or the new one;
//! * nothing is removed before the new model is published, and then into a trash folder first;
//! * what is no model (folders, links, notes) is never touched.
//!
//! Events are not trusted: every pass looks at the whole folder, so network file systems work, and a
//! process that was killed at any point goes on where it stopped. All of its own files are in the folder
//! `.intendant` of the models folder.

mod folder;
mod order;
mod publish;
mod rotator;
mod state;
mod totals;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

pub use rotator::{Outside, Report, Rotator};
pub use totals::Totals;

/// The folder for our own files inside a models folder.
pub const OWN_FOLDER: &str = ".intendant";

/// How a folder is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The models folder.
    pub folder: PathBuf,
    /// Where the newest model is published; inside the folder.
    pub latest: PathBuf,
    /// How many of the newest models stay.
    pub keep: usize,
    /// A file must not have changed for so long before it is looked at.
    pub quiet: Duration,
    /// Files and folders that are never removed.
    pub protected: Vec<PathBuf>,
    /// Models trained more recently than this stay in any case.
    pub keep_younger: Duration,
    /// All models together may have so many bytes; older ones go first, the newest never.
    pub bytes_max: Option<u64>,
    /// How long removed models stay in the trash.
    pub trash_grace: Duration,
    /// An incomplete file that has not changed for so long is put into quarantine.
    pub quarantine_after: Duration,
    /// A pass that would remove more than this share of at least ten models is refused unless forced.
    pub removed_percent_max: u8,
}

impl Settings {
    /// The usual settings for a folder.
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Settings {
            latest: folder.join("latest.tar.gz"),
            folder,
            keep: 3,
            quiet: Duration::from_secs(5),
            protected: Vec::new(),
            keep_younger: Duration::ZERO,
            bytes_max: None,
            trash_grace: Duration::from_secs(600),
            quarantine_after: Duration::from_secs(24 * 3600),
            removed_percent_max: 95,
        }
    }
}

/// What time it is, twice: the clock on the wall may jump, the steady one does not.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The clock on the wall.
    pub wall: Timestamp,
    /// Time since any fixed moment.
    pub steady: Duration,
}

/// Why a folder cannot be kept in order. Nothing was removed when this is returned.
#[derive(Debug)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: Kind,
    message: String,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The settings make no sense.
    Settings,
    /// Another process keeps this folder.
    Owned,
    /// A file could not be read, written, moved or removed.
    Files,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn files(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(Kind::Files, format!("cannot {what} {}: {error}", path.display()))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
