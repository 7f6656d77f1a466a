//! A file of lines that wait to be passed on, for what must survive this process while somebody
//! else is away.
//!
//! The file begins with a line that tells how far it has been passed on, so that after a crash at
//! most the lines under way are passed on twice. A process locks its file; files of processes that
//! died are taken over by the next one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use intendant_port::error::{Error, Kind, Result};

/// What the first line begins with; the rest of it is the offset of the first line that waits.
const MAGIC: &str = "intendant-outbox-1 ";
const OFFSET_DIGITS: usize = 20;
const HEADER_BYTES: u64 = (MAGIC.len() + OFFSET_DIGITS + 1) as u64;
/// Most bytes of lines that wait.
const BYTES_MAX: u64 = 1 << 30;
/// Passed-on lines are removed from a file that is never empty once they take this much.
const STALE_BYTES_MAX: u64 = 8 << 20;
/// Most processes that share a folder.
const FILES_MAX: usize = 100;

/// The folder of outboxes unless the setting `outbox` names another.
pub const FOLDER_DEFAULT: &str = ".intendant/outbox";

/// A journal, locked for this process.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Where the first line that waits begins.
    start: u64,
    /// Where the next line goes.
    end: u64,
}

/// Lines that wait, oldest first.
pub struct Lines {
    /// The lines without their ends.
    pub lines: Vec<String>,
    /// What [`Journal::pass`] wants to be told when they have been passed on.
    pub end: u64,
}

impl Journal {
    /// Opens a file of this name that no other process uses, and takes over those of dead ones.
    pub fn open(folder: &Path, name: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| failed("create", folder, error))?;
        let mut own: Option<Self> = None;
        for number in 0..FILES_MAX {
            let path = folder.join(format!("{name}-{number}.jsonl"));
            if own.is_some() && !path.exists() {
                continue;
            }
            let Some(mut journal) = Self::lock(path)? else { continue };
            match &mut own {
                None => own = Some(journal),
                Some(own) => own.take_over(&mut journal)?,
            }
        }
        own.ok_or_else(|| {
            Error::new(Kind::Unavailable, format!("too many processes use {}", folder.display()))
        })
    }

    /// As [`Journal::open`], if a process has left a file of this name.
    pub fn open_left(folder: &Path, name: &str) -> Result<Option<Self>> {
        let is_left = (0..FILES_MAX).any(|number| folder.join(format!("{name}-{number}.jsonl")).exists());
        if is_left { Self::open(folder, name).map(Some) } else { Ok(None) }
    }

    fn lock(path: PathBuf) -> Result<Option<Self>> {
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = opened.map_err(|error| failed("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
        }
        let mut journal = Self { path, file, start: HEADER_BYTES, end: HEADER_BYTES };
        journal.recover().map_err(|error| failed("read", &journal.path, error))?;
        Ok(Some(journal))
    }

    /// Finds the first line that waits and cuts off a last line that was not written to its end.
    fn recover(&mut self) -> std::io::Result<()> {
        let mut content = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut content)?;
        let header = content.get(..HEADER_BYTES as usize).and_then(|header| std::str::from_utf8(header).ok());
        let start = header.and_then(|header| header.strip_prefix(MAGIC)?.trim_end().parse::<u64>().ok());
        let Some(start) = start else {
            self.file.set_len(0)?;
            return self.clear();
        };
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last as u64 + 1);
        self.end = whole.max(HEADER_BYTES);
        self.file.set_len(self.end)?;
        self.start = if (HEADER_BYTES..=self.end).contains(&start) { start } else { HEADER_BYTES };
        Ok(())
    }

    fn take_over(&mut self, other: &mut Self) -> Result<()> {
        while let Some(lines) = other.next_lines(usize::MAX)? {
            self.append(&lines.lines)?;
            other.pass(lines.end)?;
        }
        std::fs::remove_file(&other.path).map_err(|error| failed("remove", &other.path, error))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds lines, all or none. They survive this process when it returns.
    pub fn append<T: AsRef<str>>(&mut self, lines: &[T]) -> Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend_from_slice(line.as_ref().as_bytes());
            bytes.push(b'\n');
        }
        if self.end - self.start + bytes.len() as u64 > BYTES_MAX {
            let message = format!("the outbox {} is full", self.path.display());
            return Err(Error::new(Kind::Unavailable, message));
        }
        let written = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written {
            // Half a line would spoil the next one.
            drop(self.file.set_len(self.end));
            return Err(failed("write", &self.path, error));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// The oldest lines that wait, at least one and about `bytes_max` bytes of them.
    pub fn next_lines(&mut self, bytes_max: usize) -> Result<Option<Lines>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut wanted = bytes_max.max(1) as u64;
        loop {
            let length = wanted.min(self.end - self.start);
            let mut content = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            let read =
                self.file.seek(SeekFrom::Start(self.start)).and_then(|_| self.file.read_exact(&mut content));
            read.map_err(|error| failed("read", &self.path, error))?;
            if let Some(last) = content.iter().rposition(|byte| *byte == b'\n') {
                content.truncate(last + 1);
                let text = String::from_utf8_lossy(&content);
                let end = self.start + content.len() as u64;
                return Ok(Some(Lines { lines: text.lines().map(str::to_owned).collect(), end }));
            }
            if length == self.end - self.start {
                return Ok(None);
            }
            wanted = wanted.saturating_mul(2);
        }
    }

    /// Remembers that everything before `end` has been passed on.
    pub fn pass(&mut self, end: u64) -> Result<()> {
        self.start = end.min(self.end);
        let outcome = match self.is_empty() {
            true => self.clear(),
            false if self.start > STALE_BYTES_MAX && self.end - self.start < self.start - HEADER_BYTES => {
                self.compact()
            }
            false => self.write_header(),
        };
        outcome.map_err(|error| failed("write", &self.path, error))
    }

    /// Forgets all lines.
    pub fn pass_all(&mut self) -> Result<()> {
        self.pass(self.end)
    }

    fn clear(&mut self) -> std::io::Result<()> {
        if self.end > HEADER_BYTES {
            self.file.set_len(HEADER_BYTES)?;
        }
        (self.start, self.end) = (HEADER_BYTES, HEADER_BYTES);
        self.write_header()
    }

    /// Moves the lines that wait to the front.
    fn compact(&mut self) -> std::io::Result<()> {
        let mut rest = Vec::new();
        self.file.seek(SeekFrom::Start(self.start))?;
        self.file.read_to_end(&mut rest)?;
        self.file.seek(SeekFrom::Start(HEADER_BYTES))?;
        self.file.write_all(&rest)?;
        (self.start, self.end) = (HEADER_BYTES, HEADER_BYTES + rest.len() as u64);
        self.write_header()?;
        self.file.set_len(self.end)
    }

    fn write_header(&mut self) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(format!("{MAGIC}{:0width$}\n", self.start, width = OFFSET_DIGITS).as_bytes())
    }
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {what} the outbox {}", path.display())).because(error)
}

