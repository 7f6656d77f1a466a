//! Clients that talk at a fixed rate and remember what was acknowledged.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use fixtures::http::Connection;

const MESSAGES_PER_CONVERSATION: usize = 20;
/// Every so many messages one asks for an action.
const MESSAGES_PER_ACTION: usize = 4;

/// One client.
pub struct Talk {
    pub number: usize,
    pub port: u16,
    pub per_second: f64,
}

/// What clients were told.
#[derive(Default)]
pub struct Told {
    /// Texts that were acknowledged, by conversation, in order.
    pub acknowledged: BTreeMap<String, Vec<String>>,
    /// Failures by status; 0 is a broken connection.
    failures: BTreeMap<u16, usize>,
    millis: Vec<f64>,
}

impl Told {
    /// Adds what another client was told.
    pub fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.millis.extend(other.millis);
        for (status, count) in other.failures {
            *self.failures.entry(status).or_default() += count;
        }
    }

    /// How many messages were not acknowledged.
    pub fn failed(&self) -> usize {
        self.failures.values().sum()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.millis.clone();
        millis.sort_by(f64::total_cmp);
        let at = |share: f64| millis.get(((millis.len().saturating_sub(1)) as f64 * share) as usize).copied();
        write!(
            f,
            "{} messages acknowledged, failures by status {:?}, p50 {:.1} ms, p99 {:.1} ms, max {:.0} ms",
            millis.len(),
            self.failures,
            at(0.5).unwrap_or_default(),
            at(0.99).unwrap_or_default(),
            at(1.0).unwrap_or_default()
        )
    }
}

impl Talk {
    /// Talks until it is over.
    pub fn run(&self, is_over: &AtomicBool) -> Told {
        let mut told = Told::default();
        let mut connection = None;
        let pause = Duration::from_secs_f64(1.0 / self.per_second);
        let mut next = Instant::now();
        for count in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            next = (next + pause).max(Instant::now().checked_sub(pause).unwrap_or(next));
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            let sender = format!("soak-{}-{}", self.number, count / MESSAGES_PER_CONVERSATION);
            let word = if count % MESSAGES_PER_ACTION == 0 { "work" } else { "hello" };
            let text = format!("{word} {count}");
            let asked = Instant::now();
            match self.say(&mut connection, &sender, &text) {
                Ok(200) => {
                    told.millis.push(asked.elapsed().as_secs_f64() * 1000.0);
                    told.acknowledged.entry(sender).or_default().push(text);
                }
                Ok(status) => *told.failures.entry(status).or_default() += 1,
                Err(_) => {
                    connection = None;
                    *told.failures.entry(0).or_default() += 1;
                }
            }
        }
        told
    }

    fn say(&self, connection: &mut Option<Connection>, sender: &str, text: &str) -> Result<u16> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(self.port)?),
        };
        let body = format!(r#"{{"sender":"{sender}","message":"{text}"}}"#);
        Ok(connection.send("POST", "/webhooks/rest/webhook", &[], body.as_bytes())?.status)
    }
}

/// An action server that answers everything with one message.
///
/// # Errors
/// When it cannot listen.
pub fn serve_actions(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            while answer(&mut stream).is_ok() {}
        });
    }
    Ok(())
}

fn answer(stream: &mut BufReader<std::net::TcpStream>) -> std::io::Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut stream.take(length), &mut std::io::sink())?;
    let body = r#"{"events":[],"responses":[{"text":"done"}]}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(format!("{head}{body}").as_bytes())
}
