//! Settings, events, and what is expected of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use intendant_broker::open::{Environment, event_broker};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::event::{Event, EventKind};
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};

/// How long something may take that happens by itself.
const DEADLINE: Duration = Duration::from_secs(120);

pub fn settings(kind: Option<&str>, extra: Value) -> EndpointConfig {
    let extra = extra.as_object().cloned().unwrap();
    EndpointConfig { kind: kind.map(str::to_owned), extra, ..EndpointConfig::default() }
}

pub fn environment() -> Environment {
    Environment { rasa_environment: Some("test".to_owned()), ..Environment::default() }
}

pub fn events() -> Vec<Arc<Event>> {
    let kinds = [EventKind::SessionStarted, EventKind::action("utter_ü")];
    kinds.into_iter().map(|kind| Arc::new(Event::new(Timestamp::from_micros(1_500_000), kind))).collect()
}

pub fn expected(sender_id: &str) -> Vec<Value> {
    vec![
        json!({"sender_id": sender_id, "event": "session_started", "timestamp": 1.5}),
        json!({"sender_id": sender_id, "event": "action", "timestamp": 1.5, "name": "utter_ü", "policy": null,
               "confidence": null, "action_text": null, "hide_rule_turn": false}),
    ]
}

/// What every broker promises: events of two conversations arrive before it is flushed.
pub async fn publish(config: &EndpointConfig) {
    let broker = event_broker(Some(config), &environment()).await.unwrap().unwrap();
    broker.publish("a", &events()).await.unwrap();
    broker.publish("b", &events()).await.unwrap();
    until(async || broker.flush().await.is_ok()).await;
}

/// A slot event that can be told from others.
pub fn numbered(number: usize) -> Vec<Arc<Event>> {
    let kind = EventKind::Slot { name: "n".to_owned(), value: number.into() };
    vec![Arc::new(Event::new(Timestamp::from_micros(1), kind))]
}

/// Checks that a conversation's numbers arrived in order: none is missing, and whatever comes twice
/// comes as a repetition of what was just sent.
pub fn complete(numbers: &[u64], count: u64) -> bool {
    let mut next = 0;
    for number in numbers {
        if *number > next {
            return false;
        }
        next = next.max(number + 1);
    }
    next == count
}

/// Asks until the answer is yes.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
