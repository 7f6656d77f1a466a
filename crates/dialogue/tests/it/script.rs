//! A conversation as a script: what is said and called, line by line.
//!
//! `> text` the user speaks (`/intent{json}`, or `intent: text` for words understood as an
//! intent), `< text` the bot says, `! action` the action server is called; ` = {json}` after it is
//! its reply, ` = reject` and ` = fail` are what they say. `= slot value` shows a slot at the end
//! of the turn above. Everything but `>` lines, replies and names of slots is checked.

use std::cell::RefCell;
use std::sync::Arc;

use intendant_dialogue::{ActionFailure, ActionReply, Answer, Input, Message, Mind, Question};
use intendant_rasa_format::{Project, SourceFile, wire};
use intendant_talk::domain::python_text;
use intendant_talk::message::{Entity, Intent, Parse};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use crate::support::{drive, mind};

/// Reads a project written as one document.
pub fn project(yaml: &str) -> Project {
    let file = SourceFile { path: "project.yml".to_owned(), bytes: yaml.as_bytes().to_vec() };
    Project::read_document(&file, &|_| None).0
}

/// Plays a script and compares.
pub fn check(yaml: &str, script: &str) {
    let mind = Arc::new(mind(&project(yaml), "model"));
    let script: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(play(&mind, &script), script.join("\n"));
}

fn play(mind: &Arc<Mind>, script: &[&str]) -> String {
    let mut tracker = Tracker::new("user", Arc::clone(&mind.slots));
    let mut clock = 1_800_000_000_000_000;
    let mut transcript: Vec<String> = Vec::new();
    let mut idx = 0;
    while idx < script.len() {
        let said = script[idx];
        let end = script[idx + 1..].iter().position(|line| line.starts_with('>'));
        let end = end.map_or(script.len(), |position| idx + 1 + position);
        let expected = &script[idx + 1..end];
        transcript.push(said.to_owned());
        let replies = RefCell::new(expected.iter().filter(|line| line.starts_with('!')));
        let heard = RefCell::new(Vec::new());
        let (next, done) = drive(mind, tracker, input(said), &mut clock, &mut |question| {
            let Question::CallAction(call) = question else { panic!("nothing is generated outside") };
            let line = replies.borrow_mut().next().copied().unwrap_or_default();
            let (name, reply) = line.split_once(" = ").unwrap_or((line, "{}"));
            let is_called = name == format!("! {}", call.name);
            heard.borrow_mut().push(if is_called { line.to_owned() } else { format!("! {}", call.name) });
            Answer::Action(self::reply(reply))
        });
        tracker = next;
        transcript.extend(heard.into_inner());
        for message in &done.sent {
            let mut line = format!("< {}", message.get("text").and_then(Value::as_str).unwrap_or("-"));
            for (key, value) in message {
                let is_content = ["buttons", "image", "custom"].contains(&key.as_str());
                if is_content && !value.is_null() {
                    line.push_str(&format!(" {key}={value}"));
                }
            }
            transcript.push(line);
        }
        for line in expected.iter().filter(|line| line.starts_with('=')) {
            let slot = line.split_whitespace().nth(1).unwrap_or_default();
            let value = tracker.slot_value(slot).map(python_text).unwrap_or_default();
            transcript.push(format!("= {slot} {value}"));
        }
        idx = end;
    }
    transcript.join("\n")
}

fn input(line: &str) -> Input {
    let text = line.strip_prefix("> ").unwrap_or(line);
    let (intent, text, entities) = match text.strip_prefix('/') {
        Some(rest) => {
            let brace = rest.find('{').unwrap_or(rest.len());
            let entities: Value = serde_json::from_str(&rest[brace..]).unwrap_or(json!({}));
            (&rest[..brace], text, entities)
        }
        None => {
            let (intent, text) = text.split_once(": ").unwrap_or(("", text));
            (intent, text, json!({}))
        }
    };
    let entities = entities.as_object().into_iter().flatten().map(|(name, value)| {
        let (entity, role) = name.split_once('#').map_or((name.as_str(), None), |(a, b)| (a, Some(b)));
        let role = role.map(str::to_owned);
        Entity { entity: entity.to_owned(), value: value.clone(), role, ..Entity::default() }
    });
    let parse = Parse {
        text: Some(text.to_owned()),
        intent: if intent.is_empty() { Intent::none() } else { Intent::new(intent, 1.0) },
        entities: entities.collect(),
        ..Parse::default()
    };
    let input_channel = Some("rest".to_owned());
    Input::Message(Message { text: Some(text.to_owned()), parse, input_channel, ..Message::default() })
}

fn reply(written: &str) -> Result<ActionReply, ActionFailure> {
    match written {
        "reject" => return Err(ActionFailure::Rejected("rejected".to_owned())),
        "fail" => return Err(ActionFailure::Failed("failed".to_owned())),
        _ => {}
    }
    let reply: Value = serde_json::from_str(written).expect("a reply is JSON");
    let list = |key: &str| reply.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let events = list("events");
    let events = events.iter().filter_map(|event| {
        wire::event_from_json(event, Timestamp::default()).expect("an event as on the wire")
    });
    let responses = list("responses").into_iter().filter_map(|response| response.as_object().cloned());
    Ok(ActionReply { events: events.collect(), responses: responses.collect() })
}
