//! Reserve before, settle or refund after: the decisions over a ledger's sheet.

use intendant_port::ledger::{Counter, Entry, Needs, Request, Sheet, Slot, State};
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;

use crate::price::Cost;
use crate::rule::{Account, Exhausted, Rule, Scope, Scopes};
use crate::standing::{Forecast, forecast};

/// How much of the limit is spent before a pace is told of: with less it says little.
const PACE_FROM_PERCENT: i64 = 10;

/// All rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// The rules; a request must be within each that is about it.
    pub rules: Vec<Rule>,
}

/// Money wanted for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The request's id; the same again is the same request.
    pub request: String,
    /// Where it belongs.
    pub scopes: Scopes,
    /// The most that it will cost.
    pub cost: Cost,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// Whether the same request may have been made before, its id chosen by whoever makes it.
    pub may_repeat: bool,
}

/// Money held for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The request's id.
    pub request: String,
    /// Where it is counted.
    pub slots: Vec<Slot>,
    /// How much is held.
    pub estimate: MicroUsd,
    /// For what.
    pub purpose: String,
}

/// What a reservation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The money is held.
    Held(Ticket, Vec<Notice>),
    /// The same request was answered before; nothing is charged again.
    Repeated(String),
    /// The same request is being answered.
    UnderWay,
    /// There is not enough left.
    Refused(Refusal),
}

/// There is not enough left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The account that has not enough.
    pub account: String,
    /// Whose it is.
    pub scope: Scope,
    /// What is to be done instead.
    pub exhausted: Exhausted,
    /// What the account may spend.
    pub limit: MicroUsd,
    /// What it has spent and holds.
    pub spent: MicroUsd,
    /// When there may be money again.
    pub resets_at: Option<Timestamp>,
    /// What is to be told.
    pub notices: Vec<Notice>,
}

/// How a paid request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// What it cost.
    pub amount: MicroUsd,
    /// How many units.
    pub units: i64,
    /// Whether anybody knows.
    pub certainty: Certainty,
    /// The answer, kept for repetitions of the request.
    pub answer: Option<String>,
}

/// Whether it is known what a request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Certainty {
    Known,
    /// It may have been billed; the estimate is paid.
    Unknown,
}

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of which account.
    pub account: String,
    /// What happened.
    pub event: NoticeEvent,
    /// What the account may spend.
    pub limit: MicroUsd,
    /// What it has spent.
    pub spent: MicroUsd,
    /// When its period ends.
    pub resets_at: Option<Timestamp>,
    /// Where it is going, if that can be told.
    pub forecast: Option<Forecast>,
}

/// What happened to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeEvent {
    /// So many percent of the limit are spent.
    Threshold(i64),
    /// If it goes on like this, the limit is reached before the period ends.
    Pace,
    /// There was not enough left for a request.
    Exhausted,
    /// A request cost this much more than was reserved, and the limit is passed.
    Overspent(MicroUsd),
}

impl Budget {
    /// What a reservation wants to see.
    pub fn needs(&self, order: &Order, now: Timestamp) -> Needs {
        Needs {
            accounts: self.first_slots(&order.scopes, now),
            requests: vec![order.request.clone()],
            overdue_before: Some(now),
        }
    }

    /// The accounts of a request, each with the first slot that counts.
    pub fn first_slots(&self, scopes: &Scopes, now: Timestamp) -> Vec<Slot> {
        let accounts = self
            .rules
            .iter()
            .filter_map(|rule| Some((rule.account_of(scopes)?, rule.period.window(now).first)));
        accounts.collect()
    }

