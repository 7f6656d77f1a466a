//! Where the last session of a conversation begins.

use std::sync::Arc;

use intendant_talk::event::{Event, EventKind};

/// Index of the first event of the last session: its `action_session_start`, else 0.
pub fn last_session_start(events: &[Arc<Event>]) -> usize {
    events.iter().rposition(|event| starts_session(event)).unwrap_or(0)
}

/// Whether this event is the action that begins a session.
pub fn starts_session(event: &Event) -> bool {
    matches!(&event.kind, EventKind::Action(action) if action.name.as_deref() == Some("action_session_start"))
}
