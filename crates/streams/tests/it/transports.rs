//! What every transport promises: messages in order, again until they are acknowledged, and a count
//! of those that wait.

use std::time::Duration;

use fixtures::services::{Kind, Service};
use intendant_port::stream::{Delivery, Subscription};
use intendant_store::books::{Books, Repeats, Step};

use crate::support::{Carrier, message, until};

const PATIENCE: Duration = Duration::from_millis(100);

async fn receive(subscription: &mut dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut found = Vec::new();
    until("messages come", async || {
        found.extend(subscription.receive(count - found.len(), PATIENCE).await.unwrap());
        found.len() >= count
    })
    .await;
    found
}

async fn promises(carrier: &Carrier, books: &Books) {
    let mut publisher = carrier.publisher(books, "topic");
    let messages: Vec<_> = (0..300).map(message).collect();
    publisher.send(&messages).await.unwrap();
    let mut subscription = carrier.subscription(books, "topic");
    let first = receive(&mut *subscription, 100).await;
    let bodies = |deliveries: &[Delivery]| -> Vec<String> {
        deliveries.iter().map(|delivery| delivery.message.body.clone()).collect()
    };
    // In order, in each partition where there are several.
    let numbers = |partition: Option<i32>| -> Vec<usize> {
        let of_it = first.iter().filter(|delivery| delivery.place.map(|place| place.partition) == partition);
        let number = |delivery: &Delivery| {
            delivery.message.key.as_deref().unwrap().trim_start_matches("article/").parse().unwrap()
        };
        of_it.map(number).collect()
    };
    for partition in first.iter().map(|delivery| delivery.place.map(|place| place.partition)) {
        assert!(numbers(partition).is_sorted(), "{partition:?}");
    }
    if first[0].place.is_none() {
        assert_eq!(numbers(None), (0..100).collect::<Vec<_>>());
    }
    until("the lag is known", async || subscription.lag().await.unwrap() == 300).await;
    subscription.acknowledge(&first[..50]).await.unwrap();
    for place in first[..50].iter().filter_map(|delivery| delivery.place) {
        let step = Step { places: vec![place], ..Step::default() };
        books.take("s", Repeats::Skip, &step).await.unwrap();
    }
    // Somebody else goes on: what was not acknowledged comes again.
    drop(subscription);
    let mut subscription = carrier.subscription(books, "topic");
    if subscription.wants_places() {
        subscription.resume(&books.places("s").await.unwrap());
    }
    let mut rest = Vec::new();
    until("everything comes again", async || {
        let found = subscription.receive(1000, PATIENCE).await.unwrap();
        subscription.acknowledge(&found).await.unwrap();
        rest.extend(found);
        rest.len() >= 250
    })
    .await;
    let acknowledged = bodies(&first[..50]);
    let mut rest = bodies(&rest);
    rest.sort();
    let mut expected: Vec<String> = messages.into_iter().map(|message| message.body).collect();
    expected.retain(|body| !acknowledged.contains(body));
    expected.sort();
    assert!(rest == expected, "{} and {}", rest.len(), expected.len());
    until("nothing waits", async || subscription.lag().await.unwrap() == 0).await;
    assert!(subscription.receive(10, Duration::ZERO).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_keeps_a_queue() {
    let folder = tempfile::tempdir().unwrap();
    let books = Books::open(&folder.path().join("x.db").display().to_string()).await.unwrap();
    promises(&Carrier::Queue, &books).await;
}

#[tokio::test]
async fn postgres_keeps_a_queue_and_wakes_its_consumers() {
    let Some(server) = Service::start(Kind::Postgres).unwrap() else { return };
    let books = Books::open(&server.url()).await.unwrap();
    promises(&Carrier::Queue, &books).await;
    let mut listener = books.database().listen("intendant_stream").await.unwrap().unwrap();
    Carrier::Queue.publisher(&books, "topic").send(&[message(1)]).await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "topic");
}

#[tokio::test]
async fn rabbitmq_carries_messages() {
    let Some(server) = Service::start(Kind::RabbitMq).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let books = Books::open(&folder.path().join("x.db").display().to_string()).await.unwrap();
    let carrier = Carrier::Broker("rabbitmq", server.url());
    promises(&carrier, &books).await;
    // A message larger than a frame, with characters of several bytes.
    let mut large = message(1);
    large.body = format!("\"{}\"", "ü".repeat(300_000));
    carrier.publisher(&books, "topic").send(std::slice::from_ref(&large)).await.unwrap();
    let mut subscription = carrier.subscription(&books, "topic");
    assert_eq!(receive(&mut *subscription, 1).await[0].message, large);
}

#[tokio::test]
async fn kafka_carries_messages() {
    let Some(cluster) = cluster::Cluster::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let books = Books::open(&folder.path().join("x.db").display().to_string()).await.unwrap();
    promises(&Carrier::Broker("kafka", cluster.servers.clone()), &books).await;
}

/// The test cluster of librdkafka, run by a Python with `confluent_kafka`.
mod cluster {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    const CLUSTER: &str = r#"
import sys
from confluent_kafka import Producer
cluster = Producer({"test.mock.num.brokers": 1})
servers = ",".join(f"{b.host}:{b.port}" for b in cluster.list_topics("topic", timeout=30).brokers.values())
print(servers, flush=True)
sys.stdin.read()
"#;

    pub struct Cluster {
        process: Child,
        pub servers: String,
    }

    impl Cluster {
        pub fn start() -> Option<Self> {
            let Some(python) = std::env::var_os("INTENDANT_TEST_KAFKA") else {
                eprintln!("skipped: INTENDANT_TEST_KAFKA names no Python with confluent_kafka");
                return None;
            };
            let mut command = Command::new(python);
            command.args(["-c", CLUSTER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut process = command.spawn().unwrap();
            let mut servers = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut servers).unwrap();
            Some(Self { process, servers: servers.trim().to_owned() })
        }
    }

    impl Drop for Cluster {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
