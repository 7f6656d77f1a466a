//! Whole archives.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use flate2::{Compression, GzBuilder, read::GzDecoder};
use intendant_component::stored::Stored;
use intendant_talk::message::Object;
use sha2::{Digest, Sha256};

use crate::metadata::{ARCHIVE_FORMAT, Metadata};
use crate::{Error, Kind, tensors};

/// The most that one archive may unpack to.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;
/// The most that `metadata.json` may unpack to.
const METADATA_BYTES_MAX: u64 = 16 << 20;

/// A trained model as values.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// What the archive says about itself.
    pub metadata: Metadata,
    /// The domain as Rasa writes it; empty for models of language understanding without domain.
    pub domain: Object,
    /// Trained components in the order of `metadata.nodes`.
    pub components: Vec<(String, Stored)>,
}

/// Writes an archive. The same bundle gives the same bytes.
///
/// # Errors
/// [`Kind::Damaged`] when a tensor's shape does not fit its elements.
pub fn write(bundle: &Bundle) -> Result<Vec<u8>, Error> {
    let mut files: Vec<(String, Vec<u8>)> = vec![("domain.json".to_owned(), json(&bundle.domain)?)];
    for (node, stored) in &bundle.components {
        files.push((format!("components/{node}/state.json"), json(&stored.state)?));
        if !stored.tensors.is_empty() {
            files.push((format!("components/{node}/weights.safetensors"), tensors::write(&stored.tensors)?));
        }
    }
    let mut metadata = bundle.metadata.clone();
    metadata.nodes = bundle.components.iter().map(|(node, _)| node.clone()).collect();
    metadata.checksums = files.iter().map(|(path, bytes)| (path.clone(), digest(bytes))).collect();
    files.insert(0, ("metadata.json".to_owned(), json(&metadata)?));
    pack(&files).map_err(|error| Error::new(Kind::Damaged, format!("cannot pack the archive: {error}")))
}

/// Reads and checks an archive.
///
/// # Errors
/// Every way in which bytes can fail to be an archive of ours, see [`Kind`].
pub fn read(bytes: &[u8]) -> Result<Bundle, Error> {
    let mut files = unpack(bytes)?;
    let metadata = parse_metadata(files.get("metadata.json").map(Vec::as_slice))?;
    for (path, expected) in &metadata.checksums {
        let Some(file) = files.get(path) else {
            return Err(Error::new(Kind::Damaged, format!("`{path}` is missing from the archive")));
        };
        if digest(file) != *expected {
            return Err(Error::new(Kind::Damaged, format!("`{path}` does not match its checksum")));
        }
    }
    if let Some(path) =
        files.keys().find(|path| *path != "metadata.json" && !metadata.checksums.contains_key(*path))
    {
        return Err(Error::new(Kind::Damaged, format!("`{path}` has no checksum in metadata.json")));
    }
    let domain = match files.get("domain.json") {
        Some(file) => from_json(file, "domain.json")?,
        None => Object::new(),
    };
    let mut components = Vec::with_capacity(metadata.nodes.len());
    for node in &metadata.nodes {
        let path = format!("components/{node}/state.json");
        let Some(file) = files.remove(&path) else {
            return Err(Error::new(Kind::Damaged, format!("`{path}` is missing from the archive")));
        };
        let state = from_json(&file, &path)?;
        let tensors = match files.remove(&format!("components/{node}/weights.safetensors")) {
            Some(file) => tensors::read(&file)?,
            None => BTreeMap::new(),
        };
        components.push((node.clone(), Stored { state, tensors }));
    }
    Ok(Bundle { metadata, domain, components })
}

/// Reads only the first file of an archive; nothing else is unpacked or checked.
///
/// # Errors
/// As [`read`], as far as the first file tells.
pub fn read_metadata(bytes: &[u8]) -> Result<Metadata, Error> {
    read_metadata_from(bytes)
}

/// Reads only the first file of an archive, and not much more of `source` than that.
///
/// # Errors
/// As [`read_metadata`].
pub fn read_metadata_from(source: impl Read) -> Result<Metadata, Error> {
    let mut archive = tar::Archive::new(GzDecoder::new(source));
    let mut entries = archive.entries().map_err(|error| not_an_archive(&error))?;
    let Some(first) = entries.next() else {
        return Err(Error::new(Kind::Damaged, "the archive is empty"));
    };
    let first = first.map_err(|error| not_an_archive(&error))?;
    if first.path_bytes().as_ref() != b"metadata.json" {
        return Err(foreign());
    }
    let mut file = Vec::new();
    first.take(METADATA_BYTES_MAX).read_to_end(&mut file).map_err(|error| not_an_archive(&error))?;
    parse_metadata(Some(&file))
}

fn foreign() -> Error {
    Error::new(
        Kind::Unsupported,
        "this is not an Intendant model (no metadata.json of ours); models trained by Rasa hold pickled Python \
         and cannot be loaded: train the project again with `intendant train`",
    )
}

fn not_an_archive(error: &std::io::Error) -> Error {
    Error::new(Kind::Damaged, format!("not a complete .tar.gz archive: {error}"))
}

fn parse_metadata(file: Option<&[u8]>) -> Result<Metadata, Error> {
    let Some(file) = file else {
        return Err(foreign());
    };
    let value: serde_json::Value = serde_json::from_slice(file)
        .map_err(|error| Error::new(Kind::Damaged, format!("metadata.json is not JSON: {error}")))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(ARCHIVE_FORMAT) => {}
        Some(format) => {
            let message =
                format!("archive format {format} is not known to this version (it reads {ARCHIVE_FORMAT})");
            return Err(Error::new(Kind::Unsupported, message));
        }
        None => return Err(foreign()),
    }
    serde_json::from_value(value)
        .map_err(|error| Error::new(Kind::Damaged, format!("metadata.json is not as expected: {error}")))
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::new(Kind::Damaged, format!("cannot write JSON: {error}")))
}

fn from_json<T: serde::de::DeserializeOwned>(file: &[u8], path: &str) -> Result<T, Error> {
    serde_json::from_slice(file)
        .map_err(|error| Error::new(Kind::Damaged, format!("`{path}` is not as expected: {error}")))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pack(files: &[(String, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, path, Cursor::new(bytes))?;
    }
    let mut encoder = archive.into_inner()?;
    encoder.flush()?;
    encoder.finish()
}

fn unpack(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut archive = tar::Archive::new(GzDecoder::new(bytes));
    let mut files = BTreeMap::new();
    let mut left = UNPACKED_BYTES_MAX;
    for entry in archive.entries().map_err(|error| not_an_archive(&error))? {
        let mut entry = entry.map_err(|error| not_an_archive(&error))?;
        let size = entry.size();
        if size > left {
            let message = format!("the archive unpacks to more than {UNPACKED_BYTES_MAX} bytes");
            return Err(Error::new(Kind::TooLarge, message));
        }
        left -= size;
        let Ok(path) = String::from_utf8(entry.path_bytes().into_owned()) else {
            return Err(Error::new(Kind::Damaged, "a file name in the archive is not UTF-8"));
        };
        let mut file = Vec::new();
        entry.read_to_end(&mut file).map_err(|error| not_an_archive(&error))?;
        if file.len() as u64 != size {
            return Err(Error::new(Kind::Damaged, format!("`{path}` is cut off in the archive")));
        }
        files.insert(path, file);
    }
    // The tar ends before the gzip stream does; only the stream's end carries its checksum.
    let mut rest = archive.into_inner().take(left);
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(|error| not_an_archive(&error))?;
    Ok(files)
}
