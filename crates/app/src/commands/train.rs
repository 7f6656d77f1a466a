//! `intendant train`, `train nlu`, `train core`.

mod agent;
mod compare;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use intendant_bundle::{Metadata, TrainingType};
use intendant_component::diagnostic::Diagnostic;
use intendant_component::training::{Progress, TrainContext};
use intendant_config::Environment;
use intendant_rasa_format::project::Project;
use intendant_train::known::Known;
use intendant_train::plan::{Parts, Plan, TrainError, Trained};
use intendant_train::recipe::Recipe;
use intendant_train::{files, models, plan};
use serde_json::json;

use crate::cli::{TrainArgs, TrainOutput, TrainPart};
use crate::commands::data::validate::{ValidateOptions, validate_project};
use crate::commands::visualize;
use crate::failure::Failure;
use crate::progress::TerminalProgress;
use crate::project::{self, Paths};
use crate::provenance;
use crate::report;
use crate::stopping::Stop;
use crate::terminal::say;
use crate::watching;

/// Exit code of a dry run that found something to train.
const DRY_RUN_RETRAIN: u8 = 1;
/// Exit code of a dry run with `--force`.
const DRY_RUN_FORCED: u8 = 8;

/// Where `--debug-plots` draws the stories.
const STORIES_PAGE: &str = "story_blocks_connections.html";

/// The seed of all training that asks for no other.
pub const SEED: u64 = 42;

/// One training, whichever command asked for it.
#[derive(Clone)]
pub struct Order {
    /// Where the project's files are.
    pub paths: Paths,
    /// Train only this; `None` trains what the files allow.
    pub only: Option<TrainingType>,
    /// Where the model goes.
    pub out: PathBuf,
    /// File name without ending.
    pub fixed_model_name: Option<String>,
    /// Threads; all cores unless given.
    pub threads: Option<usize>,
    /// Stories glued together, at most.
    pub augmentation: usize,
    /// Train although nothing changed.
    pub force: bool,
    /// Draw the stories too.
    pub draws_stories: bool,
    /// Take unchanged parts from this model too; the inner `None` means those in `out`, one of
    /// which must exist.
    pub finetune: Option<Option<PathBuf>>,
    /// Only say what would be trained.
    pub dry_run: bool,
    /// `None` skips the check.
    pub validation: Option<ValidateOptions>,
    /// Print only warnings and errors.
    pub quiet: bool,
    /// Ends the training early, without a model.
    pub stop: Stop,
    /// Hears of the progress instead of the terminal, and may end the training.
    pub watcher: Option<Arc<dyn Progress + Send + Sync>>,
}

impl Order {
    fn new(paths: Paths, output: &TrainOutput, quiet: bool) -> Self {
        Self {
            paths,
            only: None,
            out: output.out.clone(),
            fixed_model_name: output.fixed_model_name.clone(),
            threads: output.num_threads,
            augmentation: intendant_policy::DEFAULT_AUGMENTATION,
            force: false,
            draws_stories: false,
            finetune: output.finetune.clone(),
            dry_run: false,
            validation: None,
            quiet,
            stop: Stop::default(),
            watcher: None,
        }
    }

    /// The training of `init` and `up`: the default paths below `folder`.
    pub fn of_folder(folder: &Path) -> Self {
        let at = |name: &str| if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) };
        Self {
            paths: Paths {
                config: Some(at("config.yml")),
                domain: vec![at("domain.yml")],
                data: vec![at("data")],
            },
            only: None,
            out: at("models"),
            fixed_model_name: None,
            threads: None,
            augmentation: intendant_policy::DEFAULT_AUGMENTATION,
            force: false,
            draws_stories: false,
            finetune: None,
            dry_run: false,
            validation: Some(ValidateOptions::default()),
            quiet: false,
            stop: Stop::default(),
            watcher: None,
        }
    }
}

/// What became of an order.
pub enum Outcome {
    /// The existing model is the one that training would give.
    Unchanged(PathBuf),
    /// A new model.
    Trained(PathBuf),
    /// Nothing was done; this would be.
    Planned(Planned),
}

/// What a dry run found.
pub struct Planned {
    is_forced: bool,
    is_up_to_date: bool,
    trains_nlu: bool,
    trains_core: bool,
    /// Components that would be trained.
    components: Vec<String>,
}

