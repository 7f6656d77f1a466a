//! Gives the code of all trainers a digest, so that parts trained by other code are never reused.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates whose code decides what is learnt, and how it is stored.
const TRAINERS: [&str; 9] =
    ["component", "embed", "entities", "nlu", "numeric", "policy", "talk", "text", "train"];

fn main() {
    let crates = Path::new("..");
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for name in TRAINERS {
        let sources = crates.join(name).join("src");
        println!("cargo:rerun-if-changed={}", sources.display());
        let mut files = Vec::new();
        collect(&sources, &mut files);
        files.sort();
        for file in files {
            let text = fs::read(&file).unwrap_or_default();
            for byte in text.into_iter().filter(|byte| *byte != b'\r') {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }
    println!("cargo:rustc-env=TRAINERS_DIGEST={hash:016x}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}
