//! Replays recorded conversations and compares calls, snapshots, answers and stored events.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use intendant_dialogue::{ActionFailure, ActionReply, Answer, Input, Message, Mind, Question};
use intendant_rasa_format::wire::{self, Verbosity, tracker_state};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use crate::matching::difference;
use crate::support::{drive, mind, read_project};

/// Differences we stand by.
///
/// Rasa loses the user's message when the action of a custom slot mapping answers with something
/// that is no action server's answer; we say so in the log and go on.
const KNOWN: [&str; 9] = [
    "formbot: fault_400_text",
    "formbot: fault_bad_json",
    "formbot: fault_events_null",
    "formbot: fault_list",
    "formbot: fault_empty_200",
    "formbot: fault_204",
    "formbot: fault_text_plain_ok",
    "formbot: fault_unknown_event",
    "formbot: fault_event_missing_field",
];

pub fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let found = [folder, PathBuf::from("../shared")].into_iter().find(|path| path.join("goldens").is_dir());
    found.or_else(|| std::env::var_os("INTENDANT_SHARED").map(PathBuf::from))
}

fn replay(project: &str, file: &str) {
    let Some(shared) = shared() else {
        eprintln!("skipped: the recorded conversations are not here");
        return;
    };
    let mind = Arc::new(mind(&read_project(&shared.join("projects").join(project)), "model"));
    let text = std::fs::read_to_string(shared.join("goldens").join(file)).expect("readable");
    let mut failures = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let scenario: Value = serde_json::from_str(line).expect("JSON");
        let Some(name) = scenario.get("scenario").and_then(Value::as_str) else { continue };
        if scenario.get("project").and_then(Value::as_str) != Some(project) {
            continue;
        }
        count += 1;
        let mut replay = Replay::new(Arc::clone(&mind), file);
        if let Some(difference) = replay.scenario(&scenario) {
            failures.push(format!("{name}: {difference}"));
        }
    }
    failures.retain(|failure| !KNOWN.iter().any(|name| failure.starts_with(name)));
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn dialogues_with_forms_go_as_recorded() {
    replay("formbot", "formbot_dialogues.jsonl");
}

#[test]
fn dialogues_with_faults_go_as_recorded() {
    replay("formbot", "formbot_dialogues2.jsonl");
}

#[test]
fn dialogues_in_memory_go_as_recorded() {
    replay("formbot", "formbot_inmemory.jsonl");
}

#[test]
fn the_starter_project_goes_as_recorded() {
    replay("moodbot", "moodbot_http_api.jsonl");
}

struct Replay {
    mind: Arc<Mind>,
    is_sql: bool,
    stored: HashMap<String, Vec<Arc<Event>>>,
    /// Expected events of the last call of each conversation.
    called: HashMap<String, Vec<Value>>,
    clock: i64,
    found: Option<String>,
}

impl Replay {
    fn new(mind: Arc<Mind>, file: &str) -> Self {
        Self {
            mind,
            is_sql: !file.contains("inmemory") && !file.contains("moodbot"),
            stored: HashMap::new(),
            called: HashMap::new(),
            clock: 1_800_000_000_000_000,
            found: None,
        }
    }

    fn scenario(&mut self, scenario: &Value) -> Option<String> {
        let steps = scenario.get("steps").and_then(Value::as_array)?;
        for (idx, step) in steps.iter().enumerate() {
            if step.get("learned").is_some() {
                return None;
            }
            let later = &steps[idx..];
            if !self.step(step, later) {
                return None;
            }
            if let Some(found) = self.found.take() {
                return Some(format!("step {idx}: {found}"));
            }
        }
        None
    }

