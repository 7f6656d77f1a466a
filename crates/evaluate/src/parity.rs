//! Two servers, the same messages: what differs in understanding, answers and events.
//!
//! Everything is compared as clients see it, in the JSON of Rasa's HTTP API. Times, ids,
//! confidences and the names of policies are nobody's promise and are not compared. Where both
//! chose the same response and it has several variations, its text may differ.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a server made of one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// The messages it sent, in order.
    pub replies: Vec<Value>,
    /// The events it recorded, in order; `None` when it does not tell.
    pub events: Option<Vec<Value>>,
}

/// What part of a turn differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The intent that was understood.
    Intent,
    /// The entities that were found.
    Entities,
    /// What was answered.
    Replies,
    /// What was recorded.
    Events,
}

impl Part {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Entities => "entities",
            Self::Replies => "replies",
            Self::Events => "events",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The part that differs.
    pub part: Part,
    /// What the other server has.
    pub theirs: Value,
    /// What ours has.
    pub ours: Value,
}

/// What differs between two turns on the same message. `variations` counts those of a response.
pub fn compare(theirs: &Turn, ours: &Turn, variations: &dyn Fn(&str) -> usize) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |part: Part, theirs: Value, ours: Value| {
        if theirs != ours {
            found.push(Difference { part, theirs, ours });
        }
    };
    if let (Some(their_events), Some(our_events)) = (&theirs.events, &ours.events) {
        let (they, we) = (understood(their_events), understood(our_events));
        add(Part::Intent, they["intent"].clone(), we["intent"].clone());
        add(Part::Entities, they["entities"].clone(), we["entities"].clone());
        let may_vary = |idx: usize| {
            let (they, we) = (said(their_events), said(our_events));
            match (they.get(idx), we.get(idx)) {
                (Some(Some(they)), Some(Some(we))) => they == we && variations(they) > 1,
                _ => false,
            }
        };
        let (their_replies, our_replies) = aligned(&theirs.replies, &ours.replies, &may_vary);
        add(Part::Replies, their_replies, our_replies);
        add(Part::Events, told(their_events), told(our_events));
    } else {
        let (their_replies, our_replies) = aligned(&theirs.replies, &ours.replies, &|_| false);
        add(Part::Replies, their_replies, our_replies);
    }
    found
}

/// Replies without recipient; where a text may vary, ours counts as theirs.
fn aligned(theirs: &[Value], ours: &[Value], may_vary: &dyn Fn(usize) -> bool) -> (Value, Value) {
    let plain = |reply: &Value| {
        let mut reply = reply.clone();
        if let Some(object) = reply.as_object_mut() {
            object.remove("recipient_id");
        }
        reply
    };
    let theirs: Vec<Value> = theirs.iter().map(plain).collect();
    let mut ours: Vec<Value> = ours.iter().map(plain).collect();
    if theirs.len() == ours.len() {
        for (idx, (their_reply, our_reply)) in theirs.iter().zip(&mut ours).enumerate() {
            if may_vary(idx) {
                our_reply.clone_from(their_reply);
            }
        }
    }
    (theirs.into(), ours.into())
}

/// The response behind each of the bot's messages.
fn said(events: &[Value]) -> Vec<Option<&str>> {
    let bot = events.iter().filter(|event| event["event"] == "bot");
    bot.map(|event| event["metadata"]["utter_action"].as_str()).collect()
}

/// Intent and entities of the latest user message among the events.
fn understood(events: &[Value]) -> Value {
    let message = events.iter().rev().find(|event| event["event"] == "user");
    let Some(parse) = message.map(|message| &message["parse_data"]) else { return json!({}) };
    let keys = ["entity", "value", "start", "end", "role", "group"];
    let mut entities: Vec<Value> = parse["entities"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entity| {
            let known = keys.iter().filter(|key| !entity[**key].is_null());
            Value::Object(known.map(|key| ((*key).to_owned(), number_free(&entity[*key]))).collect())
        })
        .collect();
    entities.sort_by_key(Value::to_string);
    json!({"intent": parse["intent"]["name"], "entities": entities})
}

/// `1.0` and `1` are one number.
fn number_free(value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => json!(number as i64),
        _ => value.clone(),
    }
}

