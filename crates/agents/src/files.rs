//! Agents as folders and zips.
//!
//! A project holds its agent in the folder [`FOLDER`], in the form of an unpacked export; the folder
//! of an export is a project, too.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use intendant_agent::values::Agent;
use intendant_dialogflow_format::{Files, Import, read, write, zip};

use crate::error::{Error, Kind};

/// Where a project has its agent.
pub const FOLDER: &str = "agent";
/// The file by which an agent is known.
const SETTINGS: &str = "agent.json";
/// How deep folders may lie in each other.
const DEPTH_MAX: usize = 8;
/// The most bytes that a folder's files may have together.
const BYTES_MAX: u64 = 512 << 20;

/// The folder of the agent in a project, if the project is one.
pub fn folder_of(project: &Path) -> Option<PathBuf> {
    let inner = project.join(FOLDER);
    if inner.join(SETTINGS).is_file() {
        return Some(inner);
    }
    project.join(SETTINGS).is_file().then(|| project.to_owned())
}

/// Reads an agent from a zip or a folder.
///
/// # Errors
/// When it cannot be read, or is no agent; all that is wrong is named.
pub fn import(path: &Path) -> Result<Import, Error> {
    read(&raw(path)?).map_err(|findings| Error::input(path, &findings))
}

/// Reads an agent from the bytes of a zip, which errors call by a name.
///
/// # Errors
/// When it is no agent; all that is wrong is named.
pub fn unpack(bytes: &[u8], name: &Path) -> Result<Import, Error> {
    let files = unzip(bytes, name)?;
    read(&files).map_err(|findings| Error::input(name, &findings))
}

fn unzip(bytes: &[u8], name: &Path) -> Result<Files, Error> {
    zip::read(bytes).map_err(|why| Error::new(Kind::Input, format!("{}: {why}", name.display())))
}

/// The files of a zip or a folder.
///
/// # Errors
/// When they cannot be read.
pub fn raw(path: &Path) -> Result<Files, Error> {
    let about = fs::metadata(path).map_err(|error| Error::file("read", path, &error))?;
    if about.is_dir() {
        let mut files = Files::new();
        let mut left = BYTES_MAX;
        collect(path, String::new(), (&mut files, &mut left), DEPTH_MAX)?;
        return Ok(files);
    }
    let bytes = fs::read(path).map_err(|error| Error::file("read", path, &error))?;
    unzip(&bytes, path)
}

fn collect(
    folder: &Path,
    prefix: String,
    (files, left): (&mut Files, &mut u64),
    depth: usize,
) -> Result<(), Error> {
    let failed = |error: io::Error| Error::file("read the folder", folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let about = fs::metadata(&path).map_err(|error| Error::file("read", &path, &error))?;
        if about.is_dir() {
            if depth > 0 {
                collect(&path, format!("{name}/"), (files, left), depth - 1)?;
            }
            continue;
        }
        *left = left.checked_sub(about.len()).ok_or_else(|| {
            Error::new(Kind::Input, format!("{} holds more than {BYTES_MAX} bytes", folder.display()))
        })?;
        files.insert(name, fs::read(&path).map_err(|error| Error::file("read", &path, &error))?);
    }
    Ok(())
}

/// Writes an agent into a folder, which then holds exactly that agent: what was there is replaced as
/// a whole, or stays as it was.
///
/// # Errors
/// When the folder cannot be written, or holds something that is no agent.
pub fn put_folder(agent: &Agent, folder: &Path) -> Result<(), Error> {
    if folder.exists() && !folder.join(SETTINGS).is_file() && !is_empty(folder) {
        let message =
            format!("{} holds other files and is not replaced; name another folder", folder.display());
        return Err(Error::new(Kind::Input, message));
    }
    let aside = |ending: &str| {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        folder.with_file_name(name)
    };
    let (new, old) = (aside(".new"), aside(".old"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| Error::file("write", &path, &error)
    };
    for leftover in [&new, &old] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).map_err(failed(leftover))?;
        }
    }
    for (name, content) in write(agent) {
        let path = new.join(&name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        fs::write(&path, content).map_err(failed(&path))?;
    }
    if folder.exists() {
        fs::rename(folder, &old).map_err(failed(folder))?;
    }
    fs::rename(&new, folder).map_err(failed(folder))?;
    if old.exists() {
        fs::remove_dir_all(&old).map_err(failed(&old))?;
    }
    Ok(())
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Packs an agent into a zip that Dialogflow takes.
///
/// # Errors
/// When it is too large, or the file cannot be written.
pub fn put_zip(agent: &Agent, path: &Path) -> Result<(), Error> {
    let bytes = pack(agent)?;
    put_file(path, &bytes)
}

/// The bytes of an agent's zip; the same agent gives the same bytes.
///
/// # Errors
/// When it is too large for the format.
pub fn pack(agent: &Agent) -> Result<Vec<u8>, Error> {
    zip::write(&write(agent)).map_err(|why| Error::new(Kind::File, why))
}

/// Writes a file so that a crash leaves the old or the new one.
///
/// # Errors
/// When it cannot be written.
pub fn put_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let put = || -> io::Result<()> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    put().map_err(|error| {
        let _ = fs::remove_file(&part);
        Error::file("write", path, &error)
    })
}
