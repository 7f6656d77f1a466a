//! Markers found in conversations, and statistics of where they are.
//!
//! Sessions begin where `action_session_start` runs and are looked at one by one. The tables are
//! CSV as Rasa writes them. Differs from Rasa: the negated words (`never`, `not_action`, …) mean
//! what they say; Rasa 3.6 drops their negation when it reads a file.

use std::sync::Arc;

use intendant_talk::event::{Event, EventKind};
use intendant_talk::marker::{Condition, Marker, Test};
use serde_json::Value;

const SESSION_START: &str = "action_session_start";
/// What a value that does not exist is called in the tables.
const NOT_A_NUMBER: &str = "nan";

/// Where a marker applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Position of the event in the whole conversation.
    pub event_idx: usize,
    /// User messages of the session before the event.
    pub preceding_user_turns: usize,
}

/// One session: for every marker, in order, where it applies.
pub type SessionMarks = Vec<Vec<Mark>>;

/// Finds the markers in each session of a conversation.
pub fn find(markers: &[Marker], events: &[Arc<Event>]) -> Vec<SessionMarks> {
    sessions(events).into_iter().map(|(start, session)| find_in_session(markers, start, session)).collect()
}

/// The sessions with their positions; events before the first session start belong to none, but
/// a conversation without any session start is one session.
fn sessions(events: &[Arc<Event>]) -> Vec<(usize, &[Arc<Event>])> {
    let is_start = |event: &Arc<Event>| matches!(&event.kind, EventKind::Action(action) if action.name.as_deref() == Some(SESSION_START));
    let starts: Vec<usize> = (0..events.len()).filter(|idx| is_start(&events[*idx])).collect();
    if starts.is_empty() {
        return vec![(0, events)];
    }
    let ends = starts.iter().skip(1).copied().chain([events.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| (start, &events[start..end])).collect()
}

fn find_in_session(markers: &[Marker], start: usize, session: &[Arc<Event>]) -> SessionMarks {
    let mut watches: Vec<Watch<'_>> = markers.iter().map(|marker| Watch::new(&marker.condition)).collect();
    let mut marks: SessionMarks = vec![Vec::new(); markers.len()];
    let mut turns = 0;
    for (idx, event) in session.iter().enumerate() {
        for (watch, marks) in watches.iter_mut().zip(&mut marks) {
            let is_first_only =
                matches!(watch.condition.test, Test::AtLeastOnce(_)) && !watch.condition.is_negated;
            if watch.applies(event) && (!is_first_only || marks.is_empty()) {
                marks.push(Mark { event_idx: start + idx, preceding_user_turns: turns });
            }
        }
        turns += usize::from(matches!(event.kind, EventKind::User(_)));
    }
    marks
}

/// A condition on its way through a session.
struct Watch<'a> {
    condition: &'a Condition,
    parts: Vec<Watch<'a>>,
    /// Parts of a sequence that were met.
    progress: usize,
    /// What was true stays true until it is taken back: slots, `at_least_once`.
    was_met: bool,
}

impl<'a> Watch<'a> {
    fn new(condition: &'a Condition) -> Self {
        let parts = condition.parts().iter().map(Watch::new).collect();
        Self { condition, parts, progress: 0, was_met: false }
    }

    /// Whether the condition applies at the next event.
    fn applies(&mut self, event: &Event) -> bool {
        // All parts see every event, whatever the others say.
        let parts: Vec<bool> = self.parts.iter_mut().map(|part| part.applies(event)).collect();
        let is_met = match &self.condition.test {
            Test::All(_) => parts.iter().all(|applies| *applies),
            Test::Any(_) => parts.iter().any(|applies| *applies),
            Test::Not(_) => !parts[0],
            Test::Sequence(_) => {
                self.progress += usize::from(parts[self.progress]);
                let is_complete = self.progress == parts.len();
                if is_complete {
                    self.progress = 0;
                }
                is_complete
            }
            Test::AtLeastOnce(_) => self.was_met || parts[0],
            Test::Action(name) => {
                matches!(&event.kind, EventKind::Action(action) if action.name.as_ref() == Some(name))
            }
            Test::Intent(name) => says(event, name),
            Test::Slot(slot) => match &event.kind {
                EventKind::Slot { name, value } if name == slot => !value.is_null(),
                _ => self.was_met,
            },
        };
        self.was_met = is_met;
        is_met != self.condition.is_negated
    }
}

fn says(event: &Event, intent: &str) -> bool {
    let EventKind::User(message) = &event.kind else { return false };
    let parse = &message.parse;
    let full = || {
        let key = parse.intent.extra.get("full_retrieval_intent_name");
        let selected = || {
            let selectors = parse.response_selector.as_ref()?;
            let own = selectors.get(parse.intent_name()).or_else(|| selectors.get("default"))?;
            own.get("response")?.get("intent_response_key")
        };
        key.and_then(Value::as_str).or_else(|| selected()?.as_str())
    };
    parse.intent.name.as_deref() == Some(intent) || (intent.contains('/') && full() == Some(intent))
}

