//! `intendant test nlu`: understanding on labelled messages, by a model, by cross-validation, or to compare
//! configurations.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_component::training::TrainContext;
use intendant_config::Environment;
use intendant_evaluate::findings::{Findings, LabelFindings, Labelled, Setting};
use intendant_rasa_format::project::Project;
use intendant_talk::data::Example;
use intendant_train::files;
use intendant_train::recipe::Recipe;
use serde_json::json;

use super::nlu_compare;
use super::nlu_files::{PAGE, Wanted, over_folds, write_findings, write_reports};
use crate::cli::testing::{NluTestOptions, TestOutput};
use crate::failure::Failure;
use crate::nlu_test::{self, Evaluation, Folds, Outcomes};
use crate::progress::TerminalProgress;
use crate::project::{self, Paths};
use crate::terminal::say;
use crate::{model, report};

/// Confusions that the terminal shows.
const CONFUSIONS_SHOWN: usize = 3;
/// Names that are printed of a list.
const NAMES_SHOWN: usize = 8;

/// Tests a model; with `--cross-validation` the configuration on folds of the data; with several configurations all of
/// them on parts of the data.
pub fn run(
    model: &Path,
    options: &TestOutput,
    nlu: &NluTestOptions,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let configs = configurations(&nlu.config)?;
    if configs.len() > 1 {
        return nlu_compare::run(&configs, options, nlu, environment);
    }
    let default = || PathBuf::from("config.yml");
    let config = nlu.cross_validation.then(|| configs.into_iter().next().unwrap_or_else(default));
    let mut project = read(config, nlu, environment)?;
    let (evaluation, setting) = if nlu.cross_validation {
        drop_rare(&mut project.nlu.examples, nlu.folds)?;
        let recipe = Recipe::new(project.clone(), 0);
        let (evaluation, folds) = cross_validate(&recipe, nlu, options.json)?;
        if !options.json {
            print_folds(&folds, nlu.folds);
        }
        (evaluation, Setting::CrossValidated)
    } else {
        (by_model(model, &project.nlu.examples)?, setting(nlu))
    };
    let mut findings = evaluation.findings(setting, nlu.random_seed);
    let trained = match setting {
        Setting::Held => training_examples(nlu, environment)?,
        Setting::TrainedOn | Setting::CrossValidated => Vec::new(),
    };
    findings.compare(&labelled(&project.nlu.examples), &labelled(&trained));
    write_reports(&evaluation, &options.out, Wanted::by(options))?;
    write_findings(&evaluation, &findings, options)?;
    if options.json {
        let count = project.nlu.examples.len();
        let told =
            json!({"test": "nlu", "messages": count, "findings": findings.to_json(), "reports": options.out});
        say!("{told}");
        return Ok(ExitCode::SUCCESS);
    }
    print(&findings, project.nlu.examples.len());
    say!("Reports are in {}; read {}.", options.out.display(), options.out.join(PAGE).display());
    Ok(ExitCode::SUCCESS)
}

/// A folder stands for the configurations in it.
fn configurations(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    match given {
        [folder] if folder.is_dir() => {
            files::find(given, &["yml", "yaml"]).map_err(|error| Failure::of("", &error))
        }
        _ => Ok(given.to_vec()),
    }
}

/// The messages to test with.
pub fn read(
    config: Option<PathBuf>,
    nlu: &NluTestOptions,
    environment: &Environment,
) -> Result<Project, Failure> {
    let paths = Paths { config, domain: nlu.domain.clone(), data: nlu.nlu.clone() };
    let (project, findings) = project::read(&paths, environment)?;
    if project::has_errors(&findings) {
        report::print(&findings);
        return Err(Failure::new("", "the test data cannot be read"));
    }
    if project.nlu.examples.is_empty() {
        return Err(Failure::new(
            "",
            "no messages to test with: expected examples under `nlu:`; name files with --nlu",
        ));
    }
    Ok(project)
}

/// Leaves out intents that are too rare, and says which.
pub fn drop_rare(examples: &mut Vec<Example>, least: usize) -> Result<(), Failure> {
    let dropped = nlu_test::drop_rare_intents(examples, least);
    if !dropped.is_empty() {
        let names = dropped.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if dropped.len() > NAMES_SHOWN { ", …" } else { "" };
        say!("intents with fewer than {least} examples are left out ({}): {names}{more}", dropped.len());
    }
    if examples.iter().all(|example| example.intent.is_none()) {
        return Err(Failure::new("", format!("no intent has the {least} examples that this test needs")));
    }
    Ok(())
}

