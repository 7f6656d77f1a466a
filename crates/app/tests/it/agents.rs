//! An exported agent on its way through the binary: taken in, trained, served, given back.

use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{archives, binary, intendant, succeed};

pub fn export() -> Sandbox {
    let text = |text: &str| json!({"type": 0, "lang": "en", "speech": [text]});
    let phrase = |text: &str| json!({"data": [{"text": text}]});
    let settings = json!({"displayName": "bakery", "language": "en", "mlMinConfidence": 0.3,
        "webhook": {"url": "http://127.0.0.1:9/", "available": true, "password": "placeholder-secret"}});
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