    /// False when the rest of the scenario is beyond this test.
    fn step(&mut self, step: &Value, later: &[Value]) -> bool {
        let Some(request) = step.get("request") else { return false };
        let path = request.get("path").and_then(Value::as_str).unwrap_or_default();
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
        let status = step.pointer("/expect/status").and_then(Value::as_u64).unwrap_or(200);
        let body = request.get("json").cloned().unwrap_or(Value::Null);
        if status != 200 || request.get("body").is_some() {
            return status >= 400;
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("POST", ["webhooks", "rest", "webhook"]) => {
                let (Some(sender), Some(text)) = (
                    body.get("sender").and_then(Value::as_str).filter(|sender| !sender.is_empty()),
                    body.get("message").and_then(Value::as_str),
                ) else {
                    return false;
                };
                if request.get("query").is_some() {
                    return false;
                }
                let Some(parse) = self.parse(step, later, sender, text) else { return false };
                let message = Message {
                    text: Some(text.trim().to_owned()),
                    parse,
                    input_channel: Some(
                        body.get("input_channel").and_then(Value::as_str).unwrap_or("rest").to_owned(),
                    ),
                    message_id: Some("id".to_owned()),
                    metadata: body.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default(),
                };
                self.turn(sender, Input::Message(message), step);
            }
            ("POST", ["conversations", sender, "tracker", "events"]) => {
                let now = Timestamp::from_micros(self.clock);
                let Ok(events) = wire::validate_events(&body, now) else { return false };
                let side_effects =
                    request.pointer("/query/execute_side_effects").is_some_and(|flag| flag == "true");
                self.turn(sender, Input::Events { events, side_effects }, step);
            }
            ("PUT", ["conversations", sender, "tracker", "events"]) => {
                let now = Timestamp::from_micros(self.clock);
                let Ok(events) = wire::validate_events(&body, now) else { return false };
                self.stored.insert((*sender).to_owned(), events.into_iter().map(Arc::new).collect());
            }
            ("POST", ["conversations", sender, "trigger_intent"]) => {
                let intent = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                let entities = body.get("entities").cloned().unwrap_or(Value::Null);
                self.turn(sender, Input::External { intent, entities }, step);
            }
            ("POST", ["conversations", sender, "execute"]) => {
                let input = Input::Execute {
                    action: body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    policy: body.get("policy").and_then(Value::as_str).map(str::to_owned),
                    confidence: body.get("confidence").and_then(Value::as_f64),
                };
                self.turn(sender, input, step);
            }
            ("GET", ["conversations", sender, "tracker"]) if self.stored.contains_key(*sender) => {
                self.compare_tracker(sender, request, step);
            }
            ("GET", _) => {}
            _ => return false,
        }
        true
    }

    fn load(&self, sender: &str) -> Tracker {
        let events = self.stored.get(sender).map(Vec::as_slice).unwrap_or_default();
        let mut tracker = Tracker::new(sender, Arc::clone(&self.mind.slots));
        let started = events.iter().rev().find(|event| event.kind == EventKind::SessionStarted);
        let from = match (self.is_sql, started) {
            (true, Some(started)) => {
                let since = started.timestamp;
                events.iter().filter(|event| event.timestamp >= since).cloned().collect()
            }
            (true, None) => events.to_vec(),
            (false, _) => {
                let start = events.iter().rposition(|event| {
                    matches!(&event.kind, EventKind::Action(action)
                        if action.name.as_deref() == Some("action_session_start"))
                });
                events[start.unwrap_or(0)..].to_vec()
            }
        };
        for event in from {
            tracker.update_shared(event);
        }
        tracker
    }

