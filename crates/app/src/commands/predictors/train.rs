//! `intendant train NAME`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use intendant_component::predictor::Predictor;
use intendant_component::training::{Progress, TrainContext};
use intendant_config::Environment;
use intendant_predictor::archive::{self, Model};
use intendant_predictor::curves::{self, Curve};
use intendant_predictor::measure::{Figures, measure};
use intendant_predictor::spec::Spec;
use intendant_predictor::{SEED, kinds, split};
use intendant_registry::catalog::{Catalog, Measured, Provenance};
use intendant_registry::gates::{Gate, Outcome, Values};
use intendant_train::{files, models};
use serde_json::json;

use super::model::versions;
use super::{failed, material, spec};
use crate::cli::TrainArgs;
use crate::failure::Failure;
use crate::progress::TerminalProgress;
use crate::provenance;
use crate::terminal::say;
use crate::wiring;

/// The dataset that figures of training are told of.
pub const HELD_OUT: &str = "held-out";

/// What every trainer is given.
pub fn context<'a>(threads: usize, progress: &'a dyn Progress, spec: &Spec) -> TrainContext<'a> {
    TrainContext { seed: spec.seed.unwrap_or(SEED), threads: threads.max(1), progress }
}

/// What to train, and how.
pub struct Order {
    /// Where the model goes.
    pub out: PathBuf,
    /// File name without ending.
    pub fixed_model_name: Option<String>,
    /// Threads; all cores unless given.
    pub threads: Option<usize>,
    /// Train although nothing changed.
    pub force: bool,
    /// Only say what would be trained.
    pub dry_run: bool,
    /// Show no progress.
    pub quiet: bool,
    /// Hears of the progress instead of the terminal, and may end the training.
    pub watcher: Option<Arc<dyn Progress + Send + Sync>>,
}

impl Order {
    /// The training of `up` and of jobs.
    pub fn into_folder(out: &Path) -> Self {
        Self {
            out: out.to_owned(),
            fixed_model_name: None,
            threads: None,
            force: false,
            dry_run: false,
            quiet: false,
            watcher: None,
        }
    }

    fn of(arguments: &TrainArgs, quiet: bool) -> Self {
        Self {
            out: arguments.output.out.clone(),
            fixed_model_name: arguments.output.fixed_model_name.clone(),
            threads: arguments.output.num_threads,
            force: arguments.force,
            dry_run: arguments.dry_run,
            quiet: quiet || arguments.output.json,
            watcher: None,
        }
    }
}

/// What became of a training.
pub struct Done {
    /// The archive.
    pub path: PathBuf,
    /// Whether it was there already.
    pub is_unchanged: bool,
    /// Figures on held-out rows.
    pub figures: Figures,
    /// How the gates of the declaration turned out.
    pub gates: Vec<Outcome>,
}

/// Trains a predictor and prints what came of it.
///
/// # Errors
/// When it cannot be trained, or does not pass its gates.
pub fn run(
    name: &str,
    arguments: &TrainArgs,
    quiet: bool,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let spec = spec(name, environment)?;
    let started = Instant::now();
    let done = train(&spec, &Order::of(arguments, quiet), environment)?;
    let passed = done.gates.iter().all(|outcome| outcome.passed);
    if arguments.output.json {
        say!(
            "{}",
            json!({
                "model": done.path, "is_unchanged": done.is_unchanged, "metrics": done.figures, "gates": done.gates,
                "passed": passed,
            })
        );
    } else if !quiet {
        match done.is_unchanged {
            true => say!("Nothing changed since {} was trained.", done.path.display()),
            false => {
                say!("Trained {name} in {:.2} s.", started.elapsed().as_secs_f64());
                say!("Saved as {}.", done.path.display());
            }
        }
        print_figures(&done.figures);
        print_gates(&done.gates);
    }
    if !passed {
        let failed = done.gates.iter().filter(|outcome| !outcome.passed).count();
        let message =
            format!("{name} does not pass {failed} of {} gates; it will not be served", done.gates.len());
        return Err(Failure::new("", message));
    }
    Ok(ExitCode::SUCCESS)
}

