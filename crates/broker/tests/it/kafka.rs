//! The test cluster of librdkafka speaks Kafka's protocol; a Python with `confluent_kafka` runs it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use intendant_broker::open::event_broker;
use intendant_rasa_format::endpoints::EndpointConfig;
use serde_json::{Value, json};

use crate::support::{environment, expected, numbered, publish, settings, until};

const CLUSTER: &str = r#"
import json, sys
from confluent_kafka import Consumer, Producer
cluster = Producer({"test.mock.num.brokers": 1})
servers = ",".join(f"{b.host}:{b.port}" for b in cluster.list_topics("events", timeout=30).brokers.values())
print(servers, flush=True)
consumer = Consumer({"bootstrap.servers": servers, "group.id": "g", "auto.offset.reset": "earliest"})
consumer.subscribe(["events"])
for line in sys.stdin:
    while True:
        message = consumer.poll(60)
        if message is not None and not message.error():
            break
    headers = {name: value.decode() for name, value in message.headers() or []}
    key = message.key().decode() if message.key() else None
    print(json.dumps({"key": key, "headers": headers, "value": json.loads(message.value())}), flush=True)
"#;

struct Cluster {
    process: Child,
    output: BufReader<ChildStdout>,
    servers: String,
}

impl Cluster {
    fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("INTENDANT_TEST_KAFKA") else {
            eprintln!("skipped: INTENDANT_TEST_KAFKA names no Python with confluent_kafka");
            return None;
        };
        let mut command = Command::new(python);
        command.args(["-c", CLUSTER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut cluster = Self { process, output, servers: String::new() };
        cluster.servers = cluster.line();
        Some(cluster)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn next(&mut self) -> Value {
        self.process.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn kafka_gets_every_event() {
    let Some(mut cluster) = Cluster::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = |has_keys: bool| {
        let extra = json!({"topic": "events", "security_protocol": "PLAINTEXT", "partition_by_sender": has_keys,
                           "outbox": folder.path(), "retry_delay_in_seconds": 0.1});
        EndpointConfig { url: Some(cluster.servers.clone()), ..settings(Some("kafka"), extra) }
    };
    let (plain, keyed) = (config(false), config(true));
    publish(&plain).await;
    let mut found: Vec<Value> = (0..4).map(|_| cluster.next()).collect();
    found.sort_by_key(|message| message["value"]["sender_id"].to_string());
    for (message, event) in found.iter().zip([expected("a"), expected("b")].concat()) {
        assert_eq!(*message, json!({"key": null, "headers": {"RASA_ENVIRONMENT": "test"}, "value": event}));
    }
    let broker = event_broker(Some(&keyed), &environment()).await.unwrap().unwrap();
    for number in 0..300 {
        broker.publish("c", &numbered(number)).await.unwrap();
    }
    until(async || broker.flush().await.is_ok()).await;
    for number in 0..300 {
        let message = cluster.next();
        assert_eq!((&message["key"], &message["value"]["value"]), (&json!("c"), &json!(number)));
    }
}
