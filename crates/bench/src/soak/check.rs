//! What must be true at the end.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fixtures::amqp::Consumer;
use fixtures::services::Service;

use crate::soak::client::Told;

/// The queue that gets every event.
pub const QUEUE: &str = "soak";
/// How long events may take to the queue after the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Stored conversations: times of events in microseconds, texts of users.
pub type Stored = BTreeMap<String, (Vec<i64>, Vec<String>)>;

/// Reads all events from PostgreSQL.
///
/// # Errors
/// When `psql` does not run.
pub fn stored(postgres: &Service) -> Result<Stored> {
    let query = "COPY (SELECT sender_id, (timestamp * 1000000)::int8, CASE WHEN type_name = 'user' \
                 THEN data::json->>'text' ELSE '' END FROM events ORDER BY id) TO STDOUT";
    let output =
        Command::new("psql").args([&postgres.url(), "-qc", query]).output().context("cannot run psql")?;
    if !output.status.success() {
        bail!("psql failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut stored = Stored::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut fields = line.split('\t');
        let (sender, time) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default().parse()?);
        let (times, texts) = stored.entry(sender.to_owned()).or_default();
        times.push(time);
        texts.extend(fields.next().filter(|text| !text.is_empty()).map(str::to_owned));
    }
    Ok(stored)
}

/// How many acknowledged messages are not stored.
///
/// # Errors
/// When a conversation is out of order or holds something twice.
pub fn acknowledged(told: &Told, stored: &Stored) -> Result<usize> {
    for (sender, (times, texts)) in stored {
        let numbers: Vec<u64> =
            texts.iter().filter_map(|text| text.split(' ').nth(1)?.parse().ok()).collect();
        if !numbers.is_sorted_by(|one, next| one < next) || !times.is_sorted() {
            bail!("the conversation {sender} is out of order: {texts:?}");
        }
    }
    let nothing = (Vec::new(), Vec::new());
    let missing = told.acknowledged.iter().map(|(sender, texts)| {
        let (_, found) = stored.get(sender).unwrap_or(&nothing);
        texts.iter().filter(|text| !found.contains(text)).count()
    });
    Ok(missing.sum())
}

/// What has come out of the queue, read all the time so that the broker's disk stays small.
pub struct Queue {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    events: HashSet<(String, i64)>,
    repeated: usize,
}

impl Queue {
    /// Begins to read.
    pub fn watch(port: u16) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let writer = Arc::clone(&seen);
        std::thread::spawn(move || {
            // The queue or the broker may not be there: then again, as long as the process lives.
            loop {
                drop(read(port, &writer));
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Self { seen }
    }

    /// Waits until everything stored has come; tells how much has not.
    pub fn wait_for(&mut self, stored: &Stored) -> Result<usize> {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        loop {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let all =
                stored.iter().flat_map(|(sender, (times, _))| times.iter().map(move |time| (sender, time)));
            let missing =
                all.filter(|(sender, time)| !seen.events.contains(&((*sender).clone(), **time))).count();
            drop(seen);
            if missing == 0 || Instant::now() > deadline {
                return Ok(missing);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// How many events came more than once.
    pub fn repeated(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).repeated
    }
}

fn read(port: u16, seen: &Mutex<Seen>) -> Result<()> {
    let mut consumer = Consumer::connect(port)?;
    loop {
        let Some(message) = consumer.get(QUEUE)? else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let sender = message.body["sender_id"].as_str().context("no sender_id")?.to_owned();
        let seconds = message.body["timestamp"].as_f64().context("no timestamp")?;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.events.insert((sender, (seconds * 1e6).round() as i64)) {
            seen.repeated += 1;
        }
        drop(seen);
        consumer.acknowledge(&message)?;
    }
}