    /// The rule of an account.
    pub fn rule_of(&self, account: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.owns(account))
    }

    /// Holds money in every account that the request belongs to, or in none.
    pub fn reserve(&self, sheet: &mut Sheet, order: &Order, now: Timestamp) -> Reserved {
        self.expire(sheet, now);
        match sheet.requests.get(&order.request) {
            Some(Request { state: State::Reserved, .. }) => return Reserved::UnderWay,
            Some(Request { state: State::Settled, answer: Some(answer), .. }) => {
                return Reserved::Repeated(answer.clone());
            }
            // Whatever else became of it, asking again is another call that may cost again.
            _ => {}
        }
        let names: Vec<(&Rule, String)> =
            self.rules.iter().filter_map(|rule| Some((rule, rule.account_of(&order.scopes)?))).collect();
        let mut notices = Vec::new();
        let mut refusal: Option<Refusal> = None;
        let mut slots = Vec::with_capacity(names.len());
        for (rule, name) in &names {
            let account = Account { rule, name };
            let balance = account.balance(sheet, now);
            slots.push((name.clone(), balance.window.slot));
            if fits(balance.left(), order.cost.amount) {
                continue;
            }
            notices.extend(warn(sheet, &account, now, Some(NoticeEvent::Exhausted)));
            // The hardest rule decides; of equally hard ones the one that lasts longest.
            let resets_at = balance.resets_at(&rule.period);
            let key = |exhausted, resets_at: Option<Timestamp>| (exhausted, resets_at.is_none(), resets_at);
            let is_harder = refusal.as_ref().is_none_or(|refusal| {
                key(refusal.exhausted, refusal.resets_at) < key(rule.exhausted, resets_at)
            });
            if is_harder {
                refusal = Some(Refusal {
                    account: name.clone(),
                    scope: rule.scope,
                    exhausted: rule.exhausted,
                    limit: balance.limit,
                    spent: balance.spent.plus(balance.reserved),
                    resets_at,
                    notices: Vec::new(),
                });
            }
        }
        if let Some(mut refusal) = refusal.filter(|refusal| refusal.exhausted > Exhausted::Allow) {
            refusal.notices = notices;
            return Reserved::Refused(refusal);
        }
        Reserved::Held(hold(sheet, order, slots, now), notices)
    }

    /// What settling or refunding wants to see.
    pub fn needs_to_end(&self, ticket: &Ticket, now: Timestamp) -> Needs {
        let accounts = ticket.slots.iter().filter_map(|(account, slot)| {
            let first = self.rule_of(account)?.period.window(now).first;
            Some((account.clone(), first.min(*slot)))
        });
        Needs { accounts: accounts.collect(), requests: vec![ticket.request.clone()], overdue_before: None }
    }

    /// Pays for a request, in the period in which it was reserved. Paying twice is paying once.
    pub fn settle(&self, sheet: &mut Sheet, ticket: &Ticket, bill: &Bill, now: Timestamp) -> Vec<Notice> {
        let Some(Held { held, paid, ended_as }) = released(sheet, ticket, "settle") else {
            return Vec::new();
        };
        let owed = bill.amount.minus(paid);
        let uncertain = match bill.certainty {
            Certainty::Known => MicroUsd::ZERO.minus(paid),
            Certainty::Unknown => owed,
        };
        let excess = bill.amount.minus(ticket.estimate);
        let mut reason = match bill.certainty {
            Certainty::Known => String::new(),
            Certainty::Unknown => "the outcome is not known".to_owned(),
        };
        if excess > MicroUsd::ZERO {
            reason = format!("{excess} more than reserved");
        }
        let entry = Entry {
            at: now,
            kind: ended_as.to_owned(),
            request: ticket.request.clone(),
            slots: ticket.slots.clone(),
            spent: owed,
            reserved: MicroUsd::ZERO.minus(held),
            uncertain,
            units: bill.units,
            purpose: ticket.purpose.clone(),
            reason,
            ..Entry::default()
        };
        book(sheet, entry);
        conclude(sheet, ticket, State::Settled, bill.amount, bill.answer.clone());
        self.notices(sheet, ticket, excess, now)
    }

    /// Gives back what was held for a request that surely cost nothing.
    pub fn refund(&self, sheet: &mut Sheet, ticket: &Ticket, why: &str, now: Timestamp) {
        let Some(Held { held, paid, ended_as }) = released(sheet, ticket, "refund") else {
            return;
        };
        let entry = Entry {
            at: now,
            kind: ended_as.to_owned(),
            request: ticket.request.clone(),
            slots: ticket.slots.clone(),
            spent: MicroUsd::ZERO.minus(paid),
            reserved: MicroUsd::ZERO.minus(held),
            uncertain: MicroUsd::ZERO.minus(paid),
            purpose: ticket.purpose.clone(),
            reason: why.to_owned(),
            ..Entry::default()
        };
        book(sheet, entry);
        conclude(sheet, ticket, State::Refunded, MicroUsd::ZERO, None);
    }

    /// Pays for requests that nobody ended in time, as after a crash: they may have been billed.
    pub fn expire(&self, sheet: &mut Sheet, now: Timestamp) {
        let is_over = |request: &Request| request.state == State::Reserved && request.expires_at < now;
        let overdue: Vec<String> =
            sheet.requests.iter().filter(|(_, request)| is_over(request)).map(|(id, _)| id.clone()).collect();
        for id in overdue {
            let Some(request) = sheet.requests.get_mut(&id) else { continue };
            request.state = State::Expired;
            request.paid = request.estimate;
            let entry = Entry {
                at: now,
                kind: "expire".to_owned(),
                request: id,
                slots: request.slots.clone(),
                spent: request.estimate,
                reserved: MicroUsd::ZERO.minus(request.estimate),
                uncertain: request.estimate,
                units: 1,
                purpose: request.purpose.clone(),
                reason: "nobody said what became of it".to_owned(),
                ..Entry::default()
            };
            book(sheet, entry);
        }
    }

    /// Notes what an answer from nearby would have cost elsewhere.
    pub fn save(&self, sheet: &mut Sheet, order: &Order, source: &str, now: Timestamp) {
        let accounts = self.rules.iter().filter_map(|rule| Some((rule, rule.account_of(&order.scopes)?)));
        let slots = accounts
            .map(|(rule, name)| {
                let slot = Account { rule, name: &name }.window(sheet, now).slot;
                (name, slot)
            })
            .collect();
        let entry = Entry {
            at: now,
            kind: "save".to_owned(),
            request: order.request.clone(),
            slots,
            saved: order.cost.amount,
            units: order.cost.units,
            purpose: order.cost.purpose.clone(),
            reason: source.to_owned(),
            ..Entry::default()
        };
        book(sheet, entry);
    }

    /// What is to be told after something was paid.
    fn notices(&self, sheet: &mut Sheet, ticket: &Ticket, excess: MicroUsd, now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (name, _) in &ticket.slots {
            let Some(rule) = self.rule_of(name) else { continue };
            let account = Account { rule, name };
            let balance = account.balance(sheet, now);
            let beyond = balance.spent.minus(balance.limit);
            let overspent = (excess > MicroUsd::ZERO && beyond > MicroUsd::ZERO)
                .then_some(NoticeEvent::Overspent(excess));
            notices.extend(warn(sheet, &account, now, overspent));
        }
        notices
    }
}

