//! Training conversations with the states policies learn from.

use std::sync::Arc;

use intendant_talk::domain::Domain;
use intendant_talk::event::{Event, EventKind};

use crate::blocks::TrainingEvent;
use crate::state::{State, UnsetSlots, UserInput, all_states};
use crate::trackers::TrainingTracker;

/// A training conversation with its states.
pub(crate) struct Seen<'a> {
    pub tracker: &'a TrainingTracker,
    pub applied: Vec<&'a TrainingEvent>,
    /// Before each action, and at the end.
    pub states: Vec<State>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(domain: &Domain, tracker: &'a TrainingTracker, unset_slots: UnsetSlots) -> Self {
        Self::of(domain, tracker, tracker.applied(), unset_slots)
    }

    fn of(
        domain: &Domain,
        tracker: &'a TrainingTracker,
        applied: Vec<&'a TrainingEvent>,
        unset_slots: UnsetSlots,
    ) -> Self {
        let events: Vec<&Arc<Event>> = applied.iter().map(|event| &event.event).collect();
        let mut states = all_states(domain, &events, unset_slots);
        for state in &mut states {
            if state.user.as_ref().is_some_and(|user| user.intent.is_some()) {
                state.choose_user_input(UserInput::Intent);
            }
        }
        Self { tracker, applied, states }
    }

    /// Every action that can be known, with the states up to it.
    pub(crate) fn examples(&self) -> impl Iterator<Item = (&[State], String)> {
        let actions = self.applied.iter().filter_map(|event| match &event.event.kind {
            EventKind::Action(action) => Some((event.is_unpredictable, action)),
            _ => None,
        });
        actions.enumerate().filter(|(_, (is_unpredictable, _))| !is_unpredictable).filter_map(
            |(idx, (_, action))| {
                let label = action.name.clone().or_else(|| action.action_text.clone())?;
                Some((&self.states[..=idx], label))
            },
        )
    }
}

/// The same, without the turns in which an intent was found unlikely: policies that learn from
/// stories do not see them.
pub(crate) fn for_learning<'a>(domain: &Domain, tracker: &'a TrainingTracker) -> Seen<'a> {
    let mut applied = tracker.applied();
    applied.retain(|event| event.action_name() != Some("action_unlikely_intent"));
    Seen::of(domain, tracker, applied, UnsetSlots::Keep)
}
