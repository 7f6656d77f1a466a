//! The role that scores: takes messages, has them scored, writes the rows, then says that it has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use intendant_port::error::{Error, Kind, Result};
use intendant_port::stream::{Delivery, Place, Subscription};
use intendant_store::books::{Books, DeadLetter, Entry, Repeats, Scored, Step};
use intendant_store::queue::Queue;
use serde_json::{Value, json};

use crate::counters::Counters;
use crate::row::{Row, dead_letter};
use crate::score::Score;
use crate::stop::{BackOff, Stop};

/// How long one look for messages waits for some.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is asked how many wait.
const LAG_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is looked for dead letters that are to be tried again.
const REPLAY_INTERVAL: Duration = Duration::from_secs(1);
/// How often old keys are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
/// The longest wait after failures in a row.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// How long a dead letter that is tried again stays with one consumer.
const REPLAY_LEASE: Duration = Duration::from_secs(60);

/// How a stream is consumed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The stream's name.
    pub stream: String,
    /// Where in a message its key is.
    pub key: Option<String>,
    /// What becomes of messages whose key was seen before.
    pub repeats: Repeats,
    /// Most messages scored at once.
    pub batch: usize,
    /// Whether inputs are kept beside outputs.
    pub keeps_input: bool,
    /// The topic of the queue in the database that scored rows are sent to.
    pub output: Option<String>,
    /// How long keys are remembered; for ever unless said.
    pub remembers: Option<Duration>,
}

/// What became of messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handled {
    /// Keys with the output that was written for them.
    pub scored: Vec<(String, Value)>,
    /// Keys that had been handled before.
    pub repeated: Vec<String>,
    /// Messages that cannot be handled.
    pub dead: Vec<DeadLetter>,
}

/// When a consumer ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Never.
    Stopped,
    /// When no message waits.
    Empty,
}

/// The consumer of one stream.
pub struct Consumer {
    books: Books,
    scorer: Arc<dyn Score>,
    settings: Settings,
    counters: Arc<Counters>,
}

impl Consumer {
    /// A consumer that scores by `scorer`.
    pub fn new(books: Books, scorer: Arc<dyn Score>, settings: Settings) -> Self {
        Self { books, scorer, settings, counters: Arc::default() }
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The topic of the queue in which dead letters of a stream wait that are to be tried again.
    pub fn replay_topic(stream: &str) -> String {
        format!("replay/{stream}")
    }

    /// Takes messages until it is asked to end. Whatever is away is waited for.
    pub async fn run(&self, mut subscription: Box<dyn Subscription>, until: Until, stop: &Stop) {
        let topic = Self::replay_topic(&self.settings.stream);
        let mut replay = Queue::new(Arc::clone(self.books.database()), &topic, REPLAY_LEASE);
        let mut back_off = BackOff::up_to(BACK_OFF_MAX);
        let mut round = Round::default();
        while !stop.is_asked() {
            match self.round(&mut *subscription, &mut replay, (&mut round, stop)).await {
                Ok(count) => {
                    if !self.counters.is_ready() {
                        tracing::info!(stream = self.settings.stream, "the stream is consumed");
                    }
                    self.counters.set_ready(true);
                    back_off.succeed();
                    if until == Until::Empty && count == 0 && self.counters.lag() == 0 {
                        return;
                    }
                }
                Err(error) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    let wait = back_off.wait();
                    if self.counters.is_ready() || self.counters.failures.load(Ordering::Relaxed) == 1 {
                        let stream = &self.settings.stream;
                        tracing::error!(stream, error = error.chain(), "the stream waits; it is tried again");
                    }
                    self.counters.set_ready(false);
                    subscription.reset();
                    replay_reset(&mut replay);
                    round = Round::default();
                    stop.pause(wait).await;
                }
            }
        }
    }

    /// One look at everything; gives how many messages there were.
    async fn round(
        &self,
        subscription: &mut dyn Subscription,
        replay: &mut Queue,
        (round, stop): (&mut Round, &Stop),
    ) -> Result<usize> {
        if !round.is_resumed && subscription.wants_places() {
            subscription.resume(&self.books.places(&self.settings.stream).await?);
        }
        round.is_resumed = true;
        let mut count = 0;
        if is_due(&mut round.replayed, REPLAY_INTERVAL) {
            let again = replay.receive(self.settings.batch, Duration::ZERO).await?;
            count += self.handle_all(replay, &again, stop).await?;
        }
        let patience = if count > 0 { Duration::ZERO } else { PATIENCE };
        let deliveries = tokio::select! {
            deliveries = subscription.receive(self.settings.batch, patience) => deliveries?,
            () = stop.asked() => Vec::new(),
        };
        count += self.handle_all(subscription, &deliveries, stop).await?;
        if is_due(&mut round.counted, LAG_INTERVAL) || count == 0 {
            self.counters.set_lag(subscription.lag().await? + replay.lag().await?);
        }
        if let Some(age) = self.settings.remembers.filter(|_| is_due(&mut round.forgot, FORGET_INTERVAL)) {
            let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            self.books.forget(&self.settings.stream, age_ms).await?;
        }
        Ok(count)
    }

