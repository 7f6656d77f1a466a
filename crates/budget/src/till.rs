//! Decisions, run within a ledger.

use std::sync::{Arc, Mutex, PoisonError};

use intendant_port::error::{Error, Kind, Result};
use intendant_port::ledger::{Entry, Ledger, Needs, Sheet, Slot, Wanted};
use intendant_talk::time::Timestamp;

use crate::admin::{By, Deed, NoAccount};
use crate::decide::{Bill, Budget, Notice, Order, Refusal, Reserved, Ticket};
use crate::rule::{Exhausted, Scopes};
use crate::standing::Standing;

/// Most accounts that are shown.
const SHOWN_MAX: u32 = 10_000;

/// A ledger with the rules that are decided by. Clones share the ledger.
#[derive(Clone)]
pub struct Till {
    ledger: Arc<dyn Ledger>,
    budget: Arc<Budget>,
}

impl Till {
    /// A till over a ledger.
    pub fn new(ledger: Arc<dyn Ledger>, budget: Budget) -> Self {
        Self { ledger, budget: Arc::new(budget) }
    }

    /// The rules.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Holds money for a request; see [`Budget::reserve`].
    ///
    /// # Errors
    /// When the ledger cannot be written: then nothing may be sent.
    pub async fn reserve(&self, order: Order, now: Timestamp) -> Result<Reserved> {
        let needs = self.budget.needs(&order, now);
        if let Some(refusal) = self.refused_at_once(&order, &needs, now).await {
            return Ok(Reserved::Refused(refusal));
        }
        self.run(needs, move |budget, sheet| budget.reserve(sheet, &order, now)).await
    }

    /// A refusal that needs no transaction: nobody has to be told of it, it is no repetition that was
    /// paid before, and no account that is not known at a glance could change it.
    async fn refused_at_once(&self, order: &Order, needs: &Needs, now: Timestamp) -> Option<Refusal> {
        if order.may_repeat {
            return None;
        }
        let mut sheet = self.ledger.glance(needs).await?;
        let is_known = |(account, _): &Slot| sheet.counters.keys().any(|(known, _)| known == account);
        let all_are_known = needs.accounts.iter().all(is_known);
        match self.budget.reserve(&mut sheet, order, now) {
            Reserved::Refused(refusal) if refusal.notices.is_empty() => {
                (all_are_known || refusal.exhausted == Exhausted::Block).then_some(refusal)
            }
            _ => None,
        }
    }

    /// Pays for a request; see [`Budget::settle`].
    ///
    /// # Errors
    /// When the ledger cannot be written: then the reservation expires and is paid as estimated.
    pub async fn settle(&self, ticket: Ticket, bill: Bill, now: Timestamp) -> Result<Vec<Notice>> {
        let needs = self.budget.needs_to_end(&ticket, now);
        self.run(needs, move |budget, sheet| budget.settle(sheet, &ticket, &bill, now)).await
    }

    /// Gives money back; see [`Budget::refund`].
    ///
    /// # Errors
    /// When the ledger cannot be written: then the reservation expires and is paid as estimated.
    pub async fn refund(&self, ticket: Ticket, why: String, now: Timestamp) -> Result<()> {
        let needs = self.budget.needs_to_end(&ticket, now);
        self.run(needs, move |budget, sheet| budget.refund(sheet, &ticket, &why, now)).await
    }

    /// Notes what an answer from nearby would have cost; see [`Budget::save`].
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn save(&self, order: Order, source: String, now: Timestamp) -> Result<()> {
        let accounts = self.budget.first_slots(&order.scopes, now);
        let needs = Needs { accounts, ..Needs::default() };
        self.run(needs, move |budget, sheet| budget.save(sheet, &order, &source, now)).await
    }

    /// Ends what should have ended.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn expire(&self, now: Timestamp) -> Result<()> {
        let needs = Needs { overdue_before: Some(now), ..Needs::default() };
        self.run(needs, move |budget, sheet| budget.expire(sheet, now)).await
    }

    /// Does something to an account by hand; see [`Budget::perform`].
    ///
    /// # Errors
    /// When the ledger cannot be written; inside, when there is no such account.
    pub async fn perform(
        &self,
        account: String,
        deed: Deed,
        by: By,
        now: Timestamp,
    ) -> Result<std::result::Result<(), NoAccount>> {
        let mut accounts = Vec::new();
        if let Some(rule) = self.budget.rule_of(&account) {
            let mut first = rule.period.window(now).first;
            if let Deed::Adjust { at, .. } = &deed {
                first = first.min(rule.period.window(*at).slot);
            }
            accounts.push((account.clone(), first));
        }
        let needs = Needs { accounts, ..Needs::default() };
        self.run(needs, move |budget, sheet| budget.perform(sheet, &account, (&deed, &by), now)).await
    }

    /// How all accounts stand, at most so many.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn standings(&self, now: Timestamp) -> Result<Vec<Standing>> {
        let sheet = self.ledger.read(self.budget.horizon(now), SHOWN_MAX).await?;
        Ok(self.budget.standings(&sheet, now))
    }

    /// How the accounts of one request stand.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn standings_of(&self, scopes: Scopes, now: Timestamp) -> Result<Vec<Standing>> {
        let mine = self.budget.first_slots(&scopes, now);
        let needs = Needs { accounts: mine.clone(), ..Needs::default() };
        let standings = self.run(needs, move |budget, sheet| budget.standings(sheet, now)).await?;
        let is_mine = |standing: &Standing| mine.iter().any(|(account, _)| *account == standing.account);
        Ok(standings.into_iter().filter(is_mine).collect())
    }

    /// Lines of the ledger, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn history(&self, wanted: &Wanted) -> Result<Vec<Entry>> {
        self.ledger.history(wanted).await
    }

    /// Makes all counters anew from the ledger's lines; gives those that were wrong.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn rebuild(&self) -> Result<Vec<Slot>> {
        self.ledger.rebuild().await
    }

    async fn run<T: Send + 'static>(
        &self,
        needs: Needs,
        decide: impl FnOnce(&Budget, &mut Sheet) -> T + Send + 'static,
    ) -> Result<T> {
        let decided = Arc::new(Mutex::new(None));
        let place = Arc::clone(&decided);
        let budget = Arc::clone(&self.budget);
        let work = move |sheet: &mut Sheet| {
            let outcome = decide(&budget, sheet);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        };
        self.ledger.transact(needs, Box::new(work)).await?;
        let outcome = decided.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.ok_or_else(|| Error::new(Kind::Invalid, "the ledger did not run what it was given"))
    }
}
