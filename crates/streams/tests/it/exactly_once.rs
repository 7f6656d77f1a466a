//! Every message is scored once in the tables, whoever dies in between.
//!
//! Producer and consumer are processes that are killed without warning: this program, started again
//! with the settings of a role in its environment. `INTENDANT_TEST_STREAM=20000x50` says how many
//! messages, and how often the consumer is killed.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fixtures::services::{Kind, Service};
use intendant_store::books::{Books, Repeats};
use intendant_streams::consumer::{Consumer, Settings, Until};
use intendant_streams::producer::{self, Producer};
use intendant_streams::relay::Relay;
use intendant_streams::source::file::FileSource;
use intendant_streams::stop::Stop;

use crate::support::{Carrier, message, score, settings, until};

const ROLE: &str = "INTENDANT_TEST_STREAM_ROLE";

/// A role as a process; killed when dropped.
struct Process(Child);

impl Process {
    /// `role database carrier file`, separated by blanks.
    fn start(role: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "exactly_once::as_a_role"]).env(ROLE, role);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Process {
    /// Without warning, as a power cut would.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nothing, unless this process is a role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_role() {
    let Ok(given) = std::env::var(ROLE) else { return };
    let given: Vec<&str> = given.split(' ').collect();
    let [role, database, carrier, file] = given.as_slice() else { panic!("four words") };
    let books = open(database).await;
    let carrier = match *carrier {
        "queue" => Carrier::Queue,
        url => Carrier::Broker("rabbitmq", url.to_owned()),
    };
    if *role == "producer" { produce(&books, &carrier, file).await } else { consume(&books, &carrier).await }
}

/// The database may be away just now.
async fn open(url: &str) -> Books {
    let mut opened = None;
    until("the database is there", async || {
        opened = Books::open(url).await.ok();
        opened.is_some()
    })
    .await;
    opened.unwrap()
}

async fn produce(books: &Books, carrier: &Carrier, file: &str) {
    let outbox = Relay::topic("producer", "articles");
    let topic = if matches!(carrier, Carrier::Queue) { "articles".to_owned() } else { outbox.clone() };
    let settings = producer::Settings {
        stream: "articles".to_owned(),
        key: Some("uri".to_owned()),
        repeats: Repeats::Skip,
        topic,
    };
    let producer = Producer::new(books.clone(), settings);
    let (stop, mut source) = (Stop::default(), FileSource::new(file.as_ref(), None, None));
    if matches!(carrier, Carrier::Queue) {
        return producer.run(&mut source, &stop).await.unwrap();
    }
    let relay = Relay::new(books, &outbox, carrier.publisher(books, "articles"), Arc::default());
    let relaying = relay.run(&stop);
    let producing = async {
        until("the source is read", async || producer.run(&mut source, &stop).await.is_ok()).await;
        until("the outbox is empty", async || producer.settle(&stop).await.is_ok()).await;
        stop.ask();
    };
    tokio::join!(relaying, producing);
}

async fn consume(books: &Books, carrier: &Carrier) {
    // What is sent on is sent in the same transaction: once for each key.
    let settings = Settings { output: Some("scored".to_owned()), ..settings() };
    let consumer = Consumer::new(books.clone(), Arc::new(score), settings);
    consumer.run(carrier.subscription(books, "articles"), Until::Stopped, &Stop::default()).await;
}

/// How many messages, and how often the consumer is killed.
fn size() -> (usize, usize) {
    let given = std::env::var("INTENDANT_TEST_STREAM").ok();
    let read = |text: &str| {
        let (messages, kills) = text.split_once('x')?;
        Some((messages.parse().ok()?, kills.parse().ok()?))
    };
    given.and_then(|text| read(&text)).unwrap_or((3_000, 10))
}

/// Messages as lines; some come twice, some are none. Gives how many are none.
fn lines(count: usize) -> (String, i64) {
    let (mut lines, mut broken) = (String::new(), 0);
    for number in 0..count {
        let line = message(number).body;
        lines.push_str(&format!("{line}\n"));
        if number % 40 == 0 {
            // A key that comes twice.
            lines.push_str(&format!("{line}\n"));
        }
        if number % 500 == 7 {
            lines.push_str(&format!("{{broken {number}\n"));
            broken += 1;
        }
    }
    (lines, broken)
}

