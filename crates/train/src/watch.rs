//! Whether a project's files have changed, by looking.
//!
//! Looking is chosen over notifications of the system: it works on network drives and in
//! containers, sees files that editors replace by renaming, and costs a few milliseconds a second
//! for a thousand files.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files;

/// The state of some files at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Stamp>,
}

/// What differs when a file was written or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    identity: (u64, i64, i64),
}

impl Snapshot {
    /// Looks at the files with one of `extensions` that `paths` name; what is not there, or is
    /// just being replaced, is left out.
    pub fn of(paths: &[PathBuf], extensions: &[&str]) -> Self {
        let mut snapshot = Self::default();
        for path in paths {
            let found = files::find(std::slice::from_ref(path), extensions).unwrap_or_default();
            for file in found {
                if let Ok(metadata) = fs::metadata(&file) {
                    snapshot.files.insert(file, Stamp::of(&metadata));
                }
            }
        }
        snapshot
    }

    /// The first file in which two snapshots differ.
    pub fn first_change<'a>(&'a self, later: &'a Self) -> Option<&'a Path> {
        let differs = |path: &&PathBuf| self.files.get(*path) != later.files.get(*path);
        self.files.keys().chain(later.files.keys()).find(differs).map(PathBuf::as_path)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
        };
        #[cfg(not(unix))]
        let identity = (0, 0, 0);
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), identity }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let look = || Snapshot::of(&[folder.path().to_owned(), at("missing.yml")], &["yml"]);
        fs::write(at("a.yml"), "one").unwrap();
        fs::write(at("notes.txt"), "one").unwrap();
        let mut last = look();
        assert_eq!(last, look());
        let mut check = |change: &dyn Fn(), expected: Option<&str>| {
            change();
            let now = look();
            assert_eq!(last.first_change(&now), expected.map(at).as_deref());
            last = now;
        };
        check(&|| fs::write(at("notes.txt"), "two").unwrap(), None);
        check(&|| fs::write(at("a.yml"), "longer").unwrap(), Some("a.yml"));
        check(
            &|| {
                fs::write(at("a.yml~"), "change").unwrap();
                fs::rename(at("a.yml~"), at("a.yml")).unwrap();
            },
            Some("a.yml"),
        );
        check(&|| fs::write(at("b.yml"), "").unwrap(), Some("b.yml"));
        check(&|| fs::remove_file(at("a.yml")).unwrap(), Some("a.yml"));
        check(&|| fs::create_dir(at("more")).unwrap(), None);
        check(&|| fs::write(at("more/c.yml"), "").unwrap(), Some("more/c.yml"));
    }
}