fn fits(left: MicroUsd, wanted: MicroUsd) -> bool {
    wanted <= left || wanted == MicroUsd::ZERO
}

fn hold(sheet: &mut Sheet, order: &Order, slots: Vec<Slot>, now: Timestamp) -> Ticket {
    let ticket = Ticket {
        request: order.request.clone(),
        slots: slots.clone(),
        estimate: order.cost.amount,
        purpose: order.cost.purpose.clone(),
    };
    let request = Request {
        state: State::Reserved,
        estimate: order.cost.amount,
        paid: MicroUsd::ZERO,
        slots: slots.clone(),
        purpose: order.cost.purpose.clone(),
        reserved_at: now,
        expires_at: order.expires_at,
        answer: None,
    };
    sheet.requests.insert(order.request.clone(), request);
    let entry = Entry {
        at: now,
        kind: "reserve".to_owned(),
        request: order.request.clone(),
        slots,
        reserved: order.cost.amount,
        units: order.cost.units,
        purpose: order.cost.purpose.clone(),
        ..Entry::default()
    };
    book(sheet, entry);
    ticket
}

/// What is still held and what was already paid for a request, and what its end is called.
struct Held {
    held: MicroUsd,
    paid: MicroUsd,
    ended_as: &'static str,
}

/// `None` when it has ended.
fn released(sheet: &Sheet, ticket: &Ticket, ends_as: &'static str) -> Option<Held> {
    let request = sheet.requests.get(&ticket.request)?;
    match request.state {
        State::Reserved => Some(Held { held: request.estimate, paid: MicroUsd::ZERO, ended_as: ends_as }),
        // Its end came after all.
        State::Expired => Some(Held { held: MicroUsd::ZERO, paid: request.paid, ended_as: "amend" }),
        State::Settled | State::Refunded => None,
    }
}