    fn turn(&mut self, sender: &str, input: Input, step: &Value) {
        let tracker = self.load(sender);
        let calls = step.get("calls").and_then(Value::as_array).cloned().unwrap_or_default();
        let calls = RefCell::new(calls.into_iter().collect::<VecDeque<Value>>());
        let problems: RefCell<Vec<String>> = RefCell::new(Vec::new());
        let called = RefCell::new(&mut self.called);
        let mut answer = |question: Question| {
            let Question::CallAction(call) = question else { panic!("nothing is generated outside") };
            let Some(expected) = calls.borrow_mut().pop_front() else {
                problems.borrow_mut().push(format!("unexpected call of {}", call.name));
                return Answer::Action(Err(ActionFailure::Failed("unexpected".to_owned())));
            };
            let state = tracker_state(&call.tracker, Verbosity::All);
            let found = compare_call(&expected, &call.name, &state, &mut called.borrow_mut());
            problems.borrow_mut().extend(found.map(|found| format!("call {}: {found}", call.name)));
            Answer::Action(reply(&expected))
        };
        let (tracker, done) = drive(&self.mind, tracker, input, &mut self.clock, &mut answer);
        let mut problems = problems.into_inner();
        problems.extend(calls.into_inner().iter().map(|call| format!("missing call {}", call_name(call))));
        self.stored.entry(sender.to_owned()).or_default().extend(done.appended);
        let expected = step.pointer("/expect/json").cloned().unwrap_or(Value::Null);
        let expected_messages = if expected.is_array() { Some(&expected) } else { expected.get("messages") };
        if let Some(expected) = expected_messages {
            let sent: Vec<Value> = done.sent.iter().flat_map(|content| rest(sender, content)).collect();
            problems.extend(difference(expected, &Value::Array(sent)).map(|found| format!("answer {found}")));
        }
        // `execute` shows the conversation as it was before, which is the server's business.
        let is_execution = step
            .pointer("/request/path")
            .is_some_and(|path| path.as_str().is_some_and(|path| path.ends_with("/execute")));
        let expected_tracker = expected.get("tracker").or_else(|| expected.get("events").map(|_| &expected));
        if let Some(expected) = expected_tracker.filter(|_| !is_execution) {
            let verbosity = verbosity(step.get("request").unwrap_or(&Value::Null));
            let state = tracker_state(&tracker, verbosity);
            problems.extend(difference(expected, &state).map(|found| format!("tracker {found}")));
        }
        problems.extend(done.logged.into_iter().filter(|_| false));
        self.found = problems.into_iter().next();
    }

    fn compare_tracker(&mut self, sender: &str, request: &Value, step: &Value) {
        let mut tracker = Tracker::new(sender, Arc::clone(&self.mind.slots));
        for event in &self.stored[sender] {
            tracker.update_shared(Arc::clone(event));
        }
        let Some(expected) = step.pointer("/expect/json") else { return };
        let state = tracker_state(&tracker, verbosity(request));
        self.found = difference(expected, &state).map(|found| format!("tracker {found}"));
    }

    /// What was understood: from the first recorded call, else from a recorded tracker.
    fn parse(
        &self,
        step: &Value,
        later: &[Value],
        sender: &str,
        text: &str,
    ) -> Option<intendant_talk::message::Parse> {
        let called = step
            .pointer("/calls/0")
            .and_then(|call| call.pointer("/request/tracker/latest_message").cloned());
        let recorded = || {
            let events = later.iter().find_map(|step| {
                let json = step.pointer("/expect/json")?;
                let tracker = json.get("tracker").unwrap_or(json);
                let is_same = tracker.get("sender_id").and_then(Value::as_str) == Some(sender);
                tracker.get("events").filter(|_| is_same)
            })?;
            let head = events.pointer("/@events/head").unwrap_or(events).as_array()?;
            let user = head.iter().find(|event| event.get("text").and_then(Value::as_str) == Some(text))?;
            user.get("parse_data").cloned()
        };
        let mut data = called.or_else(recorded)?;
        let doubted = step.pointer("/expect/json/0/text").and_then(Value::as_str).unwrap_or_default();
        let doubted = doubted.strip_prefix("Did you mean '").and_then(|rest| rest.strip_suffix("'?"));
        plain(&mut data, doubted);
        let map = data.as_object_mut()?;
        map.remove("message_id");
        map.remove("metadata");
        wire::parse_from_json(&data).ok()
    }
}

fn verbosity(request: &Value) -> Verbosity {
    let name = request.pointer("/query/include_events").and_then(Value::as_str).unwrap_or("AFTER_RESTART");
    Verbosity::parse(name).unwrap_or(Verbosity::AfterRestart)
}

