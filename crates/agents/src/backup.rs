//! Versions of an agent, kept in a folder.
//!
//! Each version is one zip that Dialogflow takes, named by number, time and the beginning of its
//! digest, with a line in `index.jsonl` that holds the whole digest. A backup of an agent that has
//! not changed since the newest version adds nothing. No version is ever changed; a crash leaves at
//! most a file that the index does not name. Versions are added one after the other, by any number of
//! processes, so that a number is given once.

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use intendant_agent::values::Agent;
use intendant_dialogflow_format::{Difference, diff};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind};
use crate::files;
use crate::model::hexadecimal;

const INDEX: &str = "index.jsonl";
/// Held by who adds a version. The index itself is not: where locks bind readers, it could not be read.
const LOCK: &str = "index.lock";

/// A folder of versions.
#[derive(Clone, Debug)]
pub struct Backups {
    folder: PathBuf,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Counts from 1.
    pub number: u64,
    /// When it was made.
    pub made: Timestamp,
    /// SHA-256 of the file, hexadecimal.
    pub digest: String,
    /// The file's name.
    pub file: String,
    /// How large the file is.
    pub bytes: u64,
}

impl Backups {
    /// The versions in a folder, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Keeps an agent as a new version; `None` when the newest version is the same.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn keep(&self, agent: &Agent, now: Timestamp) -> Result<Option<Version>, Error> {
        let bytes = files::pack(agent)?;
        let digest = hexadecimal(&Sha256::digest(&bytes));
        let _turn = self.turn()?;
        let versions = self.versions()?;
        if versions.last().is_some_and(|last| last.digest == digest) {
            return Ok(None);
        }
        let number = versions.last().map_or(1, |last| last.number + 1);
        let file = format!("{number:06}-{}-{}.zip", now.strftime("%Y%m%dT%H%M%SZ"), &digest[..12]);
        files::put_file(&self.folder.join(&file), &bytes)?;
        let version = Version { number, made: now, digest, file, bytes: bytes.len() as u64 };
        let index = self.folder.join(INDEX);
        let failed = |error: std::io::Error| Error::file("write", &index, &error);
        let mut list = fs::OpenOptions::new().create(true).append(true).open(&index).map_err(failed)?;
        // A line that a crash left unfinished must not swallow this one.
        let is_torn = fs::read(&index).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'));
        let start = if is_torn { "\n" } else { "" };
        list.write_all(format!("{start}{}\n", version.to_json()).as_bytes()).map_err(failed)?;
        list.sync_all().map_err(failed)?;
        Ok(Some(version))
    }

    /// Removes all but the newest versions; gives those that went. Numbers are not given again.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn thin(&self, kept: NonZeroUsize) -> Result<Vec<Version>, Error> {
        let _turn = self.turn()?;
        let mut versions = self.versions()?;
        let newest = versions.split_off(versions.len().saturating_sub(kept.get()));
        if versions.is_empty() {
            return Ok(versions);
        }
        let index: String = newest.iter().map(|version| format!("{}\n", version.to_json())).collect();
        // A crash after this leaves files that the index does not name.
        files::put_file(&self.folder.join(INDEX), index.as_bytes())?;
        for version in &versions {
            let path = self.folder.join(&version.file);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", &path, &error));
                }
                _ => {}
            }
        }
        Ok(versions)
    }

    /// Waits until nobody else adds a version; whoever dies meanwhile lets go.
    fn turn(&self) -> Result<fs::File, Error> {
        let place = self.folder.join(LOCK);
        let failed = |error: std::io::Error| Error::file("lock", &place, &error);
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = fs::OpenOptions::new().create(true).append(true).open(&place).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// All versions, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn versions(&self) -> Result<Vec<Version>, Error> {
        let index = self.folder.join(INDEX);
        let text = match fs::read_to_string(&index) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file("read", &index, &error)),
        };
        let mut versions = Vec::new();
        for (at, line) in text.lines().enumerate() {
            match Version::of_json(line) {
                Some(version) => versions.push(version),
                // A line that a crash left unfinished was never told of.
                None if serde_json::from_str::<Value>(line).is_err() => {}
                None => {
                    let message = format!("{}:{}: this is no version", index.display(), at + 1);
                    return Err(Error::new(Kind::Version, message));
                }
            }
        }
        Ok(versions)
    }

    /// One version by its number, or the newest.
    ///
    /// # Errors
    /// When there is no such version.
    pub fn find(&self, number: Option<u64>) -> Result<Version, Error> {
        let versions = self.versions()?;
        let found = match number {
            None => versions.last(),
            Some(number) => versions.iter().find(|version| version.number == number),
        };
        found.cloned().ok_or_else(|| {
            let which = number.map_or("no version".to_owned(), |number| format!("no version {number}"));
            let hint = match versions.last() {
                Some(last) => format!("the newest is {}", last.number),
                None => "make one with `intendant backup create`".to_owned(),
            };
            Error::new(Kind::Version, format!("there is {which} in {}; {hint}", self.folder.display()))
        })
    }

    /// Reads a version after checking that it is what was kept.
    ///
    /// # Errors
    /// When its file is missing, damaged or no agent.
    pub fn load(&self, version: &Version) -> Result<Agent, Error> {
        let path = self.folder.join(&version.file);
        let bytes = fs::read(&path).map_err(|error| Error::file("read", &path, &error))?;
        if hexadecimal(&Sha256::digest(&bytes)) != version.digest {
            let message =
                format!("version {} is damaged: {} is not what was kept", version.number, path.display());
            return Err(Error::new(Kind::Version, message));
        }
        Ok(files::import(&path)?.agent)
    }

    /// Checks every version; what is wrong, by number.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn verify(&self) -> Result<Vec<(Version, Option<Error>)>, Error> {
        let checked = self.versions()?.into_iter().map(|version| {
            let wrong = self.load(&version).err();
            (version, wrong)
        });
        Ok(checked.collect())
    }

    /// What an agent differs in from a version.
    ///
    /// # Errors
    /// When the version cannot be read.
    pub fn compare(&self, version: &Version, agent: &Agent) -> Result<Vec<Difference>, Error> {
        Ok(diff(&self.load(version)?, agent))
    }

    /// Where the versions are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Version {
    /// The version for machines.
    pub fn to_json(&self) -> Value {
        json!({
            "version": self.number,
            "made": self.made.to_string(),
            "sha256": self.digest,
            "file": self.file,
            "bytes": self.bytes,
        })
    }

    fn of_json(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let file = value["file"].as_str()?.to_owned();
        // A name, never a path out of the folder.
        let is_name = !file.contains(['/', '\\']) && file.ends_with(".zip");
        is_name.then_some(())?;
        Some(Self {
            number: value["version"].as_u64()?,
            made: value["made"].as_str()?.parse().ok()?,
            digest: value["sha256"].as_str()?.to_owned(),
            bytes: value["bytes"].as_u64()?,
            file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_agent::values::Intent;

    fn agent(name: &str) -> Agent {
        let mut agent = Agent::default();
        agent.intents.push(Intent { name: name.to_owned(), is_learned: true, ..Intent::default() });
        agent
    }

    #[test]
    fn versions_are_kept_found_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::at(folder.path().join("versions"));
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        assert!(backups.find(None).is_err());
        let first = backups.keep(&agent("a"), now).unwrap().unwrap();
        assert_eq!((first.number, first.made), (1, now));
        assert!(backups.keep(&agent("a"), now).unwrap().is_none());
        let second = backups.keep(&agent("b"), now).unwrap().unwrap();
        assert_eq!(backups.versions().unwrap(), [first.clone(), second.clone()]);
        assert_eq!(backups.load(&first).unwrap().intents[0].name, "a");
        assert_eq!(backups.compare(&first, &agent("a")).unwrap(), []);
        assert!(!backups.compare(&second, &agent("a")).unwrap().is_empty());
        assert!(backups.verify().unwrap().iter().all(|(_, wrong)| wrong.is_none()));
        fs::write(backups.folder().join(&first.file), b"damaged").unwrap();
        let wrong: Vec<bool> = backups.verify().unwrap().iter().map(|(_, wrong)| wrong.is_some()).collect();
        assert_eq!(wrong, [true, false]);
    }

    #[test]
    fn a_number_is_given_once_however_many_ask() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::at(folder.path().join("versions"));
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let backups = &backups;
                scope.spawn(move || {
                    for turn in 0..4 {
                        backups.keep(&agent(&format!("{thread} {turn}")), now).unwrap().unwrap();
                    }
                });
            }
        });
        let numbers: Vec<u64> = backups.versions().unwrap().iter().map(|version| version.number).collect();
        assert_eq!(numbers, (1..=32).collect::<Vec<u64>>());
        assert!(backups.verify().unwrap().iter().all(|(_, wrong)| wrong.is_none()));
    }

    #[test]
    fn old_versions_go_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::at(folder.path());
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let numbers =
            |versions: &[Version]| -> Vec<u64> { versions.iter().map(|version| version.number).collect() };
        for name in ["a", "b", "c", "d"] {
            backups.keep(&agent(name), now).unwrap();
        }
        let two = NonZeroUsize::new(2).unwrap();
        assert_eq!(numbers(&backups.thin(two).unwrap()), [1, 2]);
        assert_eq!(backups.thin(two).unwrap(), []);
        assert!(backups.keep(&agent("d"), now).unwrap().is_none());
        assert_eq!(backups.keep(&agent("e"), now).unwrap().unwrap().number, 5);
        assert_eq!(numbers(&backups.versions().unwrap()), [3, 4, 5]);
        let archives = fs::read_dir(folder.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "zip")
        });
        assert_eq!(archives.count(), 3);
        assert!(backups.verify().unwrap().iter().all(|(_, wrong)| wrong.is_none()));
    }

    #[test]
    fn a_crash_while_writing_the_index_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::at(folder.path());
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        backups.keep(&agent("a"), now).unwrap();
        let index = folder.path().join(INDEX);
        let whole = fs::read(&index).unwrap();
        for length in 0..whole.len() {
            fs::write(&index, &whole[..length]).unwrap();
            assert!(backups.versions().unwrap().len() <= 1, "{length}");
        }
        fs::write(&index, [whole.as_slice(), b"{\"ver"].concat()).unwrap();
        let second = backups.keep(&agent("b"), now).unwrap().unwrap();
        assert_eq!(second.number, 2);
        assert_eq!(backups.versions().unwrap().len(), 2);
    }

    #[test]
    fn folders_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("agent");
        files::put_folder(&agent("a"), &place).unwrap();
        files::put_folder(&agent("b"), &place).unwrap();
        assert_eq!(files::import(&place).unwrap().agent, agent("b"));
        assert_eq!(files::folder_of(folder.path()), Some(place));
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("mine.txt"), b"mine").unwrap();
        assert!(files::put_folder(&agent("a"), &other).is_err());
        assert!(other.join("mine.txt").exists());
    }
}