fn by_model(path: &Path, examples: &[Example]) -> Result<Evaluation, Failure> {
    let assistant = model::load(path)?;
    let Some(pipeline) = &assistant.pipeline else {
        return Err(Failure::new("", "this model has no language understanding to test"));
    };
    Ok(Outcomes::of(examples, nlu_test::by_pipeline(pipeline)).evaluate())
}

fn cross_validate(
    recipe: &Recipe,
    nlu: &NluTestOptions,
    quiet: bool,
) -> Result<(Evaluation, Folds), Failure> {
    if nlu.folds < 2 {
        return Err(Failure::new("", "--folds must be at least 2"));
    }
    let progress = TerminalProgress::new(quiet);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let context = TrainContext { seed: nlu.random_seed, threads, progress: &progress };
    let outcome = nlu_test::cross_validate(recipe, nlu.folds, &context);
    progress.clear();
    outcome
}

/// Where a model's training data is kept unless said otherwise.
fn training_paths(nlu: &NluTestOptions) -> Vec<PathBuf> {
    let default = PathBuf::from("data");
    match nlu.trained_on.is_empty() {
        true if default.exists() => vec![default],
        true => Vec::new(),
        false => nlu.trained_on.clone(),
    }
}

/// Whether a model is tested with what it was trained on.
fn setting(nlu: &NluTestOptions) -> Setting {
    let absolute = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let trained: Vec<PathBuf> = training_paths(nlu).iter().map(absolute).collect();
    let is_trained = |path: PathBuf| trained.iter().any(|one| path.starts_with(one));
    if nlu.nlu.iter().map(absolute).all(is_trained) { Setting::TrainedOn } else { Setting::Held }
}

fn training_examples(nlu: &NluTestOptions, environment: &Environment) -> Result<Vec<Example>, Failure> {
    let paths = Paths { config: None, domain: Vec::new(), data: training_paths(nlu) };
    if paths.data.is_empty() {
        return Ok(Vec::new());
    }
    Ok(project::read(&paths, environment)?.0.nlu.examples)
}

fn labelled(examples: &[Example]) -> Vec<Labelled<'_>> {
    examples
        .iter()
        .map(|example| (example.text.as_str(), example.intent.as_deref().unwrap_or_default()))
        .collect()
}

fn print_folds(folds: &Folds, count: usize) {
    for name in folds.test.keys() {
        let of = |folds, figure| over_folds(folds, name, figure).unwrap_or_default();
        say!(
            "{name} over {count} folds: accuracy {}, F1 {}; on what was trained with: accuracy {}",
            of(&folds.test, 0),
            of(&folds.test, 1),
            of(&folds.train, 0)
        );
    }
}

fn print(findings: &Findings, count: usize) {
    match findings.setting {
        Setting::TrainedOn => {
            say!(
                "{count} messages, which the model was trained with: try --cross-validation, or test with others"
            );
        }
        Setting::Held => say!("{count} messages"),
        Setting::CrossValidated => say!("{count} messages, each read by a model that was trained without it"),
    }
    let line = |name: &str, labels: &LabelFindings| {
        let error = labels.calibration_error;
        say!("{name}: accuracy {}, weighted F1 {}, calibration error {error:.3}", labels.accuracy, labels.f1);
    };
    if let Some(intents) = &findings.intents {
        line("intents", intents);
    }
    if let Some(responses) = &findings.responses {
        line("responses", responses);
    }
    for (extractor, spans) in &findings.entities {
        say!("entities of {extractor}: F1 {} by exact span", spans.f1);
    }
    for confusion in findings.confusions.iter().take(CONFUSIONS_SHOWN) {
        say!("  {}", confusion.text());
    }
    let counts = [
        (findings.confusions.len().saturating_sub(CONFUSIONS_SHOWN), "confusion more", "confusions more"),
        (findings.suspects.len(), "label looks wrong", "labels look wrong"),
        (
            findings.twins.len(),
            "message is almost one of another intent",
            "messages are almost ones of other intents",
        ),
        (
            findings.leaked.len(),
            "message is almost word by word in the training data",
            "messages are almost word by word in the training data",
        ),
    ];
    for (count, one, several) in counts.into_iter().filter(|(count, ..)| *count > 0) {
        say!("  {count} {}", if count == 1 { one } else { several });
    }
}
