//! Domain files (`spec: training-data.md §4`).
//!
//! A domain goes through three shapes. A file becomes a [`Document`]: checked, with the position
//! of everything in it. Documents merge by Rasa's rules, which speak of the written form. The
//! merged form is completed ([`complete`]) to what Rasa sends to action servers, and
//! [`from_dict`] makes the typed [`Domain`] of it, the same way when an archive is loaded.

mod check;
mod merge;
mod response;
mod slot;
mod typed;

use std::collections::BTreeMap;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::domain::Domain;
use intendant_talk::message::Object;

use crate::classify::classify;
use crate::reader::Reader;
use crate::yaml::{self, Environment, Kind, Node, SourceFile};

pub use merge::{merge, with_end_to_end_actions, with_retrieval_data};
pub(crate) use response::check_all as check_responses;
pub use typed::{complete, from_dict};

/// Top-level keys of which one makes a file a domain file.
pub const KEYS: [&str; 8] =
    ["slots", "forms", "actions", "entities", "intents", "responses", "e2e_actions", "session_config"];

/// The written form of a domain, of one file or merged of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// All keys as written.
    pub dict: Object,
    /// Where things stand.
    pub sources: Sources,
}

/// Where the parts of a domain stand, by path: `intents/greet`, `slots/city/mappings/0`,
/// `forms/booking/required_slots/city`, `responses/utter_greet`, `actions/action_book`,
/// `entities/city`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    by_path: BTreeMap<String, Source>,
}

impl Sources {
    /// Where `path` stands; unknown when it is in no file.
    pub fn find(&self, path: &str) -> Source {
        self.by_path.get(path).cloned().unwrap_or_default()
    }

    fn insert(&mut self, path: String, source: Source) {
        self.by_path.entry(path).or_insert(source);
    }

    fn insert_all(&mut self, other: Self) {
        for (path, source) in other.by_path {
            self.insert(path, source);
        }
    }

    pub(crate) fn override_all(&mut self, other: Self) {
        self.by_path.extend(other.by_path);
    }
}

/// Reads one domain file. `None` when nothing of it can be used; what is wrong in it stands in
/// `findings` as an error.
pub fn read(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Option<Document> {
    let document = yaml::parse(file, env, findings)?;
    read_document(&document, &mut Reader { file: &file.path, findings })
}

/// Reads several domain files and merges them in order: of what is defined twice the first wins.
/// Of several, those without a key of a domain are other files of the same folder and are left out.
pub fn read_all(files: &[SourceFile], env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Document {
    let mut merged = Document::default();
    for file in files {
        if files.len() > 1 && !classify(file).domain {
            continue;
        }
        if let Some(document) = read(file, env, findings) {
            merged = merge(merged, document, findings);
        }
    }
    merged
}

pub(crate) fn read_document(document: &Node, reader: &mut Reader<'_>) -> Option<Document> {
    if !matches!(document.kind, Kind::Map(_)) {
        reader.mismatch(document, "the domain", "a map");
        return None;
    }
    if !reader.accepts_version(document) {
        return Some(Document::default());
    }
    let mut sources = Sources::default();
    check::check(document, reader, &mut sources);
    let mut dict = document.to_object();
    // Keys of other readers of the same file; what nobody knows stays, as Rasa keeps it.
    dict.retain(|key, _| !check::FOREIGN_KEYS.contains(&key.as_str()));
    Some(Document { dict, sources })
}

/// A domain with nothing in it but what every domain has.
pub fn empty() -> Domain {
    from_dict(&complete(Object::new()))
}
