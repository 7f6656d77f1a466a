//! Markers: named points of interest in conversations, as written.
//!
//! `evaluate` finds them in conversations, `rasa-format` reads them from YAML.

use crate::data::Source;

/// A named condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// Its name, unique among all markers.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it applies.
    pub condition: Condition,
    /// Where it stands.
    pub source: Source,
}

/// Something that applies, or not, at each event of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// It applies exactly where the test does not (`not_action`, `never`, …).
    pub is_negated: bool,
    /// What is tested.
    pub test: Test,
    /// Where it stands.
    pub source: Source,
}

/// What a [`Condition`] tests.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// All apply (`and`).
    All(Vec<Condition>),
    /// At least one applies (`or`).
    Any(Vec<Condition>),
    /// It does not apply (`not`).
    Not(Box<Condition>),
    /// Each applied after the one before it, the last one now; then it begins anew (`seq`).
    Sequence(Vec<Condition>),
    /// It applies or applied before in this session (`at_least_once`).
    AtLeastOnce(Box<Condition>),
    /// The action of this name runs.
    Action(String),
    /// The user says this intent, in full or by its base.
    Intent(String),
    /// The slot was set, now or before, and not emptied since.
    Slot(String),
}

impl Condition {
    /// The conditions that this one is made of.
    pub fn parts(&self) -> &[Self] {
        match &self.test {
            Test::All(parts) | Test::Any(parts) | Test::Sequence(parts) => parts,
            Test::Not(part) | Test::AtLeastOnce(part) => std::slice::from_ref(part),
            Test::Action(_) | Test::Intent(_) | Test::Slot(_) => &[],
        }
    }
}
