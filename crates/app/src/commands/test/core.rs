//! `intendant test core`: test stories against a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use intendant_client::endpoint::Endpoint;
use intendant_client::http::{HttpClient, Outgoing};
use intendant_config::Environment;
use intendant_rasa_format::project::{Files, Project};
use intendant_rasa_format::yaml::SourceFile;
use intendant_talk::message::{Object, Parse};
use intendant_talk::story::Story;
use intendant_train::assistant::Assistant;
use intendant_train::files;
use serde_json::{Value, json};

use super::comparison::{self, Figures, PERCENTAGE_MARK, RESULTS_FILE, STORIES_FILE};
use super::nlu_files::{Wanted, write_entities};
use super::{Mode, write_json, write_picture, write_text};
use crate::cli::testing::{CoreTestOptions, TestOutput};
use crate::failure::Failure;
use crate::story_report::{StoryReport, TEXT_POLICY};
use crate::terminal::say;
use crate::{model, project, report, wiring};

/// How names of files with test stories begin.
const TEST_PREFIX: &str = "test_";
/// How long a file may take to arrive.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// What is tested with what.
pub struct Order<'a> {
    /// One model to test, or several to compare.
    pub models: &'a [PathBuf],
    /// Where reports go.
    pub output: &'a TestOutput,
    /// Which stories.
    pub core: &'a CoreTestOptions,
    /// End to end, only files named `test_…` are read and messages are parsed.
    pub mode: Mode,
}

/// Plays test stories against a model, or against several to compare them.
pub fn run(order: &Order<'_>, environment: &Environment) -> Result<ExitCode, Failure> {
    let stories = read_stories(order, environment)?;
    match order.models {
        _ if order.core.evaluate_model_directory => compare_folder(order, &stories),
        [model] => test(model, &stories, order),
        models => compare(models, &stories, order),
    }
}

fn test(path: &Path, stories: &[Story], order: &Order<'_>) -> Result<ExitCode, Failure> {
    let (options, core) = (order.output, order.core);
    let played = play(&dialogue_model(model::load(path)?)?, stories, order);
    write_reports(&played, options)?;
    let (correct, total) = (played.correct(), played.stories.len());
    let failed = played.stories.iter().filter(|story| !story.is_correct());
    let failed: Vec<&str> = failed.map(|story| story.name.as_str()).collect();
    if options.json {
        let stories = json!({"total": total, "correct": correct, "failed": failed});
        say!("{}", json!({"test": "core", "stories": stories, "reports": options.out}));
    } else {
        say!("{correct} of {total} test stories went as expected.");
        say!("Reports are in {}.", options.out.display());
    }
    if core.fail_on_prediction_errors && correct < total {
        let message = format!("wrong predictions in: {}", failed.join(", "));
        return Err(Failure::new("WrongPredictionException", message));
    }
    Ok(ExitCode::SUCCESS)
}

fn dialogue_model(assistant: Assistant) -> Result<Assistant, Failure> {
    if assistant.mind.ensemble.is_none() {
        return Err(Failure::new("", "this model has no policies to test; train one with `intendant train`"));
    }
    Ok(assistant)
}

fn play(assistant: &Assistant, stories: &[Story], order: &Order<'_>) -> StoryReport {
    let mut conversations = intendant_policy::conversations(&assistant.mind.domain, stories);
    conversations.truncate(order.core.max_stories.unwrap_or(usize::MAX));
    let parse = |text: &str| match &assistant.pipeline {
        Some(pipeline) => pipeline.parse(text),
        None => intendant_nlu::parse_without_pipeline(text, &assistant.mind.domain),
    };
    let understand = (order.mode == Mode::EndToEnd).then_some(&parse as &dyn Fn(&str) -> Parse);
    StoryReport::of(&assistant.mind, &conversations, understand)
}

/// Compares model files: `results.json` has how many stories each one plays as expected.
fn compare(models: &[PathBuf], stories: &[Story], order: &Order<'_>) -> Result<ExitCode, Failure> {
    let mut results = Object::new();
    for path in models {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let played = play(&dialogue_model(model::load(path)?)?, stories, order);
        say!("{name}: {} of {} test stories went as expected.", played.correct(), played.stories.len());
        match results.entry(name).or_insert_with(|| json!([])) {
            Value::Array(figures) => figures.push(json!(played.correct())),
            other => *other = json!([played.correct()]),
        }
    }
    write_json(&order.output.out.join(RESULTS_FILE), &Value::Object(results))?;
    say!("The figures are in {}.", order.output.out.join(RESULTS_FILE).display());
    Ok(ExitCode::SUCCESS)
}

