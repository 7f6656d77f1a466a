//! Transports by name, scorers, and waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use intendant_broker::open::Environment;
use intendant_broker::transport;
use intendant_port::stream::{Delivery, Message, Publisher, Subscription};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_store::books::{Books, Repeats};
use intendant_store::queue::Queue;
use intendant_streams::consumer::Settings;
use serde_json::{Value, json};

/// How long something may take that happens by itself.
pub const DEADLINE: Duration = Duration::from_secs(600);

/// Messages of the queue in a database come again after this time.
const LEASE: Duration = Duration::from_secs(1);

/// A carrier of messages.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// The queue in the books' database.
    Queue,
    /// A broker: its type and address.
    Broker(&'static str, String),
}

impl Carrier {
    pub fn subscription(&self, books: &Books, topic: &str) -> Box<dyn Subscription> {
        match self {
            Self::Queue => Box::new(Queue::new(Arc::clone(books.database()), topic, LEASE)),
            Self::Broker(kind, url) => {
                let config = config(kind, url);
                transport::subscription(&config, &Environment::default(), (topic, 50)).unwrap()
            }
        }
    }

    pub fn publisher(&self, books: &Books, topic: &str) -> Box<dyn Publisher> {
        match self {
            Self::Queue => Box::new(Queue::new(Arc::clone(books.database()), topic, LEASE)),
            Self::Broker(kind, url) => {
                transport::publisher(&config(kind, url), &Environment::default(), topic).unwrap()
            }
        }
    }
}

fn config(kind: &str, url: &str) -> EndpointConfig {
    EndpointConfig { kind: Some(kind.to_owned()), url: Some(url.to_owned()), ..EndpointConfig::default() }
}

pub fn settings() -> Settings {
    Settings {
        stream: "articles".to_owned(),
        key: Some("uri".to_owned()),
        repeats: Repeats::Skip,
        batch: 50,
        keeps_input: true,
        output: None,
        remembers: None,
    }
}

/// A score that anybody can check.
pub fn score(row: &Value) -> Result<Value, String> {
    match row["headline"].as_str() {
        Some(headline) => Ok(json!({"length": headline.chars().count()})),
        None => Err("the message has no `headline`".to_owned()),
    }
}

pub fn message(number: usize) -> Message {
    let body = json!({"uri": format!("article/{number}"), "headline": "x".repeat(number % 97)});
    Message { key: Some(format!("article/{number}")), body: body.to_string() }
}

pub fn delivery(body: Value) -> Delivery {
    let message = Message { key: None, body: body.to_string() };
    Delivery { message, damage: None, receipt: 0, place: None, order: 0 }
}

/// Asks until the answer is yes.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not happen: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
