//! What every tracker store promises.

use std::sync::Arc;

use intendant_port::store::{Scope, TrackerStore};
use intendant_talk::event::Event;

use crate::support::{all, events, loaded};

/// How a store treats sessions and replacement.
pub struct Rules {
    /// All that is kept of two sessions.
    pub all: &'static str,
    /// What the last one is.
    pub last: &'static str,
    /// What is stored after `start slot=1` was replaced by `one two three four`.
    pub replaced: &'static str,
}

/// Memory splits sessions at the action and forgets earlier ones.
pub const MEMORY: Rules = Rules {
    all: "action_session_start started slot=2 slot=3",
    last: "action_session_start started slot=2 slot=3",
    replaced: "one two three four",
};

/// SQL splits sessions at the time of the newest session's event.
pub const SQL: Rules = Rules {
    all: "action_session_start started slot=1 action_session_start started slot=2 slot=3",
    last: "started slot=2 slot=3",
    replaced: "action_session_start started slot=1 three four",
};

/// Redis splits at the action, and adds events that it does not have.
pub const REDIS: Rules = Rules {
    all: "action_session_start started slot=1 action_session_start started slot=2 slot=3",
    last: "action_session_start started slot=2 slot=3",
    replaced: "action_session_start started slot=1 one two three four",
};

/// Runs the suite on an empty store.
pub async fn run(store: Arc<dyn TrackerStore>, rules: &Rules) {
    keeps_conversations(&*store).await;
    knows_sessions(&*store, rules).await;
    writes_in_order(&store).await;
    store.flush().await.unwrap();
}

async fn keeps_conversations(store: &dyn TrackerStore) {
    assert_eq!(loaded(store, "a", Scope::LastSession).await, None);
    store.append("a", events(10, "start slot=1 user:hi")).await.unwrap();
    store.append("b", events(10, "start")).await.unwrap();
    store.append("a", events(20, "utter_x")).await.unwrap();
    let last = loaded(store, "a", Scope::LastSession).await.unwrap_or_default();
    assert!(last.ends_with("started slot=1 user:hi utter_x"), "{last}");
    assert_eq!(all(store, "a").await, "action_session_start started slot=1 user:hi utter_x");
    assert_eq!(all(store, "b").await, "action_session_start started");
    let mut ids = store.conversation_ids().await.unwrap();
    ids.sort();
    assert_eq!(ids, ["a", "b"]);

    let odd = "é'\"; DROP TABLE events; -- \u{1F600}/x\\";
    store.append(odd, events(10, "user:ü\u{1F600}")).await.unwrap();
    store.append(odd, events(20, "user:\u{7f}\"]}")).await.unwrap();
    assert_eq!(all(store, odd).await, "user:ü\u{1F600} user:\u{7f}\"]}");

    let exact = events(10, "start user:hi slot=1");
    store.append("exact", exact.clone()).await.unwrap();
    let found = store.load("exact", Scope::AllSessions).await.unwrap().unwrap();
    let times = |events: &[Arc<Event>]| events.iter().map(|event| event.timestamp).collect::<Vec<_>>();
    assert_eq!(times(&found), times(&exact));
}

async fn knows_sessions(store: &dyn TrackerStore, rules: &Rules) {
    store.append("s", events(10, "start slot=1")).await.unwrap();
    store.append("s", events(20, "start slot=2")).await.unwrap();
    store.append("s", events(30, "slot=3")).await.unwrap();
    assert_eq!(all(store, "s").await, rules.all);
    assert_eq!(loaded(store, "s", Scope::LastSession).await.as_deref(), Some(rules.last));
    let told = store.load("s", Scope::AllSessions).await.unwrap().unwrap();
    assert_eq!(crate::support::script(&store.last_session(told)), rules.last);

    store.append("r", events(10, "start slot=1")).await.unwrap();
    store.replace("r", events(20, "one two three four")).await.unwrap();
    assert_eq!(all(store, "r").await, rules.replaced);
}

async fn writes_in_order(store: &Arc<dyn TrackerStore>) {
    let mut writers = Vec::new();
    for writer in 0..32 {
        let store = Arc::clone(store);
        writers.push(tokio::spawn(async move {
            for number in 0..20 {
                let script = format!("a{number} b{number} c{number}");
                store.append(&format!("w{writer}"), events(number, &script)).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let expected: Vec<String> = (0..20).map(|number| format!("a{number} b{number} c{number}")).collect();
    for writer in 0..32 {
        assert_eq!(all(&**store, &format!("w{writer}")).await, expected.join(" "));
    }
}