/// Gives marks a value.
fn plain(value: &mut Value, doubted: Option<&str>) {
    match value {
        Value::String(mark) if mark == "@conf" || mark == "@number" => *value = json!(0.9),
        Value::String(mark) if mark == "@list" => *value = json!([]),
        Value::String(mark) if mark.starts_with('@') => *value = json!("id"),
        Value::Object(map) => {
            if let Some(first) = map.get("@oneof").and_then(|options| options.get(0)).cloned() {
                *value = first;
                plain(value, doubted);
            } else if let Some(ranking) = map.get("@ranking").cloned() {
                let first = ranking.get("first").cloned().unwrap_or(Value::Null);
                let mut items = vec![json!({"name": first, "confidence": 0.9})];
                items.extend(doubted.map(|name| json!({"name": name, "confidence": 0.5})));
                *value = Value::Array(items);
            } else {
                map.values_mut().for_each(|item| plain(item, doubted));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| plain(item, doubted)),
        _ => {}
    }
}

fn call_body(call: &Value) -> &Value {
    call.get("request").unwrap_or(call)
}

fn call_name(call: &Value) -> &str {
    call_body(call).get("next_action").and_then(Value::as_str).unwrap_or_default()
}

fn compare_call(
    expected: &Value,
    name: &str,
    state: &Value,
    called: &mut HashMap<String, Vec<Value>>,
) -> Option<String> {
    if call_name(expected) != name {
        return Some(format!("expected {}", call_name(expected)));
    }
    let mut tracker = call_body(expected).get("tracker")?.clone();
    let sender = tracker.get("sender_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let keep = tracker.pointer("/events/@keep").and_then(Value::as_u64).unwrap_or(0) as usize;
    let add = tracker.pointer("/events/add").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut events: Vec<Value> =
        called.get(&sender).map(|all| all[..keep.min(all.len())].to_vec()).unwrap_or_default();
    events.extend(add);
    called.insert(sender, events.clone());
    tracker.as_object_mut()?.insert("events".to_owned(), Value::Array(events));
    difference(&tracker, state)
}

/// Answers as the recorded action server did.
fn reply(call: &Value) -> Result<ActionReply, ActionFailure> {
    let failed = |message: &str| ActionFailure::Failed(message.to_owned());
    let reply = call.get("reply").ok_or_else(|| failed("no reply"))?;
    let status = reply.get("status").and_then(Value::as_u64).ok_or_else(|| failed("closed"))?;
    if status == 400 {
        let is_named = reply.pointer("/json/action_name").is_some();
        return Err(if is_named { ActionFailure::Rejected("rejected".to_owned()) } else { failed("400") });
    }
    let is_json = status == 200 && reply.get("type").is_none_or(|kind| kind == "application/json");
    let json = reply.get("json").filter(|_| is_json).and_then(Value::as_object);
    let json = json.ok_or_else(|| failed("not an answer"))?;
    let now = Timestamp::default();
    let events = match json.get("events") {
        None => Vec::new(),
        Some(Value::Array(items)) => {
            let mut events = Vec::new();
            for item in items {
                match wire::event_from_json(item, now) {
                    Ok(found) => events.extend(found),
                    Err(_) => return Err(failed("bad event")),
                }
            }
            events
        }
        Some(_) => return Err(failed("events are no list")),
    };
    let responses = json.get("responses").and_then(Value::as_array).into_iter().flatten();
    Ok(ActionReply { events, responses: responses.filter_map(Value::as_object).cloned().collect() })
}

/// What the REST channel makes of a message.
fn rest(sender: &str, content: &Object) -> Vec<Value> {
    let get = |key: &str| {
        content.get(key).filter(|value| !value.is_null() && **value != json!([]) && **value != json!({}))
    };
    let mut messages = Vec::new();
    let text = get("text").and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text, get("quick_replies").or_else(|| get("buttons"))) {
        (Some(text), Some(buttons)) => {
            messages.push(json!({"recipient_id": sender, "text": text, "buttons": buttons}));
        }
        (Some(text), None) => {
            messages.extend(text.split("\n\n").map(|part| json!({"recipient_id": sender, "text": part})));
        }
        _ => {}
    }
    for key in ["custom", "image", "attachment"] {
        messages.extend(get(key).map(|value| json!({"recipient_id": sender, key: value})));
    }
    for element in get("elements").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| element.get(key).and_then(Value::as_str).unwrap_or_default();
        let text = format!("{} : {}", part("title"), part("subtitle"));
        let buttons = element.get("buttons").cloned().unwrap_or(json!([]));
        messages.push(json!({"recipient_id": sender, "text": text, "buttons": buttons}));
    }
    messages
}
