//! The two-stage fallback: did you mean …, could you rephrase, sorry.
//!
//! Source: `spec: dialogue.md §5.1`.

use intendant_talk::event::{Event, EventKind};
use intendant_talk::tracker::Tracker;

use crate::action::{Outcome, sure};
use crate::conversation::Conversation;

const NAME: &str = "action_two_stage_fallback";
const FALLBACK: Option<&str> = Some("nlu_fallback");
const DENIAL: Option<&str> = Some("out_of_scope");

impl Conversation {
    /// Runs the fallback once. `tracker` is the conversation with the decision recorded.
    pub(crate) async fn run_two_stage_fallback(&mut self, tracker: &Tracker) -> Outcome {
        let mut events = Vec::new();
        let is_new = tracker.active_loop_name() != Some(NAME);
        if is_new {
            events.push(self.event(EventKind::ActiveLoop { name: Some(NAME.to_owned()) }));
        }
        let intent = tracker.latest_message().and_then(|message| message.parse.intent.name.as_deref());
        let gives_up = gives_up(tracker);
        if !gives_up && (intent == FALLBACK || intent == DENIAL) {
            let ask = if is_new || intent == FALLBACK {
                "action_default_ask_affirmation"
            } else {
                "action_default_ask_rephrase"
            };
            events.extend(self.run_plain(ask, tracker).await?);
            return Ok(events);
        }
        events.push(self.event(EventKind::ActiveLoop { name: None }));
        if gives_up {
            events.extend(self.run_plain("action_default_fallback", tracker).await?);
        } else {
            events.push(self.event(EventKind::Rewind));
            events.extend(self.clarification(tracker));
        }
        Ok(events)
    }

    /// Listening again, and the clarifying message as if it had come first.
    fn clarification(&self, tracker: &Tracker) -> Vec<Event> {
        let mut events = vec![self.event(EventKind::action("action_listen"))];
        if let (Some(event), Some(message)) = (tracker.latest_message_event(), tracker.latest_message()) {
            let mut clarification = (**event).clone();
            clarification.timestamp = self.line.now();
            clarification.kind = EventKind::User(Box::new(sure(message)));
            events.push(clarification);
        }
        events
    }
}

/// Two fallbacks in a row, or the second question denied too.
fn gives_up(tracker: &Tracker) -> bool {
    last_intents(tracker, 2) == [FALLBACK, FALLBACK] || last_intents(tracker, 3) == [DENIAL, FALLBACK, DENIAL]
}

/// Intents of the last `count` messages and rewinds, newest first; rewinds have none.
fn last_intents(tracker: &Tracker, count: usize) -> Vec<Option<&str>> {
    let turns = tracker.events_after_restart().iter().rev().filter_map(|event| match &event.kind {
        EventKind::User(message) => Some(Some(message.parse.intent.name.as_deref())),
        EventKind::Rewind => Some(None),
        _ => None,
    });
    turns.take(count).flatten().collect()
}
