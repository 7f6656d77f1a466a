//! A ledger in memory and rules in short form.

use intendant_budget::decide::{Bill, Budget, Certainty, Order, Reserved, Ticket};
use intendant_budget::period::{Period, Span};
use intendant_budget::price::Cost;
use intendant_budget::rule::{Exhausted, Rule, Scope, Scopes};
use intendant_port::ledger::Sheet;
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;
use jiff::tz::TimeZone;

pub const SECOND: i64 = 1_000_000;
pub const DAY: i64 = 86_400 * SECOND;

pub fn usd(text: &str) -> MicroUsd {
    MicroUsd::parse(text).unwrap()
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

pub fn month(zone: &str) -> Period {
    Period::Calendar(Span::Month, TimeZone::get(zone).unwrap())
}

pub fn rule(name: &str, scope: Scope, limit: &str, period: Period) -> Rule {
    Rule {
        name: name.to_owned(),
        scope,
        id: None,
        limit: usd(limit),
        period,
        thresholds: vec![50, 80, 100],
        exhausted: Exhausted::Block,
    }
}

pub fn scopes(conversation: &str) -> Scopes {
    Scopes {
        project: "shop".to_owned(),
        key: None,
        channel: "chat".to_owned(),
        conversation: conversation.to_owned(),
    }
}

/// Rules, the sheet of everything, and a clock that goes where it is told.
pub struct Desk {
    pub budget: Budget,
    pub sheet: Sheet,
    pub now: Timestamp,
    next_id: u64,
}

impl Desk {
    pub fn new(rules: Vec<Rule>, now: Timestamp) -> Self {
        Self { budget: Budget { rules }, sheet: Sheet::default(), now, next_id: 0 }
    }

    pub fn order(&mut self, conversation: &str, amount: &str) -> Order {
        self.next_id += 1;
        Order {
            request: format!("r{}", self.next_id),
            scopes: scopes(conversation),
            cost: Cost { amount: usd(amount), units: 1, purpose: "test".to_owned() },
            expires_at: Timestamp::from_micros(self.now.micros + 60 * SECOND),
            may_repeat: true,
        }
    }

    pub fn reserve(&mut self, order: &Order) -> Reserved {
        self.budget.reserve(&mut self.sheet, order, self.now)
    }

    pub fn held(&mut self, amount: &str) -> Ticket {
        let order = self.order("c", amount);
        match self.reserve(&order) {
            Reserved::Held(ticket, _) => ticket,
            other => panic!("{other:?}"),
        }
    }

    /// One request from begin to end; what was told, or who refused it.
    pub fn pay(&mut self, amount: &str) -> Result<Vec<String>, String> {
        let order = self.order("c", amount);
        let (ticket, mut notices) = match self.reserve(&order) {
            Reserved::Held(ticket, notices) => (ticket, notices),
            Reserved::Refused(refusal) => return Err(refusal.account),
            other => return Err(format!("{other:?}")),
        };
        notices.extend(self.settle(&ticket, amount));
        Ok(notices.iter().map(|notice| format!("{} {:?}", notice.account, notice.event)).collect())
    }

    pub fn settle(&mut self, ticket: &Ticket, amount: &str) -> Vec<intendant_budget::decide::Notice> {
        let bill = Bill { amount: usd(amount), units: 1, certainty: Certainty::Known, answer: None };
        self.budget.settle(&mut self.sheet, ticket, &bill, self.now)
    }

    /// `spent/reserved` of an account.
    pub fn stands(&self, account: &str) -> String {
        let standings = self.budget.standings(&self.sheet, self.now);
        let standing = standings.iter().find(|standing| standing.account == account).unwrap();
        format!("{}/{}", standing.balance.spent, standing.balance.reserved)
    }
}
