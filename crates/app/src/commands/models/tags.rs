//! `models tag`, `models rollback`, `models untag`, `models history`, `models measure`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use intendant_config::Environment;
use intendant_registry::catalog::{Act, Catalog, Version};
use intendant_registry::gates::{Gate, Outcome, Values};
use jiff::Timestamp;
use serde_json::json;

use super::show::table;
use super::{Where, catalog, failure, platform};
use crate::commands::predictors;
use crate::commands::predictors::measured::{is_predictor, own_gates};
use crate::failure::Failure;
use crate::measure::{Dataset, measure as measure_model};
use crate::terminal::say;
use crate::{model, report};

/// What to tag.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// A tag, `name:version`, a file's name, the beginning of a digest, or `latest`.
    #[arg(value_name = "MODEL", requires = "tag")]
    model: Option<String>,
    /// The tag: `production`, `staging`, …
    #[arg(value_name = "TAG")]
    tag: Option<String>,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which tag goes back, or away.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The tag.
    #[arg(value_name = "TAG")]
    tag: String,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Whose history.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The tag.
    #[arg(value_name = "TAG")]
    tag: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What to write down of what.
#[derive(Debug, Args)]
pub struct NoteArgs {
    /// A tag, `name:version`, a file's name, the beginning of a digest, or `latest`.
    #[arg(value_name = "MODEL")]
    model: String,
    /// The words; they replace those that are there, and none remove them.
    #[arg(value_name = "TEXT", default_value = "")]
    text: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What to measure on what.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// A tag, `name:version`, a file's name, the beginning of a digest, or `latest`.
    #[arg(value_name = "MODEL")]
    model: String,
    /// A file or folder with test examples or test stories, or with rows for a predictor.
    #[arg(value_name = "DATASET")]
    dataset: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `models tag`.
pub async fn tag(arguments: &TagArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let (Some(reference), Some(tag)) = (&arguments.model, &arguments.tag) else {
        return tags(&catalog, arguments.json).await;
    };
    let version = catalog.find(reference).await.map_err(failure)?;
    let current = catalog.tagged(tag).await.map_err(failure)?;
    let outcomes = judge(&catalog, tag, (&version, current.as_ref()), environment).await?;
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let told = |is_tagged: bool| json!({"model": version.reference(), "tag": tag, "tagged": is_tagged, "gates": outcomes});
    if !arguments.json {
        print(&outcomes);
    }
    if failed > 0 {
        if arguments.json {
            say!("{}", told(false));
        }
        let message = format!(
            "{} may not take the tag `{tag}`: {failed} of {} gates not passed",
            version.reference(),
            outcomes.len()
        );
        return Err(Failure::new("", message));
    }
    let expected = current.as_ref().map(|version| version.digest.as_str());
    let by = who(environment);
    let act = Act { by: &by, reason: &arguments.reason, at: Timestamp::now() };
    catalog.tag(tag, &version, expected, act).await.map_err(failure)?;
    match current {
        _ if arguments.json => say!("{}", told(true)),
        Some(before) if before.digest != version.digest => {
            say!("{tag} is now {}; it was {}.", version.reference(), before.reference());
        }
        _ => say!("{tag} is now {}.", version.reference()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn tags(catalog: &Catalog, is_json: bool) -> Result<ExitCode, Failure> {
    let mut rows = Vec::new();
    for tag in catalog.tags().await.map_err(failure)? {
        let version = catalog.find(&tag.name).await.map_err(failure)?;
        rows.push([tag.name, version.reference(), version.file]);
    }
    if is_json {
        let items: Vec<_> =
            rows.iter().map(|[tag, model, file]| json!({"tag": tag, "model": model, "file": file})).collect();
        say!("{}", json!(items));
    } else if rows.is_empty() {
        say!("No tags yet; `intendant models tag MODEL TAG` sets one.");
    } else {
        table(&rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `models rollback`.
pub async fn rollback(arguments: &RollbackArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let by = who(environment);
    let act = Act { by: &by, reason: &arguments.reason, at: Timestamp::now() };
    let (moved, version) = catalog.rollback(&arguments.tag, act).await.map_err(failure)?;
    match arguments.json {
        true => say!("{}", json!(moved)),
        false => say!("{} is back on {}.", arguments.tag, version.reference()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `models untag`.
pub async fn untag(arguments: &RollbackArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let by = who(environment);
    let act = Act { by: &by, reason: &arguments.reason, at: Timestamp::now() };
    let moved = catalog.untag(&arguments.tag, act).await.map_err(failure)?;
    match arguments.json {
        true => say!("{}", json!(moved)),
        false => say!("{} is taken away.", arguments.tag),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `models history`.
pub async fn history(arguments: &HistoryArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let moves = catalog.history(&arguments.tag).await.map_err(failure)?;
    if arguments.json {
        say!("{}", json!(moves));
        return Ok(ExitCode::SUCCESS);
    }
    let versions = catalog.versions().await.map_err(failure)?;
    let name = |digest: Option<&String>| {
        let version = versions.iter().find(|version| Some(&version.digest) == digest);
        version.map_or_else(|| "-".to_owned(), Version::reference)
    };
    let mut rows = Vec::new();
    for step in &moves {
        rows.push([
            step.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            name(step.digest.as_ref()),
            if step.is_rollback { "rollback".to_owned() } else { String::new() },
            step.by.clone(),
            step.reason.clone(),
        ]);
    }
    if rows.is_empty() {
        return Err(Failure::new("", format!("there has never been a tag `{}`", arguments.tag)));
    }
    table(&rows);
    Ok(ExitCode::SUCCESS)
}

/// Runs `models note`.
pub async fn note(arguments: &NoteArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let version = catalog.find(&arguments.model).await.map_err(failure)?;
    catalog.note(&version.digest, &arguments.text).await.map_err(failure)?;
    match arguments.json {
        true => say!("{}", json!({"model": version.reference(), "notes": arguments.text})),
        false if arguments.text.is_empty() => say!("{} has no notes any more.", version.reference()),
        false => say!("Noted of {}.", version.reference()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `models measure`.
pub async fn measure(arguments: &MeasureArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let catalog = catalog(&arguments.place, environment).await?;
    let version = catalog.find(&arguments.model).await.map_err(failure)?;
    let measured = figures(&catalog, &version, &arguments.dataset, environment).await?;
    if arguments.json {
        let told = json!({"model": version.reference(), "dataset": arguments.dataset, "metrics": measured});
        say!("{told}");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<[String; 2]> = measured
        .iter()
        .filter(|(metric, _)| !metric.contains('['))
        .map(|(metric, value)| [metric.clone(), format!("{value:.4}")])
        .collect();
    table(&rows);
    Ok(ExitCode::SUCCESS)
}

/// Holds a version, and the one now under the tag, against the gates of the tag; measures what has not been
/// measured on this data.
pub async fn judge(
    catalog: &Catalog,
    tag: &str,
    (version, current): (&Version, Option<&Version>),
    environment: &Environment,
) -> Result<Vec<Outcome>, Failure> {
    let mut gates = gates(tag, environment)?;
    if is_predictor(version) {
        gates.extend(own_gates(catalog, version)?);
    }
    let current = current.filter(|current| current.digest != version.digest);
    let (mut candidate, mut standing) = (Values::new(), Values::new());
    let datasets: BTreeSet<&str> = gates.iter().map(|gate| gate.dataset.as_str()).collect();
    for name in datasets {
        candidate.insert(name.to_owned(), figures(catalog, version, name, environment).await?);
        let is_compared = gates.iter().any(|gate| gate.dataset == name && gate.no_worse_by.is_some());
        if let Some(current) = current.filter(|_| is_compared) {
            standing.insert(name.to_owned(), figures(catalog, current, name, environment).await?);
        }
    }
    let standing = current.map(|_| &standing);
    Ok(gates.iter().map(|gate| gate.judge(&candidate, standing)).collect())
}

fn gates(tag: &str, environment: &Environment) -> Result<Vec<Gate>, Failure> {
    let gates: Result<BTreeMap<String, Vec<Gate>>, _> = platform(environment)?.section("gates");
    let mut gates = gates.map_err(|finding| {
        report::print(&[finding]);
        Failure::new("", "the gates cannot be used")
    })?;
    let gates = gates.remove(tag).unwrap_or_default();
    for gate in &gates {
        gate.check().map_err(|why| Failure::new("", format!("gates.{tag}: {why}")))?;
    }
    Ok(gates)
}

/// The figures of a version on the dataset of this name, as its kind is measured.
///
/// # Errors
/// When the dataset or the archive cannot be read.
pub async fn figures(
    catalog: &Catalog,
    version: &Version,
    dataset: &str,
    environment: &Environment,
) -> Result<BTreeMap<String, f64>, Failure> {
    if is_predictor(version) {
        return predictors::measured::measured(catalog, version, dataset).await;
    }
    measured(catalog, version, &Dataset::read(dataset, environment)?).await
}

/// The figures of a version on a dataset: those on record if the dataset is still the same.
async fn measured(
    catalog: &Catalog,
    version: &Version,
    dataset: &Dataset,
) -> Result<BTreeMap<String, f64>, Failure> {
    if let Some(known) = version.metrics.get(&dataset.name)
        && known.data == dataset.fingerprint
    {
        return Ok(known.values.clone());
    }
    let Some(file) = catalog.file(version) else {
        let message = format!("{} cannot be measured: its archive is removed", version.reference());
        return Err(Failure::new("", message));
    };
    let measured = measure_model(&model::load_file(&file)?, dataset);
    let values = measured.values.clone();
    catalog.measured(&version.digest, &dataset.name, measured).await.map_err(failure)?;
    Ok(values)
}

fn print(outcomes: &[Outcome]) {
    let rows: Vec<[String; 4]> = outcomes
        .iter()
        .map(|outcome| {
            [
                if outcome.passed { "passed" } else { "FAILED" }.to_owned(),
                outcome.gate.clone(),
                outcome.measured.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.4}")),
                format!("required: {}", outcome.required),
            ]
        })
        .collect();
    table(&rows);
}

/// Who is at the keyboard.
fn who(environment: &Environment) -> String {
    environment.user().unwrap_or("unknown").to_owned()
}
