//! What was learnt in a session, written into the project's files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use intendant_component::diagnostic::Diagnostic;
use intendant_config::Environment;
use intendant_rasa_format::project::Project;
use intendant_rasa_format::write::append::{self, DomainAdditions};
use intendant_rasa_format::write::{Form, conversation_story};
use intendant_rasa_format::yaml::SourceFile;
use intendant_talk::data::{Example, NluData};
use intendant_talk::domain::{DEFAULT_INTENTS, Domain};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::story::Story;
use intendant_talk::tracker::Tracker;
use intendant_train::files;

use super::ask::{Answer, Ask, Unanswered};
use crate::failure::Failure;
use crate::project;
use crate::terminal::say;

/// What was learnt.
#[derive(Debug, Default)]
pub struct Learnt {
    /// One story per conversation.
    pub stories: Vec<Story>,
    /// Messages with what they mean.
    pub examples: NluData,
    /// Names that the domain lacks.
    pub domain: DomainAdditions,
}

/// Files that additions usually go to.
#[derive(Debug)]
pub struct Destinations {
    stories: PathBuf,
    nlu: PathBuf,
    domain: PathBuf,
}

impl Destinations {
    /// Those of a project: where its first story and example stand, or the usual names.
    pub fn of(project: &Project, data: &[PathBuf], domain: &[PathBuf]) -> Self {
        let folder = data.iter().find(|path| path.is_dir() || path.extension().is_none());
        let usual =
            |name: &str| folder.map_or_else(|| PathBuf::from("data").join(name), |folder| folder.join(name));
        let existing = |name: &str, first: Option<&str>| {
            let usual = usual(name);
            match first {
                Some(first) if !usual.exists() && first.ends_with("ml") => PathBuf::from(first),
                _ => usual,
            }
        };
        let story = project.stories.iter().find(|story| !story.is_test);
        let story = story.map(|story| story.source.file.as_str());
        let example = project.nlu.examples.first().map(|example| example.source.file.as_str());
        let domain = domain.first().cloned().unwrap_or_else(|| PathBuf::from("domain.yml"));
        Self {
            stories: existing("stories.yml", story),
            nlu: existing("nlu.yml", example),
            domain: if domain.is_dir() { domain.join("interactive.yml") } else { domain },
        }
    }
}

/// Names of stories are numbered on from those that the project has.
const STORY_PREFIX: &str = "interactive_story_";

/// What conversations teach, by a domain that may lack some of it.
pub fn learn(
    conversations: &[Vec<Arc<Event>>],
    project: &Project,
    domain: &Domain,
    responses: &[(String, String)],
) -> Learnt {
    let mut learnt = Learnt::default();
    let taken =
        project.stories.iter().filter_map(|story| story.name.strip_prefix(STORY_PREFIX)?.parse().ok());
    let mut number: usize = taken.max().unwrap_or(0);
    let mut actions = BTreeSet::new();
    for conversation in conversations {
        for part in conversation.split(|event| matches!(event.kind, EventKind::Restart)) {
            let mut tracker = Tracker::for_domain("", domain);
            part.iter().for_each(|event| tracker.update_shared(Arc::clone(event)));
            let applied: Vec<Arc<Event>> = tracker.applied_events().cloned().collect();
            if !applied.iter().any(|event| matches!(event.kind, EventKind::User(_))) {
                continue;
            }
            number += 1;
            learnt.stories.push(conversation_story(format!("{STORY_PREFIX}{number}"), &applied));
            learn_words(&applied, &mut learnt.examples, &mut actions);
        }
    }
    let has_intent =
        |name: &String| domain.intent(name).is_some() || DEFAULT_INTENTS.contains(&name.as_str());
    let known_actions = domain.action_names();
    let spoken = &learnt.examples.examples;
    let said: BTreeSet<String> = intents(conversations);
    let entities: BTreeSet<String> =
        spoken.iter().flat_map(|example| &example.entities).map(|entity| entity.entity.clone()).collect();
    learnt.domain = DomainAdditions {
        intents: said.into_iter().filter(|name| !has_intent(name)).collect(),
        entities: entities
            .into_iter()
            .filter(|name| !domain.entities.iter().any(|entity| entity.name == *name))
            .collect(),
        actions: actions
            .into_iter()
            .filter(|name| !known_actions.contains(name) && !responses.iter().any(|(new, _)| new == name))
            .collect(),
        responses: responses.to_vec(),
    };
    learnt
}

fn intents(conversations: &[Vec<Arc<Event>>]) -> BTreeSet<String> {
    let intent = |event: &Arc<Event>| match &event.kind {
        EventKind::User(message) => message.parse.intent.name.clone(),
        _ => None,
    };
    conversations.iter().flatten().filter_map(intent).collect()
}

