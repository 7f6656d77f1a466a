//! The gateway in the binary: an agent that answers for nothing, refusals in words, figures.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Sender, channel};

use fixtures::browser::Browser;
use fixtures::http::Connection;
use fixtures::process::{Server, free_port};
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::agents::export;
use crate::{binary, intendant, stand_in, succeed};

/// A trained agent with settings of a gateway.
fn agent(settings: &str) -> Sandbox {
    let sandbox = export();
    succeed(sandbox.path(), &["import", "dialogflow", "export", "--out", "."]);
    succeed(sandbox.path(), &["train"]);
    sandbox.write("intendant.yml", settings).unwrap();
    sandbox
}

fn post(connection: &mut Connection, path: &str, body: &Value) -> Value {
    serde_json::from_slice(connection.request(path, Some(&body.to_string())).unwrap()).unwrap()
}

fn get(connection: &mut Connection, path: &str) -> String {
    String::from_utf8_lossy(connection.request(path, None).unwrap()).into_owned()
}

#[test]
fn up_talks_as_an_agent_alone_and_through_the_gateway() {
    let sandbox = agent("gateway: {upstream: {type: assistant}}");
    let server = Server::start(binary(), sandbox.path(), &["up", "."]).unwrap();
    let mut connection = server.connect().unwrap();
    let about: Value = serde_json::from_str(&get(&mut connection, "/api/chat/about")).unwrap();
    assert_eq!(about["assistant_id"], "bakery");
    let told = post(&mut connection, "/api/chat", &json!({"sender": "s", "message": "I want rolls"}));
    assert_eq!(told["messages"], json!([{"text": "How many?"}]));
    assert_eq!(told["reasons"]["intent_ranking"][0]["name"], "Order");
    let told = post(&mut connection, "/api/gateway/message", &json!({"text": "I want rolls"}));
    assert_eq!((&told["messages"][0]["text"], &told["source"]), (&json!("How many?"), &json!("upstream")));
    let more = json!({"text": "three", "session": told["session"]});
    let told = post(&mut connection, "/api/gateway/message", &more);
    assert_eq!(told["messages"][0]["text"], "3 rolls, right?");
    // Dialogflow's clients reach the gateway; what only an agent has, the agent.
    let session = "/v2/projects/bakery/agent/sessions/another";
    let query = json!({"queryInput": {"text": {"text": "hello", "languageCode": "en"}}});
    let told = post(&mut connection, &format!("{session}:detectIntent"), &query);
    assert_eq!(told["queryResult"]["fulfillmentText"], "Good morning!");
    assert_eq!(told["queryResult"]["intent"]["displayName"], "Hello");
    assert_eq!(get(&mut connection, &format!("{session}/contexts")), "{\"contexts\":[]}");
    let figures = get(&mut connection, "/metrics");
    assert!(figures.contains("intendant_gateway_inquiries_total{outcome=\"upstream\"} 3"), "{figures}");
    server.stop().unwrap();
}

#[test]
fn an_agent_stands_in_for_an_upstream_without_money() {
    let nobody = free_port().unwrap();
    let settings = format!(
        "budget: {{limit: 0.001, exhausted: degrade}}\n\
         gateway: {{fallback: true, instead_of: dialogflow/essentials, keys: {{ann: a-secret-that-ann-has}}, anonymous: true, \
         upstream: {{type: dialogflow, project: p, url: \"http://127.0.0.1:{nobody}\"}}}}\n"
    );
    let sandbox = agent(&settings);
    sandbox.write("site/index.html", "<title>Front</title>").unwrap();
    let server = Server::start(binary(), sandbox.path(), &["gateway", "--static-files", "site"]).unwrap();
    let mut connection = server.connect().unwrap();
    let told = post(&mut connection, "/api/gateway/message", &json!({"text": "hello"}));
    assert_eq!(
        (&told["messages"], &told["source"]),
        (&json!([{"text": "Good morning!"}]), &json!("fallback"))
    );
    assert_eq!(get(&mut connection, "/"), "<title>Front</title>");
    let answer = connection.send("GET", "/metrics", &[("x-api-key", "a-secret-that-ann-has")], b"").unwrap();
    let figures = answer.text();
    for expected in [
        "intendant_gateway_inquiries_total{outcome=\"fallback\"} 1",
        "intendant_budget_limit_micro_usd{account=\"month\"} 1000",
        "intendant_budget_saved_micro_usd{account=\"month\"} 2000",
    ] {
        assert!(figures.contains(expected), "{expected} in {figures}");
    }
    assert!(!get(&mut connection, "/metrics").contains("month"));
    server.stop().unwrap();
}

