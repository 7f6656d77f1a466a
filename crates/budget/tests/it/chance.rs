//! Long runs of chance: whatever happens, the limit holds and the counters follow from the lines.

use std::collections::BTreeMap;

use intendant_budget::decide::{Bill, Certainty, Reserved, Ticket, add};
use intendant_budget::period::Period;
use intendant_budget::rule::{Exhausted, Rule, Scope};
use intendant_port::ledger::{Counter, Slot};
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;

use crate::support::{DAY, Desk, SECOND, at, month, rule, usd};

/// Numbers that look like chance and are the same every time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Prices {
    Fixed,
    Varying,
}

fn rules() -> Vec<Rule> {
    vec![
        rule("all", Scope::Global, "0.5", month("America/Los_Angeles")),
        rule("talk", Scope::Conversation, "0.1", Period::Never),
        rule("day", Scope::Channel, "0.2", Period::Rolling(DAY)),
    ]
}

fn run(seed: u64, prices: Prices) {
    let mut chance = Chance(seed);
    let mut desk = Desk::new(rules(), at("2026-03-27T00:00:00Z"));
    let mut under_way: Vec<Ticket> = Vec::new();
    let mut excess = MicroUsd::ZERO;
    for _ in 0..1_500 {
        match chance.below(10) {
            0..5 => {
                let conversation = format!("c{}", chance.below(8));
                let price = if prices == Prices::Fixed { 7 } else { 1 + chance.below(30) };
                let order = desk.order(&conversation, &format!("0.{price:03}"));
                if let Reserved::Held(ticket, _) = desk.reserve(&order) {
                    under_way.push(ticket);
                }
            }
            5..8 if !under_way.is_empty() => {
                let idx = usize::try_from(chance.below(under_way.len() as u64)).unwrap();
                let ticket = under_way.swap_remove(idx);
                end(&mut desk, &ticket, &mut chance, (prices, &mut excess));
            }
            // A crash: nobody ends it.
            8 if !under_way.is_empty() => drop(under_way.pop()),
            _ => {
                // Time passes, and now and then the clock is set back.
                let step = match chance.below(8) {
                    0 => -i64::try_from(chance.below(40)).unwrap() * 3_600 * SECOND,
                    1 => i64::try_from(chance.below(60)).unwrap() * 3_600 * SECOND,
                    _ => i64::try_from(chance.below(90)).unwrap() * SECOND,
                };
                desk.now = Timestamp::from_micros(desk.now.micros + step);
            }
        }
        check(&desk, excess);
    }
    let replayed = desk.sheet.entries.iter().fold(BTreeMap::<Slot, Counter>::new(), |mut made, entry| {
        for slot in &entry.slots {
            add(made.entry(slot.clone()).or_default(), entry);
        }
        made
    });
    for (slot, counter) in &desk.sheet.counters {
        let made = Counter { warned: counter.warned, ..replayed.get(slot).cloned().unwrap_or_default() };
        assert_eq!(*counter, made, "{slot:?}");
    }
}

fn end(desk: &mut Desk, ticket: &Ticket, chance: &mut Chance, (prices, excess): (Prices, &mut MicroUsd)) {
    let now = desk.now;
    if chance.below(4) == 0 {
        desk.budget.refund(&mut desk.sheet, ticket, "turned away", now);
        return;
    }
    let mut amount = ticket.estimate;
    if prices == Prices::Varying {
        amount = MicroUsd::from_micros(i64::try_from(chance.below(40_000)).unwrap());
        *excess = excess.plus(amount.minus(ticket.estimate).max(MicroUsd::ZERO));
    }
    let certainty = if chance.below(5) == 0 { Certainty::Unknown } else { Certainty::Known };
    let bill = Bill { amount, units: 1, certainty, answer: None };
    desk.budget.settle(&mut desk.sheet, ticket, &bill, now);
}

/// No account ever has more than its limit, but for what requests cost beyond their estimate.
fn check(desk: &Desk, excess: MicroUsd) {
    for ((account, slot), counter) in &desk.sheet.counters {
        let rule = desk.budget.rule_of(account).unwrap();
        let most = rule.limit.plus(excess);
        assert!(counter.spent.plus(counter.reserved) <= most, "{account} {slot:?} {counter:?}");
        assert!(counter.reserved >= MicroUsd::ZERO && counter.spent >= MicroUsd::ZERO, "{account}");
    }
    for standing in desk.budget.standings(&desk.sheet, desk.now) {
        let balance = standing.balance;
        assert!(balance.spent.plus(balance.reserved) <= standing.rule.limit.plus(excess), "{balance:?}");
    }
}

#[test]
fn with_fixed_prices_no_limit_is_ever_passed() {
    for seed in 1..12 {
        run(seed * 7_919, Prices::Fixed);
    }
}

#[test]
fn with_varying_prices_only_the_excess_goes_beyond() {
    for seed in 1..12 {
        run(seed * 104_729, Prices::Varying);
    }
}

#[test]
fn allowed_overspending_is_counted_all_the_same() {
    let mut rules = rules();
    for rule in &mut rules {
        rule.exhausted = Exhausted::Allow;
    }
    let mut desk = Desk::new(rules, at("2026-03-27T00:00:00Z"));
    for _ in 0..1_000 {
        desk.pay("0.01").unwrap();
    }
    assert_eq!(desk.stands("all"), format!("{}/0.00", usd("10")));
}
