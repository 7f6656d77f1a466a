//! From the reservation to the settlement, and what is done when there is no money or no upstream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use intendant_budget::decide::{Bill, Certainty, Order, Refusal, Reserved, Ticket};
use intendant_budget::price::{Cost, NoPrice};
use intendant_budget::rule::Exhausted;
use intendant_port::error::{Error, Kind};
use intendant_port::notify::Message;
use intendant_port::upstream::{Answer, Billing, Failed, Pieces, Usage};
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::inquiry::{Inquiry, Refused, Reply, Source};
use crate::service::{Outside, Shared, lock};
use crate::words::{Excuse, excuse};

/// What is added to an upstream's time before its reservation expires.
const EXPIRY_MARGIN: Duration = Duration::from_secs(60);

impl Shared {
    pub(crate) async fn buy(&self, inquiry: &Inquiry, pieces: Option<&dyn Pieces>) -> Result<Reply, Refused> {
        let now = self.now();
        let cost = self.cost(&self.outside.upstream.needs(&inquiry.question)).map_err(|missing| {
            tracing::error!(%missing, "a request is refused");
            Refused::NoPrice(missing)
        })?;
        // A request that may be a repetition has perhaps been answered before.
        let rests = lock(&self.breaker).rests(now).filter(|_| inquiry.idempotency_key.is_none());
        if rests.is_some() {
            return self.instead(inquiry, Refused::Unavailable(rests)).await;
        }
        let order = self.order(inquiry, cost);
        let reserved = match self.outside.till.reserve(order, now).await {
            Ok(reserved) => reserved,
            Err(error) => return self.without_ledger(inquiry, pieces, error).await,
        };
        match reserved {
            Reserved::Held(ticket, notices) => {
                self.tell(notices);
                // Only who has the money tries out an upstream that has rested.
                let admitted = lock(&self.breaker).admit(self.now());
                match admitted {
                    Ok(()) => self.spend(inquiry, ticket, pieces).await,
                    Err(seconds) => {
                        self.refund(ticket, "the upstream rests after failures".to_owned()).await;
                        self.instead(inquiry, Refused::Unavailable(Some(seconds))).await
                    }
                }
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
    pub(crate) async fn saved(&self, inquiry: &Inquiry, source: Source) {
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
