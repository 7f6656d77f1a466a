//! What a killed process leaves behind: a usable models folder, a usable tracker database.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use fixtures::process::Server;
use serde_json::json;

use crate::{binary, succeed, trained_starter};

const ENDPOINTS: &str = "tracker_store:\n  type: SQL\n  dialect: sqlite\n  db: rasa.db\n";

#[test]
fn killed_training_leaves_a_usable_models_folder() {
    let sandbox = trained_starter();
    for round in 0_u64..12 {
        // Another intent name each time, so that there is something to train.
        let domain = std::fs::read_to_string(sandbox.at("domain.yml")).unwrap();
        let domain = domain.replacen("intents:\n", &format!("intents:\n  - extra_{round}\n"), 1);
        std::fs::write(sandbox.at("domain.yml"), domain).unwrap();
        let mut training = Command::new(binary())
            .args(["train", "--quiet"])
            .current_dir(sandbox.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * 7));
        training.kill().unwrap();
        training.wait().unwrap();
        // Whatever is the newest model now, it loads and answers.
        let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
        let parsed = server
            .connect()
            .unwrap()
            .request("/model/parse", Some(r#"{"text": "hello"}"#))
            .map(<[u8]>::to_vec);
        assert!(String::from_utf8(parsed.unwrap()).unwrap().contains("greet"), "round {round}");
    }
    succeed(sandbox.path(), &["train"]);
}

#[test]
fn killed_server_keeps_every_answered_message() {
    let sandbox = trained_starter();
    sandbox.write("endpoints.yml", ENDPOINTS).unwrap();
    let mut answered: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); 4];
    for round in 0..3 {
        let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
        let port = server.port;
        let clients: Vec<_> = (0..answered.len())
            .map(|client| {
                std::thread::spawn(move || {
                    let mut done = BTreeSet::new();
                    let mut connection = fixtures::http::Connection::open(port).unwrap();
                    for count in round * 10_000.. {
                        let body =
                            json!({"sender": format!("c{client}"), "message": format!("hello {count}")});
                        if connection.request("/webhooks/rest/webhook", Some(&body.to_string())).is_err() {
                            break;
                        }
                        done.insert(count);
                    }
                    done
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        server.kill().unwrap();
        for (client, thread) in clients.into_iter().enumerate() {
            answered[client].extend(thread.join().unwrap());
        }
    }
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    for (client, answered) in answered.iter().enumerate() {
        assert!(!answered.is_empty());
        let path = format!("/conversations/c{client}/tracker?include_events=ALL");
        let tracker = connection.send("GET", &path, &[], b"").unwrap().json().unwrap();
        let texts: Vec<&str> = tracker["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["event"] == "user")
            .map(|event| event["text"].as_str().unwrap())
            .collect();
        let kept: BTreeSet<usize> =
            texts.iter().map(|text| text["hello ".len()..].parse().unwrap()).collect();
        assert!(kept.is_superset(answered), "lost: {:?}", answered.difference(&kept).collect::<Vec<_>>());
        assert!(texts.windows(2).all(|pair| number(pair[0]) < number(pair[1])), "out of order or twice");
    }
}

fn number(text: &str) -> usize {
    text["hello ".len()..].parse().unwrap()
}
