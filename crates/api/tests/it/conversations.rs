//! Conversations over HTTP: order, streams, callbacks, the end.

use std::sync::Arc;
use std::time::Duration;

use intendant_port::store::Scope;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::rig::{Rig, Setup, assistant, texts};

/// The kinds of a conversation's stored events.
async fn told(rig: &Rig, sender: &str) -> Vec<String> {
    let events = rig.store.load(sender, Scope::AllSessions).await.unwrap().unwrap_or_default();
    events.iter().map(|event| event.kind.type_name().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_of_one_conversation_never_mix() {
    let rig = Arc::new(Rig::start(Setup::default()).await);
    rig.say("a", "/greet").await;
    let start = told(&rig, "a").await.len();
    let turn = ["user", "user_featurization", "action", "bot", "action"];
    let mut messages = Vec::new();
    for _ in 0..64 {
        let rig = Arc::clone(&rig);
        messages.push(tokio::spawn(async move { rig.say("a", "/greet").await }));
    }
    for message in messages {
        assert_eq!(message.await.unwrap(), ["hello", "there"]);
    }
    let told = told(&rig, "a").await;
    assert_eq!(told.len(), start + 64 * turn.len());
    for events in told[start..].chunks(turn.len()) {
        assert_eq!(events, turn);
    }
}

#[tokio::test]
async fn streams_pass_messages_on_as_they_are_made() {
    let rig = Rig::start(Setup::default()).await;
    let body = json!({"sender": "a", "message": "/greet"}).to_string();
    let answer = rig.send("POST", "/webhooks/rest/webhook?stream=true", &[], &body).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let lines = String::from_utf8(answer.body.to_vec()).unwrap();
    let messages: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(texts(&Value::Array(messages)), ["hello", "there"]);
}

#[tokio::test]
async fn callbacks_get_messages_one_by_one() {
    let rig = Rig::start(Setup::default()).await;
    let body = json!({"sender": "a", "message": "/greet"}).to_string();
    let answer = rig.send("POST", "/webhooks/callback/webhook", &[], &body).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, b"success".as_slice()));
    let delivered = rig.deliveries.done.lock().unwrap().remove(0);
    assert_eq!(delivered.2, json!({"recipient_id": "a", "text": "hello on callback"}).to_string());
    let query = "/conversations/a/trigger_intent?output_channel=latest&include_events=NONE";
    let (status, body) = rig.json("POST", query, json!({"name": "greet"})).await;
    assert_eq!((status, texts(&body["messages"])), (200, vec!["hello on callback".to_owned()]));
    assert_eq!(rig.deliveries.done.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_end_waits_for_messages_in_hand() {
    let rig = Arc::new(Rig::start(Setup::default()).await);
    let gate = Arc::clone(&rig.gate);
    let store = Arc::clone(&rig.store);
    let waiting = {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.say("a", "/slow").await })
    };
    gate.began.notified().await;
    let stopping = rig.server.clone();
    let stopped = tokio::spawn(async move { stopping.stop().await });
    tokio::task::yield_now().await;
    assert!(!stopped.is_finished());
    gate.permits.add_permits(1);
    assert_eq!(waiting.await.unwrap(), ["done"]);
    stopped.await.unwrap();
    assert!(store.load("a", Scope::AllSessions).await.unwrap().unwrap().len() > 4);
    let more = json!({"sender": "a", "message": "/greet"});
    let (status, _) = rig.json("POST", "/webhooks/rest/webhook", more).await;
    assert_eq!(status, 503, "no more work is taken, and nobody takes it for silence");
    let Ok(rig) = Arc::try_unwrap(rig) else { panic!("nobody else holds the rig") };
    let (_, listening) = rig.stop_listening();
    listening.await.unwrap();
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_take_the_message_along() {
    let rig = Rig::start(Setup::default()).await;
    let mut caller = TcpStream::connect(rig.address).await.unwrap();
    let body = json!({"sender": "a", "message": "/slow"}).to_string();
    let request = format!(
        "POST /webhooks/rest/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    caller.write_all(request.as_bytes()).await.unwrap();
    rig.gate.began.notified().await;
    drop(caller);
    rig.gate.permits.add_permits(1);
    // The conversation's floor is free when the message is done.
    assert_eq!(rig.say("a", "/greet").await, ["hello", "there"]);
    let told = told(&rig, "a").await;
    assert_eq!(told.iter().filter(|kind| *kind == "user").count(), 2, "{told:?}");
}

#[tokio::test]
async fn models_are_swapped_under_conversations() {
    let rig = Rig::start(Setup::default()).await;
    let slow = {
        let client = (rig.server.clone(), Arc::clone(&rig.gate));
        let incoming = intendant_serve::server::Incoming {
            text: "/slow".to_owned(),
            sender_id: "a".to_owned(),
            ..Default::default()
        };
        let outlet = Arc::new(intendant_channel::collect::Collector::default());
        let handled = Arc::clone(&outlet);
        let task = tokio::spawn(async move { client.0.handle(incoming, handled).await });
        client_began(&client.1).await;
        (task, outlet)
    };
    rig.server.put_model(Arc::new(assistant("second")));
    rig.gate.permits.add_permits(1);
    slow.0.await.unwrap().unwrap();
    assert_eq!(texts(&Value::Array(slow.1.take())), ["done"]);
    assert_eq!(rig.say("a", "/greet").await, ["hello", "there"]);
    assert_eq!(rig.json("GET", "/status", Value::Null).await.1["model_file"], "second");
}

async fn client_began(gate: &crate::rig::Gate) {
    gate.began.notified().await;
}

#[tokio::test]
async fn events_come_and_go_by_http() {
    let rig = Rig::start(Setup::default()).await;
    assert_eq!(rig.json("GET", "/conversations/new/story", Value::Null).await.0, 404);
    let path = "/conversations/a/tracker/events?include_events=ALL";
    let (status, state) = rig.json("POST", path, json!({"event": "pause"})).await;
    assert_eq!((status, &state["paused"]), (200, &json!(true)));
    assert_eq!(rig.say("a", "/greet").await, Vec::<String>::new());
    assert_eq!(rig.json("POST", path, json!({"event": "bogus"})).await.0, 400);
    assert_eq!(rig.json("POST", path, json!([])).await.1["reason"], "ConversationError");
    let listen = json!([{"event": "action", "name": "action_listen", "timestamp": 1.5}]);
    let (status, state) = rig.json("PUT", path, listen).await;
    assert_eq!((status, state["events"].as_array().unwrap().len()), (200, 1));
    let (_, state) = rig.json("GET", "/conversations/a/tracker?until=1", Value::Null).await;
    assert_eq!(state["events"], json!([]));
    let (_, state) = rig.json("GET", "/conversations/a/tracker?include_events=bogus", Value::Null).await;
    assert_eq!(state["details"], json!({"parameter": "include_events", "in": "query"}));
}

#[tokio::test]
async fn reminders_come_in_time_unless_cancelled() {
    let rig = Rig::start(Setup::default()).await;
    let due = (jiff::Timestamp::now() + Duration::from_millis(300)).to_string();
    let reminder = |name: &str| json!({"event": "reminder", "intent": "greet", "date_time": due, "name": name, "kill_on_user_msg": false});
    let path = "/conversations/a/tracker/events?execute_side_effects=true&output_channel=callback";
    let posted = json!([reminder("one"), reminder("two"), reminder("one")]);
    assert_eq!(rig.json("POST", path, posted).await.0, 200);
    let cancel = json!({"event": "cancel_reminder", "name": "two"});
    assert_eq!(rig.json("POST", path, cancel).await.0, 200);
    rig.deliveries.arrived.notified().await;
    assert!(rig.deliveries.done.lock().unwrap()[0].2.contains("hello on callback"));
}