/// A short name for whatever `text` describes, the same in every version (FNV-1a).
pub fn short_name(text: &str) -> String {
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(journal: &mut Journal) -> Vec<String> {
        let found = journal.next_lines(usize::MAX).unwrap();
        found.map(|lines| lines.lines).unwrap_or_default()
    }

    #[test]
    fn lines_wait_until_they_are_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "x").unwrap();
        assert!(journal.is_empty() && journal.next_lines(10).unwrap().is_none());
        journal.append(&["one", "two"]).unwrap();
        journal.append(&["three"]).unwrap();
        let first = journal.next_lines(1).unwrap().unwrap();
        assert_eq!(first.lines, ["one"]);
        journal.pass(first.end).unwrap();
        drop(journal);
        let mut journal = Journal::open(folder.path(), "x").unwrap();
        assert_eq!(waiting(&mut journal), ["two", "three"]);
        journal.pass_all().unwrap();
        assert_eq!(std::fs::metadata(journal.path()).unwrap().len(), HEADER_BYTES);
    }

    #[test]
    fn a_torn_line_is_cut_off_and_files_of_dead_processes_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Journal::open(folder.path(), "x").unwrap();
        let mut second = Journal::open(folder.path(), "x").unwrap();
        assert_ne!(first.path(), second.path());
        first.append(&["one"]).unwrap();
        second.append(&["two"]).unwrap();
        let path = first.path().to_owned();
        drop((first, second));
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"to").unwrap();
        let mut journal = Journal::open(folder.path(), "x").unwrap();
        assert_eq!(waiting(&mut journal), ["one", "two"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Journal::open_left(folder.path(), "y").unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_never_empty_does_not_grow() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "x").unwrap();
        let line = "x".repeat(100_000);
        journal.append(&["first"]).unwrap();
        for number in 0..300 {
            journal.append(&[format!("{number} {line}")]).unwrap();
            let lines = journal.next_lines(1).unwrap().unwrap();
            journal.pass(lines.end).unwrap();
        }
        assert!(std::fs::metadata(journal.path()).unwrap().len() < 2 * STALE_BYTES_MAX);
        assert!(waiting(&mut journal)[0].starts_with("299 "));
    }
}
