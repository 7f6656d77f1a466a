//! What operators see: health, metrics, spans; and a model replaced under load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use intendant_api::auth::Auth;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::interpret::Interpreter;
use intendant_port::trace::{Span, SpanKind, Tracer};
use intendant_talk::message::{Intent, Parse};
use serde_json::{Value, json};

use crate::rig::{Rig, Setup, assistant};

#[derive(Default)]
struct Spans(Mutex<Vec<Span>>);

impl Tracer for Spans {
    fn record(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_message_is_one_trace_from_the_caller_to_the_action_server() {
    let spans = Arc::new(Spans::default());
    let tracer = Some(Arc::clone(&spans) as Arc<dyn Tracer>);
    let rig = Rig::start(Setup { tracer, ..Setup::default() }).await;
    rig.gate.permits.add_permits(1);
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let body = json!({"sender": "a", "message": "/slow"}).to_string();
    let answer = rig.send("POST", "/webhooks/rest/webhook", &[("traceparent", traceparent)], &body).await;
    assert_eq!(answer.status.as_u16(), 200);
    let spans = spans.0.lock().unwrap();
    assert!(spans.iter().all(|span| span.context.trace_id == 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c));
    let names: HashMap<u64, &str> =
        spans.iter().map(|span| (span.context.span_id, span.name.as_str())).collect();
    let mut found: Vec<String> = spans
        .iter()
        .map(|span| {
            let parent = span.parent.and_then(|id| names.get(&id).copied()).unwrap_or("the caller's");
            format!("{} in {parent}", span.name)
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "POST /webhooks/{channel}/webhook in the caller's",
            "action action_slow in message",
            "message in POST /webhooks/{channel}/webhook",
            "save in message",
            "understand in POST /webhooks/{channel}/webhook",
        ]
    );
    let call = spans.iter().find(|span| span.kind == SpanKind::Client).unwrap();
    let headers = rig.gate.traceparents.lock().unwrap();
    assert_eq!(headers.as_slice(), [Some(call.context.traceparent())]);
}

#[tokio::test]
async fn metrics_and_health_tell_how_the_server_is() {
    let auth = Auth::new(Some("t".to_owned()), None, "HS256").unwrap();
    let rig = Rig::start(Setup { enable_api: false, with_model: false, auth, ..Setup::default() }).await;
    assert_eq!(rig.json("GET", "/healthz", Value::Null).await, (200, json!({"status": "ok"})));
    let not_ready = json!({"status": "not ready", "reason": "no model is loaded"});
    assert_eq!(rig.json("GET", "/readyz", Value::Null).await, (503, not_ready));
    rig.server.put_model(Arc::new(assistant("m.tar.gz")));
    assert_eq!(rig.json("GET", "/readyz", Value::Null).await, (200, json!({"status": "ok"})));
    rig.say("a", "/greet").await;
    rig.say("a", "words that nobody knows").await;
    assert_eq!(rig.json("GET", "/metrics", Value::Null).await.0, 401);
    let answer = rig.send("GET", "/metrics?token=t", &[], "").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for line in [
        "intendant_message_duration_seconds_count{channel=\"rest\"} 2",
        "intendant_parse_duration_seconds_count 2",
        "intendant_fallbacks_total{kind=\"core\"} 1",
        "intendant_predictions_total{policy=\"RulePolicy\"} 4",
        "intendant_http_request_duration_seconds_count{method=\"POST\",route=\"/webhooks/{channel}/webhook\",status=\"200\"} 2",
        "intendant_http_request_duration_seconds_count{method=\"GET\",route=\"/metrics\",status=\"401\"} 1",
        "intendant_model_info{model_id=\"model-id\",model_file=\"m.tar.gz\"} 1",
        "intendant_model_loaded 1",
        "intendant_model_loads_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    assert_eq!(rig.json("GET", "/openapi.json", Value::Null).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_replaced_and_taken_out_without_a_lost_message() {
    let rig = Arc::new(Rig::start(Setup::default()).await);
    let is_over = Arc::new(AtomicBool::new(false));
    let replacing = tokio::spawn({
        let (rig, is_over) = (Arc::clone(&rig), Arc::clone(&is_over));
        async move {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let (status, _) = rig.json("PUT", "/model", json!({"model_file": "good"})).await;
                assert_eq!(status, 204);
                count += 1;
            }
            count
        }
    });
    let talking = (0..8).map(|number| {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move {
            for _ in 0..40 {
                assert_eq!(rig.say(&format!("sender{number}"), "/greet").await, ["hello", "there"]);
            }
        })
    });
    for talk in talking.collect::<Vec<_>>() {
        talk.await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(replacing.await.unwrap() > 0);
    // A message that has begun is answered although the model goes.
    let slow = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.say("slow", "/slow").await }
    });
    rig.gate.began.notified().await;
    assert_eq!(rig.json("DELETE", "/model", Value::Null).await.0, 204);
    assert_eq!(rig.json("GET", "/status", Value::Null).await.0, 409);
    rig.gate.permits.add_permits(1);
    assert_eq!(slow.await.unwrap(), ["done"]);
    assert_eq!(rig.json("PUT", "/model", json!({"model_file": "good"})).await.0, 204);
    for number in 0..8 {
        let (_, tracker) =
            rig.json("GET", &format!("/conversations/sender{number}/tracker"), Value::Null).await;
        let events = tracker["events"].as_array().unwrap().iter();
        assert_eq!(events.filter(|event| event["event"] == "user").count(), 40);
    }
}

/// Understands one word, and nothing of "broken".
struct Elsewhere;

impl Interpreter for Elsewhere {
    fn parse<'a>(&'a self, text: &'a str, sender_id: &'a str) -> BoxFuture<'a, Result<Parse>> {
        Box::pin(async move {
            match text {
                "hello" => Ok(Parse {
                    text: Some(format!("{text} {sender_id}")),
                    intent: Intent::new("greet", 0.9),
                    ..Parse::default()
                }),
                _ => Err(Error::new(Kind::Unavailable, "nobody there")),
            }
        })
    }
}

#[tokio::test]
async fn texts_may_be_understood_elsewhere() {
    let rig = Rig::start(Setup { interpreter: Some(Arc::new(Elsewhere)), ..Setup::default() }).await;
    assert_eq!(rig.say("a", "hello").await, ["hello", "there"]);
    assert_eq!(rig.say("a", "broken").await, Vec::<String>::new());
    let (_, tracker) = rig.json("GET", "/conversations/a/tracker", Value::Null).await;
    let users: Vec<&Value> =
        tracker["events"].as_array().unwrap().iter().filter(|event| event["event"] == "user").collect();
    assert_eq!(users[0]["parse_data"]["text"], "hello a");
    assert_eq!(users[1]["text"], "broken");
    assert_eq!(users[1]["parse_data"]["intent"], json!({"name": "", "confidence": 0.0}));
    let (status, parse) = rig.json("POST", "/model/parse", json!({"text": "hello"})).await;
    assert_eq!((status, &parse["intent"]["name"]), (200, &json!("greet")));
}
