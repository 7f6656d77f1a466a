//! Zip archives, as far as agents need them: stored and deflated files, read and written in memory.
//!
//! Source: PKWARE APPNOTE 6.3.9. Written archives hold no times, so the same files give the same
//! bytes. The libraries for zip bring encryption, file systems and clocks, none of which belong here.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::Files;

/// The most that an archive may unpack to.
const UNPACKED_BYTES_MAX: u64 = 512 << 20;
/// The most files in an archive.
const FILES_MAX: usize = 50_000;

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const COMMENT_BYTES_MAX: usize = 65_535;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const FLAG_ENCRYPTED: u16 = 1;
const FLAG_UTF8: u16 = 0x800;
/// The first day that the format can write.
const DATE_1980: u16 = 0x21;

/// Reads an archive: files by path, folders left out.
///
/// # Errors
/// A sentence that says why the bytes are no archive that can be read.
pub fn read(bytes: &[u8]) -> Result<Files, String> {
    let (count, mut at) = end_record(bytes)?;
    let mut files = BTreeMap::new();
    let mut left = UNPACKED_BYTES_MAX;
    for _ in 0..count {
        let entry = Entry::read(bytes, at)?;
        at = entry.next;
        if entry.name.ends_with('/') {
            continue;
        }
        let content = entry.unpack(bytes, left)?;
        left -= content.len() as u64;
        if files.len() == FILES_MAX {
            return Err(format!("the archive holds more than {FILES_MAX} files"));
        }
        files.insert(entry.name, content);
    }
    Ok(files)
}

/// Writes an archive of files in order of their paths.
///
/// # Errors
/// When there are more or longer files than the format can name.
pub fn write(files: &Files) -> Result<Vec<u8>, String> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let too_large = |_| format!("{name} is too large for a zip archive");
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        let packed = encoder.write_all(content).and_then(|()| encoder.finish());
        let packed = packed.map_err(|error| format!("cannot compress {name}: {error}"))?;
        let offset = u32::try_from(archive.len()).map_err(too_large)?;
        let mut crc = Crc::new();
        crc.update(content);
        let mut shared = Vec::with_capacity(26);
        for half in [20, FLAG_UTF8, DEFLATED, 0, DATE_1980] {
            shared.extend(half.to_le_bytes());
        }
        let sizes = [u32::try_from(packed.len()), u32::try_from(content.len())];
        shared.extend(crc.sum().to_le_bytes());
        for size in sizes {
            shared.extend(size.map_err(too_large)?.to_le_bytes());
        }
        let name_length = u16::try_from(name.len()).map_err(|_| format!("the name {name} is too long"))?;
        shared.extend(name_length.to_le_bytes());
        shared.extend([0, 0]);
        archive.extend(LOCAL_HEADER.to_le_bytes());
        archive.extend(&shared);
        archive.extend(name.as_bytes());
        archive.extend(packed);
        directory.extend(CENTRAL_HEADER.to_le_bytes());
        directory.extend(20u16.to_le_bytes());
        directory.extend(&shared);
        // No comment, one disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let too_many = |_| "too many files for a zip archive".to_owned();
    let count = u16::try_from(files.len()).map_err(too_many)?;
    let start = u32::try_from(archive.len()).map_err(|_| "too much for a zip archive".to_owned())?;
    let length = u32::try_from(directory.len()).map_err(|_| "too much for a zip archive".to_owned())?;
    archive.extend(directory);
    archive.extend(END.to_le_bytes());
    archive.extend([0; 4]);
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(length.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]);
    Ok(archive)
}

/// The number of files and where their directory begins.
fn end_record(bytes: &[u8]) -> Result<(usize, usize), String> {
    let first = bytes.len().saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    let last = bytes.len().checked_sub(END_BYTES);
    let at = last.and_then(|last| (first..=last).rev().find(|at| word(bytes, *at) == Some(END)));
    let Some(at) = at else {
        return Err("not a zip archive, or cut off: its directory is missing".to_owned());
    };
    let count = half(bytes, at + 10).unwrap_or(0);
    let start = word(bytes, at + 16).unwrap_or(0);
    if count == u16::MAX || start == u32::MAX {
        return Err("zip archives of the large kind (zip64) cannot be read".to_owned());
    }
    Ok((usize::from(count), start as usize))
}