/// The events in short: `action utter_greet`, `slot name="Ann"`.
fn told(events: &[Value]) -> Value {
    let mut told = Vec::new();
    for event in events {
        let name = event["name"].as_str().unwrap_or("none");
        match event["event"].as_str().unwrap_or_default() {
            // Compared as understanding and replies.
            "user" | "bot" => {}
            "action" => told.push(match event["name"].as_str().or(event["action_text"].as_str()) {
                Some(name) => format!("action {name}"),
                None => "action".to_owned(),
            }),
            "slot" => told.push(format!("slot {name}={}", number_free(&event["value"]))),
            kind @ ("active_loop" | "form" | "followup" | "action_execution_rejected") => {
                told.push(format!("{kind} {name}"));
            }
            "loop_interrupted" => told.push(format!("loop_interrupted {}", event["is_loop_interrupted"])),
            // Whether a text or an intent decided is told by policies only of some versions.
            "user_featurization" => {}
            kind => told.push(kind.to_owned()),
        }
    }
    told.into()
}

/// What was compared and what differed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Conversations that were replayed.
    pub conversations: usize,
    /// Messages that were replayed.
    pub messages: usize,
    /// Messages with a difference.
    pub differing: usize,
    /// What was left out and why.
    pub skipped: Vec<String>,
    /// Messages with what differed about them.
    pub differences: Vec<Differing>,
}

/// A message that two servers treated differently.
#[derive(Clone, Debug)]
pub struct Differing {
    /// The recorded conversation.
    pub conversation: String,
    /// The message's number in it, from 1.
    pub number: usize,
    /// What the user wrote.
    pub text: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Report {
    /// How many messages differ in each part.
    pub fn counts(&self) -> BTreeMap<Part, usize> {
        let parts = [Part::Intent, Part::Entities, Part::Replies, Part::Events];
        let mut counts: BTreeMap<Part, usize> = parts.map(|part| (part, 0)).into();
        for difference in self.differences.iter().flat_map(|message| &message.differences) {
            *counts.entry(difference.part).or_default() += 1;
        }
        counts
    }

    /// The report for machines.
    pub fn to_json(&self) -> Value {
        let counts: Map<String, Value> =
            self.counts().into_iter().map(|(part, count)| (part.name().to_owned(), count.into())).collect();
        let messages: Vec<Value> = self
            .differences
            .iter()
            .map(|message| {
                let parts: Map<String, Value> = message
                    .differences
                    .iter()
                    .map(|difference| {
                        let sides = json!({"theirs": difference.theirs, "ours": difference.ours});
                        (difference.part.name().to_owned(), sides)
                    })
                    .collect();
                json!({
                    "conversation": message.conversation,
                    "number": message.number,
                    "text": message.text,
                    "differences": parts,
                })
            })
            .collect();
        json!({
            "same": self.differing == 0,
            "conversations": self.conversations,
            "messages": self.messages,
            "differing_messages": self.differing,
            "differing": counts,
            "skipped": self.skipped,
            "differences": messages,
        })
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for message in &self.differences {
            text.push_str(&format!(
                "{}, message {}: {}\n",
                message.conversation, message.number, message.text
            ));
            for difference in &message.differences {
                text.push_str(&format!("  {}\n", difference.part.name()));
                text.push_str(&sides(&difference.theirs, &difference.ours));
            }
        }
        for skipped in &self.skipped {
            text.push_str(&format!("skipped: {skipped}\n"));
        }
        let counts = self.counts().into_iter().map(|(part, count)| format!("{} {count}", part.name()));
        text.push_str(&format!(
            "{} conversations, {} messages, {} of them with differences ({})\n",
            self.conversations,
            self.messages,
            self.differing,
            counts.collect::<Vec<_>>().join(", ")
        ));
        text
    }
}

/// Both sides; of lists only the items that are not on the other side, unless the order differs.
fn sides(theirs: &Value, ours: &Value) -> String {
    let line = |label: &str, value: &Value| match value {
        Value::String(text) => format!("    {label} {text}\n"),
        value => format!("    {label} {value}\n"),
    };
    let (Value::Array(they), Value::Array(we)) = (theirs, ours) else {
        return line("theirs", theirs) + &line("ours  ", ours);
    };
    let same_start = they.iter().zip(we).take_while(|(they, we)| they == we).count();
    let (they, we) = (&they[same_start..], &we[same_start..]);
    let same_end = they.iter().rev().zip(we.iter().rev()).take_while(|(they, we)| they == we).count();
    let mut text = String::new();
    for (label, items) in [("theirs", &they[..they.len() - same_end]), ("ours  ", &we[..we.len() - same_end])]
    {
        if items.is_empty() {
            text.push_str(&format!("    {label} nothing\n"));
        }
        for item in items {
            text.push_str(&line(label, item));
        }
    }
    text
}
