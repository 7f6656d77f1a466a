//! `intendant train` in a project that holds an agent.

use std::path::{Path, PathBuf};
use std::time::Instant;

use intendant_agents::{files as agent_files, model};
use intendant_component::training::TrainContext;
use intendant_config::Environment;
use intendant_train::{files, models};

use super::{Order, Outcome, Planned, SEED, cancelled, model_name};
use crate::failure::Failure;
use crate::progress::TerminalProgress;
use crate::provenance;
use crate::terminal::say;

/// The folder of the agent that an order is about: there is one, and no Rasa project.
pub fn folder(order: &Order) -> Option<PathBuf> {
    let config = order.paths.config.as_deref().filter(|config| !config.exists())?;
    let project = config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    agent_files::folder_of(project)
}

/// Trains the agent in a folder.
pub fn execute(folder: &Path, order: &Order, environment: &Environment) -> Result<Outcome, Failure> {
    let failed = |error: intendant_agents::Error| Failure::of("", &error);
    let import = agent_files::import(folder).map_err(failed)?;
    import.report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let fingerprint = model::fingerprint(&import.agent);
    let newest = models::newest(&order.out).map_err(|error| Failure::of("", &error))?;
    let newest = newest.filter(|path| is_of(path, &fingerprint) && !order.force);
    if order.dry_run {
        return Ok(Outcome::Planned(Planned {
            is_forced: order.force,
            is_up_to_date: newest.is_some(),
            trains_nlu: newest.is_none(),
            trains_core: newest.is_none(),
            components: vec!["agent".to_owned()],
        }));
    }
    if let Some(path) = newest.filter(|_| order.fixed_model_name.is_none()) {
        return Ok(Outcome::Unchanged(path));
    }
    let started = Instant::now();
    let progress = TerminalProgress::new(order.quiet).until(order.stop.clone());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let context =
        TrainContext { seed: SEED, threads: order.threads.unwrap_or(cores).max(1), progress: &progress };
    let trained = model::train(import.agent, &context);
    progress.clear();
    if order.stop.is_asked() {
        return Err(cancelled());
    }
    let (metadata, archive) = trained.map_err(failed)?;
    if !order.quiet {
        say!("Trained in {:.2} s.", started.elapsed().as_secs_f64());
    }
    let path = order.out.join(model_name(order.fixed_model_name.as_deref(), &metadata));
    files::write_whole(&path, &archive).map_err(|error| Failure::of("", &error))?;
    provenance::leave(&order.out, &archive, (started.elapsed(), provenance::Origin::default()), environment);
    Ok(Outcome::Trained(path))
}

/// Whether a model is that of an agent with this fingerprint.
fn is_of(path: &Path, fingerprint: &str) -> bool {
    let metadata = files::read(path).ok().and_then(|bytes| intendant_bundle::read_metadata(&bytes).ok());
    metadata.is_some_and(|metadata| {
        metadata.kind == model::KIND && metadata.fingerprints.values().any(|known| known == fingerprint)
    })
}
