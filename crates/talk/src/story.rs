//! Stories and rules as written, before they are turned into training trackers.

use serde_json::Value;

use crate::data::Source;
use crate::message::Entity;

/// Story or rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StoryKind {
    Story,
    Rule {
        /// `conversation_start: true`.
        conversation_start: bool,
        /// `wait_for_user_input`, true unless written otherwise.
        wait_for_user_input: bool,
    },
}

/// One story or rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Its name; may be empty (warned about).
    pub name: String,
    /// Story or rule.
    pub kind: StoryKind,
    /// A rule's `condition` (only [`StepKind::ActiveLoop`] and [`StepKind::SlotWasSet`]).
    pub condition: Vec<Step>,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// From a file whose name starts with `test_`.
    pub is_test: bool,
    /// Where it stands.
    pub source: Source,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it says.
    pub kind: StepKind,
    /// Where it stands.
    pub source: Source,
}

/// What a step says (`spec: training-data.md §3.1`).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum StepKind {
    User(UserStep),
    /// Alternatives: [`StepKind::User`] or [`StepKind::SlotWasSet`] steps.
    Or(Vec<Step>),
    /// An action by name; a name that is an event type id has become [`StepKind::Event`].
    Action(String),
    /// An event written as `action: restart` and the like.
    Event(crate::event::EventKind),
    /// An end-to-end bot turn.
    Bot(String),
    Checkpoint {
        name: String,
        /// Exact slot values an incoming conversation must have.
        conditions: Vec<(String, Value)>,
    },
    SlotWasSet(Vec<SlotAssignment>),
    /// A loop switched on, or off (`None`).
    ActiveLoop(Option<String>),
}

/// One item of `slot_was_set`.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotAssignment {
    /// The slot's name.
    pub slot: String,
    /// `None` for the bare form `- slot_name`, whose value depends on the slot's type.
    pub value: Option<Value>,
}

/// A user's turn in a story.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserStep {
    /// Base intent; `None` for an end-to-end turn.
    pub intent: Option<String>,
    /// `faq/hours` when the intent was written with its response key.
    pub full_retrieval_intent: Option<String>,
    /// Plain text of `user:`, annotations removed.
    pub text: Option<String>,
    /// Annotated or listed entities (listed ones have no span).
    pub entities: Vec<Entity>,
}
