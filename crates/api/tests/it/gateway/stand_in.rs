//! A server that speaks Dialogflow's `detectIntent`, Google's token exchange, and chat completions;
//! made to the documented formats, and told how to misbehave.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to the next question.
#[derive(Clone, Debug)]
pub enum Turn {
    /// It is answered with this query result.
    Result(Value),
    /// It is turned away or fails with this status, and maybe told when to come again.
    Status(u16, Option<u64>),
    /// It is read, and the line goes dead.
    HangUp,
    /// Half an answer comes.
    Half,
    /// Nothing ever comes.
    Silence,
    /// Something that is no answer.
    Nonsense,
    /// This text as it stands.
    Raw(String),
}

/// A running stand-in.
#[derive(Clone)]
pub struct StandIn {
    pub port: u16,
    script: Arc<Mutex<VecDeque<Turn>>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl StandIn {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self {
            port: listener.local_addr().unwrap().port(),
            script: Arc::default(),
            asked: Arc::default(),
        };
        let shared = stand_in.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move { shared.serve(stream).await });
            }
        });
        stand_in
    }

    /// Says what happens to the next questions; after that they are answered.
    pub fn script(&self, turns: &[Turn]) {
        self.script.lock().unwrap().extend(turns.iter().cloned());
    }

    /// What was asked since the last time: path, authorization, body.
    pub fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        while let Some((head, body)) = read(&mut stream, &mut bytes).await {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
                Some(line[name.len()..].trim().to_owned())
            };
            let body_json: Value = serde_json::from_slice(&body).unwrap_or_default();
            let raw = String::from_utf8_lossy(&body).into_owned();
            let body_shown = if body_json.is_null() { Value::from(raw) } else { body_json.clone() };
            self.asked.lock().unwrap().push(json!([path, header("authorization:"), body_shown]));
            if path == "/token" {
                let token = json!({"access_token": "good", "expires_in": 3600, "token_type": "Bearer"});
                respond(&mut stream, 200, &token.to_string(), None).await;
                continue;
            }
            let turn = self.script.lock().unwrap().pop_front();
            let text = body_json["queryInput"]["text"]["text"].as_str().unwrap_or("?");
            match turn.unwrap_or(Turn::Result(json!({"fulfillmentText": format!("you said {text}")}))) {
                Turn::Result(mut result) => {
                    result["queryText"] = text.into();
                    let answer = json!({"responseId": "r", "queryResult": result}).to_string();
                    respond(&mut stream, 200, &answer, None).await;
                }
                Turn::Status(status, wait) => {
                    let error = json!({"error": {"code": status, "message": "no", "status": "NO"}});
                    respond(&mut stream, status, &error.to_string(), wait).await;
                }
                Turn::Nonsense => respond(&mut stream, 200, "[1, 2", None).await,
                Turn::HangUp => return,
                Turn::Half => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"query").await;
                    return;
                }
                Turn::Silence => std::future::pending::<()>().await,
                Turn::Raw(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                    return;
                }
            }
        }
    }
}

async fn respond(stream: &mut TcpStream, status: u16, body: &str, wait: Option<u64>) {
    let wait = wait.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n{wait}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            let whole = end + 4 + length.unwrap_or(0);
            if bytes.len() >= whole {
                let body = bytes[end + 4..whole].to_vec();
                bytes.drain(..whole);
                return Some((head, body));
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
