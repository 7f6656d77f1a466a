//! Replaying conversations.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use intendant_talk::domain::{Slot, SlotKind};
use intendant_talk::event::{Event, EventKind, UserMessage};
use intendant_talk::message::{Intent, Parse};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::{Tracker, applied_positions};
use serde_json::Value;

fn slots() -> Arc<[Slot]> {
    let slot = |name: &str, kind| Slot {
        name: name.to_owned(),
        kind,
        initial_value: Value::Null,
        influence_conversation: true,
        mappings: Vec::new(),
        is_automatic: false,
    };
    vec![slot("name", SlotKind::Text), slot("tags", SlotKind::List)].into()
}

/// `/intent`, `slot=value`, `+loop`, `-`, `!action` (a rejection), `^name` (a follow-up), event types, names of actions.
fn event(word: &str) -> EventKind {
    if let Some(intent) = word.strip_prefix('/') {
        let parse = Parse { intent: Intent::new(intent, 1.0), ..Parse::default() };
        return EventKind::User(Box::new(UserMessage { parse, ..UserMessage::default() }));
    }
    if let Some((name, value)) = word.split_once('=') {
        return EventKind::Slot { name: name.to_owned(), value: value.into() };
    }
    let rest = word.get(1..).unwrap_or_default().to_owned();
    match (word.chars().next(), word) {
        (Some('+'), _) => EventKind::ActiveLoop { name: Some(rest) },
        (Some('-'), _) => EventKind::ActiveLoop { name: None },
        (Some('!'), _) => EventKind::ActionExecutionRejected { name: rest, policy: None, confidence: None },
        (Some('^'), _) => EventKind::Followup { name: Some(rest) },
        (_, "restart") => EventKind::Restart,
        (_, "session") => EventKind::SessionStarted,
        (_, "rewind") => EventKind::Rewind,
        (_, "undo") => EventKind::Undo,
        (_, "reset") => EventKind::ResetSlots,
        (_, "pause") => EventKind::Pause,
        _ => EventKind::action(if word == "listen" { "action_listen" } else { word }),
    }
}

fn replay(words: &str) -> Tracker {
    let mut tracker = Tracker::new("user", slots());
    for word in words.split_whitespace() {
        tracker.update(Event::new(Timestamp::default(), event(word)));
    }
    tracker
}

/// Positions of the words that remain in force.
fn check_applied(words: &str, expected: &str) {
    let tracker = replay(words);
    let all: Vec<&str> = words.split_whitespace().collect();
    let positions = applied_positions(tracker.events());
    let found: Vec<&str> = positions.iter().map(|idx| all[*idx]).collect();
    assert_eq!(found.join(" "), expected);
    // Kept up to date is the same as worked out anew.
    let anew: Vec<&Arc<Event>> = positions.iter().map(|idx| &tracker.events()[*idx]).collect();
    let kept: Vec<&Arc<Event>> = tracker.applied_events().collect();
    assert!(kept.iter().zip(&anew).all(|(a, b)| Arc::ptr_eq(a, b)) && kept.len() == anew.len());
}

#[test]
fn what_was_undone_is_not_in_force() {
    check_applied("listen /a say", "listen /a say");
    check_applied("listen /a say restart listen", "listen");
    check_applied("listen /a say session listen /b", "listen /b");
    check_applied("listen /a say listen /b rewind", "listen /a say");
    check_applied("listen /a say undo", "listen /a");
    check_applied("listen /a rewind rewind", "");
}

#[test]
fn a_form_is_one_turn_however_often_it_asks() {
    check_applied(
        "listen /a form +form x=1 listen /b x=2 form listen",
        "listen /a form +form x=1 x=2 listen",
    );
    check_applied(
        "listen /a form +form listen /b say listen /c form",
        "listen /a form +form listen /b say listen /c form",
    );
    check_applied(
        "listen /a form +form listen /b !form say form",
        "listen /a form +form listen /b !form say form",
    );
    check_applied("listen /a form +form - listen /b form", "listen /a form +form - listen /b form");
    // A name counts as a form's before its first activation too.
    check_applied("listen /a form listen /b form +form", "listen /a form +form");
}

#[test]
fn state_follows_from_what_is_in_force() {
    let tracker = replay("listen /a name=x tags=t say listen /b name=y rewind");
    assert_eq!(tracker.slot_value("name"), Some(&Value::from("x")));
    assert_eq!(tracker.slot_value("tags"), Some(&Value::from(vec!["t"])));
    assert_eq!(tracker.slot_value("unknown"), None);
    assert_eq!(tracker.latest_message().map(|message| message.parse.intent_name()), Some("a"));
    assert_eq!(tracker.followup_action(), None);

    let tracker = replay("listen /a name=x pause ^say restart");
    assert_eq!(tracker.slot_value("name"), Some(&Value::Null));
    assert_eq!(tracker.followup_action(), Some("action_session_start"));
    assert!(!tracker.is_paused());

    let tracker = replay("listen /a form +form !form");
    assert!(tracker.active_loop().is_some_and(|active| active.rejected));
    let tracker = replay("listen /a form +form !form form");
    assert!(tracker.active_loop().is_some_and(|active| !active.rejected));
    assert_eq!(replay("session").followup_action(), Some("action_listen"));
}

#[test]
fn copies_part_when_one_goes_on() {
    let mut tracker = replay("listen /a name=x");
    let copy = tracker.clone();
    tracker.update(Event::new(Timestamp::default(), event("name=y")));
    assert_eq!(copy.slot_value("name"), Some(&Value::from("x")));
    assert_eq!((copy.events().len(), tracker.events().len()), (3, 4));
}
