//! What users said, from wherever it was recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use intendant_config::Environment;
use intendant_port::store::Scope;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_rasa_format::project::{Files, Project};
use intendant_rasa_format::yaml::SourceFile;
use intendant_store::open;
use intendant_store::sql_settings::SqlEnvironment;
use intendant_talk::event::EventKind;
use intendant_talk::message::{Entity, Object};
use intendant_talk::story::{Step, StepKind, Story};
use intendant_train::files;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::{project, report};

/// The first bytes of a SQLite database.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
/// What intents from outside are recorded as.
const EXTERNAL: &str = "EXTERNAL: ";

/// One conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its id, or the story's name.
    pub name: String,
    /// What the user said, in order.
    pub said: Vec<Said>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// As written, with the channel's metadata.
    Text(String, Object),
    /// An intent that came from outside, with its entities.
    Intent(String, Value),
}

/// Reads recordings from a database, a file or a folder.
///
/// # Errors
/// When there is nothing there that can be read.
pub async fn read(from: &str, environment: &Environment) -> Result<Vec<Recording>, Failure> {
    let recordings = if from.contains("://") {
        of_database(from.to_owned()).await?
    } else {
        let path = PathBuf::from(from);
        let is_yaml = |path: &Path| {
            path.extension()
                .is_some_and(|ending| ["yml", "yaml"].iter().any(|known| ending.eq_ignore_ascii_case(known)))
        };
        if path.is_dir() || is_yaml(&path) {
            of_stories(path, environment)?
        } else {
            let bytes = files::read(&path).map_err(|error| Failure::of("", &error))?;
            if bytes.starts_with(SQLITE_MAGIC) {
                of_sqlite_copy(&path).await?
            } else {
                of_json(&path, &bytes)?
            }
        }
    };
    let recordings: Vec<Recording> =
        recordings.into_iter().filter(|recording| !recording.said.is_empty()).collect();
    if recordings.is_empty() {
        return Err(Failure::new("", format!("no messages of users found in {from}")));
    }
    Ok(recordings)
}

