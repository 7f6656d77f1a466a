//! Where a model comes from, written down beside it when it is trained.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use intendant_config::Environment;
use intendant_registry::catalog::{Catalog, Provenance, Revision};
use jiff::Timestamp;

/// Leaves the provenance of an archive just written into `folder`. A model without one is still a model,
/// so that it cannot be written is only a warning.
pub fn leave(folder: &Path, archive: &[u8], took: Duration, environment: &Environment) {
    let provenance = Provenance {
        trained_at: Some(Timestamp::now()),
        revision: revision(),
        training_seconds: Some(took.as_secs_f64()),
        who: environment.user().map(str::to_owned),
        notes: None,
        parent: None,
    };
    if let Err(error) = Catalog::leave(folder, archive, &provenance) {
        tracing::warn!(%error, "where the model comes from could not be written down");
    }
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