/// Trains a predictor, unless the folder has its model already.
///
/// # Errors
/// When it cannot be trained or written.
pub fn train(spec: &Spec, order: &Order, environment: &Environment) -> Result<Done, Failure> {
    let folder = &order.out;
    let gathered = material(spec, environment)?;
    let bytes: Vec<&[u8]> = gathered.bytes.iter().map(Vec::as_slice).collect();
    let fingerprints = archive::fingerprints(spec, &bytes);
    if !order.force
        && let Some((path, metadata)) = versions(folder, &spec.name)?
            .into_iter()
            .find(|(_, metadata)| metadata.fingerprints == fingerprints)
    {
        let figures: Figures = metadata
            .metrics
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
            .collect();
        let gates = judge(spec, &figures);
        return Ok(Done { path, is_unchanged: true, figures, gates });
    }
    if order.dry_run {
        say!("{} would be trained.", spec.name);
        return Err(Failure::new("", "nothing was trained: this was a dry run"));
    }
    let started = Instant::now();
    let shown = TerminalProgress::new(order.quiet);
    let progress: &dyn Progress = match &order.watcher {
        Some(watcher) => &**watcher,
        None => &shown,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let trained = learn(spec, gathered, &context(order.threads.unwrap_or(cores), progress, spec));
    shown.clear();
    let Learnt { predictor, figures, curves } = trained?;
    if progress.is_cancelled() {
        return Err(Failure::new("", "training was cancelled"));
    }
    let model_id = archive::model_id(&spec.name, &fingerprints);
    let gates = judge(spec, &figures);
    let model = Model { spec: spec.clone(), predictor, figures, curves, model_id, fingerprints };
    let packed = archive::write(&model).map_err(|error| failed(&error))?;
    let file = match &order.fixed_model_name {
        Some(name) => format!("{}{}", name.trim_end_matches(models::ARCHIVE_ENDING), models::ARCHIVE_ENDING),
        None => models::file_name(&format!("{}-", spec.name), &jiff::Zoned::now(), &model.model_id),
    };
    let path = folder.join(file);
    files::write_whole(&path, &packed).map_err(|error| failed(&error))?;
    provenance::leave(folder, &packed, (started.elapsed(), provenance::Origin::default()), environment);
    if !model.figures.is_empty() {
        record(folder, &path, &model, environment)?;
    }
    Ok(Done { path, is_unchanged: false, figures: model.figures, gates })
}

struct Learnt {
    predictor: Arc<dyn Predictor>,
    figures: Figures,
    curves: Vec<Curve>,
}

fn learn(
    spec: &Spec,
    gathered: super::material::Gathered,
    context: &TrainContext<'_>,
) -> Result<Learnt, Failure> {
    let super::material::Gathered { mut material, test, .. } = gathered;
    let rows = std::mem::take(&mut material.rows);
    let parts = split::split(spec, rows, test).map_err(|error| failed(&error))?;
    material.rows = parts.train;
    let predictor = kinds::train(spec, &material, context).map_err(|error| failed(&error))?;
    let figures = match &parts.test {
        Some(test) => measure(spec, predictor.as_ref(), test).map_err(|error| failed(&error))?,
        None => Figures::new(),
    };
    let curves = curves::of(spec, predictor.as_ref(), &material.rows);
    Ok(Learnt { predictor, figures, curves })
}

/// Makes it a version of the catalogue, with its figures.
fn record(folder: &Path, path: &Path, model: &Model, environment: &Environment) -> Result<(), Failure> {
    let registry = crate::commands::models::registry(environment)?;
    wiring::runtime()?.block_on(async {
        let catalog =
            Catalog::open(folder, registry.database.as_deref()).await.map_err(|error| failed(&error))?;
        let version = catalog.register(path, Provenance::default()).await.map_err(|error| failed(&error))?;
        let data = model.fingerprints.get("data").cloned().unwrap_or_default();
        let measured = Measured { data, values: model.figures.clone() };
        catalog.measured(&version.digest, HELD_OUT, measured).await.map_err(|error| failed(&error))
    })
}

/// The gates of a declaration, on held-out rows.
pub fn gates(spec: &Spec) -> Vec<Gate> {
    let gate = |gate: &intendant_predictor::spec::Gate| Gate {
        metric: gate.metric.clone(),
        dataset: HELD_OUT.to_owned(),
        slice: gate.slice.clone(),
        at_least: gate.at_least,
        at_most: gate.at_most,
        no_worse_by: None,
        smaller_is_better: intendant_predictor::keys::SMALLER_IS_BETTER.contains(&gate.metric.as_str()),
    };
    spec.gate.iter().map(gate).collect()
}

/// Holds figures against the gates of a declaration.
pub fn judge(spec: &Spec, figures: &Figures) -> Vec<Outcome> {
    let values = Values::from([(HELD_OUT.to_owned(), figures.clone())]);
    gates(spec).iter().map(|gate| gate.judge(&values, None)).collect()
}

/// Prints figures; those of slices stand behind.
pub fn print_figures(figures: &Figures) {
    let (slices, whole): (Vec<_>, Vec<_>) = figures.iter().partition(|(name, _)| name.contains('['));
    for (name, value) in whole.iter().chain(&slices) {
        say!("  {name:<24} {value:.4}");
    }
}

/// Prints what was measured and what is required.
pub fn print_gates(gates: &[Outcome]) {
    for outcome in gates {
        let measured =
            outcome.measured.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.4}"));
        let word = if outcome.passed { "passed" } else { "FAILED" };
        say!("  gate {}: {word}, measured {measured}, required: {}", outcome.gate, outcome.required);
    }
}
