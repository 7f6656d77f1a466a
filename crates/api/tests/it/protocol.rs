//! Paths, methods, errors, origins, limits.

use serde_json::{Value, json};

use crate::rig::{Rig, Setup};

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_the_callers_format() {
    let rig = Rig::start(Setup::default()).await;
    let (status, body) = rig.json("POST", "/nope", json!({})).await;
    let expected =
        json!({"description": "Not Found", "status": 404, "message": "Requested URL /nope not found"});
    assert_eq!((status, body), (404, expected));
    let answer = rig.send("GET", "/nope", &[], "").await;
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    let answer = rig.send("GET", "/model", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.headers["allow"].to_str().unwrap()), (405, "PUT, DELETE"));
    let (status, body) = rig.json("POST", "/conversations/a/messages", json!("{")).await;
    assert_eq!(status, 500, "{body}");
    let answer =
        rig.send("POST", "/conversations/a/messages", &[("content-type", "application/json")], "{bad").await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(String::from_utf8_lossy(&answer.body).contains("Failed when parsing body as json"));
}

#[tokio::test]
async fn without_the_api_only_channels_are_open() {
    let rig = Rig::start(Setup { enable_api: false, ..Setup::default() }).await;
    assert_eq!(rig.json("GET", "/version", Value::Null).await.0, 404);
    assert_eq!(rig.send("GET", "/", &[], "").await.status.as_u16(), 200);
    assert_eq!(rig.json("GET", "/webhooks/rest", Value::Null).await, (200, json!({"status": "ok"})));
    assert_eq!(rig.json("GET", "/webhooks/slack", Value::Null).await.0, 404);
    assert_eq!(rig.say("a", "/greet").await, ["hello", "there"]);
}

#[tokio::test]
async fn without_a_model_everything_says_so() {
    let rig = Rig::start(Setup { with_model: false, ..Setup::default() }).await;
    for (method, path) in [("GET", "/status"), ("GET", "/domain"), ("POST", "/model/parse")] {
        let (status, body) = rig.json(method, path, Value::Null).await;
        assert_eq!((status, &body["reason"]), (409, &json!("Conflict")), "{path}");
    }
    assert_eq!(rig.say("a", "/greet").await, Vec::<String>::new());
    let (status, _) = rig.json("PUT", "/model", json!({"model_file": "good"})).await;
    assert_eq!(status, 204);
    assert_eq!(rig.say("a", "/greet").await, ["hello", "there"]);
    let (status, body) = rig.json("PUT", "/model", json!({"model_file": "bad"})).await;
    assert_eq!((status, &body["message"]), (400, &json!("Agent with name 'bad' could not be loaded.")));
    assert_eq!(rig.json("GET", "/status", Value::Null).await.1["model_file"], "good");
}

#[tokio::test]
async fn origins_are_allowed_by_name() {
    let rig = Rig::start(Setup { origins: vec!["http://a.example".to_owned()], ..Setup::default() }).await;
    let check = async |method: &str, origin: &str, expected: Option<&str>| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = rig.send(method, "/webhooks/rest/webhook", &headers, "").await;
        let allowed = answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(allowed, expected, "{method} {origin}");
    };
    check("OPTIONS", "http://a.example", Some("http://a.example")).await;
    check("OPTIONS", "http://b.example", None).await;
    check("GET", "http://a.example", Some("http://a.example")).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_server_lives() {
    let rig = Rig::start(Setup::default()).await;
    let huge = json!({"sender": "a", "message": "x".repeat(200_000)});
    assert_eq!(rig.json("POST", "/webhooks/rest/webhook", huge).await.0, 413);
    assert_eq!(rig.say(&"x".repeat(256), "/greet").await, Vec::<String>::new());
    let path = format!("/conversations/{}/trigger_intent", "x".repeat(300));
    assert_eq!(rig.json("POST", &path, json!({"name": "greet"})).await.0, 400);
    assert_eq!(rig.say("a", "/greet").await, ["hello", "there"]);
}

#[tokio::test]
async fn training_answers_now_or_later() {
    let rig = Rig::start(Setup::default()).await;
    let answer = rig.send("POST", "/model/train", &[("content-type", "application/x-yaml")], "train").await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, b"bytes".as_slice()));
    assert_eq!(answer.headers["filename"], "x.tar.gz");
    let path = "/model/train?callback_url=http://later";
    assert_eq!(rig.send("POST", path, &[], "train").await.status.as_u16(), 204);
    rig.deliveries.arrived.notified().await;
    let delivered = rig.deliveries.done.lock().unwrap().remove(0);
    assert_eq!(delivered, ("http://later".to_owned(), "application/x-tar".to_owned(), "bytes".to_owned()));
    let (status, body) = rig.json("POST", "/model/train", json!({"config": "x"})).await;
    let message = json!("An unexpected error occurred during training. Error: not here");
    assert_eq!((status, &body["message"], &body["reason"]), (500, &message, &json!("TrainingError")));
    // A bug over there is an error here, not the end.
    let nlu = json!({"rasa_nlu_data": {}});
    assert_eq!(rig.json("POST", "/model/test/intents", nlu).await.1["reason"], "TestingError");
    assert_eq!(rig.json("GET", "/status", Value::Null).await.1["num_active_training_jobs"], 0);
}
