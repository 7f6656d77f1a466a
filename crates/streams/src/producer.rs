//! The role that looks for what is new: items of a source become messages of a topic.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use intendant_port::error::Result;
use intendant_port::stream::{Message, Subscription};
use intendant_store::books::{Books, Entry, Repeats, Step};
use intendant_store::queue::Queue;
use serde_json::Value;

use crate::counters::Counters;
use crate::row;
use crate::source::{Next, Source};
use crate::stop::{BackOff, Stop};

/// The longest wait after failures in a row, unless the source says more.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);
/// How often it is looked whether the outbox is empty at the end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How a stream is produced.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The stream's name.
    pub stream: String,
    /// Where in an item its key is.
    pub key: Option<String>,
    /// What becomes of items whose key was seen before.
    pub repeats: Repeats,
    /// The topic of the queue in the database that messages go to: the stream's own, or an outbox.
    pub topic: String,
}

/// The producer of one stream.
pub struct Producer {
    books: Books,
    settings: Settings,
    counters: Arc<Counters>,
}

impl Producer {
    /// A producer with its books.
    pub fn new(books: Books, settings: Settings) -> Self {
        Self { books, settings, counters: Arc::default() }
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The name under which a producer keeps its books, apart from the consumer's.
    pub fn book(stream: &str) -> String {
        format!("produce/{stream}")
    }

    /// Looks at the source until it has nothing more to give or the end is asked for.
    ///
    /// # Errors
    /// When the source's books cannot be read at the start.
    pub async fn run(&self, source: &mut dyn Source, stop: &Stop) -> Result<()> {
        let stream = &self.settings.stream;
        let state = self.books.state(&Self::book(stream)).await?;
        source.restore(state.as_deref());
        let mut back_off = BackOff::up_to(BACK_OFF_MAX);
        while !stop.is_asked() {
            let looked = tokio::select! {
                looked = self.look(source) => looked,
                () = stop.asked() => return Ok(()),
            };
            match looked {
                Ok(next) => {
                    back_off.succeed();
                    self.counters.set_ready(true);
                    match next {
                        Next::Now => {}
                        Next::After(wait) => stop.pause(wait).await,
                        Next::Never => return Ok(()),
                    }
                }
                Err(error) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    self.counters.set_ready(false);
                    let wait = source.asked_wait().unwrap_or_default().max(back_off.wait());
                    let wait_secs = wait.as_secs_f64();
                    tracing::warn!(
                        stream,
                        wait_secs,
                        error = error.chain(),
                        "the source fails; it is tried again"
                    );
                    let state = self.books.state(&Self::book(stream)).await;
                    if let Ok(state) = state {
                        source.restore(state.as_deref());
                    }
                    stop.pause(wait).await;
                }
            }
        }
        Ok(())
    }

    /// Waits until nothing is left in the outbox, or the end is asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle(&self, stop: &Stop) -> Result<()> {
        let mut outbox =
            Queue::new(Arc::clone(self.books.database()), &self.settings.topic, Duration::from_secs(1));
        while !stop.is_asked() && outbox.lag().await? > 0 {
            stop.pause(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    async fn look(&self, source: &mut dyn Source) -> Result<Next> {
        let polled = source.poll().await?;
        let mut entries: std::collections::BTreeMap<String, Entry> = std::collections::BTreeMap::new();
        let given = polled.items.len() as u64;
        let mut order = Vec::new();
        for message in polled.items {
            let entry = self.entry(message);
            let is_new = !entries.contains_key(&entry.key);
            if is_new {
                order.push(entry.key.clone());
            }
            if is_new || self.settings.repeats == Repeats::Update {
                entries.insert(entry.key.clone(), entry);
            }
        }
        let entries: Vec<Entry> = order.iter().filter_map(|key| entries.remove(key)).collect();
        let step = Step { entries, state: polled.state, ..Step::default() };
        let won = self.books.take(&Self::book(&self.settings.stream), self.settings.repeats, &step).await?;
        source.taken().await?;
        let sent = won.len() as u64;
        self.counters.count_done(sent);
        self.counters.repeated.fetch_add(given.saturating_sub(sent), Ordering::Relaxed);
        Ok(polled.next)
    }

    fn entry(&self, message: Message) -> Entry {
        let value: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let key = row::key(self.settings.key.as_deref(), &value, &message);
        let content = row::digest(message.body.as_bytes());
        let outgoing = Some((self.settings.topic.clone(), message.body));
        Entry { key, content, order: 0, scored: None, outgoing }
    }
}
