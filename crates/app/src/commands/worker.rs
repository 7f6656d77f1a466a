//! `intendant worker`: does jobs, in a process of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use intendant_config::Environment;

use crate::chores;
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::wiring;

/// Whose jobs are done.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The project's folder.
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// How many jobs at the same time.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..))]
    workers: u8,
}

/// Runs `intendant worker`.
///
/// # Errors
/// When the settings or the database cannot be used.
pub fn run(arguments: &WorkerArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let folder = &arguments.dir;
    std::env::set_current_dir(folder)
        .map_err(|error| Failure::new("", format!("cannot enter {}: {error}", folder.display())))?;
    wiring::runtime()?.block_on(async {
        let settings = chores::settings(environment)?;
        let jobs = chores::open(&settings).await?;
        let stop = Stop::on_signals();
        let workers = usize::from(arguments.workers);
        let running = chores::start(&settings, &jobs, (workers, &stop), environment)?;
        tracing::info!(database = settings.database, workers, "waiting for jobs");
        for worker in running {
            let _ = worker.await;
        }
        Ok(ExitCode::SUCCESS)
    })
}