/// A gateway whose budget is used up before anybody asks.
fn without_money() -> Sandbox {
    let sandbox = Sandbox::empty().unwrap();
    let settings = "budget: {limit: 0}\n\
                    gateway: {upstream: {type: dialogflow, project: p, url: \"http://127.0.0.1:9\"}}\n";
    sandbox.write("intendant.yml", settings).unwrap();
    sandbox
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let sandbox = without_money();
    let server = Server::start(binary(), sandbox.path(), &["gateway"]).unwrap();
    let mut connection = server.connect().unwrap();
    let mut ask = |language: &str| {
        let headers = [("accept-language", language)];
        connection.send("POST", "/api/gateway/message", &headers, b"{\"text\": \"hello\"}").unwrap()
    };
    let refused = ask("de-CH");
    assert_eq!((refused.status, refused.header("content-type")), (429, Some("application/problem+json")));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    // To the end of the month at most.
    assert!((1..=31 * 86_400).contains(&seconds), "{seconds}");
    let problem = refused.json().unwrap();
    assert_eq!((&problem["code"], &problem["scope"]), (&json!("budget_exceeded"), &json!("global")));
    assert!(problem["detail"].as_str().unwrap().starts_with("Ich kann gerade keine Fragen mehr"));
    assert!(problem.get("limit").is_none());
    assert!(ask("fr").json().unwrap()["detail"].as_str().unwrap().starts_with("Je ne peux plus"));
    server.stop().unwrap();
    let status = succeed(sandbox.path(), &["budget", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["accounts"][0]["is_exhausted"], true);
    assert!(!intendant(sandbox.path(), &["budget", "grant", "1"]).status.success(), "a grant says why");
}

#[test]
fn the_chat_page_shows_a_refusal_as_a_sentence() {
    let Some(mut browser) = Browser::open().unwrap() else {
        eprintln!("skipped: chromedriver is not installed");
        return;
    };
    let sandbox = without_money();
    let server = Server::start(binary(), sandbox.path(), &["gateway"]).unwrap();
    browser.go(&format!("http://127.0.0.1:{}/chat", server.port)).unwrap();
    browser.wait_for("document.title.includes('Conversation')").unwrap();
    browser.wait_for("document.querySelector('#why').hidden").unwrap();
    browser.type_into("#input", "hello\u{E007}").unwrap();
    let said =
        "document.querySelector('#log .bot')?.innerText.includes('I cannot answer any more questions')";
    browser.wait_for(said).unwrap();
    browser.wait_for("document.querySelector('#error').hidden").unwrap();
}

/// A language model that halts in the middle of its answer until it is told to go on.
fn halting_model() -> (u16, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (go_on, waiting) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stand_in::read(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
        let piece = |text: &str| format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]}));
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(format!("{head}{}", piece("Good ")).as_bytes()).unwrap();
        waiting.recv().unwrap();
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}});
        let rest = format!("{}data: {usage}\n\ndata: [DONE]\n\n", piece("day"));
        stream.write_all(rest.as_bytes()).unwrap();
    });
    (port, go_on)
}

#[test]
fn the_chat_page_shows_an_answer_while_it_is_made() {
    let Some(mut browser) = Browser::open().unwrap() else {
        eprintln!("skipped: chromedriver is not installed");
        return;
    };
    let (port, go_on) = halting_model();
    let sandbox = Sandbox::empty().unwrap();
    let settings = format!(
        "budget:\n  limit: 1\n  prices:\n    - {{upstream: openai, kind: input_tokens, edition: small, price: 0.001}}\n    \
         - {{upstream: openai, kind: output_tokens, edition: small, price: 0.5, per: 1000}}\n\
         gateway: {{upstream: {{type: openai, model: small, url: \"http://127.0.0.1:{port}/v1\"}}}}\n"
    );
    sandbox.write("intendant.yml", &settings).unwrap();
    let server = Server::start(binary(), sandbox.path(), &["gateway"]).unwrap();
    browser.go(&format!("http://127.0.0.1:{}/chat", server.port)).unwrap();
    browser.wait_for("document.title.includes('Conversation')").unwrap();
    browser.type_into("#input", "hello\u{E007}").unwrap();
    browser.wait_for("document.querySelector('#log .bot')?.textContent === 'Good '").unwrap();
    go_on.send(()).unwrap();
    browser.wait_for("document.querySelector('#log .bot')?.textContent === 'Good day'").unwrap();
    browser.wait_for("document.querySelectorAll('#log .bot').length === 1 && !document.querySelector('#input').disabled").unwrap();
    let status: Value =
        serde_json::from_str(&succeed(sandbox.path(), &["budget", "status", "--json"])).unwrap();
    assert_eq!(status["accounts"][0]["spent_micros"], 11_000);
    assert_eq!(status["accounts"][0]["reserved_micros"], 0);
}
