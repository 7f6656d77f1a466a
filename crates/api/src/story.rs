//! Conversations told as test stories.

use std::sync::Arc;

use intendant_rasa_format::write::{Form, conversation_story, stories_yaml};
use intendant_talk::event::EventKind;
use intendant_talk::tracker::Tracker;

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
pub fn test_stories(conversation_id: &str, sessions: &[Tracker]) -> String {
    let is_alone = sessions.len() == 1;
    let name = |idx: usize| match is_alone {
        true => conversation_id.to_owned(),
        false => format!("{conversation_id}, story {}", idx + 1),
    };
    let numbered = sessions.iter().enumerate();
    let stories: Vec<_> =
        numbered.map(|(idx, session)| conversation_story(name(idx), session.events())).collect();
    stories_yaml(&stories, Form::Test)
}