impl Planned {
    fn of(order: &Order, plan: &Plan) -> Self {
        Self {
            is_forced: order.force,
            is_up_to_date: plan.is_up_to_date,
            trains_nlu: plan.trains_nlu(),
            trains_core: plan.trains_core(),
            components: plan.trained().map(|part| part.name.clone()).collect(),
        }
    }

    /// The exit code, as Rasa's.
    pub fn code(&self) -> ExitCode {
        match self {
            Self { is_forced: true, .. } => ExitCode::from(DRY_RUN_FORCED),
            Self { trains_nlu: false, trains_core: false, .. } => ExitCode::SUCCESS,
            _ => ExitCode::from(DRY_RUN_RETRAIN),
        }
    }

    fn tell(&self) {
        match self {
            Self { is_forced: true, .. } => say!("The training was forced."),
            Self { is_up_to_date: true, .. } => say!("No training of components required."),
            Self { trains_nlu: false, trains_core: false, .. } => {
                say!("No training of components required (the responses might still need updating!).");
            }
            _ => {
                say!("The model needs to be retrained.");
                say!("Components that would be trained: {}.", self.components.join(", "));
            }
        }
    }
}

/// Prints what became of a training as JSON.
fn tell_machine(outcome: &Outcome) -> ExitCode {
    let (status, model, code) = match outcome {
        Outcome::Unchanged(path) => ("unchanged", Some(path), ExitCode::SUCCESS),
        Outcome::Trained(path) => ("trained", Some(path), ExitCode::SUCCESS),
        Outcome::Planned(plan) => ("planned", None, plan.code()),
    };
    let mut told = json!({"status": status, "model": model.map(|path| path.display().to_string())});
    if let Outcome::Planned(plan) = outcome {
        let is_forced = plan.is_forced;
        told["trains_nlu"] = (is_forced || plan.trains_nlu).into();
        told["trains_core"] = (is_forced || plan.trains_core).into();
        told["up_to_date"] = (!is_forced && plan.is_up_to_date).into();
        told["components"] = plan.components.clone().into();
    }
    say!("{told}");
    code
}

