//! Who may ask, in which form, and what they see.

use std::time::Duration;

use http::Method;
use intendant_client::completions::Model;
use intendant_port::clock::Clock;
use serde_json::{Value, json};

use super::rig::{Plan, Rig, outcome};

const MESSAGE: &str = "/api/gateway/message";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_made_by_the_server() {
    let rig = Rig::start(Plan::default()).await;
    let (_, first) = rig.post(MESSAGE, &[], &json!({"text": "one"})).await;
    let session = first["session"].as_str().unwrap().to_owned();
    let (status, second) = rig.post(MESSAGE, &[], &json!({"text": "two", "session": session})).await;
    assert_eq!((status, second["session"].as_str()), (200, Some(session.as_str())));
    let (status, foreign) = rig.post(MESSAGE, &[], &json!({"text": "two", "session": "admin"})).await;
    assert_eq!((status, outcome(&foreign)), (400, "unknown_session".to_owned()));
    for bad in [json!({}), json!({"text": " "}), json!({"text": 1}), json!([])] {
        let (status, body) = rig.post(MESSAGE, &[], &bad).await;
        assert_eq!((status, outcome(&body)), (400, "bad_request".to_owned()), "{bad}");
    }
    let answer = rig.send(Method::GET, MESSAGE, &[], "").await;
    assert_eq!(answer.status.as_u16(), 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_have_a_length_and_a_rate() {
    let mut plan = Plan::default();
    plan.settings.message_chars_max = 10;
    plan.settings.per_address = 4;
    plan.settings.per_session = 2;
    plan.door.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let rig = Rig::start(plan).await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    let (status, body) = rig.post(MESSAGE, &from("9.9.9.9"), &json!({"text": "ä".repeat(11)})).await;
    assert_eq!((status, outcome(&body)), (413, "message_too_long".to_owned()));
    let (_, first) = rig.post(MESSAGE, &from("9.9.9.9"), &json!({"text": "ä".repeat(10)})).await;
    let next = json!({"text": "x", "session": first["session"]});
    assert_eq!(rig.post(MESSAGE, &from("9.9.9.9"), &next).await.0, 200);
    let (status, body) = rig.post(MESSAGE, &from("9.9.9.9"), &next).await;
    assert_eq!((status, outcome(&body)), (429, "rate_exceeded".to_owned()));
    // Whoever forges the header in front of the proxy changes nothing.
    let text = json!({"text": "x"});
    assert_eq!(rig.post(MESSAGE, &from("1.1.1.1, 9.9.9.9"), &text).await.0, 200);
    let answer = rig.send(Method::POST, MESSAGE, &from("2.2.2.2, 9.9.9.9"), &text.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.headers["retry-after"].to_str().unwrap()), (429, "16"));
    assert_eq!(rig.post(MESSAGE, &from("8.8.8.8"), &text).await.0, 200);
    assert_eq!(rig.stands().await, "0.008/0.00, 0.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_listed_origins_may_ask() {
    let mut plan = Plan::default();
    plan.door.origins = vec!["https://shop.example".to_owned()];
    let rig = Rig::start(plan).await;
    let check = async |method: Method, origin: &str, expected: (u16, Option<&str>)| {
        let body = json!({"text": "x"}).to_string();
        let answer = rig.send(method.clone(), MESSAGE, &[("origin", origin)], &body).await;
        let allowed = answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status.as_u16(), allowed), expected, "{method} {origin}");
    };
    check(Method::OPTIONS, "https://shop.example", (204, Some("https://shop.example"))).await;
    check(Method::POST, "https://shop.example", (200, Some("https://shop.example"))).await;
    check(Method::POST, "https://evil.example", (403, None)).await;
    check(Method::OPTIONS, "https://evil.example", (204, None)).await;
    check(Method::POST, "null", (403, None)).await;
    let own = format!("http://127.0.0.1:{}", rig.port);
    check(Method::POST, &own, (200, Some(&own))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_open_the_door_and_show_amounts() {
    let mut plan = Plan::default();
    plan.door.keys.insert("campus".to_owned(), "s3cret".to_owned());
    plan.door.anonymous = false;
    let rig = Rig::start(plan).await;
    let text = json!({"text": "x"});
    let (status, body) = rig.post(MESSAGE, &[], &text).await;
    assert_eq!((status, outcome(&body)), (401, "unauthorized".to_owned()));
    assert_eq!(rig.post(MESSAGE, &[("x-api-key", "wrong!")], &text).await.0, 401);
    // Google's clients are told in Google's words.
    for (headers, expected) in [
        (&[][..], (401, "UNAUTHENTICATED")),
        (&[("origin", "https://evil.example")], (403, "PERMISSION_DENIED")),
    ] {
        let (status, body) = rig.post("/v2/projects/p/agent/sessions/s:detectIntent", headers, &text).await;
        assert_eq!((status, body["error"]["status"].as_str().unwrap_or_default()), expected, "{body}");
    }
    let shown_key = [("authorization", "Bearer s3cret")];
    let answer = rig.send(Method::POST, MESSAGE, &shown_key, &text.to_string()).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["x-budget-limit"], "10.00");
    assert_eq!(answer.headers["x-budget-remaining"], "9.998");
    assert_eq!(answer.headers["x-budget-reset"], "3600");
    assert_eq!(rig.post("/api/gateway/message?key=s3cret", &[], &text).await.0, 200);
    let seen = async |headers: &[(&str, &str)]| {
        let answer = rig.send(Method::GET, "/api/gateway/status", headers, "").await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status.as_u16(), body["accounts"][0]["spent_micros"].as_i64())
    };
    assert_eq!(seen(&[]).await, (401, None));
    assert_eq!(seen(&shown_key).await, (200, Some(4_000)));
    let figures = async |headers: &[(&str, &str)]| {
        let answer = rig.send(Method::GET, "/metrics", headers, "").await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    let shown = figures(&[("x-api-key", "s3cret")]).await;
    for line in [
        "intendant_gateway_inquiries_total{outcome=\"upstream\"} 2",
        "intendant_budget_spent_micro_usd{account=\"month\"} 4000",
        "intendant_budget_limit_micro_usd{account=\"month\"} 10000000",
        "intendant_budget_exhausted{account=\"month\"} 0",
    ] {
        assert!(shown.lines().any(|found| found == line), "{line} is not in:\n{shown}");
    }
    assert!(!figures(&[]).await.contains("4000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_dialogflow_only_changes_its_host() {
    let rig = Rig::start(Plan::default()).await;
    let path = "/v2/projects/agent/agent/sessions/abc:detectIntent";
    let params = json!({"timeZone": "Europe/Berlin"});
    let ask = json!({"queryInput": {"text": {"text": "hello", "languageCode": "de"}}, "queryParams": params});
    let (status, body) = rig.post(path, &[("authorization", "Bearer of-google")], &ask).await;
    let detected = json!({"responseId": "r", "queryResult": {"fulfillmentText": "you said hello", "queryText": "hello"}});
    assert_eq!((status, &body), (200, &detected));
    let asked = rig.stand_in.asked();
    // Its credentials are ours, not the client's.
    assert_eq!(asked, [json!(["/v2/projects/agent/agent/sessions/abc:detectIntent", null, ask])]);
    for place in
        ["/v2/projects/p/locations/europe-west1/agent", "/v2beta1/projects/p/agent/environments/e/users/u"]
    {
        let event = json!({"queryInput": {"event": {"name": "WELCOME", "languageCode": "en"}}});
        assert_eq!(rig.post(&format!("{place}/sessions/s:detectIntent"), &[], &event).await.0, 200);
    }
    let check = async |path: &str, body: Value, expected: (u16, &str)| {
        let (status, body) = rig.post(path, &[], &body).await;
        assert_eq!((status, body["error"]["status"].as_str().unwrap_or_default()), expected, "{path}");
    };
    check(path, json!({"queryInput": {"audioConfig": {}}}), (400, "INVALID_ARGUMENT")).await;
    check(path, json!({}), (400, "INVALID_ARGUMENT")).await;
    check("/v2/projects/p/agent/sessions/abc:streaming", ask, (404, "NOT_FOUND")).await;
    let rig = Rig::start(Plan {
        rules: vec![super::rig::rule("0", intendant_budget::rule::Exhausted::Block)],
        ..Plan::default()
    })
    .await;
    let ask = json!({"queryInput": {"text": {"text": "hello", "languageCode": "fr"}}});
    let (status, body) = rig.post(path, &[], &ask).await;
    let message = "Je ne peux plus répondre aux questions pour le moment. Veuillez réessayer plus tard.";
    let refused = json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}});
    assert_eq!((status, body), (429, refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_answers_take_the_form_of_a_query_result() {
    let rules = vec![super::rig::rule("0", intendant_budget::rule::Exhausted::Degrade)];
    let rig = Rig::start(Plan { rules, has_fallback: true, ..Plan::default() }).await;
    let (_, body) = rig.post(MESSAGE, &[], &json!({"text": "hello"})).await;
    assert_eq!(body["messages"], json!([{"text": "from nearby"}]));
    let ask = json!({"queryInput": {"text": {"text": "hello", "languageCode": "en"}}});
    let (status, body) = rig.post("/v2/projects/p/agent/sessions/s:detectIntent", &[], &ask).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["queryResult"],
        json!({"queryText": "hello", "languageCode": "en", "allRequiredParamsPresent": true,
               "fulfillmentText": "from nearby", "fulfillmentMessages": [{"text": {"text": ["from nearby"]}}]})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_channel_of_rasa_is_spoken() {
    let rig = Rig::start(Plan::default()).await;
    for path in ["/webhooks/rest/webhook", "/api/gateway/webhooks/rest/webhook"] {
        let (status, body) = rig.post(path, &[], &json!({"sender": "ann", "message": "hello"})).await;
        assert_eq!((status, body), (200, json!([{"text": "you said hello", "recipient_id": "ann"}])));
    }
    let paths: Vec<Value> = rig.stand_in.asked().iter().map(|call| call[0].clone()).collect();
    assert_eq!(paths[0], paths[1]);
    assert!(!paths[0].as_str().unwrap().contains("ann"));
    let (status, body) = rig.post("/webhooks/rest/webhook", &[], &json!({"sender": "ann"})).await;
    assert_eq!((status, outcome(&body)), (400, "bad_request".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_ledger_nothing_is_sent_unless_somebody_said_so() {
    let check = async |unmetered_max: u64, expected: &[u16]| {
        let mut plan = Plan::default();
        plan.settings.unmetered_max = unmetered_max;
        plan.has_ledger = false;
        let rig = Rig::start(plan).await;
        for status in expected {
            assert_eq!(rig.say("hello").await.0, *status);
        }
        assert_eq!(rig.stand_in.asked().len() as u64, unmetered_max);
    };
    check(0, &[503, 503]).await;
    check(2, &[200, 200, 503]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_that_nobody_knows_is_refused() {
    let model = Model {
        name: "small".to_owned(),
        instructions: None,
        answer_tokens_max: u64::MAX,
        token: None,
        timeout: Duration::from_secs(60),
    };
    let rig = Rig::start(Plan { model: Some(model), ..Plan::default() }).await;
    assert_eq!(rig.say("hello").await, (503, "price_unknown".to_owned()));
    assert_eq!(rig.till.standings(rig.clock.now()).await.unwrap()[0].balance.spent.micros, 0);
}
