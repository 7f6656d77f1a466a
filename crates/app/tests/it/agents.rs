//! An exported agent on its way through the binary: taken in, trained, served, given back.

use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixtures::process::Server;
use fixtures::project::Sandbox;
use fixtures::services::{Kind, Service};
use serde_json::{Value, json};

use crate::stand_in::StandIn;
use crate::{archives, binary, intendant, succeed};

/// An export whose webhook is this.
fn export_with(webhook: &str) -> Sandbox {
    let text = |text: &str| json!({"type": 0, "lang": "en", "speech": [text]});
    let phrase = |text: &str| json!({"data": [{"text": text}]});
    let settings = json!({"displayName": "bakery", "language": "en", "mlMinConfidence": 0.3,
        "webhook": {"url": webhook, "available": true, "password": "placeholder-secret"}});
    let hello = json!({"id": "h", "name": "Hello", "auto": true, "events": [{"name": "WELCOME"}],
        "responses": [{"messages": [text("Good morning!")]}]});
    let order = json!({"id": "o", "name": "Order", "auto": true, "webhookUsed": true,
        "responses": [{"affectedContexts": [{"name": "Order-followup", "lifespan": 2}],
            "parameters": [{"name": "count", "dataType": "@sys.number", "value": "$count", "required": true,
                "prompts": [{"lang": "en", "value": "How many?"}]}],
            "messages": [text("$count rolls, right?")]}]});
    let right = json!({"id": "r", "name": "Right", "auto": true, "contexts": ["order-followup"],
        "responses": [{"messages": [text("Done.")]}]});
    let files = [
        ("export/agent.json", settings),
        ("export/intents/Hello.json", hello),
        ("export/intents/Hello_usersays_en.json", json!([phrase("hello"), phrase("good morning")])),
        ("export/intents/Order.json", order),
        (
            "export/intents/Order_usersays_en.json",
            json!([phrase("I want rolls"), phrase("order some rolls")]),
        ),
        ("export/intents/Right.json", right),
        ("export/intents/Right_usersays_en.json", json!([phrase("yes"), phrase("that is right")])),
    ];
    let sandbox = Sandbox::empty().unwrap();
    for (name, value) in files {
        sandbox.write(name, &value.to_string()).unwrap();
    }
    sandbox
}

/// An export of a small agent.
pub fn export() -> Sandbox {
    export_with("http://127.0.0.1:9/")
}

/// A trained agent whose webhook is this.
fn trained_with(webhook: &str) -> Sandbox {
    let sandbox = export_with(webhook);
    succeed(sandbox.path(), &["import", "dialogflow", "export", "--out", "."]);
    succeed(sandbox.path(), &["train"]);
    sandbox
}

