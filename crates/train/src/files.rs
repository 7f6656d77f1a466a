//! Files of a project: found, read, and written so that a crash leaves the old or the new one.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Ending of files that are being written.
const PART_ENDING: &str = ".part";
/// Nothing takes this long to write.
const PART_AGE_MAX: Duration = Duration::from_secs(3_600);

/// A file that could not be found, read or written.
#[derive(Debug)]
pub struct FileError {
    /// What was tried.
    pub action: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.source)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Finds the files with one of `extensions` (lower case, without dot) that `paths` name, folders
/// searched through, symbolic links followed, sorted by absolute path, each file once.
///
/// # Errors
/// When a path does not exist or a folder cannot be read.
pub fn find(paths: &[PathBuf], extensions: &[&str]) -> Result<Vec<PathBuf>, FileError> {
    let mut found = BTreeSet::new();
    let mut seen_folders = BTreeSet::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| FileError::new("find", path, error))?;
        if metadata.is_dir() {
            find_below(path, extensions, &mut seen_folders, &mut found)?;
        } else {
            found.insert((absolute(path), path.clone()));
        }
    }
    let mut files: Vec<PathBuf> = Vec::with_capacity(found.len());
    let mut last = None;
    for (absolute, path) in found {
        if last.as_ref() != Some(&absolute) {
            files.push(path);
        }
        last = Some(absolute);
    }
    Ok(files)
}

fn find_below(
    folder: &Path,
    extensions: &[&str],
    seen_folders: &mut BTreeSet<PathBuf>,
    found: &mut BTreeSet<(PathBuf, PathBuf)>,
) -> Result<(), FileError> {
    // A link that leads back up must not be followed for ever.
    if !seen_folders.insert(absolute(folder)) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(|error| FileError::new("read the folder", folder, error))?;
    for entry in entries {
        let path = entry.map_err(|error| FileError::new("read the folder", folder, error))?.path();
        let Ok(metadata) = fs::metadata(&path) else {
            continue; // A dangling link names no file.
        };
        if metadata.is_dir() {
            find_below(&path, extensions, seen_folders, found)?;
        } else if has_extension(&path, extensions) {
            found.insert((absolute(&path), path));
        }
    }
    Ok(())
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Reads a whole file.
///
/// # Errors
/// As the system says.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError::new("read", path, error))
}

/// Writes a file so that readers, and a crash at any instant, see the old content or all of the new.
///
/// # Errors
/// As the system says; what was half written is removed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_parts(path, |file| file.write_all(bytes))
}

/// Writes a file whose content comes in parts, as a whole or not at all.
///
/// # Errors
/// As the system or `write` says; what was half written is removed.
pub fn write_parts(
    path: &Path,
    write: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|error| FileError::new("create the folder", folder, error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    remove_left_behind(folder);
    // Neither listed as a model nor mistaken for one: the name starts with a dot and ends otherwise.
    // The number keeps threads of one process apart.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{name}.{}-{number}{PART_ENDING}", std::process::id()));
    let written = write_and_sync(&temporary, write).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(FileError::new("write", path, error));
    }
    // The rename itself survives a power cut only once the folder is on disk.
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Removes what killed processes have half written; younger files may be in the making.
fn remove_left_behind(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        let is_old = age.is_some_and(|age| age > PART_AGE_MAX);
        if name.starts_with('.') && name.ends_with(PART_ENDING) && is_old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn write_and_sync(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    write(&mut file)?;
    file.sync_all()
}
