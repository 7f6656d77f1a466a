//! Where a model comes from, written down beside it when it is trained.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use intendant_config::Environment;
use intendant_registry::catalog::{Catalog, Provenance, Revision};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Leaves the provenance of an archive just written into `folder`. A model without one is still a model,
/// so that it cannot be written is only a warning.
pub fn leave(folder: &Path, archive: &[u8], (took, origin): (Duration, Origin), environment: &Environment) {
    let provenance = Provenance {
        trained_at: Some(Timestamp::now()),
        revision: revision(),
        training_seconds: Some(took.as_secs_f64()),
        who: environment.user().map(str::to_owned),
        notes: None,
        parent: origin.parent,
        data: origin.data,
    };
    if let Err(error) = Catalog::leave(folder, archive, &provenance) {
        tracing::warn!(%error, "where the model comes from could not be written down");
    }
}

/// What a training began with; told before it writes anything.
#[derive(Default)]
pub struct Origin {
    /// Digest of the archive that parts were taken from.
    pub parent: Option<String>,
    /// Fingerprint of the data.
    pub data: Option<String>,
}

/// The fingerprint of files, whatever their names.
pub fn fingerprint<'a>(files: impl Iterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for bytes in files {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that an archive is known by.
pub fn digest(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The commit that is checked out, if the project is under git.
fn revision() -> Option<Revision> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find(|folder| folder.join(".git").exists())?;
    let output = Command::new("git")
        .args(["status", "--porcelain=v2", "--branch", "--untracked-files=no"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let status = String::from_utf8(output.stdout).ok()?;
    let commit = status.lines().find_map(|line| line.strip_prefix("# branch.oid "))?;
    if commit == "(initial)" {
        return None;
    }
    let dirty = status.lines().any(|line| !line.starts_with('#'));
    Some(Revision { commit: commit.to_owned(), dirty })
}
