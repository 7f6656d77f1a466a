//! The `socketio` channel: long polling, WebSockets, the change between them, and real clients.

use std::net::TcpStream;
use std::process::Command;

use fixtures::http::{Answer, Connection};
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{binary, repository, trained_starter};

const GREETING: &str = "Hello! How is your day going?";

/// A server of the starter with these credentials.
fn start(credentials: &str) -> (Sandbox, Server) {
    let sandbox = trained_starter();
    sandbox.write("credentials.yml", credentials).unwrap();
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    (sandbox, server)
}

fn get(connection: &mut Connection, path: &str) -> Answer {
    connection.send("GET", path, &[], b"").unwrap()
}

/// A client that polls.
struct Polling {
    connection: Connection,
    path: String,
}

impl Polling {
    fn open(server: &Server, path: &str) -> Self {
        let mut connection = server.connect().unwrap();
        let answer = get(&mut connection, &format!("{path}?EIO=4&transport=polling"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        let opened: Value = serde_json::from_str(answer.text().strip_prefix('0').unwrap()).unwrap();
        assert_eq!(opened["upgrades"], json!(["websocket"]));
        let sid = opened["sid"].as_str().unwrap();
        Self { connection, path: format!("{path}?EIO=4&transport=polling&sid={sid}") }
    }

    fn post(&mut self, packets: &str) {
        let answer = self.connection.send("POST", &self.path, &[], packets.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }

    fn poll(&mut self) -> Vec<String> {
        let answer = get(&mut self.connection, &self.path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().split('\u{1e}').map(str::to_owned).collect()
    }

    /// Polls until there are so many packets.
    fn packets(&mut self, count: usize) -> Vec<String> {
        let mut packets = Vec::new();
        while packets.len() < count {
            packets.extend(self.poll());
        }
        packets
    }
}

fn said(text: &str, session_id: &str) -> String {
    format!("42{}", json!(["user_uttered", {"message": text, "session_id": session_id}]))
}

fn uttered(text: &str) -> String {
    format!("42{}", json!(["bot_uttered", {"text": text}]))
}

#[test]
fn a_polling_client_talks() {
    let (_sandbox, server) = start("socketio:\n  session_persistence: true\n");
    let mut connection = server.connect().unwrap();
    assert_eq!(get(&mut connection, "/webhooks/socketio/").text(), "{\"status\":\"ok\"}");
    assert_eq!(connection.send("POST", "/webhooks/socketio/webhook", &[], b"{}").unwrap().status, 404);

    let mut client = Polling::open(&server, "/socket.io/");
    client.post("40");
    assert!(client.poll()[0].starts_with("40{\"sid\":\""));
    client.post("42[\"session_request\",{\"session_id\":\"anna\"}]");
    assert_eq!(client.poll(), ["42[\"session_confirm\",\"anna\"]"]);
    // Two messages in one body are answered in order, the second with an acknowledgement.
    let second = said("bye", "anna").replacen("42", "427", 1);
    client.post(&format!("{}\u{1e}{second}", said("hi there", "anna")));
    let expected = [uttered(GREETING), uttered("Goodbye, take care!"), "437[]".to_owned()];
    assert_eq!(client.packets(3), expected);

    // Somebody who has not asked for the session hears nothing of it, and no client may poll twice.
    let mut other = Polling::open(&server, "/socket.io");
    other.post("40");
    assert_eq!(other.packets(1).len(), 1);
    other.post(&said("hi there", "anna"));
    client.post("42[\"session_request\",null]\u{1e}42[\"bogus\",1]\u{1e}nonsense");
    let packets = client.packets(2);
    assert!(packets.contains(&uttered(GREETING)), "{packets:?}");
    assert!(packets.iter().any(|packet| packet.starts_with("42[\"session_confirm\",\"")), "{packets:?}");

    client.post("1");
    assert_eq!(client.connection.send("POST", &client.path, &[], b"3").unwrap().status, 400);
    assert!(server.stop().unwrap().success());
}

#[test]
fn what_is_no_socket_is_refused() {
    let (_sandbox, server) = start("socketio:\n  socketio_path: /chat/ws\n  namespace: site\n");
    let check = |query: &str, status: u16, message: &str| {
        let answer = get(&mut server.connect().unwrap(), &format!("/chat/ws/{query}"));
        assert_eq!((answer.status, answer.text()), (status, json!(message).to_string()), "{query}");
    };
    let unsupported = "The client is using an unsupported version of the Socket.IO or Engine.IO protocols";
    check("?EIO=2&transport=polling", 400, unsupported);
    check("", 400, unsupported);
    check("?EIO=4", 400, "Invalid transport");
    check("?EIO=4&transport=websocket", 400, "Invalid websocket upgrade");
    check("?EIO=4&transport=polling&sid=nobody", 400, "Invalid session");
    assert_eq!(get(&mut server.connect().unwrap(), "/socket.io/").status, 404);

    let mut client = Polling::open(&server, "/chat/ws/");
    client.post("40");
    assert_eq!(client.poll(), ["44{\"message\":\"Unable to connect\"}"]);
    client.post("40/site,");
    assert!(client.poll()[0].starts_with("40/site,{\"sid\":\""));
    client.post("42/site,[\"user_uttered\",{\"message\":\"hi there\"}]");
    assert_eq!(client.poll(), [uttered(GREETING).replacen("42", "42/site,", 1)]);

    let huge = vec![b'4'; 2_000_000];
    let answer = client.connection.send("POST", &client.path, &[], &huge).unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
}

fn websocket(server: &Server, query: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let url = format!("ws://127.0.0.1:{}/socket.io/?EIO=4&transport=websocket{query}", server.port);
    tungstenite::client(url, stream).unwrap().0
}

fn read(socket: &mut WebSocket<TcpStream>) -> String {
    socket.read().unwrap().into_text().unwrap().as_str().to_owned()
}

#[test]
fn a_websocket_talks_and_is_closed_at_the_end() {
    // Without session_persistence the conversation is the socket's.
    let (_sandbox, server) = start("socketio:\n");
    let mut socket = websocket(&server, "");
    assert!(read(&mut socket).starts_with("0{\"sid\":\""));
    socket.send(Message::text("40")).unwrap();
    assert!(read(&mut socket).starts_with("40{\"sid\":\""));
    socket.send(Message::text(said("hi there", "ignored"))).unwrap();
    assert_eq!(read(&mut socket), uttered(GREETING));

    // A poll that waits is no reason to wait with the end.
    let mut polling = Polling::open(&server, "/socket.io/");
    polling.post("40");
    polling.poll();
    let waits = std::thread::spawn(move || polling.connection.send("GET", &polling.path, &[], b""));
    let start = std::time::Instant::now();
    assert!(server.stop().unwrap().success());
    assert!(start.elapsed().as_secs() < 8, "the poll held up the end");
    assert_eq!(read(&mut socket), "1");
    assert!(matches!(socket.read(), Ok(Message::Close(_)) | Err(_)));
    // A poll that waited is told of the end; one that came after it is told that its session
    // is over, or finds the connection closed.
    if let Ok(answer) = waits.join().unwrap() {
        assert!(["1", "\"Invalid session\""].contains(&answer.text().as_str()), "{}", answer.text());
    }
}

#[test]
fn a_session_changes_from_polling_to_a_websocket() {
    let (_sandbox, server) = start("socketio:\n");
    let mut client = Polling::open(&server, "/socket.io/");
    client.post("40");
    client.poll();
    let sid = client.path.rsplit('=').next().unwrap().to_owned();
    let mut socket = websocket(&server, &format!("&sid={sid}"));
    socket.send(Message::text("2probe")).unwrap();
    assert_eq!(read(&mut socket), "3probe");
    // The poll is released so that the client can let go of it.
    assert_eq!(client.poll(), ["6"]);
    socket.send(Message::text("5")).unwrap();
    socket.send(Message::text(said("hi there", ""))).unwrap();
    assert_eq!(read(&mut socket), uttered(GREETING));
}

#[test]
fn sockets_prove_who_they_are() {
    let (_sandbox, server) = start("socketio:\n  jwt_key: secret\n");
    // HS256 by `secret` over {"user":"anna"}.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyIjoiYW5uYSJ9.uTOrwJWnVDS77Nb6U2Cj5OmiyLKNd6rUcqcFdxDttKA";
    let check = |proof: &str, expected: &str| {
        let mut client = Polling::open(&server, "/socket.io/");
        client.post(&format!("40{proof}"));
        let packets = client.poll();
        assert!(packets[0].starts_with(expected), "{proof}: {packets:?}");
    };
    let rejected = "44{\"message\":\"Connection rejected by server\"}";
    check("", rejected);
    check("{\"token\":\"x\"}", rejected);
    check(&json!({"token": format!("{token}x")}).to_string(), rejected);
    check(&json!({"token": token}).to_string(), "40{\"sid\":\"");
    check(&json!({"token": format!("Bearer {token}")}).to_string(), "40{\"sid\":\"");
}

/// What a real client of this version hears, and the id of its session.
fn real_client(version: u32, server: &Server, options: &Value) -> Option<(Vec<Value>, String)> {
    let Ok(folder) = std::env::var("INTENDANT_TEST_SOCKETIO") else {
        eprintln!("skipped: INTENDANT_TEST_SOCKETIO does not name a folder with socket.io-client for Node");
        return None;
    };
    let script = repository().join("crates/app/tests/it/socketio_client.js");
    let arguments = [folder, version.to_string(), server.port.to_string(), options.to_string()];
    let output = Command::new("node").arg(script).args(arguments).output().unwrap();
    let (heard, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "client {version}, {options}: {heard}{errors}");
    let mut heard: Vec<Value> = heard.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_end = |line: &Value| line[0] == "session";
    let session = heard.pop_if(|line| is_end(line)).map(|line| line[1].as_str().unwrap().to_owned());
    Some((heard, session.unwrap_or_default()))
}

#[test]
fn real_clients_talk_leave_and_come_back() {
    let sandbox = trained_starter();
    sandbox
        .write("credentials.yml", "socketio:\n  session_persistence: true\n  metadata_key: customData\n")
        .unwrap();
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    for version in [2, 3, 4] {
        for transports in [json!(["polling"]), json!(["websocket"]), json!(["polling", "websocket"])] {
            let options = json!({"transports": transports, "leaves": true});
            let Some((heard, session)) = real_client(version, &server, &options) else { return };
            let expected = [
                json!(["session_confirm", "string"]),
                json!(["bot_uttered", {"text": GREETING}]),
                json!(["bot_uttered", {"text": "Goodbye, take care!"}]),
            ];
            assert_eq!(heard, expected, "client {version}, {options}");
            let tracker = get(&mut server.connect().unwrap(), &format!("/conversations/{session}/tracker"));
            let tracker = tracker.json().unwrap();
            let message = tracker["events"].as_array().unwrap().iter().find(|event| event["event"] == "user");
            let message = message.unwrap();
            assert_eq!((&message["text"], &message["metadata"]["page"]), (&json!("hi there"), &json!("/")));
        }
    }
}

#[test]
fn real_clients_prove_who_they_are() {
    let sandbox = trained_starter();
    let credentials = "socketio:\n  namespace: /site\n  jwt_key: \"a key that nobody else knows at all\"\n";
    sandbox.write("credentials.yml", credentials).unwrap();
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(b"a key that nobody else knows at all");
    let token =
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &json!({"name": "anna"}), &key).unwrap();
    for version in [2, 3, 4] {
        let mut options =
            json!({"transports": ["polling", "websocket"], "namespace": "/site", "token": token});
        let Some((heard, _)) = real_client(version, &server, &options) else { return };
        assert_eq!(heard.last(), Some(&json!(["bot_uttered", {"text": GREETING}])), "client {version}");
        options["token"] = json!("nonsense");
        let (heard, _) = real_client(version, &server, &options).unwrap();
        assert_eq!(heard, [json!(["refused", "Connection rejected by server"])], "client {version}");
    }
}

#[test]
fn a_client_of_the_third_revision_talks() {
    let (_sandbox, server) = start("socketio:\n  session_persistence: true\n");
    let mut connection = server.connect().unwrap();
    let opened = get(&mut connection, "/socket.io/?EIO=3&transport=polling");
    // It is in the root namespace at once.
    let (length, rest) = opened.text().split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (packet, rest) = rest.split_at(length.parse().unwrap());
    let opened: Value = serde_json::from_str(packet.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(rest, "2:40");
    let path = format!("/socket.io/?EIO=3&transport=polling&sid={}", opened["sid"].as_str().unwrap());
    let mut post = |packets: &[&str]| {
        let body: String =
            packets.iter().map(|packet| format!("{}:{packet}", packet.chars().count())).collect();
        connection.send("POST", &path, &[], body.as_bytes()).unwrap()
    };
    assert_eq!(post(&["2"]).text(), "ok");
    assert_eq!(get(&mut server.connect().unwrap(), &path).text(), "1:3", "it asks whether the server lives");
    let session = "42[\"session_request\",{\"session_id\":\"jürgen\"}]";
    assert_eq!(post(&[session]).status, 200);
    assert_eq!(get(&mut server.connect().unwrap(), &path).text(), "30:42[\"session_confirm\",\"jürgen\"]");
    post(&[&said("hi there", "jürgen")]);
    let answer = uttered(GREETING);
    assert_eq!(get(&mut server.connect().unwrap(), &path).text(), format!("{}:{answer}", answer.len()));
    let broken = connection.send("POST", &path, &[], b"9:40").unwrap();
    assert_eq!((broken.status, broken.text()), (400, "\"Invalid payload\"".to_owned()));
}