/// Runs `intendant train`.
pub fn run(arguments: TrainArgs, quiet: bool, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(name) = &arguments.predictor {
        return super::predictors::train::run(name, &arguments, quiet, environment);
    }
    if let Some(TrainPart::Core { config, .. }) = &arguments.part
        && config.len() > 1
    {
        return compare::run(arguments, quiet, environment);
    }
    let as_json = arguments.wants_json();
    let watches = arguments.watch;
    let mut order = order(arguments, quiet || as_json)?;
    let stop = Stop::on_signals();
    if watches {
        return Ok(watching::run(&order, environment, &stop));
    }
    order.stop = stop.clone();
    let outcome = execute(&order, environment).map_err(|failure| match stop.exit_code() {
        Some(code) => failure.with_code(code),
        None => failure,
    })?;
    if as_json {
        return Ok(tell_machine(&outcome));
    }
    tell(&outcome, quiet);
    match outcome {
        Outcome::Planned(plan) => Ok(plan.code()),
        Outcome::Unchanged(_) | Outcome::Trained(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Says what became of an order.
pub fn tell(outcome: &Outcome, quiet: bool) {
    match outcome {
        Outcome::Planned(plan) => plan.tell(),
        Outcome::Unchanged(path) if !quiet => {
            say!("Nothing changed. You can use the old model stored at '{}'.", path.display());
        }
        Outcome::Trained(path) if !quiet => {
            say!("Your model is trained and saved at '{}'.", path.display());
        }
        Outcome::Unchanged(_) | Outcome::Trained(_) => {}
    }
}

fn order(arguments: TrainArgs, quiet: bool) -> Result<Order, Failure> {
    let output = match &arguments.part {
        None => &arguments.output,
        Some(TrainPart::Nlu { output, .. } | TrainPart::Core { output, .. }) => output,
    };
    if let Some(fraction) = output.epoch_fraction.filter(|fraction| fraction.is_nan() || *fraction <= 0.0) {
        let message = format!("--epoch-fraction must be above 0, found {fraction}");
        return Err(Failure::new("", message));
    }
    Ok(match arguments.part {
        None => {
            let TrainArgs { project, output, core, .. } = arguments;
            let paths = Paths { config: Some(project.config), domain: project.domain, data: project.data };
            let validation = (!arguments.skip_validation).then_some(ValidateOptions {
                max_history: arguments.validation_max_history,
                fail_on_warnings: arguments.fail_on_validation_warnings,
            });
            Order {
                augmentation: core.augmentation,
                draws_stories: core.debug_plots,
                force: arguments.force,
                dry_run: arguments.dry_run,
                validation,
                ..Order::new(paths, &output, quiet)
            }
        }
        Some(TrainPart::Nlu { nlu, config, domain, output }) => {
            let paths = Paths { config: Some(config), domain, data: nlu };
            Order { only: Some(TrainingType::Nlu), ..Order::new(paths, &output, quiet) }
        }
        Some(TrainPart::Core { stories, config, domain, output, core, force, .. }) => {
            let paths = Paths { config: config.into_iter().next(), domain, data: stories };
            let only = Some(TrainingType::Core);
            let (augmentation, draws_stories) = (core.augmentation, core.debug_plots);
            Order { only, augmentation, draws_stories, force, ..Order::new(paths, &output, quiet) }
        }
    })
}

/// Reads, checks, plans, trains, writes.
pub fn execute(order: &Order, environment: &Environment) -> Result<Outcome, Failure> {
    if let Some(folder) = agent::folder(order) {
        return agent::execute(&folder, order, environment);
    }
    let (project, findings, data) = project::read_known(&order.paths, environment)?;
    match &order.validation {
        Some(options) => validate_project(&project, &findings, options)?,
        None => {
            report::print(&findings);
            if project::has_errors(&findings) {
                return Err(Failure::new("", too_many(&findings)));
            }
        }
    }
    if order.draws_stories {
        let examples = visualize::examples(&project);
        visualize::draw(&project, &examples, visualize::MAX_HISTORY_DEFAULT, Path::new(STORIES_PAGE))?;
    }
    let (recipe, training_type) = recipe(project, order.augmentation, order.only)?;
    let known = known(order)?;
    let plan = plan::plan(&recipe, training_type, Some(&known.metadata));
    if order.dry_run {
        return Ok(Outcome::Planned(Planned::of(order, &plan)));
    }
    if plan.is_up_to_date
        && let Some(path) = usable_newest(order, &known)?
    {
        return unchanged(order, path, &known.metadata[0]);
    }
    let started = Instant::now();
    // The model that most is taken from, or the newest of several; read before a new one may replace it.
    let origin =
        provenance::Origin { parent: known.origin(&plan).and_then(provenance::digest), data: Some(data) };
    let trained = train(&recipe, &plan, known.parts(&plan), order)?;
    if !order.quiet {
        say!("Trained in {:.2} s{}.", started.elapsed().as_secs_f64(), kept(&plan));
    }
    if order.stop.is_asked() || order.watcher.as_ref().is_some_and(|watcher| watcher.is_cancelled()) {
        return Err(cancelled());
    }
    let path = order.out.join(model_name(order.fixed_model_name.as_deref(), &trained.metadata));
    files::write_whole(&path, &trained.archive).map_err(|error| Failure::of("", &error))?;
    provenance::leave(&order.out, &trained.archive, (started.elapsed(), origin), environment);
    Ok(Outcome::Trained(path))
}

/// What to train from a project.
///
/// # Errors
/// When there is nothing to train, or no language to train it for.
pub fn recipe(
    project: Project,
    augmentation: usize,
    only: Option<TrainingType>,
) -> Result<(Recipe, TrainingType), Failure> {
    let recipe = Recipe::new(project, augmentation);
    let Some(possible) = recipe.trainable() else {
        return Err(Failure::new(
            "",
            "no training data found: expected examples under `nlu:`, or `stories:` or `rules:` together with a domain; \
             name the files with --data and --domain",
        ));
    };
    let training_type = match (only, possible) {
        (None, possible) => possible,
        (Some(only), possible) if only == possible || possible == TrainingType::Both => only,
        (Some(TrainingType::Nlu), _) => {
            return Err(Failure::new("", "no examples found to train understanding from"));
        }
        (Some(_), _) => {
            return Err(Failure::new("", "no stories or rules, or no domain, to train dialogue from"));
        }
    };
    if training_type != TrainingType::Core && recipe.language.is_none() {
        let message =
            "the configuration lacks `language`, which understanding needs: add `language: en`, say";
        return Err(Failure::new("", message));
    }
    Ok((recipe, training_type))
}

fn too_many(findings: &[Diagnostic]) -> String {
    let errors = report::count(findings).errors;
    format!("{errors} error{} in the project; nothing was trained", if errors == 1 { "" } else { "s" })
}

/// The models whose parts may be taken over.
fn known(order: &Order) -> Result<Known, Failure> {
    let failed = |error| Failure::of("", &error);
    let mut known = Known::default();
    if order.force {
        return Ok(known);
    }
    if let Some(from) = &order.finetune {
        known = Known::of(from.as_deref().unwrap_or(&order.out), SEED).map_err(failed)?;
        if known.files.is_empty() {
            let message = "No model for finetuning found. Please make sure to either specify a path to a previous \
                           model or to have a finetunable model within the output directory.";
            return Err(Failure::new("", message));
        }
    }
    // The newest model of the folder stays the one that "nothing changed" is said about.
    let mut all = Known::of(&order.out, SEED).map_err(failed)?;
    all.files.append(&mut known.files);
    all.metadata.append(&mut known.metadata);
    Ok(all)
}

/// The first of the known models, if it is the one that servers would load, and whole.
fn usable_newest<'a>(order: &Order, known: &'a Known) -> Result<Option<&'a Path>, Failure> {
    let newest = models::newest(&order.out).map_err(|error| Failure::of("", &error))?;
    let first = known.files.first().filter(|first| newest.as_ref() == Some(first));
    let is_whole =
        |path: &&PathBuf| files::read(path).is_ok_and(|bytes| intendant_bundle::read(&bytes).is_ok());
    Ok(first.filter(is_whole).map(PathBuf::as_path))
}

/// How much was taken over, for the line that says how long training took.
fn kept(plan: &Plan) -> String {
    let trained = plan.trained().count();
    match (plan.parts.len() - trained, trained) {
        (0, _) => String::new(),
        (_, 0) => "; every component was taken from models trained before".to_owned(),
        (kept, trained) => {
            format!("; {kept} of {} components were taken from models trained before", kept + trained)
        }
    }
}

fn unchanged(order: &Order, path: &Path, metadata: &Metadata) -> Result<Outcome, Failure> {
    let Some(name) = order.fixed_model_name.as_deref() else {
        return Ok(Outcome::Unchanged(path.to_owned()));
    };
    let wanted = order.out.join(model_name(Some(name), metadata));
    if wanted != path {
        let bytes = files::read(path).map_err(|error| Failure::of("", &error))?;
        files::write_whole(&wanted, &bytes).map_err(|error| Failure::of("", &error))?;
    }
    Ok(Outcome::Unchanged(wanted))
}

fn train(recipe: &Recipe, plan: &Plan, known: Parts, order: &Order) -> Result<Trained, Failure> {
    if let Some(watcher) = &order.watcher {
        let trained = train_quietly(recipe, plan, Some(known), order.threads, &**watcher)?;
        report::print(&trained.warnings);
        return Ok(trained);
    }
    let progress = TerminalProgress::new(order.quiet).until(order.stop.clone());
    let outcome = train_quietly(recipe, plan, Some(known), order.threads, &progress);
    progress.clear();
    let trained = outcome?;
    report::print(&trained.warnings);
    Ok(trained)
}

/// Trains; diagnostics of a failure are printed.
pub fn train_quietly(
    recipe: &Recipe,
    plan: &Plan,
    known: Option<Parts>,
    threads: Option<usize>,
    progress: &dyn Progress,
) -> Result<Trained, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let context = TrainContext { seed: SEED, threads: threads.unwrap_or(cores).max(1), progress };
    plan::train(recipe, plan, known, &context).map_err(|error| match error {
        TrainError::Project(findings) => {
            report::print(&findings);
            Failure::new("", too_many(&findings))
        }
        TrainError::Cancelled => cancelled(),
        TrainError::Archive(error) => Failure::of("", &error),
    })
}

fn cancelled() -> Failure {
    Failure::new("", "training was cancelled; nothing was written")
}

/// The file name of a model.
pub fn model_name(fixed: Option<&str>, metadata: &Metadata) -> String {
    if let Some(name) = fixed {
        let stem = name.strip_suffix(models::ARCHIVE_ENDING).unwrap_or(name);
        return format!("{stem}{}", models::ARCHIVE_ENDING);
    }
    let prefix = match metadata.training_type {
        TrainingType::Nlu => "nlu-",
        TrainingType::Core => "core-",
        TrainingType::Both | TrainingType::Predictor => "",
    };
    models::file_name(prefix, &jiff::Zoned::now(), &metadata.model_id)
}
