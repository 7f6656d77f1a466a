//! RulePolicy: fixed answers to fixed situations, forms, and the fallback.
//!
//! Source: `spec: dialogue.md §3.3`. Training is in [`crate::rule_training`].
//!
//! ```yaml
//! policies:
//!   - name: RulePolicy
//!     core_fallback_threshold: 0.3
//!     core_fallback_action_name: action_default_fallback
//!     enable_fallback_prediction: true
//! ```

use std::collections::BTreeSet;

use intendant_talk::domain::RULE_SNIPPET_ACTION;
use intendant_talk::event::EventKind;

use crate::options::Reader;
use crate::prediction::Prediction;
use crate::state::key::key_of;
use crate::state::situation::RuleOnly;
use crate::state::{Replay, SHOULD_NOT_BE_SET, SlotFeatures, State, UserInput};

/// Prefix of the source of decisions about default actions; an intent follows.
pub(crate) const DEFAULT_RULES: &str = "predicting default action with intent ";
/// Prefix of the source of decisions about loops; a loop's name follows.
pub(crate) const LOOP_RULES: &str = "handling active loops and forms - ";
/// Follows a loop's name where listening was decided.
pub(crate) const LOOP_LISTEN: &str = " - action_listen";
/// Intents that trigger default actions.
pub(crate) const DEFAULT_ACTION_INTENTS: [(&str, &str); 3] =
    [("restart", "action_restart"), ("back", "action_back"), ("session_start", "action_session_start")];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RuleOptions {
    pub core_fallback_threshold: f64,
    pub core_fallback_action_name: String,
    pub enable_fallback_prediction: bool,
    pub restrict_rules: bool,
    pub check_for_contradictions: bool,
    pub use_nlu_confidence_as_score: bool,
}

impl RuleOptions {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        // Rules look at as much history as they are long.
        let _ = reader.max_history();
        Self {
            core_fallback_threshold: reader.number("core_fallback_threshold", 0.3),
            core_fallback_action_name: reader.text("core_fallback_action_name", "action_default_fallback"),
            enable_fallback_prediction: reader.flag("enable_fallback_prediction", true),
            restrict_rules: reader.flag("restrict_rules", true),
            check_for_contradictions: reader.flag("check_for_contradictions", true),
            use_nlu_confidence_as_score: reader.flag("use_nlu_confidence_as_score", false),
        }
    }
}

/// A learned rule: situations, and the action that follows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// Oldest first.
    pub states: Vec<State>,
    pub key: String,
    pub action: String,
}

/// What happened in a loop's unhappy path during training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unhappy {
    /// The loop came back after something else; it must not validate its input.
    LoopWasInterrupted,
    /// Something else than the loop goes on.
    DoNotPredictLoop,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RulePolicy {
    pub options: RuleOptions,
    /// Index of the fallback action.
    pub fallback_idx: usize,
    pub rules: Vec<Rule>,
    pub unhappy: Vec<(Vec<State>, Unhappy)>,
    pub rule_only: RuleOnly,
    /// Sources of decisions that no story makes; such turns are hidden from learning policies.
    pub not_in_stories: BTreeSet<String>,
}

/// What the policy decided and why.
pub(crate) struct Decision {
    /// `None`: nothing applies, the fallback speaks.
    pub action: Option<String>,
    /// Names the rule; for nothing, the situation.
    pub source: String,
    pub returns_from_unhappy_path: bool,
    pub is_end_to_end: bool,
    pub is_no_user: bool,
}

impl Decision {
    fn sure(action: &str, source: String) -> Self {
        Self {
            action: Some(action.to_owned()),
            source,
            returns_from_unhappy_path: false,
            is_end_to_end: false,
            is_no_user: false,
        }
    }
}

struct Found<'a> {
    action: Option<&'a str>,
    rule: Option<&'a Rule>,
    returns_from_unhappy_path: bool,
}

impl RulePolicy {
    /// The longest situation any rule looks at.
    pub(crate) fn states_needed(&self) -> usize {
        let rules = self.rules.iter().map(|rule| rule.states.len());
        let unhappy = self.unhappy.iter().map(|(states, _)| states.len());
        rules.chain(unhappy).max().unwrap_or(0).max(1)
    }

    pub(crate) fn predict(&self, now: &Replay, states: &[State], actions: &[String]) -> Prediction {
        let decision = self.decide(now, states);
        let mut probabilities = vec![0.0; actions.len()];
        if self.options.enable_fallback_prediction {
            probabilities[self.fallback_idx] = self.options.core_fallback_threshold;
        }
        if let Some(idx) = decision.action.and_then(|name| actions.iter().position(|action| *action == name))
        {
            probabilities[idx] =
                if self.options.use_nlu_confidence_as_score { now.intent_confidence() } else { 1.0 };
        }
        let interrupted = EventKind::LoopInterrupted { is_interrupted: true };
        Prediction {
            probabilities,
            policy: Some("RulePolicy".to_owned()),
            events: if decision.returns_from_unhappy_path { vec![interrupted] } else { Vec::new() },
            optional_events: Vec::new(),
            is_end_to_end: decision.is_end_to_end,
            is_no_user: decision.is_no_user,
            hide_rule_turn: self.not_in_stories.contains(&decision.source),
            action_metadata: None,
        }
    }

