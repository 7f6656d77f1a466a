//! A folder of models: which is the newest, what a new one is called.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use intendant_bundle::TrainingType;

use jiff::Zoned;

use crate::files::FileError;

/// Ending of every archive's name.
pub const ARCHIVE_ENDING: &str = ".tar.gz";

/// The assistant that `path` means: itself if it is a file, else the `*.tar.gz` with the newest
/// modification time in the folder that is no predictor. `None` when the folder holds none or does not exist.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest(path: &Path) -> Result<Option<PathBuf>, FileError> {
    Ok(newest_first(path)?.into_iter().find(|file| !is_predictor(file)))
}

/// Whether an archive holds a predictor. What cannot be read is left to those who load it.
fn is_predictor(file: &Path) -> bool {
    let Ok(opened) = fs::File::open(file) else { return false };
    let metadata = intendant_bundle::read_metadata_from(BufReader::new(opened));
    metadata.is_ok_and(|metadata| metadata.training_type == TrainingType::Predictor)
}

/// The models that `path` means, newest first: itself if it is a file, else every `*.tar.gz` in the
/// folder. None when the folder does not exist.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest_first(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(path).map_err(|error| FileError::new("read the folder", path, error))?;
    let mut models = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| FileError::new("read the folder", path, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !name.ends_with(ARCHIVE_ENDING) {
            continue;
        }
        let Ok(modified) = fs::metadata(entry.path()).and_then(|metadata| metadata.modified()) else {
            continue; // Removed between listing and looking.
        };
        // Equal times are told apart by name, so that the answer does not depend on listing order.
        models.push((modified, entry.path()));
    }
    models.sort_by(|a, b| b.cmp(a));
    Ok(models.into_iter().map(|(_, path)| path).collect())
}

/// The file name of a model trained at `now`: `[nlu-|core-]<YYYYmmdd-HHMMSS>-<adjective-noun>.tar.gz`.
pub fn file_name(prefix: &str, now: &Zoned, model_id: &str) -> String {
    format!("{prefix}{}-{}{ARCHIVE_ENDING}", now.strftime("%Y%m%d-%H%M%S"), pet_name(model_id))
}

/// Two words that people can tell apart, chosen by the model's id.
fn pet_name(model_id: &str) -> String {
    let hash = model_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let adjective = ADJECTIVES[(hash % ADJECTIVES.len() as u64) as usize];
    let noun = NOUNS[(hash / 97 % NOUNS.len() as u64) as usize];
    format!("{adjective}-{noun}")
}

const ADJECTIVES: [&str; 40] = [
    "amber", "ample", "brisk", "calm", "candid", "clear", "crisp", "deft", "eager", "early", "fair",
    "fluent", "frank", "gentle", "golden", "happy", "honest", "humble", "keen", "kind", "lively", "lucid",
    "mellow", "merry", "neat", "noble", "patient", "placid", "polite", "prompt", "quick", "quiet", "rapid",
    "serene", "sharp", "sober", "steady", "swift", "tidy", "vivid",
];

const NOUNS: [&str; 40] = [
    "alder", "aspen", "badger", "beacon", "birch", "brook", "cedar", "cliff", "comet", "crane", "delta",
    "ember", "falcon", "fjord", "garnet", "harbor", "hazel", "heron", "island", "ivy", "juniper", "lagoon",
    "lantern", "larch", "linden", "maple", "marten", "meadow", "orchard", "otter", "pebble", "quartz",
    "raven", "river", "sparrow", "spruce", "summit", "thistle", "willow", "wren",
];