/// Somebody's database is read, never touched: a copy is opened, its write-ahead log with it.
async fn of_sqlite_copy(path: &Path) -> Result<Vec<Recording>, Failure> {
    let folder = std::env::temp_dir().join(format!("intendant-parity-{}", uuid::Uuid::new_v4().simple()));
    let copied = folder.join("conversations.db");
    let copy = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(path, &copied)?;
        let beside = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
        match std::fs::copy(beside(path), beside(&copied)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    let read = match copy() {
        Ok(()) => of_database(format!("sqlite:///{}", copied.display())).await,
        Err(error) => Err(Failure::new("", format!("cannot copy {}: {error}", path.display()))),
    };
    let _ = std::fs::remove_dir_all(&folder);
    read
}

async fn of_database(url: String) -> Result<Vec<Recording>, Failure> {
    let dialect = url.split([':', '+']).next().unwrap_or_default().to_owned();
    let config = EndpointConfig {
        url: Some(url),
        kind: Some("sql".to_owned()),
        extra: Object::from_iter([("dialect".to_owned(), dialect.into())]),
        ..EndpointConfig::default()
    };
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    let store = open::tracker_store(Some(&config), &SqlEnvironment::default()).await.map_err(failed)?;
    let mut names = store.conversation_ids().await.map_err(failed)?;
    names.sort();
    let mut recordings = Vec::with_capacity(names.len());
    for name in names {
        let events = store.load(&name, Scope::AllSessions).await.map_err(failed)?.unwrap_or_default();
        let said = events.iter().filter_map(|event| match &event.kind {
            EventKind::User(message) => {
                let entities = Value::Array(message.parse.entities.iter().map(entity_json).collect());
                said(message.text.as_deref()?, &event.metadata, entities)
            }
            _ => None,
        });
        recordings.push(Recording { said: said.collect(), name });
    }
    Ok(recordings)
}

fn entity_json(entity: &Entity) -> Value {
    json!({"entity": entity.entity, "value": entity.value})
}

/// A recorded text; ids that servers add to metadata are left out.
fn said(text: &str, metadata: &Object, entities: Value) -> Option<Said> {
    if let Some(intent) = text.strip_prefix(EXTERNAL) {
        return Some(Said::Intent(intent.to_owned(), entities));
    }
    let is_sent = |(key, _): &(&String, &Value)| !["model_id", "assistant_id"].contains(&key.as_str());
    let sent = metadata.iter().filter(is_sent).map(|(key, value)| (key.clone(), value.clone()));
    (!text.trim().is_empty()).then(|| Said::Text(text.to_owned(), sent.collect()))
}

/// One JSON document, or one per line: trackers, or events with their `sender_id`.
fn of_json(path: &Path, bytes: &[u8]) -> Result<Vec<Recording>, Failure> {
    let unreadable = |line: usize, what: &str| {
        Failure::new("", format!("{}:{line}: {what}; expected trackers or events as JSON", path.display()))
    };
    let documents: Vec<(usize, Value)> = match serde_json::from_slice(bytes) {
        Ok(document) => vec![(1, document)],
        Err(_) => {
            let mut documents = Vec::new();
            for (idx, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
                if !line.trim_ascii().is_empty() {
                    let document = serde_json::from_slice(line);
                    documents
                        .push((idx + 1, document.map_err(|error| unreadable(idx + 1, &error.to_string()))?));
                }
            }
            documents
        }
    };
    let mut found: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for (line, document) in documents {
        let items = match document {
            Value::Array(items) => items,
            item => vec![item],
        };
        for item in items {
            let sender_id = item["sender_id"].as_str().unwrap_or("recorded").to_owned();
            let events = match (&item["events"], &item["event"]) {
                (Value::Array(events), _) => events.clone(),
                (_, Value::String(_)) => vec![item],
                _ => return Err(unreadable(line, "neither `events` nor `event` stands here")),
            };
            let spoken = events.iter().filter(|event| event["event"] == "user").filter_map(|event| {
                let metadata = event["metadata"].as_object().cloned().unwrap_or_default();
                said(event["text"].as_str()?, &metadata, event["parse_data"]["entities"].clone())
            });
            found.entry(sender_id).or_default().extend(spoken);
        }
    }
    Ok(found.into_iter().map(|(name, said)| Recording { name, said }).collect())
}

/// Test stories of a folder, or all stories of a file.
fn of_stories(path: PathBuf, environment: &Environment) -> Result<Vec<Recording>, Failure> {
    let is_folder = path.is_dir();
    let paths = files::find(&[path], &["yml", "yaml"]).map_err(|error| Failure::of("", &error))?;
    let sources: Vec<SourceFile> =
        paths.iter().map(|path| project::source_file(path)).collect::<Result<_, _>>()?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let (project, findings) = Project::read(Files { data: &sources, ..Files::default() }, &lookup);
    if project::has_errors(&findings) {
        report::print(&findings);
        return Err(Failure::new("", "the stories cannot be read"));
    }
    let stories = project.stories.iter().filter(|story| story.is_test || !is_folder);
    Ok(stories.map(of_story).collect())
}

fn of_story(story: &Story) -> Recording {
    let said = story.steps.iter().filter_map(said_in);
    Recording { name: story.name.clone(), said: said.collect() }
}

fn said_in(step: &Step) -> Option<Said> {
    match &step.kind {
        StepKind::User(user) => {
            let text = match (&user.text, &user.intent) {
                (Some(text), _) => text.trim().to_owned(),
                (None, Some(intent)) => {
                    let entities: Object = user
                        .entities
                        .iter()
                        .map(|entity| (entity.entity.clone(), entity.value.clone()))
                        .collect();
                    let entities =
                        if entities.is_empty() { String::new() } else { json!(entities).to_string() };
                    format!("/{intent}{entities}")
                }
                (None, None) => return None,
            };
            Some(Said::Text(text, Object::new()))
        }
        StepKind::Or(alternatives) => said_in(alternatives.first()?),
        _ => None,
    }
}
