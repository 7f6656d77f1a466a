//! Looks into a model archive without using it: whether it is complete, whose it is, when it was trained.
//!
//! Reads archives of ours and of Rasa 2.x and 3.x (whose first member is a folder named `/`). The whole
//! file is read once: the gzip checksum, the end of the tar and every member's length are checked, and
//! the file's digest is taken on the way. Nothing is unpacked to disk.

use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use flate2::bufread::GzDecoder;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// More members than this are no model.
const MEMBERS_MAX: usize = 20_000;
/// An archive that unpacks to more than this is no model.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// An archive that unpacks to more than this many times its size, beyond the first bytes, is a bomb.
const RATIO_MAX: u64 = 100;
const UNPACKED_BYTES_FREE: u64 = 64 << 20;
/// The description at the head of an archive is never longer.
const DESCRIPTION_BYTES_MAX: u64 = 64 << 20;

/// Who wrote an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This product.
    Intendant,
    /// Rasa 3.x: `metadata.json` with `trained_at`.
    Rasa3,
    /// Rasa 2.x and earlier: `fingerprint.json`.
    Rasa2,
}

/// A complete model archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Who wrote it.
    pub origin: Origin,
    /// When it was trained, as far as it says.
    pub trained_at: Option<Timestamp>,
    /// SHA-256 of the file, hexadecimal.
    pub digest: String,
    /// Size of the file.
    pub bytes: u64,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A complete model.
    Complete(Model),
    /// Cut off or damaged: perhaps still being written. Says where it ends.
    Incomplete(String),
    /// A sound archive that is no model, or one that no careful reader unpacks. Says why.
    Refused(String),
}

/// Reads a whole archive and says what it is.
///
/// # Errors
/// When the file itself cannot be read; what is wrong with its content is a verdict.
pub fn inspect(file: impl Read) -> io::Result<Verdict> {
    let mut failure = None;
    let mut source = Source { file, digest: Sha256::new(), bytes: 0, failure: &mut failure };
    let looked = look(&mut source);
    let (digest, bytes) = (source.digest.clone(), source.bytes);
    if let Some(error) = failure {
        return Err(error);
    }
    Ok(match looked {
        Ok((origin, trained_at)) => {
            let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            Verdict::Complete(Model { origin, trained_at, digest, bytes })
        }
        Err(Fault::Incomplete(why)) => Verdict::Incomplete(why),
        Err(Fault::Refused(why)) => Verdict::Refused(why),
    })
}

enum Fault {
    Incomplete(String),
    Refused(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Incomplete(format!("not a complete .tar.gz: {error}"))
    }
}

/// Counts and digests what is read, and tells a failing disk from a damaged archive.
struct Source<'a, R> {
    file: R,
    digest: Sha256,
    bytes: u64,
    failure: &'a mut Option<io::Error>,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(count) => {
                self.digest.update(&buffer[..count]);
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                *self.failure = Some(error);
                Err(told)
            }
        }
    }
}

/// Bounds how much an archive may unpack to for what was read of it.
struct Bounded<'s, 'f, R> {
    decoder: GzDecoder<BufReader<&'s mut Source<'f, R>>>,
    unpacked: u64,
}

impl<R: Read> Read for Bounded<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.unpacked += count as u64;
        let read = self.decoder.get_ref().get_ref().bytes;
        let allowed = UNPACKED_BYTES_FREE + read.saturating_mul(RATIO_MAX);
        if self.unpacked > allowed.min(UNPACKED_BYTES_MAX) {
            return Err(io::Error::other(Bomb));
        }
        Ok(count)
    }
}

#[derive(Debug)]
struct Bomb;

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it unpacks to far more than a model holds")
    }
}

impl std::error::Error for Bomb {}

fn look<R: Read>(source: &mut Source<'_, R>) -> Result<(Origin, Option<Timestamp>), Fault> {
    let decoder = GzDecoder::new(BufReader::with_capacity(1 << 16, source));
    let bounded = Bounded { decoder, unpacked: 0 };
    let mut archive = tar::Archive::new(bounded);
    let described = members(&mut archive).map_err(|fault| match fault {
        Fault::Incomplete(why) if why.contains(&Bomb.to_string()) => Fault::Refused(Bomb.to_string()),
        other => other,
    })?;
    // The tar ends before the gzip stream does; only the stream's end carries its checksum.
    let mut bounded = archive.into_inner();
    io::copy(&mut bounded, &mut io::sink())?;
    if io::copy(&mut bounded.decoder.into_inner(), &mut io::sink())? > 0 {
        return Err(Fault::Incomplete("something follows the end of the archive".to_owned()));
    }
    described
        .ok_or_else(|| Fault::Refused("no metadata.json (or fingerprint.json) in it: not a model".to_owned()))
}

type Description = (Origin, Option<Timestamp>);

fn members<R: Read>(archive: &mut tar::Archive<R>) -> Result<Option<Description>, Fault> {
    let mut described: Option<Description> = None;
    for (index, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if index >= MEMBERS_MAX {
            return Err(Fault::Refused(format!("it has more than {MEMBERS_MAX} members")));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        let is_folder = kind.is_dir() || name.ends_with('/');
        if !is_folder && !kind.is_file() {
            return Err(Fault::Refused(format!("member `{name}` is a link or a device")));
        }
        if !is_safe(&name, is_folder) {
            return Err(Fault::Refused(format!("member `{name}` would be unpacked outside its folder")));
        }
        let describes = match name.strip_prefix("./").unwrap_or(&name) {
            "metadata.json" => Some(true),
            "fingerprint.json" => Some(false),
            _ => None,
        };
        let Some(is_metadata) = describes.filter(|_| !is_folder) else {
            // Skipping reads the member's bytes, so a cut is seen here.
            let size = entry.size();
            if io::copy(&mut entry, &mut io::sink())? != size {
                return Err(Fault::Incomplete(format!("member `{name}` is cut off")));
            }
            continue;
        };
        let size = entry.size();
        let mut bytes = Vec::new();
        entry.by_ref().take(DESCRIPTION_BYTES_MAX).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(Fault::Incomplete(format!("member `{name}` is cut off")));
        }
        let Ok(description) = serde_json::from_slice::<Value>(&bytes) else {
            return Err(Fault::Refused(format!("member `{name}` is not JSON")));
        };
        if is_metadata || described.is_none() {
            described = Some(describe(&description, is_metadata));
        }
    }
    Ok(described)
}

// A folder named `/` is what Rasa begins with; any other absolute name is an attack.
fn is_safe(name: &str, is_folder: bool) -> bool {
    if is_folder && name.trim_matches('/').is_empty() {
        return true;
    }
    Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn describe(description: &Value, is_metadata: bool) -> Description {
    let origin = match (is_metadata, description.get("product_version").is_some()) {
        (true, true) => Origin::Intendant,
        (true, false) => Origin::Rasa3,
        (false, _) => Origin::Rasa2,
    };
    let trained_at = match description.get("trained_at") {
        Some(Value::String(text)) => parse_time(text),
        Some(Value::Number(seconds)) => {
            seconds.as_f64().and_then(|seconds| Timestamp::from_microsecond((seconds * 1e6) as i64).ok())
        }
        _ => None,
    };
    (origin, trained_at)
}

// Rasa writes universal time without saying so.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|moment| moment.timestamp())
}
