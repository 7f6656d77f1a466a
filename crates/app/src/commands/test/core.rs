//! `intendant test core`: test stories against a model.

use std::process::ExitCode;

use intendant_config::Environment;
use intendant_rasa_format::project::{Files, Project};
use intendant_rasa_format::yaml::SourceFile;
use intendant_talk::story::Story;
use intendant_train::files;

use super::{write_json, write_text};
use crate::cli::{CoreTestOptions, TestOptions};
use crate::failure::Failure;
use crate::story_report::StoryReport;
use crate::terminal::say;
use crate::{model, project, report};

/// Plays test stories; end to end, only files named `test_…` are read and messages are parsed.
pub fn run(
    options: &TestOptions,
    core: &CoreTestOptions,
    end_to_end: bool,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let assistant = model::load(&options.model)?;
    if assistant.mind.ensemble.is_none() {
        return Err(Failure::new("", "this model has no policies to test; train one with `intendant train`"));
    }
    let stories = read_stories(core, end_to_end, environment)?;
    let mut conversations = intendant_policy::conversations(&assistant.mind.domain, &stories);
    conversations.truncate(core.max_stories.unwrap_or(usize::MAX));
    let parse = |text: &str| match &assistant.pipeline {
        Some(pipeline) => pipeline.parse(text),
        None => intendant_nlu::parse_without_pipeline(text, &assistant.mind.domain),
    };
    let played = StoryReport::of(&assistant.mind, &conversations, end_to_end.then_some(&parse));
    write_reports(&played, options)?;
    let (correct, total) = (played.correct(), played.stories.len());
    say!("{correct} of {total} test stories went as expected.");
    say!("Reports are in {}.", options.out.display());
    if core.fail_on_prediction_errors && correct < total {
        let failed: Vec<&str> = played
            .stories
            .iter()
            .filter(|story| !story.is_correct())
            .map(|story| story.name.as_str())
            .collect();
        let message = format!("wrong predictions in: {}", failed.join(", "));
        return Err(Failure::new("WrongPredictionException", message));
    }
    Ok(ExitCode::SUCCESS)
}

fn read_stories(
    core: &CoreTestOptions,
    end_to_end: bool,
    environment: &Environment,
) -> Result<Vec<Story>, Failure> {
    let found = files::find(&core.stories, &["yml", "yaml"]).map_err(|error| Failure::of("", &error))?;
    let is_test = |path: &std::path::Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("test_"))
    };
    let read: Vec<SourceFile> = found
        .iter()
        .filter(|path| !end_to_end || is_test(path))
        .map(|path| project::source_file(path))
        .collect::<Result<_, _>>()?;
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

fn write_reports(played: &StoryReport, options: &TestOptions) -> Result<(), Failure> {
    let at = |name: &str| options.out.join(name);
    write_json(&at("story_report.json"), &played.story_report())?;
    if !options.no_errors {
        let failed = played.yaml(|story| !story.is_correct(), "None of the test stories failed - all good!");
        write_text(&at("failed_test_stories.yml"), &failed)?;
    }
    if !options.no_warnings {
        let wanted =
            |story: &intendant_dialogue::story_test::PlayedStory| story.is_correct() && story.has_warning();
        let warned = played.yaml(wanted, "None of the test stories had warnings - all good!");
        write_text(&at("stories_with_warnings.yml"), &warned)?;
    }
    if options.successes {
        let wanted = |story: &intendant_dialogue::story_test::PlayedStory| story.is_correct();
        let succeeded = played.yaml(wanted, "None of the test stories succeeded :(");
        write_text(&at("successful_test_stories.yml"), &succeeded)?;
    }
    if !options.no_plot {
        write_text(&at("story_confusion_matrix.svg"), &played.picture())?;
    }
    Ok(())
}
