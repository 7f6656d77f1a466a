//! The JSON of events, parse results and trackers.

use intendant_rasa_format::domain;
use intendant_rasa_format::wire::{
    ErrorKind, Verbosity, entities_from_json, event_from_json, event_to_json, parse_from_json, parse_to_json,
    tracker_state, validate_events,
};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_micros(1_500_000);

fn written(event: &Value) -> Value {
    event_to_json(&event_from_json(event, NOW).unwrap().unwrap())
}

#[test]
fn every_event_is_written_as_rasa_writes_it() {
    let cases = [
        (
            json!({"event": "action", "name": "a"}),
            json!({"name": "a", "policy": null, "confidence": null, "action_text": null, "hide_rule_turn": false}),
        ),
        (
            json!({"event": "action", "action_text": "hello", "policy": "p", "confidence": 0.5, "hide_rule_turn": true}),
            json!({"name": null, "policy": "p", "confidence": 0.5, "action_text": "hello", "hide_rule_turn": true}),
        ),
        (json!({"event": "bot"}), json!({"text": null, "data": {}, "metadata": {}})),
        (
            json!({"event": "bot", "text": "x", "data": {"image": null}, "metadata": {"utter_action": "u"}}),
            json!({"text": "x", "data": {"image": null}, "metadata": {"utter_action": "u"}}),
        ),
        (json!({"event": "slot", "name": "s", "value": [1, null]}), json!({"name": "s", "value": [1, null]})),
        (
            json!({"event": "entities", "entities": [{"entity": "e", "value": "v", "x": 1, "role": null}]}),
            json!({"entities": [{"entity": "e", "value": "v", "x": 1, "role": null}]}),
        ),
        (
            json!({"event": "user_featurization", "use_text_for_featurization": true}),
            json!({"use_text_for_featurization": true}),
        ),
        (json!({"event": "followup", "name": "a"}), json!({"name": "a"})),
        (json!({"event": "active_loop", "name": null}), json!({"name": null})),
        (json!({"event": "loop_interrupted", "is_interrupted": true}), json!({"is_interrupted": true})),
        (
            json!({"event": "action_execution_rejected", "name": "f", "policy": "p", "confidence": 1.0}),
            json!({"name": "f", "policy": "p", "confidence": 1.0}),
        ),
        (
            json!({"event": "reminder", "date_time": "2030-01-01T00:00:00", "name": "n", "intent": "i", "entities": {"a": 1}}),
            json!({"intent": "i", "date_time": "2030-01-01T00:00:00", "entities": {"a": 1}, "name": "n", "kill_on_user_msg": true}),
        ),
        (json!({"event": "agent", "text": "t"}), json!({"text": "t", "data": null})),
        (json!({"event": "cancel_reminder", "name": "n"}), json!({})),
        (json!({"event": "export", "path": "p"}), json!({})),
        (json!({"event": "restart"}), json!({})),
        (json!({"event": "session_started"}), json!({})),
        (json!({"event": "reset_slots"}), json!({})),
        (json!({"event": "rewind"}), json!({})),
        (json!({"event": "undo"}), json!({})),
        (json!({"event": "pause"}), json!({})),
        (json!({"event": "resume"}), json!({})),
    ];
    for (event, mut expected) in cases {
        expected["event"] = event["event"].clone();
        expected["timestamp"] = json!(1.5);
        assert_eq!(written(&event), expected);
        assert_eq!(written(&expected), expected);
    }
}

#[test]
fn former_events_are_written_under_their_names_of_today() {
    assert_eq!(written(&json!({"event": "form", "name": "f"}))["event"], "active_loop");
    let validation = written(&json!({"event": "form_validation", "validate": false}));
    assert_eq!(
        (&validation["event"], &validation["is_interrupted"]),
        (&json!("loop_interrupted"), &json!(true))
    );
    assert_eq!(event_from_json(&json!({"event": "topic"}), NOW), Ok(None));
    assert_eq!(event_from_json(&json!({"no": "event"}), NOW), Ok(None));
}

#[test]
fn messages_keep_what_they_came_with() {
    let posted = json!({"event": "user", "text": "hi", "message_id": "m", "input_channel": "rest",
        "parse_data": {"intent": {"name": "greet", "confidence": 1.0, "x": 1}, "text": "other", "text_tokens": [[0, 2]],
            "intent_ranking": [{"name": "greet", "confidence": 1.0}], "response_selector": {"default": {}}, "own": [1]},
        "metadata": {"k": "v", "model_id": "1", "assistant_id": "2"}});
    let expected = json!({"event": "user", "timestamp": 1.5, "text": "hi", "message_id": "m", "input_channel": "rest",
        "parse_data": {"intent": {"name": "greet", "confidence": 1.0, "x": 1}, "entities": [], "text": "other",
            "message_id": "m", "metadata": {"k": "v"}, "text_tokens": [[0, 2]],
            "intent_ranking": [{"name": "greet", "confidence": 1.0}], "response_selector": {"default": {}}, "own": [1]},
        "metadata": {"k": "v", "model_id": "1", "assistant_id": "2"}});
    assert_eq!(written(&posted), expected);
    let read = |event: &Value| event_from_json(event, NOW).unwrap().unwrap();
    assert_eq!(read(&expected), read(&posted), "what is written reads as the same event");
    let bare = written(&json!({"event": "user", "parse_data": {}}));
    let empty = json!({"intent": {}, "entities": [], "text": null, "message_id": null, "metadata": {}});
    assert_eq!(bare["parse_data"], empty);
}

