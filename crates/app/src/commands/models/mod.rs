//! `intendant models …`: the registry by hand.

pub mod rotate;
mod serving;
mod show;
pub mod tags;
mod transfer;
mod upkeep;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use intendant_config::Environment;
use intendant_config::platform::{FILE, Platform};
use intendant_config::registry::Registry;
use intendant_config::serving::Serving;
use intendant_registry::catalog::{self, Catalog};

use crate::failure::Failure;
use crate::{project, report, wiring};

/// What `intendant models` does.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelsCommand,
}

/// The commands of the registry.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Lists all versions, newest first, with their tags.
    List(show::ListArgs),
    /// Shows all that is known of a version.
    Show(show::ShowArgs),
    /// Shows in what two versions differ.
    Diff(show::DiffArgs),
    /// Puts a tag on a version, if it passes the tag's gates; without a version shows the tags.
    Tag(tags::TagArgs),
    /// Puts a tag back on the version it was on before.
    Rollback(tags::RollbackArgs),
    /// Takes a tag away.
    Untag(tags::RollbackArgs),
    /// Shows where a tag has been.
    History(tags::HistoryArgs),
    /// Measures a version on a dataset and keeps the figures.
    Measure(tags::MeasureArgs),
    /// Writes something down of a version.
    Note(tags::NoteArgs),
    /// Checks that archives are complete and what was recorded.
    Verify(upkeep::VerifyArgs),
    /// Removes archives that nothing needs.
    Gc(upkeep::GcArgs),
    /// Sends an archive with its record to an object store or another server.
    Push(transfer::PushArgs),
    /// Fetches an archive with its record from there.
    Pull(transfer::PullArgs),
    /// Shows which models a running server answers with; tries one beside it.
    Serving(serving::ServingArgs),
    /// Publishes the newest model of a folder under a fixed name and keeps only a few older ones.
    Rotate(rotate::RotateArgs),
}

/// Which catalogue is meant.
#[derive(Debug, Args)]
pub struct Where {
    /// The models folder.
    #[arg(long = "models", value_name = "DIR", default_value = "models")]
    pub folder: PathBuf,
}

/// Runs a command of the registry.
///
/// # Errors
/// What the command could not do.
pub fn run(arguments: &ModelsArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if let ModelsCommand::Rotate(arguments) = &arguments.command {
        return rotate::run(arguments, environment);
    }
    let runtime = wiring::runtime()?;
    runtime.block_on(async {
        match &arguments.command {
            ModelsCommand::List(arguments) => show::list(arguments, environment).await,
            ModelsCommand::Show(arguments) => show::show(arguments, environment).await,
            ModelsCommand::Diff(arguments) => show::diff(arguments, environment).await,
            ModelsCommand::Tag(arguments) => tags::tag(arguments, environment).await,
            ModelsCommand::Rollback(arguments) => tags::rollback(arguments, environment).await,
            ModelsCommand::Untag(arguments) => tags::untag(arguments, environment).await,
            ModelsCommand::History(arguments) => tags::history(arguments, environment).await,
            ModelsCommand::Measure(arguments) => tags::measure(arguments, environment).await,
            ModelsCommand::Note(arguments) => tags::note(arguments, environment).await,
            ModelsCommand::Verify(arguments) => upkeep::verify(arguments, environment).await,
            ModelsCommand::Gc(arguments) => upkeep::gc(arguments, environment).await,
            ModelsCommand::Push(arguments) => transfer::push(arguments, environment).await,
            ModelsCommand::Pull(arguments) => transfer::pull(arguments, environment).await,
            ModelsCommand::Serving(arguments) => serving::serving(arguments, environment).await,
            ModelsCommand::Rotate(_) => Ok(ExitCode::SUCCESS),
        }
    })
}

/// The settings of `intendant.yml` in this folder, with the environment over them.
///
/// # Errors
/// When they cannot be used; what is wrong has been printed.
pub fn platform(environment: &Environment) -> Result<Platform, Failure> {
    let path = Path::new(FILE);
    let file = path.exists().then(|| project::source_file(path)).transpose()?;
    Platform::read(file.as_ref(), environment).map_err(|findings| {
        report::print(&findings);
        Failure::new("", format!("{FILE} and the environment cannot be used"))
    })
}

/// Section `registry`.
///
/// # Errors
/// When it cannot be used; what is wrong has been printed.
pub fn registry(environment: &Environment) -> Result<Registry, Failure> {
    platform(environment)?.section("registry").map_err(|finding| {
        report::print(&[finding]);
        Failure::new("", "the settings of the registry cannot be used")
    })
}

/// Section `serving`.
///
/// # Errors
/// When it cannot be used; what is wrong has been printed.
pub fn serving_settings(environment: &Environment) -> Result<Serving, Failure> {
    let serving: Serving = platform(environment)?.section("serving").map_err(|finding| {
        report::print(&[finding]);
        Failure::new("", "the settings of serving cannot be used")
    })?;
    match serving.mistake() {
        Some(mistake) => Err(Failure::new("", format!("{FILE}: {mistake}"))),
        None => Ok(serving),
    }
}

/// The catalogue of a folder, with every model in the folder a version.
async fn catalog(place: &Where, environment: &Environment) -> Result<Catalog, Failure> {
    if !place.folder.is_dir() {
        let message = format!("the models folder {} does not exist", place.folder.display());
        return Err(Failure::new("", message));
    }
    let registry = registry(environment)?;
    let catalog = Catalog::open(&place.folder, registry.database.as_deref()).await.map_err(failure)?;
    catalog.adopt().await.map_err(failure)?;
    Ok(catalog)
}

/// A failure of the catalogue.
fn failure(error: catalog::Error) -> Failure {
    Failure::of("", &error)
}
