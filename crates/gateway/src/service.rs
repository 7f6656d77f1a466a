//! One inquiry from the door to the answer.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intendant_budget::price::Prices;
use intendant_budget::rate::Rates;
use intendant_budget::rule::Scopes;
use intendant_budget::standing::Standing;
use intendant_budget::till::Till;
use intendant_port::clock::Clock;
use intendant_port::notify::Notifier;
use intendant_port::upstream::{Answer, Input, Pieces, Question, Said, Upstream};
use intendant_talk::time::Timestamp;
use serde_json::json;

use crate::breaker::Breaker;
use crate::figures::Figures;
use crate::inquiry::{Inquiry, Refused, Reply, Source};
use crate::memory::{Answers, Talk, Talks};

/// How a gateway behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most characters of a message.
    pub message_chars_max: usize,
    /// Most requests per minute from one address.
    pub per_address: u32,
    /// Most requests per minute in one conversation.
    pub per_session: u32,
    /// How long repeatable answers are kept.
    pub cache_seconds: u64,
    /// How many of them.
    pub cache_entries_max: usize,
    /// How long an upstream may take, all tries together.
    pub timeout: Duration,
    /// Requests that may be sent although the ledger cannot be written, for the life of the process;
    /// none unless somebody chose otherwise.
    pub unmetered_max: u64,
    /// The fixed answer of rules that say so; the usual excuse in the user's language without one.
    pub canned: Option<String>,
    /// Whose price of a text answers of a free upstream save: upstream and edition.
    pub instead_of: Option<(String, String)>,
}

/// Everything outside that a gateway works with.
pub struct Outside {
    /// The ledger and its rules.
    pub till: Till,
    /// What units cost.
    pub prices: Prices,
    /// Who is asked.
    pub upstream: Arc<dyn Upstream>,
    /// Who answers for nothing when the upstream cannot or may not.
    pub fallback: Option<Arc<dyn Upstream>>,
    /// Who is told.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Answers inquiries. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) outside: Outside,
    pub(crate) settings: Settings,
    by_address: Mutex<Rates>,
    by_session: Mutex<Rates>,
    talks: Mutex<Talks>,
    answers: Mutex<Answers>,
    pub(crate) breaker: Mutex<Breaker>,
    pub(crate) unmetered: AtomicU64,
    figures: Figures,
}