fn serve(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Server {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Server::start_with(binary(), sandbox.path(), &["run", "--enable-api"], &variables).unwrap()
}

/// The answer of `detectIntent` to a text in the session `s`, or to any `queryInput`.
fn say(server: &Server, input: impl Into<Value>) -> Value {
    let input = match input.into() {
        Value::String(text) => json!({"text": {"text": text}}),
        other => other,
    };
    let body = json!({"queryInput": input}).to_string();
    let path = "/v2/projects/bakery/agent/sessions/s:detectIntent";
    let mut connection = server.connect().unwrap();
    connection.send("POST", path, &[], body.as_bytes()).unwrap().json().unwrap()
}

/// An order that is begun with one server, continued with the next and confirmed at a third, which all
/// keep conversations in the same database.
fn order_at_three_servers(variables: &[(&str, &str)]) {
    let sandbox = trained_with("");
    let first = serve(&sandbox, variables);
    assert_eq!(say(&first, "I want rolls")["queryResult"]["fulfillmentText"], "How many?");
    first.kill().unwrap();
    let (second, third) = (serve(&sandbox, variables), serve(&sandbox, variables));
    assert_eq!(say(&second, "three")["queryResult"]["fulfillmentText"], "3 rolls, right?");
    let confirmed = say(&third, "yes");
    assert_eq!(confirmed["queryResult"]["fulfillmentText"], "Done.");
    assert_eq!(confirmed["queryResult"]["outputContexts"][0]["parameters"]["count"], 3.0);
    assert_eq!(confirmed["queryResult"]["outputContexts"][0]["lifespanCount"], 1);
    second.stop().unwrap();
    third.stop().unwrap();
}

#[test]
fn conversations_outlive_servers_and_are_shared_by_them() {
    order_at_three_servers(&[]);
    let Some(postgres) = Service::start(Kind::Postgres).unwrap() else { return };
    order_at_three_servers(&[("INTENDANT_AGENTS__DATABASE", &postgres.url())]);
}

#[test]
fn webhooks_reach_our_own_network_only_where_that_is_allowed() {
    let elsewhere = StandIn::start(&json!({}));
    let script = json!({
        "/hook": [{"json": {"fulfillmentText": "as you wish"}}],
        "/moved": [{"status": 302, "headers": {"location": format!("http://127.0.0.1:{}/", elsewhere.port)}}],
        "/large": [{"json": {"fulfillmentText": "x".repeat(70_000)}}],
    });
    let hook = StandIn::start(&script);
    let own = format!("127.0.0.1:{}", hook.port);
    let check = |url: &str, variables: &[(&str, &str)], expected: Result<&str, &str>| {
        let sandbox = trained_with(url);
        let server = serve(&sandbox, variables);
        say(&server, "I want rolls");
        let answer = say(&server, "2");
        let told = answer["webhookStatus"]["message"].as_str().unwrap_or_default();
        match expected {
            Ok(text) => assert_eq!(answer["queryResult"]["fulfillmentText"], text, "{url}: {told}"),
            Err(why) => {
                assert_eq!(answer["queryResult"]["fulfillmentText"], "2 rolls, right?", "{url}");
                assert!(told.contains(why), "{url}: {told}");
            }
        }
        server.stop().unwrap();
    };
    let allowed = json!([own]).to_string();
    let allowed = [("INTENDANT_AGENTS__WEBHOOK__ALLOWED_HOSTS", allowed.as_str())];
    let refusal = "not at a public address";
    check(&format!("http://{own}/hook"), &[], Err(refusal));
    check(&format!("http://localhost:{}/hook", hook.port), &[], Err(refusal));
    check("http://169.254.169.254/latest/meta-data/", &allowed, Err(refusal));
    assert_eq!(hook.rest(), Vec::<Value>::new());
    check(&format!("http://{own}/hook"), &allowed, Ok("as you wish"));
    check(&format!("http://{own}/moved"), &allowed, Err("302"));
    check(&format!("http://{own}/large"), &allowed, Err("broke off"));
    let settled = format!("http://{own}/hook");
    check("", &[("INTENDANT_AGENT_WEBHOOK_URL", &settled)], Ok("as you wish"));
    assert_eq!(elsewhere.rest(), Vec::<Value>::new());
}

#[test]
fn the_secret_of_webhooks_is_shown_only_where_it_is_meant_for() {
    let script = json!({
        "/hook": [{"json": {"fulfillmentText": "as you wish"}}],
        "/moved": [{"status": 302, "headers": {"location": "{here}/hook"}}],
    });
    let hook = StandIn::start(&script);
    let (own, url) = (format!("127.0.0.1:{}", hook.port), format!("http://127.0.0.1:{}/hook", hook.port));
    let allowed = json!([own]).to_string();
    let check = |named: &str, settings: &[(&str, &str)], expected: &[Option<&str>]| {
        let sandbox = trained_with(named);
        let secret = ("INTENDANT_AGENTS__WEBHOOK__AUTHORIZATION", "Bearer of-the-server");
        let allowed = ("INTENDANT_AGENTS__WEBHOOK__ALLOWED_HOSTS", allowed.as_str());
        let key = ("INTENDANT_AGENTS__WEBHOOK__SIGNING_KEY", "a key of the server");
        let variables = [&[secret, allowed, key], settings].concat();
        let server = serve(&sandbox, &variables);
        say(&server, "I want rolls");
        say(&server, "2");
        let calls = hook.rest();
        let shown: Vec<&Value> = calls.iter().map(|call| &call["authorization"]).collect();
        assert_eq!(json!(shown), json!(expected), "{named} with {settings:?}");
        let are_signed = calls.iter().all(|call| {
            call["x-intendant-signature"].as_str().is_some_and(|text| text.starts_with("t="))
                == call["authorization"].is_string()
        });
        assert!(are_signed, "{calls:?}");
        server.stop().unwrap();
    };
    const FOR: &str = "INTENDANT_AGENTS__WEBHOOK__AUTHORIZATION_FOR";
    let secret = Some("Bearer of-the-server");
    // An address out of the agent's files is that of whoever wrote them.
    check(&url, &[], &[None]);
    check(&url, &[(FOR, &json!([own]).to_string())], &[None]);
    check(&url, &[(FOR, &json!(["http://127.0.0.1:1"]).to_string())], &[None]);
    check(&url, &[(FOR, &json!([format!("http://{own}")]).to_string())], &[secret]);
    check("", &[("INTENDANT_AGENT_WEBHOOK_URL", &url)], &[secret]);
    check("http://127.0.0.1:9/", &[("INTENDANT_AGENTS__WEBHOOK__URL", &url)], &[secret]);
    let moved = url.replace("/hook", "/moved");
    check("", &[("INTENDANT_AGENT_WEBHOOK_URL", &moved)], &[secret]);
}

#[test]
fn sound_is_refused_in_the_form_of_googles_errors() {
    let sandbox = trained_with("");
    let server = serve(&sandbox, &[]);
    let refused = say(&server, json!({"audioConfig": {"audioEncoding": "AUDIO_ENCODING_LINEAR_16"}}));
    let expected = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "Audio is not understood here: send queryInput.text."}});
    assert_eq!(refused, expected);
    server.stop().unwrap();
}

