//! A file as a source: read to its end, or followed as it grows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::stream::Message;
use serde_json::{Value, json};

use super::records::{self, Format};
use super::{Next, Polled, Source};

/// About how many bytes are read at once.
const PIECE_BYTES: usize = 1 << 20;
/// The longest record.
const RECORD_BYTES_MAX: usize = 64 << 20;
/// What some programs write at the beginning of a file in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Records of a file.
pub struct FileSource {
    path: PathBuf,
    format: Format,
    /// Time between looks at a file that may grow; without it the file is read to its end once.
    follow: Option<Duration>,
    state: State,
}

/// How far a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    offset: u64,
    /// The first record of a CSV file.
    header: String,
    /// The file that this is about: another of the same name is read from its beginning.
    identity: u64,
}

impl FileSource {
    /// Reads `path`. The ending tells the format where none is given.
    pub fn new(path: &Path, format: Option<Format>, follow: Option<Duration>) -> Self {
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        let format = format.unwrap_or(if is_csv { Format::Csv } else { Format::Ndjson });
        Self { path: path.to_owned(), format, follow, state: State::default() }
    }

    fn look(&self) -> std::io::Result<Polled> {
        let mut file = match File::open(&self.path) {
            // A file that is followed may come yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.follow.is_some() => {
                return Ok(Polled { next: self.rest(), ..Polled::default() });
            }
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let mut state = self.state.clone();
        if state.identity != identity(&metadata) || metadata.len() < state.offset {
            state = State { identity: identity(&metadata), ..State::default() };
        }
        let (mut piece, is_end) = self.piece(&mut file, state.offset)?;
        let mut length = piece.len();
        if is_end && self.follow.is_none() {
            // The last record may lack its line break.
        } else {
            length = records::whole(&piece, self.format);
            piece.truncate(length);
        }
        let start = if state.offset == 0 && piece.starts_with(MARK) { MARK.len() } else { 0 };
        let mut body = &piece[start..];
        if self.format == Format::Csv && state.offset == 0 && !body.is_empty() {
            let (header, after) = body.split_at(records::first(body));
            state.header = String::from_utf8_lossy(header).into_owned();
            body = after;
        }
        state.offset += length as u64;
        let text = String::from_utf8_lossy(body);
        let bodies = match self.format {
            Format::Ndjson => records::lines(&text),
            Format::Csv => records::csv(&state.header, &text),
        };
        let items = bodies.into_iter().map(|body| Message { key: None, body }).collect();
        let next = if is_end { self.rest() } else { Next::Now };
        Ok(Polled { items, state: (state != self.state).then(|| state.write()), next })
    }

    /// At least one whole record, and whether the file ends with it.
    fn piece(&self, file: &mut File, offset: u64) -> std::io::Result<(Vec<u8>, bool)> {
        file.seek(SeekFrom::Start(offset))?;
        let mut piece = Vec::new();
        loop {
            let read = file.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
            if read < PIECE_BYTES {
                return Ok((piece, true));
            }
            if records::whole(&piece, self.format) > 0 {
                return Ok((piece, false));
            }
            if piece.len() > RECORD_BYTES_MAX {
                let message = format!("a record is longer than {RECORD_BYTES_MAX} bytes");
                return Err(std::io::Error::other(message));
            }
        }
    }

    fn rest(&self) -> Next {
        self.follow.map_or(Next::Never, Next::After)
    }
}

impl State {
    fn write(&self) -> String {
        json!({"offset": self.offset, "header": self.header, "identity": self.identity.to_string()})
            .to_string()
    }

    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            offset: value["offset"].as_u64()?,
            header: value["header"].as_str()?.to_owned(),
            identity: value["identity"].as_str()?.parse().ok()?,
        })
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> u64 {
    0
}

impl Source for FileSource {
    fn restore(&mut self, state: Option<&str>) {
        self.state = state.and_then(State::read).unwrap_or_default();
    }

    fn poll(&mut self) -> BoxFuture<'_, Result<Polled>> {
        Box::pin(async move {
            // A piece of a local file is read in less time than another thread takes to start.
            let polled = self.look().map_err(|error| {
                let message = format!("cannot read {}", self.path.display());
                Error::new(Kind::Unavailable, message).because(error)
            })?;
            if let Some(state) = polled.state.as_deref().and_then(State::read) {
                self.state = state;
            }
            Ok(polled)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    async fn look(source: &mut FileSource) -> (Vec<String>, Next) {
        let polled = source.poll().await.unwrap();
        (polled.items.into_iter().map(|item| item.body).collect(), polled.next)
    }

    #[tokio::test]
    async fn a_file_is_followed_as_it_grows_and_when_it_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let wait = Next::After(Duration::from_secs(1));
        let mut source = FileSource::new(&path, None, Some(Duration::from_secs(1)));
        assert_eq!(look(&mut source).await, (vec![], wait));
        let append = |text: &str| {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
            file.unwrap().write_all(text.as_bytes()).unwrap();
        };
        append("\u{feff}id,text\n1,a\n2,");
        assert_eq!(look(&mut source).await, (vec![r#"{"id":"1","text":"a"}"#.to_owned()], wait));
        append("b\n");
        let state = source.state.write();
        let mut source = FileSource::new(&path, None, Some(Duration::from_secs(1)));
        source.restore(Some(&state));
        assert_eq!(look(&mut source).await, (vec![r#"{"id":"2","text":"b"}"#.to_owned()], wait));
        assert_eq!(look(&mut source).await, (vec![], wait));
        std::fs::write(&path, "n\n7\n").unwrap();
        assert_eq!(look(&mut source).await, (vec![r#"{"n":"7"}"#.to_owned()], wait));
    }

    #[tokio::test]
    async fn a_file_is_read_to_its_end_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.ndjson");
        let line = format!("{{\"t\":\"{}\"}}", "x".repeat(1000));
        let text = vec![line; 5000].join("\n");
        std::fs::write(&path, &text).unwrap();
        let mut source = FileSource::new(&path, None, None);
        let (mut lines, mut looks) = (Vec::new(), 0);
        loop {
            let (found, next) = look(&mut source).await;
            lines.extend(found);
            looks += 1;
            if next == Next::Never {
                break;
            }
        }
        assert!(looks > 3 && lines.join("\n") == text);
        let missing = FileSource::new(&folder.path().join("y"), None, None).poll().await.unwrap_err();
        assert!(missing.chain().starts_with("cannot read "), "{}", missing.chain());
    }
}