fn conclude(sheet: &mut Sheet, ticket: &Ticket, state: State, paid: MicroUsd, answer: Option<String>) {
    if let Some(request) = sheet.requests.get_mut(&ticket.request) {
        request.state = state;
        request.paid = paid;
        request.answer = answer;
    }
}

/// Adds a line to the ledger and to the counters of its slots.
pub(crate) fn book(sheet: &mut Sheet, entry: Entry) {
    for slot in &entry.slots {
        add(sheet.counters.entry(slot.clone()).or_default(), &entry);
    }
    sheet.entries.push(entry);
}

/// Adds a line to a counter: what a ledger's store does to make counters anew.
pub fn add(counter: &mut Counter, entry: &Entry) {
    counter.spent = counter.spent.plus(entry.spent);
    counter.reserved = counter.reserved.plus(entry.reserved);
    counter.saved = counter.saved.plus(entry.saved);
    counter.uncertain = counter.uncertain.plus(entry.uncertain);
    if entry.kind != "limit" {
        counter.granted = counter.granted.plus(entry.granted);
    }
    let requests = match entry.kind.as_str() {
        "settle" | "expire" => 1,
        "adjust" => entry.units,
        _ => 0,
    };
    counter.requests = counter.requests.saturating_add(requests);
}

/// Tells of the highest threshold that was reached since the last time, once per period; and, unless no
/// thresholds are wanted, once of a pace that the limit does not last for.
fn warn(
    sheet: &mut Sheet,
    account: &Account<'_>,
    now: Timestamp,
    event: Option<NoticeEvent>,
) -> Option<Notice> {
    let balance = account.balance(sheet, now);
    let percent = balance.percent();
    let forecast = forecast(&balance, &account.rule.period, now);
    let thresholds = account.rule.thresholds.iter().map(|threshold| i64::from(*threshold));
    let threshold = match event {
        Some(NoticeEvent::Exhausted) => 100,
        _ => thresholds.filter(|threshold| *threshold <= percent).max().unwrap_or(0),
    };
    let is_too_fast = percent >= PACE_FROM_PERCENT
        && !account.rule.thresholds.is_empty()
        && forecast.is_some_and(|forecast| forecast.exhausted_at.is_some());
    let reached = if is_too_fast { threshold.max(PACE_FROM_PERCENT) } else { threshold };
    let is_news = reached > balance.warned;
    let told = match event {
        Some(NoticeEvent::Overspent(_)) => event,
        Some(NoticeEvent::Exhausted) if is_news => event,
        _ if is_news && reached == threshold => Some(NoticeEvent::Threshold(threshold)),
        _ if is_news => Some(NoticeEvent::Pace),
        _ => None,
    };
    if is_news {
        let slot = (account.name.to_owned(), balance.window.slot);
        sheet.counters.entry(slot).or_default().warned = reached;
    }
    told.map(|event| Notice {
        account: account.name.to_owned(),
        event,
        limit: balance.limit,
        spent: balance.spent,
        resets_at: balance.resets_at(&account.rule.period),
        forecast,
    })
}
