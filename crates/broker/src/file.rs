//! Events as JSON lines in a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use intendant_port::BoxFuture;
use intendant_port::broker::EventBroker;
use intendant_port::error::{Error, Kind, Result};
use intendant_talk::event::Event;

use crate::payload;

/// The broker of `type: file`.
pub struct FileBroker {
    path: PathBuf,
    file: Mutex<File>,
}

impl FileBroker {
    /// Opens the file for appending and creates it where it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.map_err(|error| {
            Error::new(Kind::Unavailable, format!("cannot open the event log {}", path.display()))
                .because(error)
        })?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    fn write(&self, lines: &str) -> Result<()> {
        // One write for all lines: whoever follows the file sees whole events.
        let written = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes());
        written.map_err(|error| {
            Error::new(Kind::Unavailable, format!("cannot write the event log {}", self.path.display()))
                .because(error)
        })
    }
}

impl EventBroker for FileBroker {
    fn publish<'a>(&'a self, sender_id: &'a str, events: &'a [Arc<Event>]) -> BoxFuture<'a, Result<()>> {
        let lines: String = events.iter().map(|event| format!("{}\n", payload(sender_id, event))).collect();
        // An append to a local file is shorter than handing it to another thread.
        Box::pin(std::future::ready(self.write(&lines)))
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
