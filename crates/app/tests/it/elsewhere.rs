//! What the binary asks of others over HTTP: understanding, and a collector of spans.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use fixtures::process::Server;
use serde_json::{Value, json};

use crate::{binary, intendant, trained_starter};

/// How long spans may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

fn say(server: &Server, message: &str) -> Vec<String> {
    let body = json!({"sender": "a", "message": message}).to_string();
    let mut connection = server.connect().unwrap();
    let answer = connection.request("/webhooks/rest/webhook", Some(&body)).unwrap();
    let messages: Vec<Value> = serde_json::from_slice(answer).unwrap();
    messages.iter().filter_map(|message| message["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn one_server_understands_for_another() {
    let sandbox = trained_starter();
    let understanding =
        Server::start(binary(), sandbox.path(), &["run", "--enable-api", "--auth-token", "t"]).unwrap();
    let url = format!("http://127.0.0.1:{}", understanding.port);
    sandbox.write("endpoints.yml", &format!("nlu:\n  url: {url}\n  token: t\n")).unwrap();
    let talking = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    assert_eq!(say(&talking, "hi there"), ["Hello! How is your day going?"]);
    let mut connection = understanding.connect().unwrap();
    let metrics = connection.send("GET", "/metrics?token=t", &[], b"").unwrap().text();
    assert!(metrics.contains("intendant_parse_duration_seconds_count 1\n"), "{metrics}");
    // Without it nothing is understood, and nothing is lost.
    understanding.kill().unwrap();
    say(&talking, "bye");
    assert!(talking.stop().unwrap().success());
}

/// Takes requests one after the other and passes on their paths and bodies.
fn collector() -> (u16, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let mut reader = BufReader::new(stream);
            while let Some((path, body)) = read_request(&mut reader) {
                if reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").is_err()
                    || sender.send((path, body)).is_err()
                {
                    break;
                }
            }
        }
    });
    (port, received)
}

fn read_request(reader: &mut impl BufRead) -> Option<(String, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split_whitespace().nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(':') {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, serde_json::from_slice(&body).ok()?))
}

#[test]
fn spans_reach_a_collector() {
    let sandbox = trained_starter();
    let (port, received) = collector();
    let tracing = format!(
        "tracing:\n  type: otlp\n  endpoint: 127.0.0.1:{port}\n  insecure: true\n  service_name: advisor\n"
    );
    sandbox.write("endpoints.yml", &tracing).unwrap();
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    say(&server, "hi there");
    assert!(server.stop().unwrap().success());
    let mut names = Vec::new();
    while !names.contains(&"save".to_owned()) {
        let (path, body) = received.recv_timeout(ARRIVAL).unwrap();
        assert_eq!(path, "/v1/traces");
        let resource = &body["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "advisor");
        let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
        names.extend(spans.iter().map(|span| span["name"].as_str().unwrap().to_owned()));
    }
    assert!(names.contains(&"message".to_owned()) && names.contains(&"understand".to_owned()), "{names:?}");
}

#[test]
fn settings_of_other_servers_are_checked_at_the_start() {
    let sandbox = trained_starter();
    let check = |endpoints: &str, expected: &str| {
        sandbox.write("endpoints.yml", endpoints).unwrap();
        let output = intendant(sandbox.path(), &["run", "-p", "0"]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(expected), "{message}");
    };
    check("tracing:\n  type: jaeger\n  host: localhost\n", "`type: otlp` and `endpoint: HOST:4318`");
    check("tracing:\n  type: zipkin\n", "type `zipkin` is not known; the type is `otlp`");
    check("tracing:\n  type: otlp\n", "the collector's `endpoint` is missing");
    check("nlu:\n  token: x\n", "the endpoint has no url");
    let cafile = "action_endpoint:\n  url: https://localhost/webhook\n  cafile: missing.pem\n";
    check(cafile, "cafile missing.pem: cannot be read");
    sandbox.write("endpoints.yml", "").unwrap();
    let output = intendant(sandbox.path(), &["run", "-p", "0", "--ssl-keyfile", "key.pem"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("the --ssl flags need --ssl-certificate"), "{message}");
}
