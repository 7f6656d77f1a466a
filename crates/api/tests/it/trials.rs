//! Models tried beside the one in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use intendant_serve::trial::{Plan, Role, Rules};
use serde_json::{Value, json};

use crate::rig::{Rig, Setup, assistant, changed};

const HELLO: &str = "hello\\n\\nthere";

fn plan(role: Role, percent: f64) -> Plan {
    // Time on a busy machine says nothing.
    let rules = Rules { messages_min: 5, latency_p95_factor_max: 1e6, ..Rules::default() };
    Plan { role, percent, rules }
}

async fn standing(rig: &Rig) -> Value {
    let (status, standing) = rig.json("GET", "/api/serving", Value::Null).await;
    assert_eq!(status, 200, "{standing}");
    standing
}

/// What is served, once it is as expected.
async fn until(rig: &Rig, is: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let found = standing(rig).await;
        if is(&found) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{found}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_canary_answers_its_share_and_always_the_same_people() {
    let rig = Rig::start(Setup::default()).await;
    rig.server.keep_previous_model();
    rig.server.begin_trial(changed(HELLO, "good day", "new"), plan(Role::Canary, 50.0));
    let mut canaries = Vec::new();
    for at in 0..40 {
        let sender = format!("user-{at}");
        let answers = [rig.say(&sender, "/greet").await, rig.say(&sender, "/greet").await];
        assert_eq!(answers[0], answers[1], "{sender} changed models");
        if answers[0] == ["good day"] {
            canaries.push(sender);
        }
    }
    assert!((8..=32).contains(&canaries.len()), "{canaries:?}");
    let found = standing(&rig).await;
    assert_eq!(found["model"]["model_file"], "m.tar.gz");
    assert_eq!(found["trial"]["candidate"]["messages"], canaries.len() * 2);
    assert_eq!(found["trial"]["current"]["messages"], 80 - canaries.len() * 2);
    assert_eq!(found["trial"]["candidate"]["failed"], 0);
    // A larger share keeps those that it has.
    rig.server.begin_trial(changed(HELLO, "good day", "new"), plan(Role::Canary, 70.0));
    for sender in &canaries {
        assert_eq!(rig.say(sender, "/greet").await, ["good day"]);
    }

    let (status, found) = rig.json("POST", "/api/serving/trial/promote", Value::Null).await;
    assert_eq!((status, &found["model"]["model_file"]), (200, &json!("new")), "{found}");
    assert_eq!(found["previous"]["model_file"], "m.tar.gz");
    assert!(found["trial"].is_null());
    assert_eq!(rig.say("somebody", "/greet").await, ["good day"]);
    let (status, found) = rig.json("POST", "/api/serving/rollback", Value::Null).await;
    assert_eq!((status, &found["model"]["model_file"]), (200, &json!("m.tar.gz")), "{found}");
    assert_eq!(rig.say("somebody", "/greet").await, ["hello", "there"]);
    assert_eq!(rig.json("POST", "/api/serving/trial/promote", Value::Null).await.0, 409);
    assert_eq!(rig.json("DELETE", "/api/serving/trial", Value::Null).await.0, 409);
}

#[tokio::test]
async fn shares_of_none_and_all_mean_that() {
    let rig = Rig::start(Setup::default()).await;
    for (percent, expected) in [(0.0, "hello"), (100.0, "good day"), (0.0, "hello")] {
        rig.server.begin_trial(changed(HELLO, "good day", "new"), plan(Role::Canary, percent));
        for at in 0..10 {
            assert_eq!(rig.say(&format!("{percent}-{at}"), "/greet").await[0], expected);
        }
    }
}

#[tokio::test]
async fn a_canary_that_does_worse_is_taken_out() {
    let rig = Rig::start(Setup::default()).await;
    let forgetful =
        changed("- rule: greet\n  steps:\n  - intent: greet\n  - action: utter_greet\n", "", "new");
    rig.server.begin_trial(forgetful, plan(Role::Canary, 50.0));
    for at in 0..40 {
        rig.say(&format!("user-{at}"), "/greet").await;
    }
    let found = standing(&rig).await;
    assert!(found["trial"].is_null(), "{found}");
    let last = &found["last_trial"];
    assert_eq!((&last["is_rollback"], &last["model"]["model_file"]), (&json!(true), &json!("new")));
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.starts_with("fallback rate 100.0 %, that of the model in use 0.0 %"), "{reason}");
    assert_eq!(last["candidate"]["messages"], 5, "judged as soon as there are enough");
    for at in 0..10 {
        assert_eq!(rig.say(&format!("user-{at}"), "/greet").await, ["hello", "there"]);
    }
    let metrics = rig.send("GET", "/metrics", &[], "").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "intendant_trial_rollbacks_total 1",
        "intendant_trial_messages_total{model=\"canary\",outcome=\"fallback\"} 5",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn a_shadow_answers_silently_and_calls_nobody() {
    let rig = Rig::start(Setup::default()).await;
    rig.server.begin_trial(changed(HELLO, "good day", "new"), plan(Role::Shadow, 100.0));
    rig.gate.permits.add_permits(1);
    for (at, text) in ["/greet", "/slow"].into_iter().enumerate() {
        let expected: &[&str] = if text == "/slow" { &["done"] } else { &["hello", "there"] };
        assert_eq!(rig.say("a", text).await, expected);
        until(&rig, |found| found["trial"]["comparison"]["messages"] == at + 1).await;
    }
    assert_eq!(rig.gate.traceparents.lock().unwrap().len(), 1, "the action was called again");
    let found = standing(&rig).await;
    assert_eq!(found["trial"]["comparison"]["different"], json!({}), "{found}");

    // One that acts differently is told of, with what it would have done.
    let other = changed("  - action: utter_greet\n", "  - action: action_slow\n", "other");
    rig.server.begin_trial(other, plan(Role::Shadow, 100.0));
    assert_eq!(rig.say("b", "/greet").await, ["hello", "there"]);
    let found = until(&rig, |found| found["trial"]["comparison"]["messages"] == 1).await;
    let comparison = &found["trial"]["comparison"];
    assert_eq!(comparison["different"], json!({"actions": 1}));
    let example = &comparison["examples"][0];
    assert_eq!((&example["sender_id"], &example["text"]), (&json!("b"), &json!("/greet")));
    let actions = |whose: &str| example[whose]["actions"].to_string();
    assert!(actions("current").contains("utter_greet"), "{example}");
    assert!(actions("shadow").ends_with("\"action_slow\"]"), "{example}");
    assert_eq!(rig.gate.traceparents.lock().unwrap().len(), 1);
    // What the shadow did is nowhere in the conversation.
    let (_, tracker) = rig.json("GET", "/conversations/b/tracker", Value::Null).await;
    assert!(!tracker["events"].to_string().contains("action_slow"), "{tracker}");
}

#[tokio::test]
async fn a_message_ends_with_the_model_it_began_with() {
    let rig = Arc::new(Rig::start(Setup::default()).await);
    let began = rig.gate.began.notified();
    let asking = {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.say("a", "/slow").await })
    };
    began.await;
    // The new model would say something after the action.
    let rule = "  - intent: slow\n  - action: action_slow\n";
    let new = changed(rule, &format!("{rule}  - action: utter_greet\n"), "new");
    rig.server.put_model(new);
    assert_eq!(rig.say("b", "/greet").await, ["hello", "there"]);
    rig.gate.permits.add_permits(2);
    assert_eq!(asking.await.unwrap(), ["done"]);
    assert_eq!(rig.say("c", "/slow").await, ["done", "hello", "there"]);
    assert!(rig.server.slots().previous.is_none(), "none is kept unless asked for");
    assert_eq!(rig.json("POST", "/api/serving/rollback", Value::Null).await.0, 409);
}

#[tokio::test]
async fn only_those_with_the_token_change_what_is_served() {
    let models_token = Some("s3cret".to_owned());
    let rig = Rig::start(Setup { models_token, ..Setup::default() }).await;
    rig.server.put_model(Arc::new(assistant("m.tar.gz")));
    let status = |path: &'static str, headers: &'static [(&str, &str)]| {
        let rig = &rig;
        async move { rig.send("GET", path, headers, "").await.status.as_u16() }
    };
    assert_eq!(status("/api/serving", &[]).await, 401);
    assert_eq!(status("/api/serving?token=wrong", &[]).await, 401);
    assert_eq!(status("/api/serving?token=s3cret", &[]).await, 200);
    assert_eq!(status("/api/serving", &[("authorization", "Bearer s3cret")]).await, 200);
    let trial = json!({"model": "x", "role": "mirror"});
    let (code, refused) = rig.json("PUT", "/api/serving/trial?token=s3cret", trial).await;
    assert_eq!(code, 400);
    assert_eq!(refused["message"], "`role` must be `shadow` or `canary`, found `mirror`");
}