/// After a panic the worst is a count that is off by one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gateway {
    /// A gateway that nobody has asked yet.
    pub fn new(outside: Outside, settings: Settings) -> Self {
        let shared = Shared {
            by_address: Mutex::new(Rates::new(settings.per_address)),
            by_session: Mutex::new(Rates::new(settings.per_session)),
            talks: Mutex::default(),
            answers: Mutex::new(Answers::new(settings.cache_seconds, settings.cache_entries_max)),
            breaker: Mutex::default(),
            unmetered: AtomicU64::new(0),
            figures: Figures::default(),
            outside,
            settings,
        };
        Self { shared: Arc::new(shared) }
    }

    /// What it counts.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// How all accounts stand; `None` while the ledger cannot be read.
    pub async fn standings(&self) -> Option<Vec<Standing>> {
        let outside = &self.shared.outside;
        let standings = outside.till.standings(outside.clock.now()).await;
        standings.inspect_err(|error| tracing::warn!(error = error.chain(), "the ledger cannot be read")).ok()
    }

    /// How the accounts of an inquiry stand.
    pub async fn standings_of(&self, scopes: Scopes) -> Vec<Standing> {
        let outside = &self.shared.outside;
        outside.till.standings_of(scopes, outside.clock.now()).await.unwrap_or_default()
    }

    /// Whether the upstream is left alone after failures.
    pub fn is_resting(&self) -> bool {
        lock(&self.shared.breaker).is_open()
    }

    /// Answers an inquiry, or says why not. It is finished even if nobody waits any more.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn answer(&self, inquiry: Inquiry, pieces: Option<Arc<dyn Pieces>>) -> Result<Reply, Refused> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move { shared.handle(inquiry, pieces.as_deref()).await });
        let outcome = task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an inquiry could not be finished");
            Err(Refused::Unavailable(None))
        });
        self.shared.figures.count(match &outcome {
            Ok(reply) => reply.source.word(),
            Err(refused) => refused.word(),
        });
        outcome
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        self.outside.clock.now()
    }

    async fn handle(&self, mut inquiry: Inquiry, pieces: Option<&dyn Pieces>) -> Result<Reply, Refused> {
        self.admit(&inquiry)?;
        let talk = lock(&self.talks).get(&inquiry.question.session, self.now());
        // Of a conversation that began elsewhere nobody knows what the upstream remembers.
        let is_fresh = talk.as_ref().map_or(inquiry.is_new, |talk: &Talk| !talk.has_state);
        inquiry.question.before = talk.map(|talk| talk.said).unwrap_or_default();
        let cache_key =
            (is_fresh && self.outside.upstream.is_repeatable()).then(|| cache_key(&inquiry.question));
        let cached = cache_key.as_ref().and_then(|key| lock(&self.answers).get(key, self.now()));
        if let Some(answer) = cached {
            self.saved(&inquiry, Source::Cache).await;
            self.note(&inquiry.question, &answer);
            return Ok(Reply { answer, source: Source::Cache });
        }
        let reply = match self.outside.upstream.is_free() {
            true => self.ask_for_nothing(&inquiry, pieces).await?,
            false => self.buy(&inquiry, pieces).await?,
        };
        match reply.source {
            Source::Upstream => {
                self.note(&inquiry.question, &reply.answer);
                if let Some(key) = cache_key.filter(|_| !reply.answer.leaves_state) {
                    lock(&self.answers).put(key, &reply.answer, self.now());
                }
            }
            Source::Cache | Source::Fallback | Source::Canned | Source::Repeated => {}
        }
        Ok(reply)
    }

    fn admit(&self, inquiry: &Inquiry) -> Result<(), Refused> {
        let length_max = self.settings.message_chars_max;
        if inquiry.question.input.text().chars().nth(length_max).is_some() {
            return Err(Refused::TooLong(length_max));
        }
        let now = self.now();
        lock(&self.by_address).take(&inquiry.address, now).map_err(Refused::TooFast)?;
        lock(&self.by_session).take(&inquiry.question.session, now).map_err(Refused::TooFast)
    }

    fn note(&self, question: &Question, answer: &Answer) {
        let texts = answer.messages.iter().filter_map(|message| message.get("text")?.as_str());
        let said =
            Said { question: question.input.text().to_owned(), answer: texts.collect::<Vec<_>>().join("\n") };
        lock(&self.talks).note(&question.session, (said, answer.leaves_state), self.now());
    }

    /// An upstream that costs nothing needs no reservation.
    async fn ask_for_nothing(
        &self,
        inquiry: &Inquiry,
        pieces: Option<&dyn Pieces>,
    ) -> Result<Reply, Refused> {
        let answer = self.outside.upstream.ask(&inquiry.question, pieces).await.map_err(|failed| {
            tracing::error!(error = failed.error.chain(), "the upstream failed");
            Refused::Unavailable(failed.retry_after_secs)
        })?;
        self.saved(inquiry, Source::Upstream).await;
        Ok(Reply { answer, source: Source::Upstream })
    }
}

/// The same question in the same language, whatever its case and spaces.
fn cache_key(question: &Question) -> String {
    let text: Vec<String> = question.input.text().split_whitespace().map(str::to_lowercase).collect();
    let input = match &question.input {
        Input::Text(_) => json!([text.join(" ")]),
        Input::Event { name, parameters } => json!([name, parameters]),
    };
    json!([question.language, input, question.query_params, question.before.len()]).to_string()
}
