//! A server that stands in for a messaging provider: it notes what it is asked and answers from a
//! script.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use intendant_port::web::form_decode;
use serde_json::{Map, Value, json};

/// Headers that are part of a wire format.
const NOTED_HEADERS: [&str; 6] =
    ["authorization", "x-auth-token", "x-user-id", "x-intendant-signature", "content-type", "traceparent"];

/// Answers by path, in the order in which they are given; the last one stays.
type Script = HashMap<String, Vec<Value>>;

/// A running stand-in.
pub struct StandIn {
    pub port: u16,
    calls: Receiver<Value>,
}

impl StandIn {
    /// Starts to listen. An answer is `{"status", "headers", "json"}`, all optional; `{here}` in it
    /// is the stand-in's own address.
    pub fn start(script: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, calls) = channel();
        let script = script.to_string().replace("{here}", &format!("http://127.0.0.1:{port}"));
        let script: Script = serde_json::from_str(&script).unwrap();
        let script = Arc::new(Mutex::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, script) = (sender.clone(), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &sender, &script));
            }
        });
        Self { port, calls }
    }

    /// Waits for so many calls.
    pub fn calls(&self, count: usize) -> Vec<Value> {
        let next = |_| self.calls.recv_timeout(Duration::from_secs(30)).ok();
        (0..count).map_while(next).collect()
    }

    /// All calls until nothing has come for a while.
    pub fn until_quiet(&self) -> Vec<Value> {
        std::iter::from_fn(|| self.calls.recv_timeout(Duration::from_secs(2)).ok()).collect()
    }

    /// Calls that have come meanwhile.
    pub fn rest(&self) -> Vec<Value> {
        self.calls.try_iter().collect()
    }
}

fn serve(stream: TcpStream, calls: &Sender<Value>, script: &Mutex<Script>) {
    let mut stream = BufReader::new(stream);
    while let Some((path, call)) = read(&mut stream) {
        let answer = {
            let mut script = script.lock().unwrap();
            match script.get_mut(&path) {
                Some(answers) if answers.len() > 1 => answers.remove(0),
                Some(answers) => answers[0].clone(),
                None => json!({}),
            }
        };
        // Noted before it is answered, so that what comes later is noted later.
        if calls.send(call).is_err() {
            return;
        }
        let body = answer.get("json").cloned().unwrap_or_else(|| json!({"ok": true})).to_string();
        let status = answer["status"].as_u64().unwrap_or(200);
        let mut head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
        head.push_str("content-type: application/json\r\n");
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            head.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
        }
        if stream.get_mut().write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads one request: its path, and what is noted of it.
pub fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|&bytes| bytes > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let mut call = Map::new();
    call.insert("call".to_owned(), json!(format!("{method} {target}")));
    for name in NOTED_HEADERS {
        if let Some(value) = headers.get(name).filter(|value| *value != "application/json") {
            call.insert(name.to_owned(), json!(value));
        }
    }
    if let Ok(json) = serde_json::from_slice::<Value>(&body) {
        call.insert("json".to_owned(), json);
    } else if !body.is_empty() {
        call.insert("form".to_owned(), json!(form_decode(&String::from_utf8_lossy(&body))));
    }
    let path = target.split('?').next().unwrap_or(&target).to_owned();
    Some((path, Value::Object(call)))
}

/// A file on a site: its path, its media type, what it holds.
type SiteFile = (&'static str, &'static str, Vec<u8>);

/// Serves files until the test's process ends; gives the address, with a slash at its end. Other paths are not found.
pub fn serve_files(files: Vec<SiteFile>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A browser gives up connections as it likes.
            let _ = stream.and_then(|stream| answer(stream, &files));
        }
    });
    address
}

fn answer(mut stream: TcpStream, files: &[SiteFile]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let file = files.iter().find(|(path, ..)| Some(*path) == first.split(' ').nth(1));
    let (status, kind, body) =
        file.map_or(("404 Not Found", "text/plain", &[][..]), |(_, kind, body)| ("200 OK", *kind, body));
    write!(stream, "HTTP/1.1 {status}\r\ncontent-type: {kind}; charset=utf-8\r\n")?;
    write!(stream, "content-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    stream.write_all(body)
}
