//! What is asked, and what comes of it.

use intendant_budget::decide::Refusal;
use intendant_budget::price::NoPrice;
use intendant_budget::rule::Scopes;
use intendant_port::upstream::{Answer, Question};

use crate::words::{Excuse, excuse};

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
