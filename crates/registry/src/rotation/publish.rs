//! Puts a model under the fixed name in one step.

use std::fs::{self, File, FileTimes};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::folder::{name_of, sync};
use super::order::Standing;
use super::{Error, Kind};

/// Copies a model beside `latest` and renames the copy over it. Readers find the old file or the new
/// one; a link under that name is replaced, not written through. A copy rather than a second name of
/// the same file, because a trainer may write its next model over the first.
pub fn publish(standing: &Standing, latest: &Path) -> Result<(), Error> {
    let temporary = temporary(latest, std::process::id());
    let done = copy(standing, &temporary).and_then(|()| {
        fs::rename(&temporary, latest).map_err(|error| Error::files("replace", latest, &error))?;
        let folder = latest.parent().unwrap_or(Path::new("."));
        sync(folder).map_err(|error| Error::files("write to", folder, &error))
    });
    if done.is_err() {
        // The half copy is of no use; if it cannot be removed now, the next start does it.
        let _ = fs::remove_file(&temporary);
    }
    done
}

fn copy(standing: &Standing, temporary: &Path) -> Result<(), Error> {
    let reading = |error: &io::Error| Error::files("read", &standing.path, error);
    let writing = |error: &io::Error| Error::files("write", temporary, error);
    let mut source = File::open(&standing.path).map_err(|error| reading(&error))?;
    let mut target = File::create(temporary).map_err(|error| writing(&error))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(reading(&error)),
        };
        digest.update(&buffer[..count]);
        target.write_all(&buffer[..count]).map_err(|error| writing(&error))?;
    }
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != standing.model.digest {
        let message = format!("{} changed while it was copied", standing.path.display());
        return Err(Error::new(Kind::Files, message));
    }
    if let Ok(modified) = source.metadata().and_then(|metadata| metadata.modified()) {
        // Only a convenience for people who list the folder.
        let _ = target.set_times(FileTimes::new().set_modified(modified));
    }
    target.sync_all().map_err(|error| writing(&error))
}

fn temporary(latest: &Path, process: u32) -> PathBuf {
    latest.with_file_name(format!(".{}.{process}.part", name_of(latest)))
}

/// Removes half copies of a process that was ended while it copied.
pub fn clean(latest: &Path) {
    let Some(folder) = latest.parent() else { return };
    let prefix = format!(".{}.", name_of(latest));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && name.ends_with(".part") {
            let _ = fs::remove_file(entry.path());
        }
    }
}
