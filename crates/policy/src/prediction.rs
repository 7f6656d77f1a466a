//! What a policy, or the ensemble of all, decides.

use intendant_talk::event::EventKind;
use serde_json::Value;

/// Probabilities of all actions, and what comes with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// One per action, in the order of [`intendant_talk::domain::Domain::action_names`].
    pub probabilities: Vec<f64>,
    /// Who decided; `None` for decisions that no policy made.
    pub policy: Option<String>,
    /// Events that precede the action's own event, such as the featurization of the user's turn.
    pub events: Vec<EventKind>,
    /// More of them, if this decision is taken: entities found in the text.
    pub optional_events: Vec<EventKind>,
    /// The user's text, not the intent, decided.
    pub is_end_to_end: bool,
    /// The user's latest turn did not matter (a form's happy path).
    pub is_no_user: bool,
    /// Learning policies do not see the turn that this decision makes.
    pub hide_rule_turn: bool,
    /// Becomes metadata of the action's event.
    pub action_metadata: Option<Value>,
}

impl Prediction {
    /// Index of the first most probable action; 0 when there are none.
    pub fn action_index(&self) -> usize {
        let mut best = 0;
        for (idx, probability) in self.probabilities.iter().enumerate() {
            if *probability > self.probabilities[best] {
                best = idx;
            }
        }
        best
    }

    /// The highest probability; 0 when there are no actions.
    pub fn confidence(&self) -> f64 {
        self.probabilities.get(self.action_index()).copied().unwrap_or(0.0)
    }

    /// A decision for one action, made by `policy` (or by no policy), with this confidence.
    pub fn for_action(actions: &[String], action: &str, confidence: f64) -> Self {
        let probabilities =
            actions.iter().map(|name| if name == action { confidence } else { 0.0 }).collect();
        Self { probabilities, ..Self::default() }
    }
}
