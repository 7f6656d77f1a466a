//! Rules: which accounts there are, how much each may spend in which period, and what happens then.

use intendant_port::ledger::{Counter, Sheet, Slot};
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;

use crate::period::{Period, Window};

/// Whose spending a rule limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything together.
    Global,
    /// A project.
    Project,
    /// A key of the API.
    Key,
    /// A way in, like `rest`.
    Channel,
    /// One conversation.
    Conversation,
}

impl Scope {
    /// All scopes, from the widest to the narrowest.
    pub const ALL: [Self; 5] = [Self::Global, Self::Project, Self::Key, Self::Channel, Self::Conversation];

    /// The word of settings and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Project => "project",
            Self::Key => "key",
            Self::Channel => "channel",
            Self::Conversation => "conversation",
        }
    }
}

/// What happens to requests for which there is no money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exhausted {
    /// They are sent all the same, and it is told.
    Allow,
    /// Our own assistant answers.
    Degrade,
    /// A fixed text is the answer.
    Canned,
    /// They are refused.
    Block,
}

/// A limit for one account, or for each of many.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, which accounts begin with.
    pub name: String,
    /// Whose spending it limits.
    pub scope: Scope,
    /// Of which project, key, channel or conversation; each has its own account unless one is named.
    pub id: Option<String>,
    /// How much may be spent in a period.
    pub limit: MicroUsd,
    /// When it starts anew.
    pub period: Period,
    /// Percentages of the limit that are told of.
    pub thresholds: Vec<u8>,
    /// What happens when it is reached.
    pub exhausted: Exhausted,
}

/// Where a request belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// The project.
    pub project: String,
    /// The key that was shown, if any; its name, never the key itself.
    pub key: Option<String>,
    /// The way in.
    pub channel: String,
    /// The conversation.
    pub conversation: String,
}

/// One pot of money.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The rule that limits it.
    pub rule: &'a Rule,
    /// Its name.
    pub name: &'a str,
}

/// An account at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How much may be spent, what was granted included.
    pub limit: MicroUsd,
    /// What was paid.
    pub spent: MicroUsd,
    /// What is held.
    pub reserved: MicroUsd,
    /// What was granted beyond the limit.
    pub granted: MicroUsd,
    /// What answers from nearby would have cost.
    pub saved: MicroUsd,
    /// Of what was paid, what is not certain.
    pub uncertain: MicroUsd,
    /// Requests paid for.
    pub requests: i64,
    /// The highest threshold told of.
    pub warned: i64,
    /// The window it was counted over.
    pub window: Window,
    /// The oldest slot of the window in which there is money.
    pub oldest: Option<Timestamp>,
}

impl Rule {
    /// The account of a request, if the rule is about it.
    pub fn account_of(&self, scopes: &Scopes) -> Option<String> {
        let id = match self.scope {
            Scope::Global => return Some(self.name.clone()),
            Scope::Project => scopes.project.as_str(),
            Scope::Key => scopes.key.as_deref()?,
            Scope::Channel => scopes.channel.as_str(),
            Scope::Conversation => scopes.conversation.as_str(),
        };
        match &self.id {
            Some(only) => (only == id).then(|| self.name.clone()),
            None => Some(format!("{}:{id}", self.name)),
        }
    }

    /// Whether an account is one of this rule's.
    pub fn owns(&self, account: &str) -> bool {
        let is_single = self.scope == Scope::Global || self.id.is_some();
        match account.strip_prefix(&self.name) {
            Some("") => is_single,
            Some(rest) => !is_single && rest.starts_with(':'),
            None => false,
        }
    }
}

impl Account<'_> {
    /// The window at some time. A clock that went back does not open a closed period again: the
    /// newest slot that was ever written stays the one that counts.
    pub fn window(&self, sheet: &Sheet, now: Timestamp) -> Window {
        let window = self.rule.period.window(now);
        let newest = self.slots(sheet, window.first).last().map(|((_, slot), _)| *slot);
        match newest {
            Some(newest) if newest > window.slot => self.rule.period.window(newest),
            _ => window,
        }
    }

    /// What it may spend and has spent.
    pub fn balance(&self, sheet: &Sheet, now: Timestamp) -> Balance {
        let window = self.window(sheet, now);
        let limit = sheet.limits.get(self.name).copied().unwrap_or(self.rule.limit);
        let mut balance = Balance {
            limit,
            spent: MicroUsd::ZERO,
            reserved: MicroUsd::ZERO,
            granted: MicroUsd::ZERO,
            saved: MicroUsd::ZERO,
            uncertain: MicroUsd::ZERO,
            requests: 0,
            warned: 0,
            window,
            oldest: None,
        };
        for ((_, slot), counter) in self.slots(sheet, window.first) {
            balance.spent = balance.spent.plus(counter.spent);
            balance.reserved = balance.reserved.plus(counter.reserved);
            balance.granted = balance.granted.plus(counter.granted);
            balance.saved = balance.saved.plus(counter.saved);
            balance.uncertain = balance.uncertain.plus(counter.uncertain);
            balance.requests = balance.requests.saturating_add(counter.requests);
            balance.warned = balance.warned.max(counter.warned);
            if balance.oldest.is_none() && counter.spent.plus(counter.reserved) > MicroUsd::ZERO {
                balance.oldest = Some(*slot);
            }
        }
        balance.limit = balance.limit.plus(balance.granted);
        balance
    }

    /// Its counters from a slot on, oldest first.
    pub fn slots<'s>(
        &self,
        sheet: &'s Sheet,
        first: Timestamp,
    ) -> impl Iterator<Item = (&'s Slot, &'s Counter)> {
        let name = self.name.to_owned();
        let last = (name.clone(), Timestamp::from_micros(i64::MAX));
        sheet.counters.range((name, first)..=last)
    }
}

impl Balance {
    /// What is left for new requests; below zero where it was overspent.
    pub fn left(&self) -> MicroUsd {
        self.limit.minus(self.spent).minus(self.reserved)
    }

    /// How much of the limit was paid, in percent.
    pub fn percent(&self) -> i64 {
        let (spent, limit) = (i128::from(self.spent.micros), i128::from(self.limit.micros));
        if limit <= 0 {
            return if spent > 0 { 100 } else { 0 };
        }
        i64::try_from(spent * 100 / limit).unwrap_or(i64::MAX)
    }

    /// When there may be money again, as far as the period alone tells.
    pub fn resets_at(&self, period: &Period) -> Option<Timestamp> {
        period.forgets(self.oldest.unwrap_or(self.window.slot))
    }
}