fn learn_words(events: &[Arc<Event>], data: &mut NluData, actions: &mut BTreeSet<String>) {
    for event in events {
        match &event.kind {
            EventKind::Action(action) => actions.extend(action.name.clone()),
            EventKind::User(message) => {
                let Some(text) = message.text.as_deref().filter(|text| !text.starts_with('/')) else {
                    continue;
                };
                let full = message.parse.intent.extra.get("full_retrieval_intent_name");
                data.examples.push(Example {
                    text: text.to_owned(),
                    intent: message.parse.intent.name.clone(),
                    intent_response_key: full.and_then(|full| full.as_str()).map(str::to_owned),
                    entities: message.parse.entities.clone(),
                    ..Example::default()
                });
            }
            _ => {}
        }
    }
}

/// Asks where to, shows what would be written, and writes it. Whether it was written.
pub fn save(
    ask: &mut dyn Ask,
    learnt: &Learnt,
    destinations: &Destinations,
    form: Form,
    environment: &Environment,
) -> Answer<bool> {
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut changes: Vec<Change> = Vec::new();
    if !learnt.stories.is_empty() {
        let add = |file: &SourceFile| append::stories(file, &learnt.stories, form, &lookup);
        prepare(ask, "Stories go to", &destinations.stories, &mut changes, &add)?;
    }
    if !learnt.examples.examples.is_empty() {
        let add = |file: &SourceFile| append::examples(file, &learnt.examples, &lookup);
        prepare(ask, "Examples go to", &destinations.nlu, &mut changes, &add)?;
    }
    if !learnt.domain.is_empty() {
        let add = |file: &SourceFile| append::domain(file, &learnt.domain, &lookup);
        prepare(ask, "New names go to", &destinations.domain, &mut changes, &add)?;
    }
    changes.retain(|change| change.old != change.new);
    if changes.is_empty() {
        say!("Nothing new was learnt.");
        return Ok(true);
    }
    for change in &changes {
        change.show();
    }
    if !ask.confirm("Write this?")? {
        return Ok(false);
    }
    for change in &changes {
        files::write_whole(&change.path, change.new.as_bytes())
            .map_err(|error| Unanswered::Failure(Failure::of("", &error)))?;
        say!("Written: {}", change.path.display());
    }
    Ok(true)
}

/// A file before and after.
struct Change {
    path: PathBuf,
    old: String,
    new: String,
}

impl Change {
    /// Shows what is new and where. Nearly everything is an insertion, so an old line is looked for
    /// among as many new ones as were added; where it is not, the line itself was changed.
    fn show(&self) {
        say!("\n{}{}", self.path.display(), if self.old.is_empty() { " (new)" } else { "" });
        let (old, new): (Vec<&str>, Vec<&str>) = (self.old.lines().collect(), self.new.lines().collect());
        let n_added = new.len().saturating_sub(old.len());
        let (mut from, mut to) = (0, 0);
        let mut is_shown = false;
        while to < new.len() {
            if old.get(from) == Some(&new[to]) {
                (from, to, is_shown) = (from + 1, to + 1, false);
                continue;
            }
            if !is_shown && from < old.len() {
                say!("  line {}:", from + 1);
            }
            is_shown = true;
            let ahead = &new[to..new.len().min(to + n_added + 1)];
            if let Some(line) = old.get(from).filter(|line| !ahead.contains(line)) {
                say!("  - {line}");
                from += 1;
            }
            say!("  + {}", new[to]);
            to += 1;
        }
    }
}

type Add<'a> = &'a dyn Fn(&SourceFile) -> Result<String, Diagnostic>;

/// Asks for a file until something can be added to it.
fn prepare(
    ask: &mut dyn Ask,
    question: &str,
    usual: &Path,
    changes: &mut Vec<Change>,
    add: Add<'_>,
) -> Answer<()> {
    loop {
        let path = PathBuf::from(ask.text(&format!("{question}:"), &usual.display().to_string())?);
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if !["yml", "yaml"].contains(&ending.to_lowercase().as_str()) {
            say!("Please name a YAML file, such as {}.", usual.display());
            continue;
        }
        // Several additions may go to one file.
        let pending = changes.iter().position(|change| change.path == path);
        let file = match pending {
            Some(idx) => SourceFile::new(path.display().to_string(), changes[idx].new.as_bytes()),
            None if path.exists() => match project::source_file(&path) {
                Ok(file) => file,
                Err(failure) => {
                    say!("{}", failure.message());
                    continue;
                }
            },
            None => SourceFile::new(path.display().to_string(), Vec::new()),
        };
        match (add(&file), pending) {
            (Ok(new), Some(idx)) => changes[idx].new = new,
            (Ok(new), None) => {
                changes.push(Change { path, old: String::from_utf8_lossy(&file.bytes).into_owned(), new });
            }
            (Err(refused), _) => {
                say!("{refused}");
                continue;
            }
        }
        return Ok(());
    }
}