    pub(crate) fn decide(&self, now: &Replay, states: &[State]) -> Decision {
        let by_text = if now.is_listening() {
            self.find(now, states, UserInput::Text)
        } else {
            Found { action: None, rule: None, returns_from_unhappy_path: false }
        };
        if by_text.action.is_none()
            && let Some((intent, action)) = default_action(now)
        {
            return Decision::sure(action, format!("{DEFAULT_RULES}{intent}"));
        }
        if let Some((action, source)) = happy_path(now) {
            return Decision { is_no_user: true, ..Decision::sure(action, source) };
        }
        if let (Some(action), Some(rule)) = (by_text.action, by_text.rule) {
            return Decision {
                is_end_to_end: true,
                returns_from_unhappy_path: by_text.returns_from_unhappy_path,
                ..Decision::sure(action, rule.key.clone())
            };
        }
        let by_intent = self.find(now, states, UserInput::Intent);
        let source = by_intent.rule.map_or_else(
            || situation_key(states, UserInput::Intent).unwrap_or_default(),
            |rule| rule.key.clone(),
        );
        Decision {
            action: by_intent.action.map(str::to_owned),
            source,
            returns_from_unhappy_path: by_text.returns_from_unhappy_path
                || by_intent.returns_from_unhappy_path,
            is_end_to_end: false,
            is_no_user: false,
        }
    }

    fn find<'a>(&'a self, now: &Replay<'a>, states: &[State], input: UserInput) -> Found<'a> {
        let mut last = states.last().cloned().unwrap_or_default();
        last.choose_user_input(input);
        let earlier = &states[..states.len().saturating_sub(1)];
        let rule = self
            .rules
            .iter()
            .filter(|rule| applies(&rule.states, earlier, &last))
            .reduce(|best, rule| if rule.key.len() > best.key.len() { rule } else { best });
        let mut found =
            Found { action: rule.map(|rule| rule.action.as_str()), rule, returns_from_unhappy_path: false };
        let Some(loop_name) = now.loop_name() else { return found };
        let conditions: Vec<Unhappy> = self
            .unhappy
            .iter()
            .filter(|(states, _)| applies(states, earlier, &last))
            .map(|(_, unhappy)| *unhappy)
            .collect();
        // Rules that end in listening need not know that a loop is to go on; we do.
        let is_general_listen = found.action == Some("action_listen")
            && rule.is_some_and(|rule| rule.states.last().is_some_and(|state| state.loop_name().is_none()));
        if is_general_listen {
            if !conditions.contains(&Unhappy::DoNotPredictLoop) {
                found.action = Some(loop_name);
                return found;
            }
            found.action = None;
        }
        found.returns_from_unhappy_path = conditions.contains(&Unhappy::LoopWasInterrupted);
        found
    }
}

/// The key of what comes after the last "anything may have happened before".
pub(crate) fn situation_key(states: &[State], input: UserInput) -> Option<String> {
    let mut tail = after_snippet(states).to_vec();
    tail.last_mut()?.choose_user_input(input);
    Some(key_of(&tail))
}

/// The states after the last rule snippet.
pub(crate) fn after_snippet(states: &[State]) -> &[State] {
    let last = states.iter().rposition(|state| state.previous_name() == Some(RULE_SNIPPET_ACTION));
    &states[last.map_or(0, |idx| idx + 1)..]
}

fn default_action(now: &Replay) -> Option<(&'static str, &'static str)> {
    let intent = now.intent_name().filter(|_| now.is_listening())?;
    DEFAULT_ACTION_INTENTS.into_iter().find(|(name, _)| *name == intent)
}

/// An active loop that was not rejected runs after everything but itself.
fn happy_path<'a>(now: &Replay<'a>) -> Option<(&'a str, String)> {
    let name = now.loop_name().filter(|_| !now.is_loop_rejected)?;
    let previous = now.previous?;
    if previous.name.as_deref() == Some(name) {
        return Some(("action_listen", format!("{LOOP_RULES}{name}{LOOP_LISTEN}")));
    }
    Some((name, format!("{LOOP_RULES}{name}")))
}

/// Whether a rule's states match the last states of a conversation.
fn applies(rule: &[State], earlier: &[State], last: &State) -> bool {
    let conversation = std::iter::once(last).chain(earlier.iter().rev());
    rule.iter().rev().zip(conversation).all(|(rule, state)| match (&rule.previous, &state.previous) {
        // Both begin a conversation: initial values of slots are in both.
        (None, None) => true,
        (None, Some(_)) | (Some(_), None) => false,
        (Some(_), Some(_)) => matches_state(rule, state),
    })
}

fn matches_state(rule: &State, state: &State) -> bool {
    if rule.previous != state.previous {
        return false;
    }
    let loop_fits = match rule.active_loop.as_deref() {
        None => true,
        Some(SHOULD_NOT_BE_SET) => state.loop_name().is_none(),
        Some(name) => state.active_loop.as_deref() == Some(name),
    };
    loop_fits && matches_user(rule, state) && rule.slots.iter().all(|slot| matches_slot(slot, state))
}

fn matches_user(rule: &State, state: &State) -> bool {
    let Some(expected) = &rule.user else { return true };
    let Some(found) = &state.user else { return false };
    (expected.intent.is_none() || expected.intent == found.intent)
        && (expected.text.is_none() || expected.text == found.text)
        && (expected.entities.is_empty() || expected.entities == found.entities)
}

fn matches_slot((name, expected): &(String, SlotFeatures), state: &State) -> bool {
    let found = state.slots.iter().find(|(slot, _)| slot == name).map(|(_, features)| features);
    match (expected, found) {
        (SlotFeatures::ShouldNotBeSet, None | Some(SlotFeatures::ShouldNotBeSet)) => true,
        (SlotFeatures::ShouldNotBeSet, Some(_)) | (SlotFeatures::Set(_), None) => false,
        (expected, Some(found)) => expected == found,
    }
}