#[test]
fn an_agent_is_served_as_its_clients_know_it() {
    let sandbox = export();
    succeed(sandbox.path(), &["import", "dialogflow", "export", "--out", "."]);
    assert!(succeed(sandbox.path(), &["train"]).contains("trained and saved"));
    assert!(succeed(sandbox.path(), &["train"]).contains("Nothing changed"));
    let models = archives(&sandbox.at("models"));
    assert_eq!(models.len(), 1);
    assert!(!String::from_utf8_lossy(&std::fs::read(&models[0]).unwrap()).contains("placeholder-secret"));
    let refused = intendant(sandbox.path(), &["shell", "nlu"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is that of an agent"));

    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    let mut ask = |path: &str, body: Value| -> Value {
        let answer = connection.request(path, Some(&body.to_string())).unwrap();
        serde_json::from_slice(answer).unwrap()
    };
    let session = "/v2/projects/bakery/agent/sessions/s";
    let mut say =
        |text: &str| ask(&format!("{session}:detectIntent"), json!({"queryInput": {"text": {"text": text}}}));
    assert_eq!(say("good morning")["queryResult"]["fulfillmentText"], "Good morning!");
    assert_eq!(say("I want rolls")["queryResult"]["fulfillmentText"], "How many?");
    let ordered = say("three");
    assert_eq!(ordered["queryResult"]["fulfillmentText"], "3 rolls, right?");
    assert!(ordered["webhookStatus"]["message"].as_str().unwrap().starts_with("Webhook call failed"));
    let confirmed = say("yes");
    assert_eq!(confirmed["queryResult"]["intent"]["displayName"], "Right");
    let contexts = &confirmed["queryResult"]["outputContexts"];
    assert_eq!(contexts[0]["name"], "projects/bakery/agent/sessions/s/contexts/order-followup");
    assert_eq!(contexts[0]["lifespanCount"], 1);
    let rest = ask("/webhooks/rest/webhook", json!({"sender": "anna", "message": "hello"}));
    assert_eq!(rest, json!([{"text": "Good morning!", "recipient_id": "anna"}]));
    server.stop().unwrap();
}

#[test]
fn backups_at_the_same_moment_have_numbers_of_their_own() {
    let sandbox = export();
    let backups: Vec<String> = (0..8).map(|number| format!("export-{number}")).collect();
    for place in &backups {
        let settings = json!({"displayName": place, "language": "en"}).to_string();
        sandbox.write(&format!("{place}/agent.json"), &settings).unwrap();
    }
    let begin = |place: &String| {
        let mut command = Command::new(binary());
        command.args(["backup", "create", place, "--store", "versions"]).current_dir(sandbox.path());
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let begun: Vec<_> = backups.iter().map(begin).collect();
    for mut process in begun {
        assert!(process.wait().unwrap().success());
    }
    let listed = succeed(sandbox.path(), &["backup", "list", "--store", "versions", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let numbers: Vec<u64> =
        listed.as_array().unwrap().iter().map(|version| version["version"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<u64>>());
    succeed(sandbox.path(), &["backup", "verify", "--store", "versions"]);
}

#[test]
fn an_agent_at_google_is_backed_up() {
    let sandbox = export();
    succeed(sandbox.path(), &["import", "dialogflow", "export", "--out", "."]);
    succeed(sandbox.path(), &["export", "dialogflow", ".", "--out", "agent.zip"]);
    let content = STANDARD.encode(std::fs::read(sandbox.at("agent.zip")).unwrap());
    let operation = "projects/shop/operations/7";
    let begun = json!({"json": {"name": operation}});
    let refusal = json!({"json": {"done": true, "error": {"code": 7, "message": "no such right"}}});
    let script = json!({
        "/v2/projects/shop/agent:export": [begun],
        "/v2/projects/shop/operations/7":
            [begun, {"json": {"name": operation, "done": true, "response": {"agentContent": content}}}],
        "/v2/projects/other/locations/europe-west1/agent:export": [refusal],
    });
    let google = StandIn::start(&script);
    let url = format!("http://127.0.0.1:{}", google.port);
    let backup = |project: &str, more: &[&str]| {
        let command =
            ["backup", "create", "--from-dialogflow", project, "--store", "versions", "--url", &url];
        intendant(sandbox.path(), &[&command, more].concat())
    };
    let kept = backup("shop", &["--keep", "3"]);
    assert!(String::from_utf8_lossy(&kept.stdout).starts_with("Kept as version 1 "), "{kept:?}");
    let paths: Vec<Value> = google.rest().iter().map(|call| call["call"].clone()).collect();
    let after = "GET /v2/projects/shop/operations/7";
    assert_eq!(json!(paths), json!(["POST /v2/projects/shop/agent:export", after, after]));
    let same = succeed(sandbox.path(), &["backup", "diff", "--agent", "export", "--store", "versions"]);
    assert_eq!(same, "No difference.\n");
    let again = backup("shop", &[]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), "Nothing changed since the newest version.\n");
    let refused = backup("other", &["--location", "europe-west1"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no such right"), "{refused:?}");
    let unnamed = intendant(sandbox.path(), &["backup", "create", "--from-dialogflow", "shop"]);
    assert!(String::from_utf8_lossy(&unnamed.stderr).contains("--credentials"), "{unnamed:?}");
}

#[test]
fn mistakes_of_an_export_are_named() {
    let sandbox = export();
    sandbox.write("export/intents/Hello.json", "{\"name\": oops}").unwrap();
    let output = intendant(sandbox.path(), &["import", "dialogflow", "export", "--out", "."]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && told.contains("intents/Hello.json:1:10: error: this is not JSON"),
        "{told}"
    );
    assert!(!sandbox.at("agent").exists());
    let output = intendant(sandbox.path(), &["export", "dialogflow", "."]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no agent"));
}