    /// Handles messages until that has gone well, then acknowledges them.
    async fn handle_all(
        &self,
        subscription: &mut dyn Subscription,
        deliveries: &[Delivery],
        stop: &Stop,
    ) -> Result<usize> {
        if deliveries.is_empty() {
            return Ok(0);
        }
        let mut back_off = BackOff::up_to(BACK_OFF_MAX);
        loop {
            match self.handle(deliveries).await {
                Ok(_) => break,
                Err(error) if stop.is_asked() => return Err(error),
                Err(error) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    if self.counters.is_ready() {
                        let stream = &self.settings.stream;
                        tracing::error!(stream, error = error.chain(), "messages wait; they are tried again");
                    }
                    self.counters.set_ready(false);
                    stop.pause(back_off.wait()).await;
                }
            }
        }
        subscription.acknowledge(deliveries).await?;
        Ok(deliveries.len())
    }

    /// Scores messages and writes what comes of them, in one transaction. Those that were handled
    /// before are left as they are.
    ///
    /// # Errors
    /// When the database or the model cannot be used now; then nothing was changed.
    pub async fn handle(&self, deliveries: &[Delivery]) -> Result<Handled> {
        let mut handled = Handled::default();
        let rows = self.fresh(deliveries, &mut handled).await?;
        let answers = self.score(&rows).await?;
        let mut step = Step { places: last_places(deliveries), ..Step::default() };
        let mut outputs = BTreeMap::new();
        let model = self.scorer.model();
        for (row, answer) in rows.into_iter().zip(answers) {
            match answer {
                Ok(output) => {
                    step.entries.push(self.entry(&row, &output, &model));
                    outputs.insert(row.key, output);
                }
                Err(reason) => handled.dead.push(self.dead(&row, reason)),
            }
        }
        step.dead = handled.dead.clone();
        let (won, refused) = self.write(&step).await?;
        handled.dead.extend(refused);
        for (key, output) in outputs {
            if won.contains(&intendant_store::queue::storable(&key)) {
                handled.scored.push((key, output));
            } else if !handled.dead.iter().any(|dead| dead.key == key) {
                handled.repeated.push(key);
            }
        }
        self.counters.count_done(handled.scored.len() as u64);
        self.counters.repeated.fetch_add(handled.repeated.len() as u64, Ordering::Relaxed);
        self.counters.dead.fetch_add(handled.dead.len() as u64, Ordering::Relaxed);
        Ok(handled)
    }

    /// The messages that were not handled before, one per key.
    async fn fresh(&self, deliveries: &[Delivery], handled: &mut Handled) -> Result<Vec<Row>> {
        let Settings { stream, key, repeats, .. } = &self.settings;
        let mut rows: Vec<Row> = Vec::with_capacity(deliveries.len());
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for delivery in deliveries {
            match Row::read(stream, key.as_deref(), delivery) {
                Err(dead) => handled.dead.push(dead),
                Ok(row) => match (places.get(&row.key), repeats) {
                    (None, _) => {
                        places.insert(row.key.clone(), rows.len());
                        rows.push(row);
                    }
                    (Some(_), Repeats::Skip) => handled.repeated.push(row.key),
                    (Some(&place), Repeats::Update) => {
                        handled.repeated.push(row.key.clone());
                        rows[place] = row;
                    }
                },
            }
        }
        handled.dead.sort_by(|one, other| one.id.cmp(&other.id));
        handled.dead.dedup_by(|one, other| one.id == other.id);
        if rows.is_empty() {
            return Ok(rows);
        }
        let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let seen = self.books.seen(stream, &keys).await?;
        let is_fresh = |row: &Row| match (seen.get(&intendant_store::queue::storable(&row.key)), repeats) {
            (None, _) => true,
            (Some(_), Repeats::Skip) => false,
            (Some(content), Repeats::Update) => *content != row.content,
        };
        let (fresh, repeated): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_fresh);
        handled.repeated.extend(repeated.into_iter().map(|row| row.key));
        Ok(fresh)
    }

    /// Scores rows. If that panics each is tried alone, so that one row does not stop the others.
    async fn score(&self, rows: &[Row]) -> Result<Vec<std::result::Result<Value, String>>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let values: Vec<Value> = rows.iter().map(|row| row.value.clone()).collect();
        let answers = match self.compute(values).await {
            Some(answers) => answers?,
            None => {
                let mut answers = Vec::with_capacity(rows.len());
                for row in rows {
                    match self.compute(vec![row.value.clone()]).await {
                        Some(answer) => answers.extend(answer?),
                        None => answers.push(Err("the model failed on it (it panicked)".to_owned())),
                    }
                }
                answers
            }
        };
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counters.scoring_micros.fetch_add(micros, Ordering::Relaxed);
        if answers.len() != rows.len() {
            let message = format!("the model gave {} answers to {} rows", answers.len(), rows.len());
            return Err(Error::new(Kind::Invalid, message));
        }
        Ok(answers)
    }

    /// `None` when the model panicked.
    async fn compute(&self, values: Vec<Value>) -> Option<Result<Vec<std::result::Result<Value, String>>>> {
        let scorer = Arc::clone(&self.scorer);
        let answers = tokio::task::spawn_blocking(move || scorer.score(&values)).await;
        let unavailable = |why| Error::new(Kind::Unavailable, format!("cannot score messages: {why}"));
        answers.ok().map(|answers| answers.map_err(unavailable))
    }

    fn entry(&self, row: &Row, output: &Value, model: &str) -> Entry {
        let input = if self.settings.keeps_input { row.value.to_string() } else { String::new() };
        let outgoing = self.settings.output.as_ref().map(|topic| {
            let message = json!({"key": row.key, "input": row.value, "output": output, "model": model});
            (topic.clone(), message.to_string())
        });
        let scored = Some(Scored { input, output: output.to_string(), model: model.to_owned() });
        Entry { key: row.key.clone(), content: row.content.clone(), order: row.order, scored, outgoing }
    }

    fn dead(&self, row: &Row, reason: String) -> DeadLetter {
        let message =
            intendant_port::stream::Message { key: Some(row.key.clone()), body: row.value.to_string() };
        dead_letter(&self.settings.stream, &message, reason)
    }

    /// Writes a step. If the database refuses it because of what is in it, each entry is written alone,
    /// so that one does not stop the others; those that are refused then are dead letters.
    async fn write(&self, step: &Step) -> Result<(std::collections::BTreeSet<String>, Vec<DeadLetter>)> {
        let Settings { stream, repeats, .. } = &self.settings;
        match self.books.take(stream, *repeats, step).await {
            Err(error) if error.kind == Kind::Refused && !step.entries.is_empty() => {}
            outcome => return outcome.map(|won| (won, Vec::new())),
        }
        let (mut won, mut refused) = (std::collections::BTreeSet::new(), Vec::new());
        for entry in &step.entries {
            let alone = Step { entries: vec![entry.clone()], ..Step::default() };
            match self.books.take(stream, *repeats, &alone).await {
                Ok(keys) => won.extend(keys),
                Err(error) if error.kind == Kind::Refused => {
                    let body = entry.scored.as_ref().map(|scored| scored.input.clone()).unwrap_or_default();
                    let message = intendant_port::stream::Message { key: Some(entry.key.clone()), body };
                    refused.push(dead_letter(stream, &message, error.chain()));
                }
                Err(error) => return Err(error),
            }
        }
        let mut dead = step.dead.clone();
        dead.extend(refused.iter().cloned());
        let rest = Step { entries: Vec::new(), dead, ..step.clone() };
        self.books.take(stream, *repeats, &rest).await?;
        Ok((won, refused))
    }
}

/// What was last done when.
#[derive(Default)]
struct Round {
    is_resumed: bool,
    replayed: Option<Instant>,
    counted: Option<Instant>,
    forgot: Option<Instant>,
}

fn is_due(last: &mut Option<Instant>, interval: Duration) -> bool {
    let is_due = last.is_none_or(|last| last.elapsed() >= interval);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

fn replay_reset(replay: &mut Queue) {
    Subscription::reset(replay);
}

/// The newest place of each partition.
fn last_places(deliveries: &[Delivery]) -> Vec<Place> {
    let mut places: BTreeMap<i32, Place> = BTreeMap::new();
    for place in deliveries.iter().filter_map(|delivery| delivery.place) {
        let last = places.entry(place.partition).or_insert(place);
        *last = (*last).max(place);
    }
    places.into_values().collect()
}
