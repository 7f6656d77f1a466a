//! Serving: models, limits, conversations, an action server of `rasa-sdk`.

use std::process::{Child, Command, Stdio};

use fixtures::http::Connection;
use fixtures::process::{Server, free_port};
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{binary, intendant, repository, succeed, trained_starter};

pub fn say(connection: &mut Connection, sender: &str, message: &str) -> Vec<Value> {
    let body = json!({"sender": sender, "message": message}).to_string();
    let answer = connection.request("/webhooks/rest/webhook", Some(&body)).unwrap();
    serde_json::from_slice(answer).unwrap()
}

pub fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["text"].as_str()).collect()
}

#[test]
fn starter_answers_over_rest() {
    let sandbox = trained_starter();
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let mut connection = server.connect().unwrap();
    assert_eq!(texts(&say(&mut connection, "a", "hi there")), ["Hello! How is your day going?"]);
    assert_eq!(texts(&say(&mut connection, "a", "I feel wonderful today")), ["Wonderful, keep it up!"]);
    assert_eq!(texts(&say(&mut connection, "b", "bye")), ["Goodbye, take care!"]);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_message_of_ten_megabytes_is_refused_and_the_server_lives() {
    let sandbox = trained_starter();
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let huge = json!({"sender": "a", "message": "x".repeat(10 << 20)}).to_string();
    let answer =
        server.connect().unwrap().send("POST", "/webhooks/rest/webhook", &[], huge.as_bytes()).unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    let invalid = [b"{\"sender\": \"a\", \"message\": \"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    let answer = server.connect().unwrap().send("POST", "/webhooks/rest/webhook", &[], &invalid).unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(texts(&say(&mut server.connect().unwrap(), "a", "hello")).len(), 1);
}

#[test]
fn a_corrupt_model_is_refused_and_the_old_one_stays() {
    let sandbox = trained_starter();
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    std::fs::write(sandbox.at("broken.tar.gz"), b"this is no archive").unwrap();
    let body = json!({"model_file": sandbox.at("broken.tar.gz")}).to_string();
    let answer = connection.send("PUT", "/model", &[], body.as_bytes()).unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json().unwrap()["reason"], "BadRequest");
    assert_eq!(texts(&say(&mut connection, "a", "hello")).len(), 1);

    let output = intendant(sandbox.path(), &["run", "-m", "broken.tar.gz", "-p", "0"]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("broken.tar.gz") && message.contains("not a complete .tar.gz archive"),
        "{message}"
    );
}

#[test]
fn a_busy_port_is_one_clear_message() {
    let sandbox = trained_starter();
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let port = server.port.to_string();
    let output = intendant(sandbox.path(), &["run", "-i", "127.0.0.1", "-p", &port]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains(&format!("port {port} on 127.0.0.1 is already in use")), "{message}");
}

#[test]
fn an_action_server_that_is_down_costs_nothing_but_its_answer() {
    let sandbox = trained_starter();
    sandbox.write("endpoints.yml", "action_endpoint:\n  url: http://127.0.0.1:9/webhook\n").unwrap();
    let domain =
        std::fs::read_to_string(sandbox.at("domain.yml")).unwrap() + "\nactions:\n  - action_ask_elsewhere\n";
    sandbox.write("domain.yml", &domain).unwrap();
    let rules = std::fs::read_to_string(sandbox.at("data/rules.yml")).unwrap();
    let rules = rules.replace(
        "      - action: utter_iamabot",
        "      - action: action_ask_elsewhere\n      - action: utter_iamabot",
    );
    sandbox.write("data/rules.yml", &rules).unwrap();
    succeed(sandbox.path(), &["train"]);
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    assert_eq!(texts(&say(&mut connection, "a", "are you a bot")), ["I am an assistant made of software."]);
    let tracker = connection.send("GET", "/conversations/a/tracker", &[], b"").unwrap().json().unwrap();
    let events = tracker["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["event"] == "user" && event["text"] == "are you a bot"));
    assert!(events.iter().any(|event| event["name"] == "action_ask_elsewhere"));
}

/// The project's action server, run by the real `rasa-sdk`; killed when dropped.
pub struct ActionServer {
    process: Child,
    port: u16,
}

impl ActionServer {
    /// Starts `python -m rasa_sdk` with the project's `actions` and waits until it answers.
    pub fn start(python: &str, sandbox: &Sandbox) -> Self {
        let port = free_port().unwrap();
        let process = Command::new(python)
            .args(["-m", "rasa_sdk", "--actions", "actions", "--port", &port.to_string()])
            .current_dir(sandbox.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, port };
        let start = std::time::Instant::now();
        while Connection::open(port).and_then(|mut c| c.request("/health", None).map(drop)).is_err() {
            assert!(start.elapsed().as_secs() < 120, "the action server did not start");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        server
    }

    /// The file `endpoints.yml` that names it.
    pub fn endpoints(&self) -> String {
        format!("action_endpoint:\n  url: http://127.0.0.1:{}/webhook\n", self.port)
    }
}

impl Drop for ActionServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn forms_are_validated_by_a_real_action_server() {
    let Ok(python) = std::env::var("INTENDANT_TEST_RASA_SDK") else {
        eprintln!("skipped: INTENDANT_TEST_RASA_SDK does not name a Python with rasa-sdk");
        return;
    };
    let sandbox = Sandbox::copy_of(&repository().join("examples/advisor")).unwrap();
    let actions = ActionServer::start(&python, &sandbox);
    sandbox.write("endpoints.yml", &actions.endpoints()).unwrap();
    succeed(sandbox.path(), &["train", "--domain", "."]);
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    let mut hear = |message: &str| -> (String, Vec<Value>) {
        let messages = say(&mut connection, "anna", message);
        (texts(&messages).join(" | "), messages)
    };
    hear("Termin vereinbaren");
    hear("/inform{\"topic\": \"Prüfungen\"}");
    hear("/inform{\"mode\": \"online\"}");
    // The action server refuses the day, and the form asks for it again.
    let (text, _) = hear("/inform{\"day\": \"Samstag\"}");
    assert!(text.contains("An welchem Tag"), "{text}");
    // A question that the action server words, with a button for each free time.
    let (text, messages) = hear("/inform{\"day\": \"Dienstag\"}");
    assert!(text.contains("Frei sind Dienstag (online) diese Zeiten"), "{text}");
    assert_eq!(messages[0]["buttons"].as_array().unwrap().len(), 2);
    // It writes the time in its own way.
    hear("/inform{\"time\": \"9.30 Uhr\"}");
    let (text, _) = hear("/inform{\"student_id\": \"4711234\"}");
    assert!(text.contains("Dienstag, 9:30 Uhr, online. Thema: Prüfungen. Matrikelnummer: 4711234"), "{text}");
}

#[test]
fn a_full_disk_loses_nothing() {
    let sandbox = trained_starter();
    let folder = sandbox.at("small");
    std::fs::create_dir(&folder).unwrap();
    let mount = |options: &str| {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&folder).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount("size=160k") {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    }
    let outcome = std::panic::catch_unwind(|| talk_on_a_full_disk(&sandbox, &mount));
    Command::new("umount").arg(&folder).status().unwrap();
    if let Err(cause) = outcome {
        std::panic::resume_unwind(cause);
    }
}

fn talk_on_a_full_disk(sandbox: &Sandbox, mount: &dyn Fn(&str) -> bool) {
    const MESSAGES: usize = 120;
    let endpoints = "tracker_store:\n  type: SQL\n  dialect: sqlite\n  db: small/rasa.db\n";
    sandbox.write("endpoints.yml", endpoints).unwrap();
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    for _ in 0..MESSAGES {
        assert_eq!(texts(&say(&mut connection, "a", "bye")), ["Goodbye, take care!"]);
    }
    let log = std::fs::read_to_string(sandbox.at("server.log")).unwrap();
    assert!(log.contains("database or disk is full"), "the disk was not full: {log}");
    // A model that does not fit leaves nothing behind.
    let output = intendant(sandbox.path(), &["train", "--force", "--out", "small"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left on device"));

    assert!(mount("remount,size=10m"));
    assert!(server.stop().unwrap().success());
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let path = "/conversations/a/tracker?include_events=ALL";
    let tracker = server.connect().unwrap().send("GET", path, &[], b"").unwrap().json().unwrap();
    let kept = tracker["events"].as_array().unwrap().iter().filter(|event| event["event"] == "user").count();
    assert_eq!(kept, MESSAGES);
}
