//! Stories that contradict each other: the same history, different actions.
//!
//! Source: `spec: training-data.md`, `data validate`, story structure.

use std::collections::HashMap;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::domain::Domain;
use intendant_talk::event::EventKind;
use intendant_talk::story::{Story, StoryKind};

use crate::examples::Seen;
use crate::memoization::{Fingerprint, fingerprint};
use crate::state::{Previous, State, UnsetSlots};
use crate::trackers::generate;

/// Stories named per action before they are only counted.
const NAMED_MAX: usize = 3;

struct Conflict {
    last: State,
    source: Source,
    /// Action -> names of stories, in order of appearance.
    actions: Vec<(String, Vec<String>)>,
}

pub(crate) fn conflicts(domain: &Domain, stories: &[Story], max_history: Option<usize>) -> Vec<Diagnostic> {
    let stories: Vec<Story> =
        stories.iter().filter(|story| story.kind == StoryKind::Story).cloned().collect();
    let (trackers, _) = generate(domain, &stories, 0, 42);
    let mut positions: HashMap<Vec<Fingerprint>, usize> = HashMap::new();
    let mut conflicts: Vec<Conflict> = Vec::new();
    for tracker in &trackers {
        let seen = Seen::new(domain, tracker, UnsetSlots::Keep);
        let fingerprints: Vec<Fingerprint> = seen.states.iter().map(fingerprint).collect();
        let actions = seen.applied.iter().filter_map(|event| match &event.event.kind {
            EventKind::Action(action) => action.name.as_ref().or(action.action_text.as_ref()),
            _ => None,
        });
        for (idx, action) in actions.enumerate() {
            let from = max_history.map_or(0, |max| (idx + 1).saturating_sub(max));
            let position = *positions.entry(fingerprints[from..=idx].to_vec()).or_insert_with(|| {
                let (last, source) = (seen.states[idx].clone(), tracker.source.clone());
                conflicts.push(Conflict { last, source, actions: Vec::new() });
                conflicts.len() - 1
            });
            let actions = &mut conflicts[position].actions;
            let stories = match actions.iter_mut().find(|(name, _)| name == action) {
                Some((_, stories)) => stories,
                None => {
                    actions.push((action.clone(), Vec::new()));
                    let last = actions.len() - 1;
                    &mut actions[last].1
                }
            };
            if !stories.contains(&tracker.name) {
                stories.push(tracker.name.clone());
            }
        }
    }
    conflicts.iter().filter_map(report).collect()
}

fn report(conflict: &Conflict) -> Option<Diagnostic> {
    let is_unlearnable = conflict.actions.iter().any(|(action, _)| action == "action_unlikely_intent");
    if conflict.actions.len() < 2 && !is_unlearnable {
        return None;
    }
    let (kind, name) = last_event(&conflict.last)?;
    let mut message = format!("Story structure conflict after {kind} '{name}':");
    for (action, stories) in &conflict.actions {
        let stories = match stories.as_slice() {
            [one] => format!("'{one}'"),
            [one, two] => format!("'{one}' and '{two}'"),
            [one, two, three] => format!("'{one}', '{two}', and '{three}'"),
            more => {
                let named: Vec<String> =
                    more.iter().take(NAMED_MAX - 1).map(|name| format!("'{name}'")).collect();
                format!("{}, and {} other trackers", named.join(", "), more.len() + 1 - NAMED_MAX)
            }
        };
        message.push_str(&format!("\n  {action} predicted in {stories}"));
    }
    Some(Diagnostic::warning(conflict.source.clone(), message))
}

/// What happened last; `None` at the beginning, where everything may follow.
fn last_event(state: &State) -> Option<(&'static str, &str)> {
    match &state.previous {
        None => None,
        Some(Previous::Text(text)) => Some(("bot utterance", text)),
        Some(Previous::Name(name)) if name != "action_listen" => Some(("action", name)),
        Some(Previous::Name(_)) => {
            let user = state.user.as_ref()?;
            let intent = user.intent.as_deref().map(|intent| ("intent", intent));
            intent.or_else(|| user.text.as_deref().map(|text| ("user utterance", text)))
        }
    }
}
