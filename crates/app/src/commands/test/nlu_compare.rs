//! `intendant test nlu --config A B …`: which configuration understands best, and with how much data.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_bundle::TrainingType;
use intendant_config::Environment;
use intendant_rasa_format::project::Project;
use intendant_rasa_format::split::{Grouping, LanguagePart, Parts, split_language};
use intendant_rasa_format::write::nlu_yaml;
use intendant_talk::data::NluData;
use intendant_talk::message::Object;
use intendant_train::assistant::Assistant;
use intendant_train::recipe::Recipe;
use intendant_train::{files, plan};
use serde_json::Value;

use super::comparison::{self, Figures, RESULTS_FILE, stem};
use super::nlu::{drop_rare, read};
use super::nlu_files::{Wanted, write_reports};
use super::{write_json, write_text};
use crate::cli::testing::{NluTestOptions, TestOutput};
use crate::commands::train;
use crate::failure::Failure;
use crate::nlu_test::{self, Outcomes};
use crate::progress::TerminalProgress;
use crate::terminal::say;

/// Intents with fewer examples are left out, as Rasa does.
const EXAMPLES_MIN: usize = 5;
/// What is trained with before anything is left out.
const TRAINING_FRACTION: f64 = 0.8;

/// Trains each configuration in every run with every amount of data, and tests it with the run's test data.
pub fn run(
    configs: &[PathBuf],
    options: &TestOutput,
    nlu: &NluTestOptions,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let mut projects = Vec::with_capacity(configs.len());
    for config in configs {
        let mut project = read(Some(config.clone()), nlu, environment)?;
        if projects.is_empty() {
            drop_rare(&mut project.nlu.examples, EXAMPLES_MIN)?;
        } else {
            nlu_test::drop_rare_intents(&mut project.nlu.examples, EXAMPLES_MIN);
        }
        projects.push((stem(config), project));
    }
    let mut results: Vec<(String, Figures)> =
        projects.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    let mut amounts = Vec::new();
    for run in 0..nlu.runs {
        let folder = options.out.join(format!("run_{}", run + 1));
        let parts = split(&projects[0].1, TRAINING_FRACTION, nlu.random_seed.wrapping_add(run as u64));
        write_text(&folder.join("test.yml"), &nlu_yaml(&parts.test.data, &Object::new()))?;
        results.iter_mut().for_each(|(_, figures)| figures.push(Vec::new()));
        for percentage in &nlu.percentages {
            let kept = keep(&parts.train, *percentage, nlu.random_seed);
            if run == 0 {
                amounts.push(kept.data.examples.len());
            }
            let folder = folder.join(format!("{percentage}%_exclusion"));
            write_text(&folder.join("train/train.yml"), &nlu_yaml(&kept.data, &Object::new()))?;
            write_text(&folder.join("train/responses.yml"), &nlu_yaml(&NluData::default(), &kept.responses))?;
            for ((name, project), (_, figures)) in projects.iter().zip(&mut results) {
                let f1 = match test(
                    &Trial { name, project, folder: &folder },
                    &kept.data,
                    &parts.test.data,
                    options,
                ) {
                    Ok(f1) => f1,
                    Err(failure) => {
                        eprintln!("{name} with {percentage} % left out: {}", failure.message());
                        0.0
                    }
                };
                if let Some(figures) = figures.last_mut() {
                    figures.push(f1);
                }
            }
        }
    }
    conclude(&results, &amounts, options)
}

fn conclude(
    results: &[(String, Figures)],
    amounts: &[usize],
    options: &TestOutput,
) -> Result<ExitCode, Failure> {
    let out = &options.out;
    write_json(&out.join(RESULTS_FILE), &comparison::scores_json(results))?;
    if !options.no_plot {
        let axes = (
            "Number of intent examples present during training",
            "Label-weighted average F1 score on test set",
        );
        comparison::write_graph(&out.join("nlu_model_comparison_graph"), (results, amounts), axes)?;
    }
    comparison::print(results, amounts, "weighted F1 with …  messages");
    say!("The figures are in {}, a folder for each run beside it.", out.join(RESULTS_FILE).display());
    Ok(ExitCode::SUCCESS)
}

fn split(project: &Project, fraction: f64, seed: u64) -> Parts<LanguagePart> {
    // Responses of retrieval intents are the domain's, wherever they were written.
    let responses = match project.domain.dict.get("responses") {
        Some(Value::Object(responses)) => responses.clone(),
        _ => Object::new(),
    };
    let language = LanguagePart { data: project.nlu.clone(), responses };
    split_language(&language, Grouping::None, (fraction, seed), &mut Vec::new())
}

/// Leaves out a percentage, every intent by the same share.
fn keep(part: &LanguagePart, percentage: u8, seed: u64) -> LanguagePart {
    if percentage == 0 {
        return part.clone();
    }
    // What is left out is what would be trained with.
    let left_out = f64::from(percentage) / 100.0;
    split_language(part, Grouping::None, (left_out, seed), &mut Vec::new()).test
}

/// One configuration with one amount of data.
struct Trial<'a> {
    name: &'a str,
    project: &'a Project,
    folder: &'a Path,
}

fn test(trial: &Trial<'_>, training: &NluData, test: &NluData, options: &TestOutput) -> Result<f64, Failure> {
    let project = Project { nlu: training.clone(), ..trial.project.clone() };
    let (recipe, _): (Recipe, TrainingType) = train::recipe(project, 0, Some(TrainingType::Nlu))?;
    let plan = plan::plan(&recipe, TrainingType::Nlu, None);
    let progress = TerminalProgress::new(false);
    let trained = train::train_quietly(&recipe, &plan, None, None, &progress);
    progress.clear();
    let archive = trained?.archive;
    let file = trial.folder.join(format!("{}.tar.gz", trial.name));
    files::write_whole(&file, &archive).map_err(|error| Failure::of("", &error))?;
    let assistant = Assistant::load(&archive).map_err(|error| Failure::of("", &error))?;
    let Some(pipeline) = &assistant.pipeline else {
        return Err(Failure::new("", "this configuration has no language understanding"));
    };
    let evaluation = Outcomes::of(&test.examples, nlu_test::by_pipeline(pipeline)).evaluate();
    let wanted = Wanted { errors: true, ..Wanted::by(options) };
    write_reports(&evaluation, &trial.folder.join(format!("{}_report", trial.name)), wanted)?;
    Ok(evaluation.intents.map_or(0.0, |intents| intents.report.weighted.f1))
}
