//! Story tests: what passes, what fails, and what is written about it.

use std::collections::HashMap;

use intendant_dialogue::story_test::{Evaluation, Options, evaluate};
use intendant_rasa_format::{Environment, SourceFile, stories};
use intendant_talk::message::{Intent, Parse};
use intendant_talk::story::{StepKind, Story};

use crate::golden::shared;
use crate::support::{mind, read_project};

const OPTIONS: Options = Options { is_end_to_end: true, max_predictions: 10 };

/// Understands exactly what the stories say.
fn understanding(stories: &[Story]) -> HashMap<String, Parse> {
    let steps = stories.iter().flat_map(|story| &story.steps);
    let users = steps.filter_map(|step| match &step.kind {
        StepKind::User(user) => Some(user),
        _ => None,
    });
    users
        .filter_map(|user| {
            let intent = Intent::new(user.intent.clone()?, 0.9);
            let parse = Parse { intent, entities: user.entities.clone(), ..Parse::default() };
            Some((user.text.clone()?, parse))
        })
        .collect()
}

fn run(project: &str) -> Option<Evaluation> {
    let folder = shared()?.join("projects").join(project);
    let project = read_project(&folder);
    let bytes = std::fs::read(folder.join("tests/test_stories.yml")).expect("readable");
    let file = SourceFile { path: "tests/test_stories.yml".to_owned(), bytes };
    let environment: Environment = &|_| None;
    let stories = stories::read(&file, environment, &mut Vec::new());
    let mind = mind(&project, "model");
    let parses = understanding(&stories);
    let conversations = intendant_policy::story_conversations(&mind.domain, &stories);
    let parse = &mut |text: &str| parses.get(text).cloned().unwrap_or_default();
    Some(evaluate(&mind, &conversations, OPTIONS, parse))
}

#[test]
fn the_starter_projects_stories_pass() {
    let Some(evaluation) = run("moodbot") else { return eprintln!("skipped: the projects are not here") };
    let failed: Vec<&str> = evaluation.failed().map(|story| story.name.as_str()).collect();
    assert_eq!(failed, Vec::<&str>::new());
    assert_eq!(evaluation.stories.len(), 7);
    assert_eq!(evaluation.labels().len(), 51);
}

#[test]
fn a_wrong_story_fails_and_says_why() {
    let Some(evaluation) = run("formbot") else { return eprintln!("skipped: the projects are not here") };
    let failed: Vec<&str> = evaluation.failed().map(|story| story.name.as_str()).collect();
    assert_eq!(failed, ["wrong on purpose"]);
    let story = evaluation.failed().next().expect("one failed");
    let comments: Vec<&str> = story.comments.iter().flatten().map(String::as_str).collect();
    assert_eq!(comments, ["predicted: utter_noworries"]);
}
