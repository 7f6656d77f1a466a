//! One inquiry from the door to the answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intendant_budget::decide::{Bill, Certainty, Notice, NoticeEvent, Order, Refusal, Reserved, Ticket};
use intendant_budget::price::{Cost, NoPrice, Prices};
use intendant_budget::rate::Rates;
use intendant_budget::rule::{Exhausted, Scopes};
use intendant_budget::standing::Standing;
use intendant_budget::till::Till;
use intendant_port::clock::Clock;
use intendant_port::error::{Error, Kind};
use intendant_port::notify::{Message, Notifier};
use intendant_port::upstream::{Answer, Billing, Failed, Input, Pieces, Question, Said, Upstream, Usage};
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::figures::Figures;
use crate::memory::{Answers, Talk, Talks};
use crate::words::{Excuse, excuse};

/// What is added to an upstream's time before its reservation expires.
const EXPIRY_MARGIN: Duration = Duration::from_secs(60);

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

/// A question with who asks.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The question; what was said before is filled in here.
    pub question: Question,
    /// Where it is counted.
    pub scopes: Scopes,
    /// Where it comes from, for rates.
    pub address: String,
    /// The conversation began with this inquiry.
    pub is_new: bool,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Source {
    Upstream,
    Cache,
    Fallback,
    Canned,
    Repeated,
}

impl Source {
    /// The word of answers and figures.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Cache => "cache",
            Self::Fallback => "fallback",
            Self::Canned => "canned",
            Self::Repeated => "repeated",
        }
    }
}

/// An answer with where it came from.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// Where it came from.
    pub source: Source,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum Refused {
    /// The message has more characters than this.
    TooLong(usize),
    /// Too many requests; after so many seconds there is room again.
    TooFast(u64),
    /// There is no money, for so many seconds, or for ever.
    Exhausted(Refusal, Option<u64>),
    /// Nobody knows what it costs.
    NoPrice(NoPrice),
    /// The ledger cannot be written, so nothing is sent.
    NoLedger,
    /// The same request is being answered.
    UnderWay,
    /// The upstream failed, or rests after failures; maybe with the seconds to wait.
    Unavailable(Option<u64>),
}

impl Refused {
    /// The word of problems and figures.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "message_too_long",
            Self::TooFast(_) => "rate_exceeded",
            Self::Exhausted(..) => "budget_exceeded",
            Self::NoPrice(_) => "price_unknown",
            Self::NoLedger => "ledger_unavailable",
            Self::UnderWay => "request_under_way",
            Self::Unavailable(_) => "upstream_unavailable",
        }
    }

    /// What a user reads.
    pub fn excuse(&self, language: &str) -> &'static str {
        let reason = match self {
            Self::TooLong(_) => Excuse::TooLong,
            Self::TooFast(_) | Self::UnderWay => Excuse::TooFast,
            Self::Exhausted(..) => Excuse::Exhausted,
            Self::NoPrice(_) | Self::NoLedger | Self::Unavailable(_) => Excuse::Unavailable,
        };
        excuse(reason, language)
    }
}

/// Answers inquiries. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    outside: Outside,
    settings: Settings,
    by_address: Mutex<Rates>,
    by_session: Mutex<Rates>,
    talks: Mutex<Talks>,
    answers: Mutex<Answers>,
    breaker: Mutex<Breaker>,
    unmetered: AtomicU64,
    figures: Figures,
}

