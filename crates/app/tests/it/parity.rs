//! Two assistants, the same words: `intendant parity`, and the exports that it replays.

use fixtures::http::Connection;
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{binary, intendant, succeed, trained_starter};

const ENDPOINTS: &str = "tracker_store:\n  type: sql\n  dialect: sqlite\n  db: rasa.db\nevent_broker:\n  type: file\n  \
    path: events.ndjson\n";

fn parity(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> (i32, Value) {
    let url = format!("http://127.0.0.1:{}", server.port());
    let mut words = vec!["parity", "--against", &url, "--json"];
    words.extend(arguments);
    let output = intendant(sandbox.path(), &words);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), report)
}

#[test]
fn an_assistant_is_at_parity_with_itself_and_not_with_another() {
    let theirs = trained_starter();
    let server = Server::start(binary(), theirs.path(), &["run", "--enable-api"]).unwrap();
    let stories = theirs.at("tests").display().to_string();
    let (code, report) = parity(&theirs, &server, &["--conversations", &stories]);
    assert_eq!((code, &report["same"]), (0, &json!(true)), "{report:#}");
    assert_eq!(report["messages"], json!(10), "{report:#}");

    // Another text, another action, and a response with a variation more.
    let ours = Sandbox::copy_of(theirs.path()).unwrap();
    let change = |path: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(ours.at(path)).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        ours.write(path, &text.replacen(from, to, 1)).unwrap();
    };
    change("domain.yml", "Goodbye, take care!", "So long!");
    change("domain.yml", "utter_happy:\n", "utter_happy:\n    - text: \"Great!\"\n");
    change("data/stories.yml", "- action: utter_did_that_help\n", "- action: utter_iamabot\n");
    change("data/stories.yml", "- action: utter_did_that_help\n", "- action: utter_iamabot\n");
    succeed(ours.path(), &["train", "--skip-validation"]);
    let (code, report) = parity(&ours, &server, &["--conversations", &stories, "--out", "report.json"]);
    assert_eq!(code, 1, "{report:#}");
    let counts = &report["differing"];
    assert_eq!((&counts["intent"], &counts["entities"]), (&json!(0), &json!(0)), "{report:#}");
    assert!(counts["replies"].as_u64() > counts["events"].as_u64(), "{report:#}");
    let text = report.to_string();
    assert!(text.contains("So long!") && text.contains("action utter_iamabot"), "{report:#}");
    // The variation is no difference.
    assert!(!text.contains("Great!"), "{report:#}");
    let written = std::fs::read_to_string(ours.at("report.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), report);
}

#[test]
fn conversations_are_replayed_from_a_database_and_from_what_was_exported() {
    let sandbox = trained_starter();
    sandbox.write("endpoints.yml", ENDPOINTS).unwrap();
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    let mut say = |sender: &str, message: &str| {
        let body = json!({"sender": sender, "message": message, "metadata": {"from": "test"}}).to_string();
        connection.request("/webhooks/rest/webhook", Some(&body)).unwrap();
    };
    say("ann", "hello");
    say("ann", "/mood_unhappy");
    say("bob", "bye");
    external(&mut server.connect().unwrap());
    drop(connection);
    // What serving published is not what is looked at here.
    std::fs::write(sandbox.at("events.ndjson"), "").unwrap();
    let told = succeed(sandbox.path(), &["export", "--offset-timestamps-by-seconds", "-60"]);
    assert!(told.contains("Exporting 2 conversations."), "{told}");
    let exported = std::fs::read_to_string(sandbox.at("events.ndjson")).unwrap();
    let events: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(told.contains(&format!("Successfully published {} events", events.len())), "{told}");
    assert!(events.iter().all(|event| ["ann", "bob"].contains(&event["sender_id"].as_str().unwrap())));

    for from in ["events.ndjson", "rasa.db"] {
        let (code, report) = parity(&sandbox, &server, &["--conversations", from, "--limit", "2"]);
        assert_eq!(code, 0, "{from}: {report:#}");
        assert_eq!(
            (&report["conversations"], &report["messages"]),
            (&json!(2), &json!(4)),
            "{from}: {report:#}"
        );
    }
    // Only what is left is exported, from the middle of a conversation on.
    let count = |arguments: &[&str]| {
        std::fs::write(sandbox.at("events.ndjson"), "").unwrap();
        succeed(sandbox.path(), &[&["export"], arguments].concat());
        std::fs::read_to_string(sandbox.at("events.ndjson")).unwrap().lines().count()
    };
    let of_bob = events.iter().filter(|event| event["sender_id"] == "bob").count();
    assert_eq!(count(&["--conversation-ids", "bob"]), of_bob);
    assert_eq!(
        count(&["--conversation-ids", "bob", "--from-conversation", "bob", "--from-event", "2"]),
        of_bob - 2
    );
    assert_eq!(count(&["--conversation-ids", "bob", "--maximum-timestamp", "1000"]), 0);
    sandbox
        .write("markers.yml", "left:\n  intent: goodbye\nmoody:\n  never:\n  - intent: mood_great\n")
        .unwrap();
    let told = succeed(sandbox.path(), &["evaluate", "markers", "sample_n", "9", "--seed", "1", "marks.csv"]);
    assert!(told.contains("2 markers, 6 conversations"), "{told}");
    let marks = std::fs::read_to_string(sandbox.at("marks.csv")).unwrap();
    assert!(marks.contains("bob,0,left,"), "{marks}");
    let overall = std::fs::read_to_string(sandbox.at("stats-overall.csv")).unwrap();
    assert!(overall.contains("all,nan,-,total_number_of_sessions,"), "{overall}");
}

/// An intent from outside in ann's conversation.
fn external(connection: &mut Connection) {
    let body = json!({"name": "goodbye"}).to_string();
    connection.request("/conversations/ann/trigger_intent", Some(&body)).unwrap();
}
