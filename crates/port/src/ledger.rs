//! Where money that is spent on others' services is written down.
//!
//! The ledger is append-only ([`Entry`]); what is decided with (counters, requests under way) is
//! derived from it and stored beside it in the same transaction. A store knows nothing of budgets:
//! it loads what a [`Work`] names, lets it decide, and stores what it changed, one after the other
//! across threads and processes.

use std::collections::BTreeMap;

use intendant_talk::time::Timestamp;

use crate::BoxFuture;
use crate::error::Result;
use crate::money::MicroUsd;

/// A pot of money in one stretch of time: the account and when the stretch began.
pub type Slot = (String, Timestamp);

/// What became of the money of an account in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// What was paid.
    pub spent: MicroUsd,
    /// What requests under way may cost.
    pub reserved: MicroUsd,
    /// What may be spent beyond the limit, once.
    pub granted: MicroUsd,
    /// What answers from nearby would have cost.
    pub saved: MicroUsd,
    /// Of what was paid, that of requests whose outcome is not known.
    pub uncertain: MicroUsd,
    /// Requests that were paid.
    pub requests: i64,
    /// The highest threshold, in percent, that was told of.
    pub warned: i64,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Money is held for it.
    Reserved,
    /// It was paid.
    Settled,
    /// It cost nothing.
    Refunded,
    /// Nobody said what became of it; it was paid as estimated.
    Expired,
}

impl State {
    /// The word it is stored as.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Settled => "settled",
            Self::Refunded => "refunded",
            Self::Expired => "expired",
        }
    }

    /// The state of a stored word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Reserved, Self::Settled, Self::Refunded, Self::Expired]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// A request for which money is or was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How far it has come.
    pub state: State,
    /// What is or was held.
    pub estimate: MicroUsd,
    /// What it cost, once known.
    pub paid: MicroUsd,
    /// Where it is counted: the slots of its reservation, whenever it ends.
    pub slots: Vec<Slot>,
    /// What it was for: upstream, kind and edition.
    pub purpose: String,
    /// When it was reserved.
    pub reserved_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// The answer, so that a repetition of the request gets the same.
    pub answer: Option<String>,
}

/// One line of the ledger. Lines are never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// `reserve`, `settle`, `refund`, `expire`, `amend` (the end of an expired request came after
    /// all), `save`, and by hand `adjust`, `reset`, `grant`, `limit`.
    pub kind: String,
    /// The request, if it is about one.
    pub request: String,
    /// Where it is counted.
    pub slots: Vec<Slot>,
    /// What it adds to that which was paid.
    pub spent: MicroUsd,
    /// What it adds to that which is held.
    pub reserved: MicroUsd,
    /// What it adds to that which was granted; the new limit of a `limit`.
    pub granted: MicroUsd,
    /// What it adds to that which was saved.
    pub saved: MicroUsd,
    /// What it adds to that which was paid without certainty.
    pub uncertain: MicroUsd,
    /// Units paid for.
    pub units: i64,
    /// What it was for: upstream, kind, edition and price.
    pub purpose: String,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What a work wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Accounts, each with all its slots from this one on.
    pub accounts: Vec<Slot>,
    /// Requests by id, with all slots in which they are counted.
    pub requests: Vec<String>,
    /// Requests that should have ended before, some of them.
    pub overdue_before: Option<Timestamp>,
}

/// What is loaded, decided upon and stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Counters by slot.
    pub counters: BTreeMap<Slot, Counter>,
    /// Limits that were set by hand, by account.
    pub limits: BTreeMap<String, MicroUsd>,
    /// Requests by id.
    pub requests: BTreeMap<String, Request>,
    /// New lines of the ledger.
    pub entries: Vec<Entry>,
    /// How many lines the ledger has without these, or a number that grows like it.
    pub lines: i64,
}

/// Decides upon what was loaded and changes it. It runs once, or never when the store fails before.
pub type Work = Box<dyn FnOnce(&mut Sheet) + Send>;

/// Which lines of the ledger are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only lines of this account.
    pub account: Option<String>,
    /// Only lines of these kinds; of all if there are none.
    pub kinds: Vec<String>,
    /// Only lines from this time on.
    pub since: Option<Timestamp>,
    /// Most lines, the newest.
    pub lines_max: u32,
}

/// Keeps the ledger.
pub trait Ledger: Send + Sync {
    /// Loads what is needed, runs the work, and stores what it changed: atomically, and one work
    /// after the other whatever thread or process it comes from. After `Ok` it survives the death of
    /// this process; after an error nothing of it is stored, or it cannot be known.
    fn transact(&self, needs: Needs, work: Work) -> BoxFuture<'_, Result<()>>;

    /// What is known of accounts without asking the truth, if it was the truth a moment ago: enough to
    /// turn a request away, never to let one in.
    fn glance<'a>(&'a self, _needs: &'a Needs) -> BoxFuture<'a, Option<Sheet>> {
        Box::pin(std::future::ready(None))
    }

    /// All counters of slots from `since` on, at most `counters_max` of them, and all limits set by hand.
    fn read(&self, since: Timestamp, counters_max: u32) -> BoxFuture<'_, Result<Sheet>>;

    /// Lines of the ledger, newest first.
    fn history<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>>;

    /// Makes all counters anew from the lines of the ledger; gives the slots that were wrong.
    fn rebuild(&self) -> BoxFuture<'_, Result<Vec<Slot>>>;
}
