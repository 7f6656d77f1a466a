//! What two agents differ in, for people.

use std::collections::{BTreeMap, BTreeSet};

use intendant_agent::values::Agent;
use serde_json::Value;

use crate::write;

/// How many places of one file are named.
const PLACES_MAX: usize = 20;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A file that only the second agent has.
    Added(String),
    /// A file that only the first agent has.
    Removed(String),
    /// A file of both, with the places that differ, as JSON pointers.
    Changed(String, Vec<String>),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Added(path) => write!(f, "+ {path}"),
            Self::Removed(path) => write!(f, "- {path}"),
            Self::Changed(path, places) => {
                write!(f, "~ {path}")?;
                places.iter().try_for_each(|place| write!(f, "\n    {place}"))
            }
        }
    }
}

/// Compares two agents as they would be written.
pub fn diff(old: &Agent, new: &Agent) -> Vec<Difference> {
    let values = |agent: &Agent| -> BTreeMap<String, Value> {
        let files = write::write(agent).into_iter();
        files.map(|(path, bytes)| (path, serde_json::from_slice(&bytes).unwrap_or_default())).collect()
    };
    let (old, new) = (values(old), values(new));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut differences = Vec::new();
    for path in paths {
        match (old.get(path), new.get(path)) {
            (None, _) => differences.push(Difference::Added(path.clone())),
            (_, None) => differences.push(Difference::Removed(path.clone())),
            (Some(one), Some(other)) if one != other => {
                let mut places = Vec::new();
                compare(one, other, String::new(), &mut places);
                places.truncate(PLACES_MAX);
                differences.push(Difference::Changed(path.clone(), places));
            }
            _ => {}
        }
    }
    differences
}

fn compare(old: &Value, new: &Value, place: String, places: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let at = format!("{place}/{name}");
                match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => compare(one, other, at, places),
                    (Some(one), None) => places.push(format!("{at}: {} is gone", shown(one))),
                    (None, Some(other)) => places.push(format!("{at}: {} is new", shown(other))),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for at in 0..one.len().max(other.len()) {
                let place = format!("{place}/{at}");
                match (one.get(at), other.get(at)) {
                    (Some(one), Some(other)) => compare(one, other, place, places),
                    (Some(one), None) => places.push(format!("{place}: {} is gone", shown(one))),
                    (None, Some(other)) => places.push(format!("{place}: {} is new", shown(other))),
                    (None, None) => {}
                }
            }
        }
        _ if old == new => {}
        _ => places.push(format!("{place}: {} became {}", shown(old), shown(new))),
    }
}

fn shown(value: &Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
