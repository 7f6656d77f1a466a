//! `intendant data migrate`: domains of Rasa 2 become domains of Rasa 3, the originals are kept.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_rasa_format::migrate::{Given, migrate};

use super::{source_files, stop_at_errors, write};
use crate::cli::data::MigrateArgs;
use crate::failure::Failure;
use crate::terminal::say;

/// Runs `intendant data migrate`. Rasa rewrites the originals as its own YAML; here they are copied byte for byte.
pub fn run(arguments: &MigrateArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let domain = &arguments.domain;
    if !domain.exists() {
        let message = format!("the domain {} does not exist; name it with --domain", domain.display());
        return Err(Failure::new("", message));
    }
    let given = if domain.is_dir() { Given::Folder } else { Given::File };
    let beside = |name: &str| match given {
        Given::File => domain.with_file_name(format!("{name}.yml")),
        Given::Folder => domain.with_file_name(name),
    };
    let backup = beside("original_domain");
    let out = arguments.out.clone().unwrap_or_else(|| beside("new_domain"));
    refuse_existing(&backup, &out, given)?;
    let files = source_files(std::slice::from_ref(domain), &["yml", "yaml"])?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    let migrated = migrate(&files, given, &lookup, &mut findings);
    stop_at_errors(&findings, "the domain cannot be migrated; nothing was written")?;
    let place = |folder: &Path, path: &str| -> PathBuf {
        match (given, Path::new(path).strip_prefix(domain)) {
            (Given::Folder, Ok(below)) => folder.join(below),
            _ => folder.to_owned(),
        }
    };
    for file in &files {
        if migrated.iter().any(|known| known.path == file.path) {
            write(&place(&backup, &file.path), &file.bytes)?;
        }
    }
    for file in &migrated {
        write(&place(&out, &file.path), &file.bytes)?;
    }
    say!("The migrated domain is in {}, the original in {}.", out.display(), backup.display());
    Ok(ExitCode::SUCCESS)
}

fn refuse_existing(backup: &Path, out: &Path, given: Given) -> Result<(), Failure> {
    let refused = |path: &Path, what: &str| {
        let message = format!("{} {what}; move it away, so that nothing is overwritten", path.display());
        Err(Failure::new("", message))
    };
    if backup.exists() {
        return refused(backup, "exists already");
    }
    match given {
        Given::File if out.exists() => refused(out, "exists already"),
        Given::Folder if out.is_file() => refused(out, "is a file"),
        Given::Folder if out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) => {
            refused(out, "is not empty")
        }
        _ => Ok(()),
    }
}
