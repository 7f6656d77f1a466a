//! What was billed is settled, what surely was not is refunded, what nobody knows is settled and
//! marked.

use std::time::Duration;

use http::Method;
use intendant_budget::rule::Exhausted;
use intendant_client::completions::Model;
use intendant_port::clock::Clock;
use intendant_port::ledger::Wanted;
use serde_json::{Value, json};

use super::rig::{Plan, Rig, START, outcome, rule};
use super::stand_in::Turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_outcome_is_billed_as_it_should_be() {
    let rig = Rig::start(Plan::default()).await;
    let check = async |turns: &[Turn], expected: (u16, &str), spent: (&str, &str), calls: usize| {
        let before = rig.till.standings(rig.clock.now()).await.unwrap()[0].balance;
        rig.stand_in.script(turns);
        let found = rig.say("hello").await;
        assert_eq!((found.0, found.1.as_str()), expected, "{turns:?}");
        let after = rig.till.standings(rig.clock.now()).await.unwrap()[0].balance;
        let paid = after.spent.minus(before.spent).to_string();
        let uncertain = after.uncertain.minus(before.uncertain).to_string();
        assert_eq!((paid.as_str(), uncertain.as_str()), spent, "{turns:?}");
        assert_eq!(after.reserved.to_string(), "0.00", "{turns:?}");
        assert_eq!(rig.stand_in.asked().len(), calls, "{turns:?}");
    };
    let good = (200, "upstream: you said hello");
    let bad = (503, "upstream_unavailable");
    let (paid, free, marked) = (("0.002", "0.00"), ("0.00", "0.00"), ("0.002", "0.002"));
    check(&[], good, paid, 1).await;
    check(&[Turn::Status(400, None)], bad, free, 1).await;
    check(&[Turn::Status(403, None)], bad, free, 1).await;
    check(&[], good, paid, 1).await;
    check(&[Turn::Status(500, None)], bad, marked, 1).await;
    check(&[Turn::HangUp], bad, marked, 1).await;
    check(&[Turn::Half], bad, marked, 1).await;
    check(&[], good, paid, 1).await;
    check(&[Turn::Nonsense], bad, marked, 1).await;
    // Turned away, asked again, answered: paid once.
    check(&[Turn::Status(503, None), Turn::Status(429, None)], good, paid, 3).await;
    check(&[Turn::Status(429, Some(9_999))], bad, free, 1).await;
    let ends = Wanted { kinds: vec!["refund".to_owned()], lines_max: 100, ..Wanted::default() };
    let refunds = rig.till.history(&ends).await.unwrap();
    assert!(refunds[0].reason.starts_with("it answered 429"), "{:?}", refunds[0]);
    assert_eq!(refunds.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_comes_is_paid_and_marked() {
    let mut plan = Plan::default();
    plan.settings.timeout = Duration::from_secs(1);
    let rig = Rig::start(plan).await;
    rig.stand_in.script(&[Turn::Silence]);
    assert_eq!(rig.say("hello").await, (503, "upstream_unavailable".to_owned()));
    assert_eq!(rig.stands().await, "0.002/0.00, 0.002");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_not_there_costs_nothing_and_rests() {
    let rig = Rig::start(Plan::default()).await;
    // Turned away for so long that nobody waits for it.
    rig.stand_in.script(&vec![Turn::Status(503, Some(9_999)); 5]);
    for _ in 0..5 {
        assert_eq!(rig.say("hello").await.0, 503);
    }
    assert_eq!(rig.stand_in.asked().len(), 5);
    let answer =
        rig.send(Method::POST, "/api/gateway/message", &[], &json!({"text": "hello"}).to_string()).await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.headers["retry-after"], "30");
    assert_eq!(rig.stand_in.asked().len(), 0);
    assert_eq!(rig.stands().await, "0.00/0.00, 0.00");
    rig.clock.set(START + 30);
    assert_eq!(rig.say("hello").await, (200, "upstream: you said hello".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_hangs_up_leaves_nothing_held() {
    let mut plan = Plan::default();
    plan.settings.timeout = Duration::from_secs(10);
    let rig = Rig::start(plan).await;
    rig.stand_in.script(&[Turn::Silence]);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    {
        use tokio::io::AsyncWriteExt;
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
        let body = json!({"text": "hello"}).to_string();
        let head = format!(
            "POST /api/gateway/message HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        while rig.stand_in.asked().is_empty() {
            assert!(std::time::Instant::now() < deadline, "nobody was asked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    while rig.stands().await != "0.002/0.00, 0.002" {
        assert!(std::time::Instant::now() < deadline, "{}", rig.stands().await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_month_ends_and_a_new_one_begins_also_after_a_restart() {
    let plan = || Plan { rules: vec![rule("0.004", Exhausted::Block)], ..Plan::default() };
    let rig = Rig::start(plan()).await;
    assert_eq!(rig.say("one").await.0, 200);
    assert_eq!(rig.say("two").await.0, 200);
    let body = json!({"text": "three", "language": "de"}).to_string();
    let answer =
        rig.send(Method::POST, "/api/gateway/message", &[("x-forwarded-for", "1.2.3.4")], &body).await;
    assert_eq!(answer.status.as_u16(), 429);
    assert_eq!(answer.headers["retry-after"], "3600");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        problem,
        json!({"type": "about:blank", "title": "budget exceeded", "status": 429, "code": "budget_exceeded",
               "detail": "Ich kann gerade keine Fragen mehr beantworten. Bitte versuchen Sie es später noch einmal.",
               "scope": "global", "resets_at": START + 3600})
    );
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while rig.told.0.lock().unwrap().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "nobody was told");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut told = rig.told.0.lock().unwrap().clone();
    told.sort();
    let spent = |percent: u8| format!("budget month: {percent} % of 0.004 USD are spent");
    assert_eq!(told, [spent(100), spent(50)]);
    // The next process finds the budget used up, and the next month not.
    let folder = rig.folder;
    let again = Rig::start_in(folder, plan()).await;
    assert_eq!(again.say("three").await, (429, "budget_exceeded".to_owned()));
    again.clock.set(START + 3600);
    assert_eq!(again.say("three").await, (200, "upstream: you said three".to_owned()));
    again.clock.set(START);
    assert_eq!(again.say("four").await.0, 200);
    assert_eq!(again.say("five").await, (429, "budget_exceeded".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_money_the_rule_says_what_happens() {
    let check = async |exhausted: Exhausted, expected: (u16, &str)| {
        let rules = vec![rule("0.002", exhausted)];
        let rig = Rig::start(Plan { rules, has_fallback: true, ..Plan::default() }).await;
        assert_eq!(rig.say("one").await, (200, "upstream: you said one".to_owned()));
        let found = rig.say("two").await;
        assert_eq!((found.0, found.1.as_str()), expected);
        rig
    };
    check(Exhausted::Block, (429, "budget_exceeded")).await;
    check(Exhausted::Allow, (200, "upstream: you said two")).await;
    let excuse = "canned: I cannot answer any more questions right now. Please try again later.";
    check(Exhausted::Canned, (200, excuse)).await;
    let rig = check(Exhausted::Degrade, (200, "fallback: from nearby")).await;
    let saved = rig.till.standings(rig.clock.now()).await.unwrap()[0].balance.saved;
    assert_eq!(saved.to_string(), "0.002");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_upstream_is_stood_in_for() {
    let rig = Rig::start(Plan { has_fallback: true, ..Plan::default() }).await;
    rig.stand_in.script(&[Turn::Status(500, None)]);
    assert_eq!(rig.say("one").await, (200, "fallback: from nearby".to_owned()));
    assert_eq!(rig.stands().await, "0.002/0.00, 0.002");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_is_charged_once() {
    let rig = Rig::start(Plan::default()).await;
    let (_, first) = rig.post("/api/gateway/message", &[], &json!({"text": "hello"})).await;
    let again = json!({"text": "again", "session": first["session"]});
    let key = [("idempotency-key", "k1")];
    let (_, one) = rig.post("/api/gateway/message", &key, &again).await;
    let (_, two) = rig.post("/api/gateway/message", &key, &again).await;
    assert_eq!(
        (outcome(&one), outcome(&two)),
        ("upstream: you said again".into(), "repeated: you said again".into())
    );
    assert_eq!(rig.stands().await, "0.004/0.00, 0.00");
    // The same key in another conversation is another request.
    let (_, other) = rig.post("/api/gateway/message", &key, &json!({"text": "again"})).await;
    assert_eq!(outcome(&other), "upstream: you said again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatable_answers_are_kept() {
    let mut plan = Plan::default();
    plan.settings.cache_seconds = 60;
    let rig = Rig::start(plan).await;
    assert_eq!(rig.say("What  now").await, (200, "upstream: you said What  now".to_owned()));
    assert_eq!(rig.say("what now").await, (200, "cache: you said What  now".to_owned()));
    rig.clock.set(START + 61);
    assert_eq!(rig.say("what now").await, (200, "upstream: you said what now".to_owned()));
    // A conversation that the agent remembers something of is not repeatable.
    let context = json!({"name": "projects/p/agent/sessions/s/contexts/order", "lifespanCount": 2});
    rig.stand_in.script(&[Turn::Result(json!({"fulfillmentText": "which?", "outputContexts": [context]}))]);
    let (_, first) = rig.post("/api/gateway/message", &[], &json!({"text": "order"})).await;
    let second = json!({"text": "what now", "session": first["session"]});
    assert_eq!(
        outcome(&rig.post("/api/gateway/message", &[], &second).await.1),
        "upstream: you said what now"
    );
    assert_eq!(rig.say("order").await, (200, "upstream: you said order".to_owned()));
    let balance = rig.till.standings(rig.clock.now()).await.unwrap()[0].balance;
    assert_eq!((balance.saved.to_string(), balance.spent.to_string()), ("0.002".into(), "0.01".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_fetches_a_token_once_and_anew_when_it_is_refused() {
    let rig = Rig::start(Plan { has_account: true, ..Plan::default() }).await;
    assert_eq!(rig.say("one").await.0, 200);
    assert_eq!(rig.say("two").await.0, 200);
    let paths = |asked: Vec<Value>| -> Vec<String> {
        let shown = asked.iter().map(|call| {
            let path = call[0].as_str().unwrap().split("/sessions/").next().unwrap().to_owned();
            format!("{path} {}", call[1].as_str().unwrap_or("-"))
        });
        shown.collect()
    };
    let detect = "/v2/projects/agent/agent Bearer good";
    let asked = rig.stand_in.asked();
    let claim = asked[0][2].as_str().unwrap();
    assert!(
        claim.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey")
    );
    assert_eq!(paths(asked), ["/token -", detect, detect]);
    rig.stand_in.script(&[Turn::Status(401, None)]);
    assert_eq!(rig.say("three").await.0, 200);
    assert_eq!(paths(rig.stand_in.asked()), [detect, "/token -", detect]);
    assert_eq!(rig.stands().await, "0.006/0.00, 0.00");
}

fn model() -> Model {
    Model {
        name: "small".to_owned(),
        instructions: Some("Be brief.".to_owned()),
        answer_tokens_max: 100,
        token: Some("secret".to_owned()),
        timeout: Duration::from_secs(60),
    }
}

fn raw(body: &str, content_type: &str) -> Turn {
    let length = body.len();
    Turn::Raw(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_language_model_is_paid_by_tokens() {
    let rig = Rig::start(Plan { model: Some(model()), ..Plan::default() }).await;
    let answer = json!({"choices": [{"message": {"role": "assistant", "content": "Hi."}}],
                        "usage": {"prompt_tokens": 20, "completion_tokens": 5}});
    rig.stand_in.script(&[raw(&answer.to_string(), "application/json")]);
    let (status, first) = rig.post("/api/gateway/message", &[], &json!({"text": "hello"})).await;
    assert_eq!((status, outcome(&first)), (200, "upstream: Hi.".to_owned()));
    assert_eq!(rig.stands().await, "0.00004/0.00, 0.00");
    let asked = rig.stand_in.asked();
    assert_eq!(asked[0][1], "Bearer secret");
    // What was said before goes along, and an answer without usage is paid as estimated.
    let bare = json!({"choices": [{"message": {"content": "Bye."}}]});
    rig.stand_in.script(&[raw(&bare.to_string(), "application/json")]);
    rig.post("/api/gateway/message", &[], &json!({"text": "bye", "session": first["session"]})).await;
    let messages = rig.stand_in.asked()[0][2]["messages"].clone();
    let texts: Vec<&str> =
        messages.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Be brief.", "hello", "Hi.", "bye"]);
    assert_eq!(rig.stands().await, "0.00054/0.00, 0.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_streamed_while_it_is_made() {
    let rig = Rig::start(Plan { model: Some(model()), ..Plan::default() }).await;
    let events = "data: {\"choices\":[{\"delta\":{\"content\":\"Good \"}}]}\n\n\
                  data: {\"choices\":[{\"delta\":{\"content\":\"day\"}}]}\n\n\
                  data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":10}}\n\n";
    let whole = format!("{events}data: [DONE]\n\n");
    rig.stand_in.script(&[raw(&whole, "text/event-stream")]);
    let accept = [("accept", "text/event-stream")];
    let ask = async || {
        let body = json!({"text": "hello"}).to_string();
        let answer = rig.send(Method::POST, "/api/gateway/message", &accept, &body).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let (status, text) = ask().await;
    assert_eq!(status, 200);
    let pieces =
        "event: piece\ndata: {\"text\":\"Good \"}\n\nevent: piece\ndata: {\"text\":\"day\"}\n\nevent: done\n";
    assert!(text.starts_with(pieces), "{text}");
    assert!(text.contains("\"messages\":[{\"text\":\"Good day\"}],\"source\":\"upstream\""), "{text}");
    assert_eq!(rig.stands().await, "0.00005/0.00, 0.00");
    // It breaks off: what was used is not known.
    rig.stand_in.script(&[raw(events, "text/event-stream")]);
    let (_, text) = ask().await;
    assert!(text.contains("event: problem\ndata: {\"code\":\"upstream_unavailable\""), "{text}");
    assert!(rig.stands().await.ends_with("/0.00, 0.000462"), "{}", rig.stands().await);
    // Turned away before a word was said: an ordinary refusal.
    rig.stand_in.script(&[Turn::Status(429, Some(3))]);
    assert_eq!(ask().await.0, 503);
}
