//! What lies in a models folder, and whether a file is still the one that was looked at.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::{Error, Now};

/// Names that may be models end so.
pub const ENDING: &str = ".tar.gz";

/// Tells whether a path still leads to the same unchanged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Size in bytes.
    pub bytes: u64,
    /// When the content last changed, nanoseconds since 1970.
    pub modified: i128,
    inode: u64,
    changed: i128,
}

impl Identity {
    /// Of what the file system says about a file.
    pub fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let modified = modified.map_or(0, Timestamp::as_nanosecond);
        #[cfg(unix)]
        let (inode, changed) = {
            use std::os::unix::fs::MetadataExt;
            let nanoseconds = i128::from(metadata.ctime()) * 1_000_000_000;
            (metadata.ino(), nanoseconds + i128::from(metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (inode, changed) = (0, 0);
        Identity { bytes: metadata.len(), modified, inode, changed }
    }

    /// Of the file that a path leads to itself; `None` for links, folders, and what is not there.
    pub fn at(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        metadata.is_file().then(|| Self::of(&metadata))
    }

    /// How long ago the content changed by the clock on the wall; `None` when that lies ahead.
    pub fn age(&self, now: Now) -> Option<Duration> {
        let age = now.wall.as_nanosecond() - self.modified;
        u64::try_from(age).ok().map(Duration::from_nanos)
    }
}

/// The files of a folder that may be models, by name: regular, not hidden, not `latest`.
pub fn candidates(folder: &Path, latest: &Path) -> Result<Vec<(PathBuf, Identity)>, Error> {
    let failed = |error: &std::io::Error| Error::files("read the models folder", folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') || !name.ends_with(ENDING) || path == latest {
            continue;
        }
        if let Some(identity) = Identity::at(&path) {
            found.push((path, identity));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

/// The file beside an archive that says its SHA-256, as `sha256sum` writes it.
pub fn sidecar(archive: &Path) -> PathBuf {
    archive.with_file_name(format!("{}.sha256", name_of(archive)))
}

/// What the file beside an archive says that its SHA-256 is; `None` without such a file.
pub fn said_digest(archive: &Path) -> Option<String> {
    let text = fs::read_to_string(sidecar(archive)).ok()?;
    Some(text.split_whitespace().next().unwrap_or_default().to_lowercase())
}

/// Makes what happened in a folder survive a power cut.
pub fn sync(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The name of a path, for messages.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
