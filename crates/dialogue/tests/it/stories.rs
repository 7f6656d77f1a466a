//! Story tests: what passes, what fails, and what is written about it.

use std::collections::HashMap;

use intendant_dialogue::story_test::{PlayedStep, PlayedStory, play};
use intendant_rasa_format::{Environment, SourceFile, stories};
use intendant_talk::message::{Intent, Parse};
use intendant_talk::story::{StepKind, Story};

use crate::golden::shared;
use crate::support::{mind, read_project};

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

fn run(project: &str) -> Option<Vec<PlayedStory>> {
    let folder = shared()?.join("projects").join(project);
    let project = read_project(&folder);
    let bytes = std::fs::read(folder.join("tests/test_stories.yml")).expect("readable");
    let file = SourceFile { path: "tests/test_stories.yml".to_owned(), bytes };
    let environment: Environment = &|_| None;
    let stories = stories::read(&file, environment, &mut Vec::new());
    let mind = mind(&project, "model");
    let parses = understanding(&stories);
    let conversations = intendant_policy::conversations(&mind.domain, &stories);
    let parse = |text: &str| parses.get(text).cloned().unwrap_or_default();
    Some(conversations.iter().map(|story| play(&mind, story, Some(&parse))).collect())
}

fn failed(stories: &[PlayedStory]) -> Vec<&str> {
    stories.iter().filter(|story| !story.is_correct()).map(|story| story.name.as_str()).collect()
}

#[test]
fn the_starter_projects_stories_pass() {
    let Some(stories) = run("moodbot") else { return eprintln!("skipped: the projects are not here") };
    assert_eq!(failed(&stories), Vec::<&str>::new());
    assert_eq!(stories.len(), 7);
}

#[test]
fn a_wrong_story_fails_and_says_why() {
    let Some(stories) = run("formbot") else { return eprintln!("skipped: the projects are not here") };
    assert_eq!(failed(&stories), ["wrong on purpose"]);
    let wrong = stories.iter().flat_map(|story| &story.steps).filter_map(|step| match step {
        PlayedStep::Action(action) if !step.is_correct() => Some((&*action.expected, &*action.predicted)),
        _ => None,
    });
    assert_eq!(wrong.collect::<Vec<_>>(), [("utter_goodbye", "utter_noworries")]);
}
