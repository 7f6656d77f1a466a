//! Long conversations cost no more than short ones, but for a scan.

use std::sync::Arc;
use std::time::{Duration, Instant};

use intendant_dialogue::{Answer, Input, Message};
use intendant_talk::message::{Intent, Parse};
use intendant_talk::tracker::Tracker;

use crate::script::project;
use crate::support::{drive, mind};

const PROJECT: &str = r#"
recipe: default.v1
language: en
assistant_id: long
pipeline: []
policies:
  - name: MemoizationPolicy
  - name: RulePolicy
  - name: UnexpecTEDIntentPolicy
    max_history: 5
  - name: TEDPolicy
    max_history: 5
intents: [greet, ask]
responses:
  utter_greet: [{text: "Hello"}]
  utter_answer: [{text: "Yes"}]
rules:
  - rule: greet
    steps: [{intent: greet}, {action: utter_greet}]
stories:
  - story: ask
    steps: [{intent: ask}, {action: utter_answer}]
"#;

#[test]
fn ten_thousand_events_answer_nearly_as_fast_as_a_hundred() {
    let mind = Arc::new(mind(&project(PROJECT), "model"));
    let mut clock = 1_800_000_000_000_000;
    let mut tracker = Tracker::new("user", Arc::clone(&mind.slots));
    let mut times: Vec<(usize, Duration)> = Vec::new();
    while tracker.events().len() < 10_000 {
        let intent = if tracker.events().len().is_multiple_of(3) { "greet" } else { "ask" };
        let parse = Parse { intent: Intent::new(intent, 1.0), ..Parse::default() };
        let text = Some(intent.to_owned());
        let input = Input::Message(Message { text, parse, ..Message::default() });
        let started = Instant::now();
        let (next, done) = drive(&mind, tracker, input, &mut clock, &mut |_| {
            Answer::Generated(Err("nobody asks".to_owned()))
        });
        times.push((next.events().len(), started.elapsed()));
        assert_eq!(done.sent.len(), 1);
        tracker = next;
    }
    let median = |from: usize, to: usize| {
        let mut slice: Vec<Duration> =
            times.iter().filter(|(len, _)| (from..to).contains(len)).map(|(_, time)| *time).collect();
        slice.sort();
        slice[slice.len() / 2]
    };
    let (short, long) = (median(50, 200), median(9_000, 10_000));
    eprintln!("a message takes {short:?} after 100 events, {long:?} after 10,000");
    // Generous: other work may share the machine, and this build is not optimised throughout.
    assert!(long < short * 20 + Duration::from_millis(5), "{short:?} {long:?}");
}
