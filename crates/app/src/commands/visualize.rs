//! `intendant visualize`: the stories of a project as a page with one graph.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use intendant_config::Environment;
use intendant_evaluate::story_graph::{self, Options};
use intendant_rasa_format::project::Project;
use intendant_talk::event::Event;
use intendant_train::files;

use crate::cli::tools::VisualizeArgs;
use crate::failure::Failure;
use crate::project::{self, Paths};
use crate::report;
use crate::terminal::say;

/// Actions within which situations must agree to be drawn as one.
pub const MAX_HISTORY_DEFAULT: usize = 2;
/// Folder with example messages when none is named.
const DEFAULT_DATA: &str = "data";

/// Runs `intendant visualize`.
pub fn run(arguments: &VisualizeArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if arguments.max_history == 0 {
        return Err(Failure::new("", "--max-history must be at least 1"));
    }
    let project = read(arguments.domain.clone(), arguments.stories.clone(), environment)?;
    let nlu = match (arguments.nlu.is_empty(), Path::new(DEFAULT_DATA).exists()) {
        (true, true) => vec![PathBuf::from(DEFAULT_DATA)],
        _ => arguments.nlu.clone(),
    };
    let examples =
        if nlu.is_empty() { BTreeMap::new() } else { examples(&read(Vec::new(), nlu, environment)?) };
    if !draw(&project, &examples, arguments.max_history, &arguments.out)? {
        return Err(Failure::new("", "no stories found; name files or folders with --stories"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Draws the stories of a project on a page; `false` when there are none.
///
/// # Errors
/// When the page cannot be written.
pub fn draw(
    project: &Project,
    examples: &BTreeMap<String, String>,
    max_history: usize,
    out: &Path,
) -> Result<bool, Failure> {
    let stories = sequences(project);
    if stories.is_empty() {
        return Ok(false);
    }
    let stories: Vec<&[Arc<Event>]> = stories.iter().map(Vec::as_slice).collect();
    let example = |intent: &str| examples.get(intent).cloned();
    let graph = story_graph::of_stories(&stories, &Options { max_history, example: &example });
    let page = graph.html("Stories");
    files::write_whole(out, page.as_bytes()).map_err(|error| Failure::of("", &error))?;
    say!("{} stories, {} nodes: {}", stories.len(), graph.len(), out.display());
    Ok(true)
}

fn read(domain: Vec<PathBuf>, data: Vec<PathBuf>, environment: &Environment) -> Result<Project, Failure> {
    let (project, findings) = project::read(&Paths { config: None, domain, data }, environment)?;
    if project::has_errors(&findings) {
        report::print(&findings);
        return Err(Failure::new("", "the stories cannot be read"));
    }
    Ok(project)
}

/// The events of all stories, checkpoints joined; rules are no conversations and left out.
pub fn sequences(project: &Project) -> Vec<Vec<Arc<Event>>> {
    let conversations = intendant_policy::conversations(&project.domain, &project.stories);
    conversations.into_iter().map(|conversation| conversation.events).collect()
}

/// The first example message of every intent.
pub fn examples(project: &Project) -> BTreeMap<String, String> {
    let mut examples = BTreeMap::new();
    for example in &project.nlu.examples {
        for intent in [&example.intent, &example.intent_response_key].into_iter().flatten() {
            examples.entry(intent.clone()).or_insert_with(|| example.text.clone());
        }
    }
    examples
}
