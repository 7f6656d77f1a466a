//! Archives for tests, as the three trainers write them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What an archive is made of.
pub struct Maker {
    builder: tar::Builder<GzEncoder<Vec<u8>>>,
}

impl Maker {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Maker { builder: tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast())) }
    }

    /// Adds a member under any name, also those that careful writers refuse.
    pub fn member(mut self, name: &str, kind: tar::EntryType, content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        self.builder.append(&header, content).unwrap();
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.member(name, tar::EntryType::Regular, content)
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut encoder = self.builder.into_inner().unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    }
}

/// As Rasa 3 writes it, beginning with a folder named `/`.
pub fn rasa3(trained_at: &str) -> Vec<u8> {
    let metadata = format!("{{\"trained_at\": \"{trained_at}\", \"rasa_open_source_version\": \"3.6.21\"}}");
    Maker::new()
        .member("/", tar::EntryType::Directory, b"")
        .file("metadata.json", metadata.as_bytes())
        .file("components/weights", &noise(9_000))
        .bytes()
}

/// As Rasa 2 writes it.
pub fn rasa2(trained_at: f64) -> Vec<u8> {
    let fingerprint = format!("{{\"trained_at\": {trained_at}, \"version\": \"2.8.0\"}}");
    Maker::new().file("core/policy_0", &noise(500)).file("fingerprint.json", fingerprint.as_bytes()).bytes()
}

/// As this product writes it; `mark` tells models apart.
pub fn ours(mark: &str) -> Vec<u8> {
    let metadata = format!("{{\"format\": 1, \"product_version\": \"0.1.0\", \"model_id\": \"{mark}\"}}");
    Maker::new().file("metadata.json", metadata.as_bytes()).file("domain.json", &noise(3_000)).bytes()
}

/// Bytes that do not compress.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}
