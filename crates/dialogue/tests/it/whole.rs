//! Turns that are not a user's message: sessions, reminders, posted events, executed actions.

use std::sync::Arc;

use intendant_dialogue::{Answer, Input, Mind};
use intendant_talk::event::{Event, EventKind, Reminder};
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use crate::script::project;
use crate::support::{Done, drive, mind};

const PLANTS: &str = r#"
recipe: default.v1
language: en
assistant_id: plants
pipeline: []
policies: [{name: RulePolicy}]
intents: [dry, greet]
entities: [plant]
slots:
  plant: {type: text, influence_conversation: false, mappings: [{type: from_entity, entity: plant}]}
responses:
  utter_dry: [{text: "Your {plant} is dry", channel: sms}, {text: "{plant} needs water"}]
  utter_hello: [{text: "Hello"}]
rules:
  - {rule: dry, steps: [{intent: dry}, {action: utter_dry}]}
session_config: {session_expiration_time: 60, carry_over_slots_to_new_session: true}
"#;

const MINUTE: i64 = 60_000_000;

struct Talk {
    mind: Arc<Mind>,
    tracker: Tracker,
    clock: i64,
}

impl Talk {
    fn new() -> Self {
        let mind = Arc::new(mind(&project(PLANTS), "model"));
        let tracker = Tracker::new("user", Arc::clone(&mind.slots));
        Self { mind, tracker, clock: 1_800_000_000_000_000 }
    }

    fn turn(&mut self, input: Input) -> Done {
        let tracker = self.tracker.clone();
        let nobody = &mut |_| Answer::Generated(Err("nobody asks".to_owned()));
        let (tracker, done) = drive(&self.mind, tracker, input, &mut self.clock, nobody);
        self.tracker = tracker;
        done
    }
}

fn names(done: &Done) -> String {
    let name = |event: &Arc<Event>| match &event.kind {
        EventKind::Action(action) => action.name.clone().unwrap_or_default(),
        EventKind::Slot { name, .. } => format!("{name}="),
        kind => kind.type_name().to_owned(),
    };
    done.appended.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn said(done: &Done) -> Vec<&str> {
    done.sent.iter().filter_map(|message| message.get("text").and_then(Value::as_str)).collect()
}

fn external(plant: &str) -> Input {
    Input::External { intent: "dry".to_owned(), entities: json!({ "plant": plant }) }
}

#[test]
fn an_intent_from_outside_starts_a_session_and_is_answered() {
    let mut talk = Talk::new();
    let done = talk.turn(external("fern"));
    assert_eq!(
        names(&done),
        "action_session_start session_started action_listen user plant= user_featurization utter_dry bot action_listen"
    );
    assert_eq!(said(&done), ["fern needs water"]);
    assert!(done.appended.iter().all(|event| event.metadata.get("assistant_id") == Some(&json!("plants"))));
    assert_eq!(
        talk.tracker.latest_message_event().and_then(|e| e.metadata.get("is_external")),
        Some(&json!(true))
    );
}

#[test]
fn a_session_expires_and_slots_are_carried_over() {
    let mut talk = Talk::new();
    talk.turn(external("fern"));
    talk.clock += 59 * MINUTE;
    assert_eq!(names(&talk.turn(Input::SessionIfDue { metadata: Object::new() })), "");
    talk.clock += 2 * MINUTE;
    let metadata = Object::from_iter([("from".to_owned(), json!("ad"))]);
    let done = talk.turn(Input::SessionIfDue { metadata });
    assert_eq!(
        names(&done),
        "session_started_metadata= action_session_start session_started plant= session_started_metadata= action_listen"
    );
    assert_eq!(talk.tracker.slot_value("plant"), Some(&json!("fern")));
    assert_eq!(talk.tracker.slot_value("session_started_metadata"), Some(&json!({"from": "ad"})));
}

fn reminder(kill_on_user_message: bool) -> Reminder {
    Reminder {
        intent: "dry".to_owned(),
        entities: Some(json!([{"entity": "plant", "value": "rose"}])),
        date_time: "2030-01-01T00:00:00".to_owned(),
        name: "water".to_owned(),
        kill_on_user_message,
    }
}

#[test]
fn a_reminder_speaks_unless_it_is_outdated() {
    for (kills, expected) in [(false, vec!["rose needs water"]), (true, vec![])] {
        let mut talk = Talk::new();
        let set = Event::new(Timestamp::from_micros(1), EventKind::Reminder(reminder(kills)));
        talk.turn(Input::Events { events: vec![set], side_effects: true });
        talk.turn(external("fern"));
        assert_eq!(said(&talk.turn(Input::Reminder(reminder(kills)))), expected, "{kills}");
        talk.turn(Input::Events {
            events: vec![Event::new(Timestamp::default(), EventKind::Restart)],
            side_effects: false,
        });
        assert_eq!(said(&talk.turn(Input::Reminder(reminder(kills)))), Vec::<&str>::new());
    }
}

#[test]
fn posted_events_keep_their_time_and_start_no_second_session() {
    let mut talk = Talk::new();
    let at = |secs: f64, kind| Event::new(Timestamp::from_secs_f64(secs), kind);
    let events = vec![
        at(1.0, EventKind::action("action_session_start")),
        at(2.0, EventKind::SessionStarted),
        at(3.0, EventKind::action("action_listen")),
    ];
    let done = talk.turn(Input::Events { events, side_effects: false });
    assert_eq!(names(&done), "action_session_start session_started action_listen");
    assert_eq!(done.appended[2].timestamp, Timestamp::from_secs_f64(3.0));
    let mut fresh = Talk::new();
    let done = fresh.turn(Input::Events { events: vec![at(1.0, EventKind::Pause)], side_effects: false });
    assert_eq!(names(&done), "action_session_start session_started action_listen pause");
}

#[test]
fn an_executed_action_is_recorded_as_told() {
    let mut talk = Talk::new();
    let action = "utter_hello".to_owned();
    let input = Input::Execute { action, policy: Some("me".to_owned()), confidence: Some(0.5) };
    let done = talk.turn(input);
    assert_eq!(said(&done), ["Hello"]);
    let recorded = done.appended.iter().find_map(|event| match &event.kind {
        EventKind::Action(action) if action.policy.is_some() => {
            Some((action.policy.clone(), action.confidence))
        }
        _ => None,
    });
    assert_eq!(recorded, Some((Some("me".to_owned()), Some(0.5))));
}
