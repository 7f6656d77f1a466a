//! `intendant test nlu`: understanding on labelled messages, reports as Rasa names them.

use std::path::Path;
use std::process::ExitCode;

use intendant_component::training::TrainContext;
use intendant_config::Environment;
use intendant_evaluate::classification::{Report, calibration_error};
use intendant_evaluate::folds::mean_and_deviation;
use intendant_evaluate::picture;
use intendant_train::recipe::Recipe;
use serde_json::Value;

use super::{write_json, write_picture};
use crate::cli::testing::{NluTestOptions, TestOutput};
use crate::commands::train::SEED;
use crate::failure::Failure;
use crate::nlu_test::{self, Evaluation, Outcomes};
use crate::progress::TerminalProgress;
use crate::project::{self, Paths};
use crate::terminal::say;
use crate::{model, report};

/// Tests a model, or with `--cross-validation` the configuration on folds of the data.
pub fn run(
    model: &Path,
    options: &TestOutput,
    nlu: &NluTestOptions,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let config =
        nlu.cross_validation.then(|| nlu.config.first().cloned().unwrap_or_else(|| "config.yml".into()));
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
    let count = project.nlu.examples.len();
    let evaluation = if nlu.cross_validation {
        cross_validate(&Recipe::new(project, 0), nlu.folds)?
    } else {
        let assistant = model::load(model)?;
        let Some(pipeline) = &assistant.pipeline else {
            return Err(Failure::new("", "this model has no language understanding to test"));
        };
        Outcomes::of(&project.nlu.examples, nlu_test::by_pipeline(pipeline)).evaluate()
    };
    say!("{count} messages");
    print_scores(&evaluation);
    write_reports(&evaluation, options)?;
    say!("Reports are in {}.", options.out.display());
    Ok(ExitCode::SUCCESS)
}

fn cross_validate(recipe: &Recipe, folds: usize) -> Result<Evaluation, Failure> {
    if folds < 2 {
        return Err(Failure::new("", "--folds must be at least 2"));
    }
    let progress = TerminalProgress::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let context = TrainContext { seed: SEED, threads, progress: &progress };
    let outcome = nlu_test::cross_validate(recipe, folds, &context);
    progress.clear();
    let (evaluation, scores) = outcome?;
    for (name, values) in [
        ("accuracy", scores.iter().map(|fold| fold.intent_accuracy).collect::<Vec<_>>()),
        ("F1", scores.iter().map(|fold| fold.intent_f1).collect()),
    ] {
        let (mean, deviation) = mean_and_deviation(&values);
        say!("intent {name} over {folds} folds: {mean:.3} ± {deviation:.3}");
    }
    Ok(evaluation)
}

fn print_scores(evaluation: &Evaluation) {
    let line = |name: &str, report: &Report| {
        say!(
            "{name}: accuracy {:.3}, weighted precision {:.3}, F1 {:.3}",
            report.accuracy,
            report.weighted.precision,
            report.weighted.f1
        );
    };
    if let Some(intents) = &evaluation.intents {
        line("intents", &intents.report);
        let outcomes =
            intents.outcomes.iter().map(|outcome| (outcome.confidence, outcome.target == outcome.predicted));
        say!("intents: expected calibration error {:.3}", calibration_error(outcomes));
    }
    for (extractor, evaluation) in &evaluation.entities {
        line(&format!("entities of {extractor}, by token"), &evaluation.report);
    }
    if let Some(responses) = &evaluation.responses {
        line("responses", &responses.report);
    }
}

/// One kind of label with everything that its files are made of.
struct Files<'a> {
    name: &'a str,
    report: &'a Report,
    errors: Vec<Value>,
    successes: Vec<Value>,
    pairs: Vec<(&'a str, &'a str)>,
    confidences: Vec<(f64, bool)>,
}

fn write_reports(evaluation: &Evaluation, options: &TestOutput) -> Result<(), Failure> {
    if let Some(intents) = &evaluation.intents {
        let outcomes = &intents.outcomes;
        let files = Files {
            name: "intent",
            report: &intents.report,
            errors: intents.errors(),
            successes: intents.successes(),
            pairs: outcomes
                .iter()
                .map(|outcome| (outcome.target.as_str(), outcome.predicted.as_str()))
                .collect(),
            confidences: outcomes
                .iter()
                .map(|outcome| (outcome.confidence, outcome.target == outcome.predicted))
                .collect(),
        };
        write_files(&files, options)?;
    }
    for (extractor, entities) in &evaluation.entities {
        let labelled = entities.labels.iter().zip(&entities.confidences);
        let files = Files {
            name: extractor,
            report: &entities.report,
            errors: entities.errors.clone(),
            successes: entities.successes.clone(),
            pairs: entities.labels.iter().map(|(target, found)| (target.as_str(), found.as_str())).collect(),
            confidences: labelled
                .map(|((target, found), confidence)| (*confidence, target == found))
                .collect(),
        };
        write_files(&files, options)?;
    }
    if let Some(responses) = &evaluation.responses {
        let outcomes = &responses.outcomes;
        let files = Files {
            name: "response_selection",
            report: &responses.report,
            errors: responses.errors(),
            successes: responses.successes(),
            pairs: outcomes
                .iter()
                .map(|outcome| (outcome.target.as_str(), outcome.predicted.as_str()))
                .collect(),
            confidences: outcomes
                .iter()
                .map(|outcome| (outcome.confidence, outcome.target == outcome.predicted))
                .collect(),
        };
        write_files(&files, options)?;
    }
    Ok(())
}

fn write_files(files: &Files<'_>, options: &TestOutput) -> Result<(), Failure> {
    let at = |ending: &str| -> std::path::PathBuf {
        Path::new(&options.out).join(format!("{}_{ending}", files.name))
    };
    write_json(&at("report.json"), &Value::Object(files.report.to_json()))?;
    if !options.no_errors {
        write_json(&at("errors.json"), &Value::Array(files.errors.clone()))?;
    }
    if options.successes {
        write_json(&at("successes.json"), &Value::Array(files.successes.clone()))?;
    }
    if !options.no_plot {
        let title = format!("{}: wanted (rows) and found (columns)", files.name);
        write_picture(&at("confusion_matrix"), &picture::confusion_matrix(&files.pairs, &title))?;
        let title = format!("{}: confidence of right and wrong predictions", files.name);
        write_picture(&at("histogram"), &picture::confidence_histogram(&files.confidences, &title))?;
    }
    Ok(())
}