/// After a panic the worst is a count that is off by one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
    fn now(&self) -> Timestamp {
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

    async fn buy(&self, inquiry: &Inquiry, pieces: Option<&dyn Pieces>) -> Result<Reply, Refused> {
        let now = self.now();
        let cost = self.cost(&self.outside.upstream.needs(&inquiry.question)).map_err(|missing| {
            tracing::error!(%missing, "a request is refused");
            Refused::NoPrice(missing)
        })?;
        let rests = lock(&self.breaker).admit(now);
        if let Err(seconds) = rests {
            return self.instead(inquiry, Refused::Unavailable(Some(seconds))).await;
        }
        let order = self.order(inquiry, cost);
        let reserved = match self.outside.till.reserve(order, now).await {
            Ok(reserved) => reserved,
            Err(error) => return self.without_ledger(inquiry, pieces, error).await,
        };
        match reserved {
            Reserved::Held(ticket, notices) => {
                self.tell(notices);
                self.spend(inquiry, ticket, pieces).await
            }
            Reserved::Repeated(answer) => Ok(Reply { answer: answer_of(&answer), source: Source::Repeated }),
            Reserved::UnderWay => Err(Refused::UnderWay),
            Reserved::Refused(refusal) => self.exhausted(inquiry, refusal).await,
        }
    }

    fn cost(&self, usage: &[Usage]) -> Result<Cost, NoPrice> {
        let Outside { prices, upstream, .. } = &self.outside;
        prices.cost((upstream.name(), upstream.edition()), usage, self.now())
    }

    fn order(&self, inquiry: &Inquiry, cost: Cost) -> Order {
        let request = match &inquiry.idempotency_key {
            // Keys of one caller are nothing to another.
            Some(key) => {
                let caller = inquiry.scopes.key.as_deref().unwrap_or(&inquiry.question.session);
                format!("key {caller} {key}")
            }
            None => Uuid::new_v4().to_string(),
        };
        let patience = self.settings.timeout.saturating_add(EXPIRY_MARGIN).as_micros();
        let expires = self.now().micros.saturating_add(i64::try_from(patience).unwrap_or(i64::MAX));
        Order {
            request,
            scopes: inquiry.scopes.clone(),
            cost,
            expires_at: Timestamp::from_micros(expires),
            may_repeat: inquiry.idempotency_key.is_some(),
        }
    }

    /// Asks with money held, and ends the reservation whatever comes back.
    async fn spend(
        &self,
        inquiry: &Inquiry,
        ticket: Ticket,
        pieces: Option<&dyn Pieces>,
    ) -> Result<Reply, Refused> {
        match self.asked(inquiry, pieces).await {
            Ok(answer) => {
                lock(&self.breaker).succeeded();
                let cost = match answer.usage.is_empty() {
                    true => None,
                    false => self.cost(&answer.usage).ok(),
                };
                let bill = Bill {
                    amount: cost.as_ref().map_or(ticket.estimate, |cost| cost.amount),
                    units: cost.map_or(1, |cost| cost.units),
                    certainty: Certainty::Known,
                    answer: inquiry.idempotency_key.is_some().then(|| text_of(&answer)),
                };
                self.settle(ticket, bill).await;
                Ok(Reply { answer, source: Source::Upstream })
            }
            Err(failed) => {
                tracing::error!(error = failed.error.chain(), billing = ?failed.billing, "the upstream failed");
                // A question that is turned away for itself says nothing of the upstream.
                if failed.error.kind != Kind::Refused {
                    lock(&self.breaker).failed(self.now());
                }
                match failed.billing {
                    Billing::Free => self.refund(ticket, failed.error.message).await,
                    Billing::Unknown => {
                        let amount = ticket.estimate;
                        let bill = Bill { amount, units: 1, certainty: Certainty::Unknown, answer: None };
                        self.settle(ticket, bill).await;
                    }
                }
                self.instead(inquiry, Refused::Unavailable(failed.retry_after_secs)).await
            }
        }
    }

    /// Asks within the time; what was sent and not answered in time may have been billed.
    async fn asked(&self, inquiry: &Inquiry, pieces: Option<&dyn Pieces>) -> Result<Answer, Failed> {
        let asking = self.outside.upstream.ask(&inquiry.question, pieces);
        tokio::time::timeout(self.settings.timeout, asking).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} ms", self.settings.timeout.as_millis());
            let error = Error::new(Kind::Timeout, message);
            Err(Failed { billing: Billing::Unknown, error, retry_after_secs: None })
        })
    }

    async fn settle(&self, ticket: Ticket, bill: Bill) {
        match self.outside.till.settle(ticket, bill, self.now()).await {
            Ok(notices) => self.tell(notices),
            // The reservation stays and is paid as estimated when it expires.
            Err(error) => tracing::error!(error = error.chain(), "a request cannot be settled"),
        }
    }

    async fn refund(&self, ticket: Ticket, why: String) {
        if let Err(error) = self.outside.till.refund(ticket, why, self.now()).await {
            tracing::error!(error = error.chain(), "a request cannot be refunded");
        }
    }

    /// What the rule that refused says.
    async fn exhausted(&self, inquiry: &Inquiry, mut refusal: Refusal) -> Result<Reply, Refused> {
        self.tell(std::mem::take(&mut refusal.notices));
        let wait = refusal.resets_at.map(|at| {
            let micros = at.micros.saturating_sub(self.now().micros).max(0);
            u64::try_from(micros).unwrap_or(0).div_ceil(1_000_000)
        });
        let exhausted = refusal.exhausted;
        let refused = Refused::Exhausted(refusal, wait);
        match exhausted {
            Exhausted::Degrade => self.instead(inquiry, refused).await,
            Exhausted::Canned => {
                let language = &inquiry.question.language;
                let text = match &self.settings.canned {
                    Some(text) => text.clone(),
                    None => excuse(Excuse::Exhausted, language).to_owned(),
                };
                let mut message = Object::new();
                message.insert("text".to_owned(), text.into());
                let answer = Answer { messages: vec![message], ..Answer::default() };
                Ok(Reply { answer, source: Source::Canned })
            }
            Exhausted::Block | Exhausted::Allow => Err(refused),
        }
    }

    /// The fallback's answer, or the refusal.
    async fn instead(&self, inquiry: &Inquiry, refused: Refused) -> Result<Reply, Refused> {
        let Some(fallback) = &self.outside.fallback else {
            return Err(refused);
        };
        match fallback.ask(&inquiry.question, None).await {
            Ok(answer) => {
                self.saved(inquiry, Source::Fallback).await;
                Ok(Reply { answer, source: Source::Fallback })
            }
            Err(failed) => {
                tracing::error!(error = failed.error.chain(), "the fallback failed as well");
                Err(refused)
            }
        }
    }

    /// Without a ledger nothing is sent, unless somebody allowed some.
    async fn without_ledger(
        &self,
        inquiry: &Inquiry,
        pieces: Option<&dyn Pieces>,
        error: Error,
    ) -> Result<Reply, Refused> {
        tracing::error!(error = error.chain(), "the ledger cannot be written");
        let allowed = self.unmetered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sent| {
            (sent < self.settings.unmetered_max).then_some(sent + 1)
        });
        let Ok(sent) = allowed else {
            return self.instead(inquiry, Refused::NoLedger).await;
        };
        let subject = format!("request {} of {} is sent unmetered", sent + 1, self.settings.unmetered_max);
        self.tell_all(Message {
            text: format!("The ledger cannot be written: {}.", error.chain()),
            data: json!({"event": "unmetered", "sent": sent + 1, "limit": self.settings.unmetered_max}),
            subject,
        });
        let answer = self.asked(inquiry, pieces).await.map_err(|failed| {
            tracing::error!(error = failed.error.chain(), "the upstream failed");
            Refused::Unavailable(failed.retry_after_secs)
        })?;
        Ok(Reply { answer, source: Source::Upstream })
    }

    /// Notes what an answer from nearby would have cost.
    async fn saved(&self, inquiry: &Inquiry, source: Source) {
        let cost = match (&self.settings.instead_of, self.outside.upstream.is_free()) {
            (Some((upstream, edition)), true) => {
                let usage = [Usage { kind: "text", units: 1 }];
                self.outside.prices.cost((upstream, edition), &usage, self.now())
            }
            (None, true) => return,
            (_, false) => self.cost(&self.outside.upstream.needs(&inquiry.question)),
        };
        let Ok(cost) = cost else { return };
        let order = Order { request: String::new(), ..self.order(inquiry, cost) };
        if let Err(error) = self.outside.till.save(order, source.word().to_owned(), self.now()).await {
            tracing::warn!(error = error.chain(), "what was saved cannot be noted");
        }
    }

    fn tell(&self, notices: Vec<Notice>) {
        for notice in notices {
            self.tell_all(message_of(&notice));
        }
    }

    /// Logs at once; other ways take their time.
    fn tell_all(&self, message: Message) {
        tracing::warn!(data = %message.data, "{}", message.subject);
        for notifier in &self.outside.notifiers {
            let notifier = Arc::clone(notifier);
            let message = message.clone();
            tokio::spawn(async move {
                if let Err(error) = notifier.tell(&message).await {
                    tracing::error!(error = error.chain(), subject = message.subject, "nobody could be told");
                }
            });
        }
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

fn text_of(answer: &Answer) -> String {
    json!({"messages": answer.messages, "detected": answer.detected}).to_string()
}

fn answer_of(text: &str) -> Answer {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let messages = value["messages"].as_array().cloned().unwrap_or_default();
    Answer {
        messages: messages.into_iter().filter_map(|message| message.as_object().cloned()).collect(),
        detected: value.get("detected").filter(|detected| !detected.is_null()).cloned(),
        ..Answer::default()
    }
}

/// A notice as a message.
fn message_of(notice: &Notice) -> Message {
    let Notice { account, event, limit, spent, resets_at } = notice;
    let (word, subject) = match event {
        NoticeEvent::Threshold(percent) => {
            ("threshold", format!("budget {account}: {percent} % of {limit} USD are spent"))
        }
        NoticeEvent::Exhausted => ("exhausted", format!("budget {account}: the {limit} USD are used up")),
        NoticeEvent::Overspent(excess) => {
            ("overspent", format!("budget {account}: a request cost {excess} USD more than reserved"))
        }
    };
    let percent = match event {
        NoticeEvent::Threshold(percent) => Some(*percent),
        NoticeEvent::Exhausted | NoticeEvent::Overspent(_) => None,
    };
    Message {
        text: format!("{spent} USD of {limit} USD are spent in account {account}."),
        data: json!({
            "event": word,
            "account": account,
            "percent": percent,
            "limit_micros": limit.micros,
            "spent_micros": spent.micros,
            "resets_at_micros": resets_at.map(|at| at.micros),
        }),
        subject,
    }
}
