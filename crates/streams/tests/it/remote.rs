//! Scores by a model server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use intendant_client::endpoint::Endpoint;
use intendant_client::http::HttpClient;
use intendant_store::books::Books;
use intendant_streams::consumer::Consumer;
use intendant_streams::remote::RemoteScorer;
use serde_json::{Value, json};

use crate::support::{delivery, settings};

/// A model server that doubles `x`, refuses rows without one, and is away at first.
fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let rows = body["instances"].as_array().unwrap();
            let doubled: Option<Vec<i64>> = rows.iter().map(|row| Some(2 * row["x"].as_i64()?)).collect();
            let (status, answer) = match (count.fetch_add(1, Ordering::SeqCst), doubled) {
                (0, _) => (503, json!({"error": "loading"})),
                (_, Some(doubled)) => (200, json!({"predictions": doubled})),
                (_, None) => (422, json!({"error": "x is missing"})),
            };
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    });
    (port, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_server_scores() {
    let folder = tempfile::tempdir().unwrap();
    let books = Books::open(&folder.path().join("x.db").display().to_string()).await.unwrap();
    let (port, asked) = server();
    let endpoint = Endpoint::bare(&format!("http://127.0.0.1:{port}/v1/models/m:predict")).unwrap();
    let scorer = RemoteScorer::new(HttpClient::new().unwrap(), endpoint, tokio::runtime::Handle::current());
    let consumer = Consumer::new(books, Arc::new(scorer), settings());
    let rows = [json!({"uri": "a", "x": 1}), json!({"uri": "b"}), json!({"uri": "c", "x": 3})];
    let deliveries = rows.map(delivery);
    let away = consumer.handle(&deliveries).await.unwrap_err();
    assert!(away.message.contains("answered with status 503: {\"error\":\"loading\"}"), "{away}");
    let handled = consumer.handle(&deliveries).await.unwrap();
    assert_eq!(handled.scored, [("a".to_owned(), json!(2)), ("c".to_owned(), json!(6))]);
    assert_eq!(handled.dead[0].reason, "the model server refuses it: {\"error\":\"x is missing\"}");
    // Away, all refused, then each alone.
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}