/// A file as the directory names it.
struct Entry {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    packed: usize,
    offset: usize,
    /// Where the next entry begins.
    next: usize,
}

impl Entry {
    fn read(bytes: &[u8], at: usize) -> Result<Self, String> {
        let damaged = || "the zip archive's directory is damaged".to_owned();
        if word(bytes, at) != Some(CENTRAL_HEADER) {
            return Err(damaged());
        }
        let number = |offset: usize| half(bytes, at + offset).map(usize::from).ok_or_else(damaged);
        let long = |offset: usize| word(bytes, at + offset).ok_or_else(damaged);
        let flags = half(bytes, at + 8).ok_or_else(damaged)?;
        let (name, extra, comment) = (number(28)?, number(30)?, number(32)?);
        let raw = bytes.get(at + 46..at + 46 + name).ok_or_else(damaged)?;
        Ok(Self {
            name: decode_name(raw, flags & FLAG_UTF8 != 0),
            flags,
            method: half(bytes, at + 10).ok_or_else(damaged)?,
            crc: long(16)?,
            packed: long(20)? as usize,
            offset: long(42)? as usize,
            next: at + 46 + name + extra + comment,
        })
    }

    fn unpack(&self, bytes: &[u8], limit: u64) -> Result<Vec<u8>, String> {
        let name = &self.name;
        let damaged = || format!("{name} is damaged in the zip archive");
        if self.flags & FLAG_ENCRYPTED != 0 {
            return Err(format!("{name} is encrypted; unpack the archive with its password first"));
        }
        if word(bytes, self.offset) != Some(LOCAL_HEADER) {
            return Err(damaged());
        }
        let name_length = half(bytes, self.offset + 26).ok_or_else(damaged)?;
        let extra_length = half(bytes, self.offset + 28).ok_or_else(damaged)?;
        let start = self.offset + 30 + usize::from(name_length) + usize::from(extra_length);
        let packed =
            start.checked_add(self.packed).and_then(|end| bytes.get(start..end)).ok_or_else(damaged)?;
        let mut content = Vec::new();
        match self.method {
            STORED => content.extend_from_slice(packed),
            DEFLATED => {
                let mut decoder = DeflateDecoder::new(packed).take(limit + 1);
                decoder.read_to_end(&mut content).map_err(|_| damaged())?;
            }
            method => return Err(format!("{name} is packed in a way (method {method}) that cannot be read")),
        }
        if content.len() as u64 > limit {
            return Err(format!("the archive unpacks to more than {UNPACKED_BYTES_MAX} bytes"));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != self.crc {
            return Err(damaged());
        }
        Ok(content)
    }
}

/// Names are UTF-8, whether they say so or not, or else in the code page of the first PCs.
fn decode_name(raw: &[u8], is_utf8: bool) -> String {
    let name = match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) if is_utf8 => String::from_utf8_lossy(raw).into_owned(),
        Err(_) => raw.iter().map(|byte| code_page_437(*byte)).collect(),
    };
    name.replace('\\', "/")
}

fn code_page_437(byte: u8) -> char {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
                         αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    match byte.checked_sub(128) {
        None => char::from(byte),
        Some(at) => UPPER.chars().nth(usize::from(at)).unwrap_or('_'),
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &[u8])]) -> Files {
        list.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect()
    }

    #[test]
    fn archives_are_read_as_they_were_written() {
        let files =
            files(&[("agent.json", b"{}"), ("intents/\u{c4}\u{a7}.json", &[b'x'; 10_000]), ("empty", b"")]);
        let archive = write(&files).unwrap();
        assert!(archive.len() < 1_000);
        assert_eq!(archive, write(&files).unwrap());
        assert_eq!(read(&archive).unwrap(), files);
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let archive = write(&files(&[("a", b"abcabcabc"), ("b", b"0123456789")])).unwrap();
        for length in 0..archive.len() {
            assert!(read(&archive[..length]).is_err(), "{length}");
        }
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut damaged = archive.clone();
                damaged[at] ^= 1 << bit;
                let _ = read(&damaged);
            }
        }
    }

    #[test]
    fn old_names_are_read() {
        assert_eq!(decode_name(b"M\x81ll\\x", false), "Müll/x");
        assert_eq!(decode_name("Müll".as_bytes(), false), "Müll");
        assert_eq!(code_page_437(0xff), '\u{a0}');
    }
}