/// Compares the models that `train core --config A B …` wrote.
fn compare_folder(order: &Order<'_>, stories: &[Story]) -> Result<ExitCode, Failure> {
    let Some(given) = order.models.first() else {
        return Err(Failure::new("", "name the folder of models with --model"));
    };
    // As Rasa: of a file its folder is taken.
    let folder = if given.is_file() { given.parent().unwrap_or(given) } else { given };
    let amounts: Vec<usize> = files::read(&folder.join(STORIES_FILE))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .and_then(|json| json.as_array()?.iter().map(|amount| amount.as_u64().map(|n| n as usize)).collect())
        .ok_or_else(|| {
            let message = format!(
                "{} holds no models to compare; train them with `intendant train core --config A B --out DIR`",
                folder.display()
            );
            Failure::new("", message)
        })?;
    let mut results: Vec<(String, Figures)> = Vec::new();
    for models in runs(folder)? {
        for (name, models) in models {
            let mut figures = Vec::new();
            for (_, path) in models {
                let played = play(&dialogue_model(model::load(&path)?)?, stories, order);
                figures.push(played.correct() as f64);
            }
            match results.iter_mut().find(|(known, _)| *known == name) {
                Some((_, runs)) => runs.push(figures),
                None => results.push((name, vec![figures])),
            }
        }
    }
    let out = &order.output.out;
    write_json(&out.join(RESULTS_FILE), &comparison::counts_json(&results))?;
    if !order.output.no_plot {
        let axes = ("Number of stories present during training", "Number of correct test stories");
        comparison::write_graph(&out.join("core_model_comparison_graph"), (&results, &amounts), axes)?;
    }
    comparison::print(&results, &amounts, "stories trained with");
    say!("The figures are in {}.", out.join(RESULTS_FILE).display());
    Ok(ExitCode::SUCCESS)
}

/// Models of one run by configuration, each with the percentage left out, sorted.
type RunModels = BTreeMap<String, Vec<(usize, PathBuf)>>;

fn runs(folder: &Path) -> Result<Vec<RunModels>, Failure> {
    let found = files::find(&[folder.to_owned()], &["gz"]).map_err(|error| Failure::of("", &error))?;
    let mut runs: BTreeMap<PathBuf, RunModels> = BTreeMap::new();
    for path in found {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((config, rest)) = name.split_once(PERCENTAGE_MARK) else { continue };
        let Some(percentage) = rest.strip_suffix(".tar.gz").and_then(|number| number.parse().ok()) else {
            continue;
        };
        let run = path.parent().unwrap_or(folder).to_owned();
        runs.entry(run).or_default().entry(config.to_owned()).or_default().push((percentage, path));
    }
    for models in runs.values_mut().flat_map(BTreeMap::values_mut) {
        models.sort();
    }
    Ok(runs.into_values().collect())
}

fn read_stories(order: &Order<'_>, environment: &Environment) -> Result<Vec<Story>, Failure> {
    let read = match &order.core.url {
        Some(url) => vec![fetch(url)?],
        None => story_files(order)?,
    };
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let (project, findings) = Project::read(Files { data: &read, ..Files::default() }, &lookup);
    if project::has_errors(&findings) {
        report::print(&findings);
        return Err(Failure::new("", "the test stories cannot be read"));
    }
    let stories: Vec<Story> = project.stories;
    if stories.is_empty() {
        tracing::warn!("no test stories found; their files are named `test_…`, name folders with --stories");
    }
    Ok(stories)
}

fn story_files(order: &Order<'_>) -> Result<Vec<SourceFile>, Failure> {
    let usual = match order.mode {
        Mode::ActionsOnly => [PathBuf::from("data")],
        Mode::EndToEnd => [PathBuf::from(".")],
    };
    let paths = if order.core.stories.is_empty() { &usual[..] } else { &order.core.stories };
    let found = files::find(paths, &["yml", "yaml"]).map_err(|error| Failure::of("", &error))?;
    let is_test =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEST_PREFIX));
    let wanted = found.iter().filter(|path| order.mode == Mode::ActionsOnly || is_test(path));
    wanted.map(|path| project::source_file(path)).collect()
}

/// A file of test stories from elsewhere, whatever its name.
fn fetch(url: &str) -> Result<SourceFile, Failure> {
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    let answer = wiring::runtime()?.block_on(async {
        let endpoint = Endpoint::bare(url)?;
        HttpClient::new()?.send(&endpoint, Outgoing::get(FETCH_TIMEOUT)).await
    });
    let answer = answer.map_err(failed)?;
    if !answer.status.is_success() {
        return Err(Failure::new("", format!("{url} was answered with status {}", answer.status.as_u16())));
    }
    let name = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let name = name.strip_prefix(TEST_PREFIX).unwrap_or(name);
    let ending = if name.ends_with(".yml") || name.ends_with(".yaml") { "" } else { ".yml" };
    Ok(SourceFile { path: format!("{TEST_PREFIX}{name}{ending}"), bytes: answer.body.into() })
}

fn write_reports(played: &StoryReport, options: &TestOutput) -> Result<(), Failure> {
    let at = |name: &str| options.out.join(name);
    write_json(&at("story_report.json"), &played.story_report())?;
    if let Some(entities) = played.entities() {
        write_entities(TEXT_POLICY, &entities, (&options.out, Wanted::by(options)))?;
    }
    if !options.no_errors {
        let failed = played.yaml(|story| !story.is_correct(), "None of the test stories failed - all good!");
        write_text(&at("failed_test_stories.yml"), &failed)?;
    }
    if !options.no_warnings {
        write_text(&at("stories_with_warnings.yml"), &played.warnings_yaml())?;
    }
    if options.successes {
        let succeeded = played.yaml(|story| story.is_correct(), "None of the test stories succeeded :(");
        write_text(&at("successful_test_stories.yml"), &succeeded)?;
    }
    if !options.no_plot {
        write_picture(&at("story_confusion_matrix"), &played.picture())?;
    }
    Ok(())
}
