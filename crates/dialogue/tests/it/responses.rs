//! Which variation of a response is said, and what stands in its placeholders.

use intendant_dialogue::respond::{Occasion, generate};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use crate::script::project;

const PROJECT: &str = r#"
slots:
  tier: {type: text, mappings: []}
  count: {type: float, mappings: []}
responses:
  utter_tier:
    - {text: "gold by sms", channel: sms, condition: [{type: slot, name: tier, value: gold}]}
    - {text: "sms", channel: sms}
    - {text: "gold", condition: [{type: slot, name: tier, value: Gold}]}
    - {text: "none", condition: [{type: slot, name: tier, value: null}]}
    - {text: "usual"}
  utter_elsewhere:
    - {text: "sms", channel: sms}
  utter_filled:
    - text: "{count} of {tier}, {extra}"
      custom: {deep: [{text: "{tier}"}, 1]}
      metadata: "{tier}"
  utter_unknown: [{text: "{tier} and {nobody}"}]
  utter_braces: [{text: "{{tier}} is {tier}"}]
  utter_broken: [{text: "{tier} } {"}]
"#;

/// `slots` fill the conversation; the result is the message without `utter_action`.
fn say(response: &str, channel: &str, slots: Value) -> Value {
    let project = project(PROJECT);
    let mut tracker = Tracker::for_domain("user", &project.domain);
    for (name, value) in slots.as_object().into_iter().flatten() {
        let kind = EventKind::Slot { name: name.clone(), value: value.clone() };
        tracker.update(Event::new(Timestamp::default(), kind));
    }
    let arguments = Object::from_iter([("extra".to_owned(), json!(true))]);
    let occasion = Occasion { tracker: &tracker, channel, arguments: &arguments, chance: 3 };
    generate(&project.domain, response, &occasion).map_or(Value::Null, Value::Object)
}

#[test]
fn the_most_fitting_variation_is_said() {
    let cases = [
        ("utter_tier", "sms", json!({"tier": "GOLD"}), json!("gold by sms")),
        ("utter_tier", "sms", json!({"tier": "tin"}), json!("sms")),
        ("utter_tier", "rest", json!({"tier": "gold"}), json!("gold")),
        ("utter_tier", "rest", json!({}), json!("none")),
        ("utter_tier", "rest", json!({"tier": "tin"}), json!("usual")),
        ("utter_elsewhere", "rest", json!({}), Value::Null),
        ("utter_nothing", "rest", json!({}), Value::Null),
    ];
    for (response, channel, slots, expected) in cases {
        let text = say(response, channel, slots.clone()).get("text").cloned().unwrap_or(Value::Null);
        assert_eq!(text, expected, "{response} {channel} {slots}");
    }
}

#[test]
fn placeholders_are_filled_as_python_would() {
    let slots = json!({"tier": "tin", "count": 2.0});
    let filled = say("utter_filled", "rest", slots.clone());
    assert_eq!(filled["text"], "2.0 of tin, True");
    assert_eq!(filled["custom"], json!({"deep": [{"text": "tin"}, 1]}));
    assert_eq!(filled["metadata"], "{tier}");
    assert_eq!(say("utter_filled", "rest", json!({}))["text"], "None of None, True");
    assert_eq!(say("utter_unknown", "rest", slots.clone())["text"], "{tier} and {nobody}");
    assert_eq!(say("utter_braces", "rest", slots.clone())["text"], "{tier} is tin");
    assert_eq!(say("utter_broken", "rest", slots)["text"], "{tier} } {");
}
