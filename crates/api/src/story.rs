//! Conversations told as test stories.

use std::sync::Arc;

use intendant_talk::data::Source;
use intendant_talk::event::{Event, EventKind};
use intendant_talk::story::{SlotAssignment, Step, StepKind, Story, StoryKind, UserStep};
use intendant_talk::tracker::Tracker;

/// Actions that stories leave out: listening is understood, and sessions are stories of their own.
const UNTOLD_ACTIONS: [&str; 2] = ["action_listen", "action_session_start"];

/// Splits a conversation where its sessions begin.
pub fn sessions(tracker: &Tracker) -> Vec<Tracker> {
    let new = || Tracker::new(tracker.sender_id.clone(), Arc::clone(tracker.slots()));
    let mut sessions = Vec::new();
    let mut session = new();
    for event in tracker.events() {
        let begins = matches!(&event.kind, EventKind::Action(action)
            if action.name.as_deref() == Some("action_session_start"));
        if begins && !session.events().is_empty() {
            sessions.push(std::mem::replace(&mut session, new()));
        }
        session.update_shared(Arc::clone(event));
    }
    sessions.push(session);
    sessions
}

/// One story per session, numbered when there are several.
pub fn test_stories(conversation_id: &str, sessions: &[Tracker]) -> Vec<Story> {
    let is_alone = sessions.len() == 1;
    let numbered = sessions.iter().enumerate();
    numbered
        .map(|(idx, session)| Story {
            name: match is_alone {
                true => conversation_id.to_owned(),
                false => format!("{conversation_id}, story {}", idx + 1),
            },
            kind: StoryKind::Story,
            condition: Vec::new(),
            steps: session.events().iter().filter_map(|event| step(event)).collect(),
            is_test: true,
            source: Source::default(),
        })
        .collect()
}

fn step(event: &Event) -> Option<Step> {
    let kind = match &event.kind {
        EventKind::User(message) => StepKind::User(UserStep {
            intent: message.parse.intent.name.clone(),
            full_retrieval_intent: None,
            text: message.text.clone(),
            entities: message.parse.entities.clone(),
        }),
        EventKind::Action(action) => match (&action.name, &action.action_text) {
            (Some(name), _) if UNTOLD_ACTIONS.contains(&name.as_str()) => return None,
            (Some(name), _) => StepKind::Action(name.clone()),
            (None, Some(text)) => StepKind::Bot(text.clone()),
            (None, None) => return None,
        },
        EventKind::Slot { name, value } => {
            StepKind::SlotWasSet(vec![SlotAssignment { slot: name.clone(), value: Some(value.clone()) }])
        }
        EventKind::ActiveLoop { name } => StepKind::ActiveLoop(name.clone()),
        _ => return None,
    };
    Some(Step { kind, source: Source::default() })
}
