//! Clients that ask as fast as they are answered.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use fixtures::http::Connection;
use fixtures::process::Server;

/// What clients ask for.
#[derive(Clone, Copy)]
pub enum Request {
    /// Understanding without a conversation.
    Parse,
    /// An answer over the REST channel; every client changes conversations every 20 messages.
    Answer,
    /// A prediction for one row, over the declared route of `examples/churn`.
    Detect,
    /// The same by the Open Inference Protocol.
    Infer,
}

/// A load: clients in parallel, each on one connection.
pub struct Load {
    pub clients: usize,
    pub duration: Duration,
    pub request: Request,
}

/// What a load measured.
pub struct Measured {
    per_second: f64,
    millis: Vec<f64>,
    /// Processor time of the server per request, which says something on a busy machine too.
    cpu_micros: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| self.millis[((self.millis.len() - 1) as f64 * share) as usize];
        write!(
            f,
            "{:.0}/s, p50 {:.3} ms, p95 {:.3} ms, p99 {:.3} ms, max {:.1} ms ({} requests), {:.0} µs of the server's CPU each",
            self.per_second,
            at(0.5),
            at(0.95),
            at(0.99),
            at(1.0),
            self.millis.len(),
            self.cpu_micros
        )
    }
}

const MESSAGES: [&str; 6] = ["hello", "great", "bye", "are you a bot", "I am sad", "yes"];
const MESSAGES_PER_CONVERSATION: usize = 20;

impl Load {
    /// Runs it against a server.
    pub fn run(&self, server: &Server) -> Result<Measured> {
        let (port, start, cpu_before) = (server.port, Instant::now(), server.cpu_seconds()?);
        let clients: Vec<_> = (0..self.clients)
            .map(|client| {
                let (request, duration) = (self.request, self.duration);
                std::thread::spawn(move || one_client(port, client, request, duration))
            })
            .collect();
        let mut millis = Vec::new();
        for client in clients {
            millis.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        let per_second = millis.len() as f64 / start.elapsed().as_secs_f64();
        let cpu_micros = (server.cpu_seconds()? - cpu_before) * 1e6 / millis.len() as f64;
        millis.sort_by(f64::total_cmp);
        Ok(Measured { per_second, millis, cpu_micros })
    }
}

fn one_client(port: u16, client: usize, request: Request, duration: Duration) -> Result<Vec<f64>> {
    let mut connection = Connection::open(port)?;
    let mut millis = Vec::with_capacity(100_000);
    let start = Instant::now();
    let run = std::process::id();
    let mut count = 0;
    while start.elapsed() < duration {
        let text = MESSAGES[count % MESSAGES.len()];
        let (path, body) = match request {
            Request::Detect => ("/detect/", row(count)),
            Request::Infer => ("/v2/models/churn/infer", tensors(count)),
            Request::Parse => ("/model/parse", format!(r#"{{"text":"{text}"}}"#)),
            Request::Answer => {
                let conversation = count / MESSAGES_PER_CONVERSATION;
                let sender = format!("bench-{run}-{duration:?}-{client}-{conversation}");
                ("/webhooks/rest/webhook", format!(r#"{{"sender":"{sender}","message":"{text}"}}"#))
            }
        };
        let asked = Instant::now();
        connection.request(path, Some(&body))?;
        millis.push(asked.elapsed().as_secs_f64() * 1000.0);
        count += 1;
    }
    Ok(millis)
}

const COUNTRIES: [&str; 3] = ["France", "Allemagne", "Espagne"];

fn row(count: usize) -> String {
    let (age, country, balance) = (18 + count % 70, COUNTRIES[count % 3], count % 1000 * 150);
    format!(
        r#"{{"BALANCE":{balance},"NB_PRODUITS":{},"CARTE_CREDIT":"Yes","SALAIRE":88947.5,"SCORE_CREDIT":{},"DATE_ENTREE":"2015-06-01 00:00:00","PAYS":"{country}","SEXE":"H","AGE":{age},"MEMBRE_ACTIF":"No"}}"#,
        1 + count % 4,
        400 + count % 450
    )
}

fn tensors(count: usize) -> String {
    let (age, country) = (18 + count % 70, COUNTRIES[count % 3]);
    format!(
        r#"{{"inputs":[{{"name":"AGE","shape":[1],"datatype":"INT64","data":[{age}]}},{{"name":"PAYS","shape":[1],"datatype":"BYTES","data":["{country}"]}},{{"name":"BALANCE","shape":[1],"datatype":"FP64","data":[{}]}}]}}"#,
        count % 1000 * 150
    )
}

/// Times messages in one conversation when it is short and when it is long.
pub fn long_conversation(port: u16) -> Result<Vec<(usize, f64)>> {
    const EVENTS_PER_MESSAGE: usize = 5;
    let mut connection = Connection::open(port)?;
    let mut figures = Vec::new();
    let mut sent = 0;
    for events in [100, 1_000, 10_000] {
        while sent * EVENTS_PER_MESSAGE < events {
            say(&mut connection, sent)?;
            sent += 1;
        }
        let mut millis = Vec::new();
        for _ in 0..20 {
            let asked = Instant::now();
            say(&mut connection, sent)?;
            millis.push(asked.elapsed().as_secs_f64() * 1000.0);
            sent += 1;
        }
        millis.sort_by(f64::total_cmp);
        figures.push((events, millis[millis.len() / 2]));
    }
    Ok(figures)
}

fn say(connection: &mut Connection, count: usize) -> Result<()> {
    let text = MESSAGES[count % MESSAGES.len()];
    let body = format!(r#"{{"sender":"bench-long","message":"{text}"}}"#);
    connection.request("/webhooks/rest/webhook", Some(&body))?;
    Ok(())
}