/// Sends messages and scores them, with the consumer killed again and again, and servers restarted on
/// the way.
async fn exactly_once(database: &str, carrier: &str, servers: Vec<Service>) {
    let (count, kills) = size();
    let started = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("articles.ndjson");
    let (text, broken) = lines(count);
    std::fs::write(&file, text).unwrap();
    let database = match database {
        "" => folder.path().join("streams.db").display().to_string(),
        url => url.to_owned(),
    };
    let role = |role: &str| format!("{role} {database} {carrier} {}", file.display());
    // The producer dies too.
    for round in 0..3_u64 {
        let producer = Process::start(&role("producer"));
        tokio::time::sleep(Duration::from_millis(30 + 50 * round)).await;
        drop(producer);
    }
    let mut producer = Process::start(&role("producer"));
    let books = open(&database).await;
    let scored = async || books.tally("articles").await.map_or(0, |tally| tally.scored as usize);
    let reaches = async |goal: usize| {
        until(&format!("{goal} are scored"), async || scored().await >= goal.min(count)).await;
    };
    let mut servers = Some(servers);
    for kill in 1..=kills {
        let consumer = Process::start(&role("consumer"));
        reaches((count * kill / (kills + 1)).max(scored().await + 1)).await;
        drop(consumer);
        if kill == kills / 2 {
            let mut restarted = Vec::new();
            for mut server in servers.take().into_iter().flatten() {
                let _consumer = Process::start(&role("consumer"));
                reaches(scored().await + 10).await;
                server = tokio::task::spawn_blocking(move || server.restart().map(|()| server))
                    .await
                    .unwrap()
                    .unwrap();
                reaches(scored().await + 10).await;
                restarted.push(server);
            }
            servers = Some(restarted);
        }
    }
    let consumer = Process::start(&role("consumer"));
    reaches(count).await;
    until("the producer ends", async || producer.0.try_wait().unwrap().is_some()).await;
    let number = async |statement: &str| books.database().number(statement).await.unwrap();
    let waiting = "SELECT COUNT(*) FROM stream_queue WHERE topic <> 'scored'";
    until("nothing waits", async || number(waiting).await == 0).await;
    until("all broken ones are put aside", async || books.tally("articles").await.unwrap().dead >= broken)
        .await;
    drop(consumer);
    // Whatever is left of what the dead had in hand has been handled before.
    let consumer = Consumer::new(books.clone(), Arc::new(score), settings());
    let carrier = match carrier {
        "queue" => Carrier::Queue,
        url => Carrier::Broker("rabbitmq", url.to_owned()),
    };
    let subscription = carrier.subscription(&books, "articles");
    consumer.run(subscription, Until::Empty, &Stop::default()).await;
    assert_eq!(consumer.counters().done.load(std::sync::atomic::Ordering::Relaxed), 0);

    let tally = books.tally("articles").await.unwrap();
    assert_eq!((tally.scored, tally.dead), (count as i64, broken));
    let count = count as i64;
    assert_eq!(number("SELECT COUNT(DISTINCT message_key) FROM stream_scored").await, count);
    let sent = "SELECT COUNT(*) FROM stream_queue WHERE topic = 'scored'";
    assert_eq!(number(sent).await, count, "sent on");
    let sent = "SELECT COUNT(DISTINCT message_key) FROM stream_queue WHERE topic = 'scored'";
    assert_eq!(number(sent).await, count, "keys sent on");
    eprintln!("{count} messages, {kills} deaths of the consumer: {:.1} s", started.elapsed().as_secs_f64());
}

#[tokio::test]
async fn with_the_embedded_queue() {
    exactly_once("", "queue", Vec::new()).await;
}

#[tokio::test]
async fn with_rabbitmq_and_postgres() {
    let Some(broker) = Service::start(Kind::RabbitMq).unwrap() else { return };
    let Some(database) = Service::start(Kind::Postgres).unwrap() else { return };
    let (url, carrier) = (database.url(), broker.url());
    exactly_once(&url, &carrier, vec![broker, database]).await;
}

#[tokio::test]
async fn with_a_queue_in_postgres() {
    let Some(database) = Service::start(Kind::Postgres).unwrap() else { return };
    let url = database.url();
    exactly_once(&url, "queue", vec![database]).await;
}