/// One conversation with what was found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// The conversation's id.
    pub sender_id: String,
    /// Its sessions.
    pub sessions: Vec<SessionMarks>,
}

/// Every place where a marker applies.
pub fn marks_csv(markers: &[Marker], found: &[Marked]) -> String {
    let mut csv = row(&["sender_id", "session_idx", "marker", "event_idx", "num_preceding_user_turns"]);
    for_sessions(found, |sender_id, session_idx, session| {
        for (marker, marks) in markers.iter().zip(session) {
            for mark in marks {
                csv.push_str(&row(&[
                    sender_id,
                    &session_idx.to_string(),
                    &marker.name,
                    &mark.event_idx.to_string(),
                    &mark.preceding_user_turns.to_string(),
                ]));
            }
        }
    });
    csv
}

/// Statistics over all sessions.
pub fn overall_csv(markers: &[Marker], found: &[Marked]) -> String {
    let n_sessions: usize = found.iter().map(|conversation| conversation.sessions.len()).sum();
    let mut csv = statistic_header();
    let mut add = |marker: &str, statistic: &str, value: &str| {
        csv.push_str(&row(&["all", NOT_A_NUMBER, marker, statistic, value]));
    };
    add("-", "total_number_of_sessions", &n_sessions.to_string());
    let sorted = if n_sessions == 0 { Vec::new() } else { sorted_by_name(markers) };
    for (idx, marker) in &sorted {
        let mut n_met = 0;
        for_sessions(found, |_, _, session| n_met += usize::from(!session[*idx].is_empty()));
        let name = "sessions_where_marker_applied_at_least_once";
        add(&marker.name, &format!("number_of_{name}"), &n_met.to_string());
        let percentage = n_met as f64 / n_sessions as f64 * 100.0;
        add(&marker.name, &format!("percentage_of_{name}"), &number(percentage));
    }
    for (idx, marker) in &sorted {
        let mut turns = Vec::new();
        for_sessions(found, |_, _, session| {
            turns.extend(session[*idx].iter().map(|mark| mark.preceding_user_turns))
        });
        let statistics = Statistics::of(&turns);
        for name in ["count", "mean", "median", "min", "max"] {
            add(&marker.name, &of_turns(name), &statistics.value(name));
        }
    }
    csv
}

/// Statistics of each session.
pub fn per_session_csv(markers: &[Marker], found: &[Marked]) -> String {
    let mut csv = statistic_header();
    for (idx, marker) in sorted_by_name(markers) {
        for name in ["count", "max", "mean", "median", "min"] {
            for_sessions(found, |sender_id, session_idx, session| {
                let turns: Vec<usize> = session[idx].iter().map(|mark| mark.preceding_user_turns).collect();
                let value = Statistics::of(&turns).value(name);
                csv.push_str(&row(&[
                    sender_id,
                    &session_idx.to_string(),
                    &marker.name,
                    &of_turns(name),
                    &value,
                ]));
            });
        }
    }
    csv
}

fn for_sessions(found: &[Marked], mut visit: impl FnMut(&str, usize, &SessionMarks)) {
    for conversation in found {
        for (idx, session) in conversation.sessions.iter().enumerate() {
            visit(&conversation.sender_id, idx, session);
        }
    }
}

fn sorted_by_name(markers: &[Marker]) -> Vec<(usize, &Marker)> {
    let mut sorted: Vec<(usize, &Marker)> = markers.iter().enumerate().collect();
    sorted.sort_by(|left, right| left.1.name.cmp(&right.1.name));
    sorted
}

fn of_turns(statistic: &str) -> String {
    format!("{statistic}(number of preceding user turns)")
}

struct Statistics {
    sorted: Vec<usize>,
}

impl Statistics {
    fn of(turns: &[usize]) -> Self {
        let mut sorted = turns.to_vec();
        sorted.sort_unstable();
        Self { sorted }
    }

    fn value(&self, name: &str) -> String {
        let sorted = &self.sorted;
        let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
            return if name == "count" { "0".to_owned() } else { NOT_A_NUMBER.to_owned() };
        };
        let count = sorted.len();
        match name {
            "count" => count.to_string(),
            "min" => first.to_string(),
            "max" => last.to_string(),
            "mean" => number(sorted.iter().sum::<usize>() as f64 / count as f64),
            _ => number((sorted[(count - 1) / 2] + sorted[count / 2]) as f64 / 2.0),
        }
    }
}

/// Three decimals at most, one at least.
fn number(value: f64) -> String {
    format!("{:?}", (value * 1000.0).round_ties_even() / 1000.0)
}

fn statistic_header() -> String {
    row(&["sender_id", "session_idx", "marker", "statistic", "value"])
}

/// A line of CSV (RFC 4180).
fn row(fields: &[&str]) -> String {
    let quoted = fields.iter().map(|field| {
        if field.contains(['"', ',', '\r', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            (*field).to_owned()
        }
    });
    format!("{}\r\n", quoted.collect::<Vec<_>>().join(","))
}