#[test]
fn reminders_without_name_get_one_of_their_own() {
    let name = |date: &str, now: Timestamp| {
        let event = json!({"event": "reminder", "date_time": date});
        event_to_json(&event_from_json(&event, now).unwrap().unwrap())["name"].as_str().unwrap().to_owned()
    };
    let first = name("2030-01-01T00:00:00", NOW);
    assert_eq!(first.len(), 32);
    assert_ne!(first, name("2030-01-02T00:00:00", NOW));
    assert_ne!(first, name("2030-01-01T00:00:00", Timestamp::from_micros(2)));
}

#[test]
fn posted_events_must_satisfy_the_schema() {
    let broken = [
        json!({"event": "bogus"}),
        json!({}),
        json!(null),
        json!(["x"]),
        json!({"event": 1}),
        json!({"event": "slot", "name": "s"}),
        json!({"event": "slot", "name": 1, "value": 1}),
        json!({"event": "entities"}),
        json!({"event": "entities", "entities": [{"entity": "e"}]}),
        json!({"event": "entities", "entities": [{"entity": "e", "value": 1, "start": "0"}]}),
        json!({"event": "action", "name": "a", "timestamp": "now"}),
        json!({"event": "action", "name": "a", "metadata": []}),
        json!({"event": "action", "name": "a", "confidence": "high"}),
        json!({"event": "user", "text": 1}),
        json!({"event": "user", "parse_data": []}),
        json!({"event": "user", "parse_data": {"intent": {"name": null}}}),
        json!({"event": "user", "parse_data": {"intent_ranking": {}}}),
        json!({"event": "user", "parse_data": {"response_selector": {}}}),
        json!([{"event": "restart"}, {"event": "bogus"}]),
    ];
    for body in broken {
        assert_eq!(validate_events(&body, NOW).unwrap_err().kind, ErrorKind::Schema, "{body}");
    }
    let impossible = [
        json!({"event": "action"}),
        json!({"event": "user", "text": "no parse data"}),
        json!({"event": "reminder"}),
    ];
    for body in impossible {
        assert_eq!(validate_events(&body, NOW).unwrap_err().kind, ErrorKind::Event, "{body}");
    }
    assert_eq!(validate_events(&json!([]), NOW), Ok(Vec::new()));
    assert_eq!(validate_events(&json!({"event": "restart"}), NOW).unwrap().len(), 1);
}

#[test]
fn parse_results_and_entities_are_read_and_written() {
    let parse = json!({"text": "a", "intent": {"name": null, "confidence": 0.0}, "entities": [
        {"entity": "e", "start": 0, "end": 1, "value": 2, "role": "r", "group": "g", "extractor": "x", "confidence_entity": 0.5}]});
    assert_eq!(parse_to_json(&parse_from_json(&parse).unwrap()), parse);
    assert!(parse_from_json(&json!([])).is_err());
    assert!(parse_from_json(&json!({"entities": [{"value": 1}]})).is_err());
    assert!(parse_from_json(&json!({"intent": {"name": 5}})).is_err());
    let entities = entities_from_json(&json!({"city": "Ulm", "n": 2})).unwrap();
    assert_eq!((entities[0].entity.as_str(), &entities[1].value), ("city", &json!(2)));
    assert!(entities_from_json(&json!("x")).is_err());
}

#[test]
fn a_tracker_shows_its_state() {
    let events = json!([
        {"event": "action", "name": "action_session_start"},
        {"event": "session_started"},
        {"event": "action", "name": "action_listen"},
        {"event": "user", "text": "hi", "parse_data": {"intent": {"name": "greet"}}, "input_channel": "rest"},
        {"event": "entities", "entities": [{"entity": "e", "value": 1}]},
        {"event": "active_loop", "name": "f"},
        {"event": "followup", "name": "a"},
    ]);
    let mut tracker = Tracker::for_domain("me", &domain::empty());
    let state = tracker_state(&tracker, Verbosity::All);
    let nothing = json!({"intent": {}, "entities": [], "text": null, "message_id": null, "metadata": {}});
    let expected = json!({"sender_id": "me", "slots": {"session_started_metadata": null}, "latest_message": nothing,
        "latest_event_time": null, "followup_action": "action_listen", "paused": false, "events": [],
        "latest_input_channel": null, "active_loop": {}, "latest_action": {}, "latest_action_name": null});
    assert_eq!(state, expected);

    for event in validate_events(&events, NOW).unwrap() {
        tracker.update(event);
    }
    let state = tracker_state(&tracker, Verbosity::None);
    assert_eq!(state["events"], Value::Null);
    assert_eq!(state["latest_message"]["entities"], json!([{"entity": "e", "value": 1}]));
    assert_eq!(state["active_loop"]["trigger_message"]["text"], "hi");
    assert_eq!(state["latest_action"], json!({"action_name": "action_listen"}));
    assert_eq!(state["followup_action"], "a");
    assert_eq!(state["latest_input_channel"], "rest");
    assert_eq!(state["latest_event_time"], 1.5);
    let count = |verbosity| tracker_state(&tracker, verbosity)["events"].as_array().unwrap().len();
    assert_eq!(count(Verbosity::All), 7);
    assert_eq!(count(Verbosity::Applied), 5);
    assert_eq!(Verbosity::parse("after_Restart"), Some(Verbosity::AfterRestart));
    assert_eq!(Verbosity::parse("some"), None);
}
