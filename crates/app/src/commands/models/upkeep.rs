//! `models verify`, `models gc`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use intendant_config::Environment;
use intendant_registry::catalog::Version;
use jiff::Timestamp;
use serde_json::json;

use super::show::size;
use super::{Where, catalog, failure};
use crate::failure::Failure;
use crate::terminal::say;

/// What to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Versions; all that are present unless named.
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// Make the index anew from the files beside the models.
    #[arg(long)]
    rebuild: bool,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What may go.
#[derive(Debug, Args)]
pub struct GcArgs {
    /// How many of the newest versions of each name stay.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    keep: usize,
    /// Versions trained in the last so many days stay.
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    keep_days: u64,
    /// Only show what would go.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `models verify`.
pub async fn verify(arguments: &VerifyArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    if arguments.rebuild {
        catalog.rebuild().await.map_err(failure)?;
    }
    let mut versions = Vec::new();
    for reference in &arguments.models {
        versions.push(catalog.find(reference).await.map_err(failure)?);
    }
    if versions.is_empty() {
        versions = catalog.versions().await.map_err(failure)?;
        versions.retain(|version| catalog.file(version).is_some());
    }
    let mut damaged = 0;
    let mut told = Vec::new();
    for version in &versions {
        let found = catalog.verify(version).err().map(|error| error.to_string());
        damaged += usize::from(found.is_some());
        if arguments.json {
            told.push(json!({"model": version.reference(), "file": version.file, "damage": found}));
            continue;
        }
        match found {
            None => say!("sound: {} ({})", version.reference(), version.file),
            Some(why) => say!("DAMAGED: {why}"),
        }
    }
    if arguments.json {
        say!("{}", json!(told));
    }
    if damaged > 0 {
        let message = format!("{damaged} of {} archives cannot be used", versions.len());
        return Err(Failure::new("", message));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `models gc`.
pub async fn gc(arguments: &GcArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if arguments.keep == 0 {
        return Err(Failure::new("", "at least one version must be kept"));
    }
    let catalog = catalog(&arguments.place, environment).await?;
    let used = catalog.used().await.map_err(failure)?;
    let now = Timestamp::now();
    let young = Duration::from_secs(arguments.keep_days.saturating_mul(24 * 3600));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut going: Vec<Version> = Vec::new();
    for version in catalog.versions().await.map_err(failure)? {
        if catalog.file(&version).is_none() {
            continue;
        }
        let place = seen.entry(version.name.clone()).or_default();
        *place += 1;
        let age = now.duration_since(version.trained_at);
        let is_young = u64::try_from(age.as_secs()).is_ok_and(|age| age < young.as_secs());
        if *place > arguments.keep && !is_young && !used.contains(&version.digest) {
            going.push(version);
        }
    }
    let bytes: u64 = going.iter().map(|version| version.bytes).sum();
    for version in &going {
        if !arguments.dry_run {
            catalog.remove(version, now).await.map_err(failure)?;
        }
        if arguments.json {
            continue;
        }
        let done = if arguments.dry_run { "would be removed" } else { "removed" };
        say!("{done}: {} ({})", version.reference(), version.file);
    }
    if arguments.json {
        let removed: Vec<_> = going
            .iter()
            .map(
                |version| json!({"model": version.reference(), "file": version.file, "bytes": version.bytes}),
            )
            .collect();
        say!("{}", json!({"removed": removed, "bytes": bytes, "dry_run": arguments.dry_run}));
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if arguments.dry_run { "would be freed" } else { "go to the trash" };
    say!("{} archives, {} {verb}.", going.len(), size(bytes));
    Ok(ExitCode::SUCCESS)
}
