//! `models list`, `models show`, `models diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use intendant_config::Environment;
use intendant_registry::catalog::{Catalog, Tag, Version};
use serde_json::{Value, json};

use super::{Where, catalog, failure};
use crate::failure::Failure;
use crate::terminal::say;

/// What to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A tag, `name:version`, a file's name, the beginning of a digest, or `latest`.
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What to compare.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// One version.
    #[arg(value_name = "MODEL")]
    one: String,
    /// The other.
    #[arg(value_name = "MODEL")]
    other: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `models list`.
pub async fn list(arguments: &ListArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let versions = catalog.versions().await.map_err(failure)?;
    let tags = catalog.tags().await.map_err(failure)?;
    if arguments.json {
        let items: Vec<Value> = versions.iter().map(|version| with_state(&catalog, version, &tags)).collect();
        say!("{}", Value::Array(items));
        return Ok(ExitCode::SUCCESS);
    }
    if versions.is_empty() {
        say!("No models yet; train one with `intendant train`.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["MODEL", "TRAINED", "SIZE", "TAGS", "FILE"].map(str::to_owned)];
    for version in &versions {
        let file = match catalog.file(version) {
            Some(_) if version.problem.is_some() => format!("{} (see `models show`)", version.file),
            Some(_) => version.file.clone(),
            None => "(removed)".to_owned(),
        };
        rows.push([
            version.reference(),
            version.trained_at.strftime("%Y-%m-%d %H:%M").to_string(),
            size(version.bytes),
            tags_of(version, &tags).join(", "),
            file,
        ]);
    }
    table(&rows);
    Ok(ExitCode::SUCCESS)
}

/// Runs `models show`.
pub async fn show(arguments: &ShowArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let version = catalog.find(&arguments.model).await.map_err(failure)?;
    let tags = catalog.tags().await.map_err(failure)?;
    if arguments.json {
        say!("{}", with_state(&catalog, &version, &tags));
        return Ok(ExitCode::SUCCESS);
    }
    let revision = version
        .revision
        .as_ref()
        .map(|revision| format!("{}{}", revision.commit, if revision.dirty { " with changes" } else { "" }));
    let state = match catalog.file(&version) {
        Some(path) => path.display().to_string(),
        None => format!("{} (removed)", version.file),
    };
    let parent = match &version.parent {
        // A parent may be older than the catalogue.
        Some(digest) => {
            catalog.find(digest).await.map_or_else(|_| digest.clone(), |parent| parent.reference())
        }
        None => String::new(),
    };
    let took = version.training_seconds.map(|time| format!("{time:.2} s"));
    let mut rows = vec![
        ["model".to_owned(), version.reference()],
        ["kind".to_owned(), version.kind.clone()],
        ["file".to_owned(), state],
        ["size".to_owned(), size(version.bytes)],
        ["digest".to_owned(), version.digest.clone()],
        ["trained".to_owned(), version.trained_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()],
        ["trained by".to_owned(), version.who.clone().unwrap_or_default()],
        ["made by".to_owned(), version.made_by.clone()],
        ["training".to_owned(), took.unwrap_or_default()],
        ["project".to_owned(), revision.unwrap_or_default()],
        ["tags".to_owned(), tags_of(&version, &tags).join(", ")],
        ["began from".to_owned(), parent],
        ["notes".to_owned(), version.notes.clone()],
        ["problem".to_owned(), version.problem.clone().unwrap_or_default()],
    ];
    for (part, fingerprint) in &version.fingerprints {
        rows.push([format!("fingerprint {part}"), fingerprint.clone()]);
    }
    for (dataset, measured) in &version.metrics {
        for (metric, value) in measured.values.iter().filter(|(metric, _)| !metric.contains('[')) {
            rows.push([format!("{metric} on {dataset}"), format!("{value:.4}")]);
        }
    }
    rows.retain(|[_, value]| !value.is_empty());
    table(&rows);
    Ok(ExitCode::SUCCESS)
}

/// Runs `models diff`.
pub async fn diff(arguments: &DiffArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let one = catalog.find(&arguments.one).await.map_err(failure)?;
    let other = catalog.find(&arguments.other).await.map_err(failure)?;
    let (left, right) = (facts(&one), facts(&other));
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let mut rows = vec![[String::new(), one.reference(), other.reference()]];
    for key in keys {
        let of = |facts: &BTreeMap<String, String>| facts.get(key).cloned().unwrap_or_default();
        let (left, right) = (of(&left), of(&right));
        if left != right {
            rows.push([key.clone(), left, right]);
        }
    }
    if arguments.json {
        let items: Vec<Value> = rows[1..]
            .iter()
            .map(|[what, left, right]| json!({"what": what, "one": left, "other": right}))
            .collect();
        say!("{}", json!({"one": one.reference(), "other": other.reference(), "differences": items}));
    } else if rows.len() == 1 {
        say!("{} and {} do not differ.", one.reference(), other.reference());
    } else {
        table(&rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// What can be compared of a version, by name.
fn facts(version: &Version) -> BTreeMap<String, String> {
    let short = |digest: &str| -> String { digest.chars().take(12).collect() };
    let commit = version.revision.as_ref().map(|revision| revision.commit.clone());
    let mut facts = BTreeMap::from([
        ("digest".to_owned(), short(&version.digest)),
        ("made by".to_owned(), version.made_by.clone()),
        ("size".to_owned(), size(version.bytes)),
        ("trained".to_owned(), version.trained_at.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        ("training type".to_owned(), version.training_type.clone().unwrap_or_default()),
        ("project".to_owned(), commit.unwrap_or_default()),
    ]);
    for (part, fingerprint) in &version.fingerprints {
        facts.insert(format!("fingerprint {part}"), short(fingerprint));
    }
    for (dataset, measured) in &version.metrics {
        for (metric, value) in &measured.values {
            facts.insert(format!("{metric} on {dataset}"), format!("{value:.4}"));
        }
    }
    facts
}

fn with_state(catalog: &Catalog, version: &Version, tags: &[Tag]) -> Value {
    let mut value = json!(version);
    value["tags"] = json!(tags_of(version, tags));
    value["is_present"] = catalog.file(version).is_some().into();
    value
}

/// Names of the tags on a version.
pub fn tags_of<'a>(version: &Version, tags: &'a [Tag]) -> Vec<&'a str> {
    tags.iter().filter(|tag| tag.digest == version.digest).map(|tag| tag.name.as_str()).collect()
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Prints rows in columns.
pub fn table<const WIDTH: usize>(rows: &[[String; WIDTH]]) {
    let mut widths = [0; WIDTH];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say!("{}", cells.join("  ").trim_end());
    }
}
