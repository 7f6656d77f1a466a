//! Section `rotation`, and the variables of the container that it replaces.

use std::path::PathBuf;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use serde::Deserialize;

use crate::platform::Platform;
use crate::{Environment, Unusable};

/// How a models folder is kept. Sizes in bytes, times as their names say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// The models folder.
    pub folder: PathBuf,
    /// Where the newest model is published; `latest.tar.gz` in the folder unless said otherwise.
    pub latest: Option<PathBuf>,
    /// How many of the newest models stay.
    pub keep: usize,
    /// A file must not have changed for so long before it is looked at.
    pub quiet_ms: u64,
    /// The folder is looked at so often.
    pub scan_ms: u64,
    /// Files and folders that are never removed.
    pub protected: Vec<PathBuf>,
    /// Models trained more recently than this stay in any case.
    pub keep_younger_seconds: u64,
    /// All models together may have so many bytes.
    pub bytes_max: Option<u64>,
    /// How long removed models stay in the trash.
    pub trash_grace_seconds: u64,
    /// An incomplete file that has not changed for so long is put into quarantine.
    pub quarantine_after_seconds: u64,
    /// A pass that would remove more than this share of at least ten models is refused.
    pub removed_percent_max: u8,
    /// Where to write what was done as Prometheus reads it from files.
    pub metrics_file: Option<PathBuf>,
    /// The server that loads a model once it is published.
    pub activate: Option<Activate>,
}

/// A server that loads published models (`PUT /model`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// Its address, like `http://localhost:5005`.
    pub url: String,
    /// Its token, if it asks for one.
    pub token: Option<String>,
}

impl Default for Rotation {
    fn default() -> Self {
        Rotation {
            folder: PathBuf::from("models"),
            latest: None,
            keep: 3,
            quiet_ms: 5_000,
            scan_ms: 1_000,
            protected: Vec::new(),
            keep_younger_seconds: 0,
            bytes_max: None,
            trash_grace_seconds: 600,
            quarantine_after_seconds: 24 * 3_600,
            removed_percent_max: 95,
            metrics_file: None,
            activate: None,
        }
    }
}

impl Rotation {
    /// The section, with the container's variables over it.
    ///
    /// # Errors
    /// What is unusable, with its place.
    pub fn read(platform: &Platform, environment: &Environment) -> Result<Self, Diagnostic> {
        let mut rotation: Rotation = platform.section("rotation")?;
        if let Some(folder) = environment.get("TARGET_DIR") {
            rotation.folder = PathBuf::from(folder);
        }
        if let Some(latest) = environment.get("LATEST_MODEL_PATH") {
            rotation.latest = Some(PathBuf::from(latest));
        }
        if let Some(paths) = environment.get("IGNORE_FILE_PATHS") {
            let paths = paths.split(',').map(str::trim).filter(|path| !path.is_empty());
            rotation.protected = paths.map(PathBuf::from).collect();
        }
        if let Some(value) = environment.get("THROTTLE_DELAY") {
            rotation.quiet_ms = value.trim().parse().map_err(|_| {
                let unusable = Unusable {
                    variable: "THROTTLE_DELAY",
                    value: value.to_owned(),
                    expected: "a whole number of milliseconds",
                };
                Diagnostic::error(Source::default(), unusable.to_string())
            })?;
        }
        Ok(rotation)
    }
}
