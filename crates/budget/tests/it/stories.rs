//! What happens at the turn of periods, at limits, and by hand.

use intendant_budget::admin::{By, Deed};
use intendant_budget::decide::{Bill, Certainty, Reserved};
use intendant_budget::period::Period;
use intendant_budget::rule::{Exhausted, Scope};
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;

use crate::support::{DAY, Desk, SECOND, at, month, rule, scopes, usd};

fn global(limit: &str) -> Desk {
    let rules = vec![rule("month", Scope::Global, limit, month("America/Los_Angeles"))];
    Desk::new(rules, at("2026-01-15T12:00:00Z"))
}

fn perform(desk: &mut Desk, account: &str, deed: Deed) {
    let by = By { actor: "ann".to_owned(), reason: "because".to_owned() };
    desk.budget.perform(&mut desk.sheet, account, (&deed, &by), desk.now).unwrap();
}

#[test]
fn ten_dollars_buy_exactly_five_thousand_requests() {
    let mut desk = global("10");
    let paid = (0..6_000).filter(|_| desk.pay("0.002").is_ok()).count();
    assert_eq!(paid, 5_000);
    assert_eq!(desk.stands("month"), "10.00/0.00");
    assert_eq!(desk.pay("0.000001"), Err("month".to_owned()));
    assert_eq!(desk.pay("0"), Ok(vec![]));
}

#[test]
fn what_is_held_counts_until_it_ends() {
    let mut desk = global("0.006");
    let tickets: Vec<_> = (0..3).map(|_| desk.held("0.002")).collect();
    assert_eq!(desk.stands("month"), "0.00/0.006");
    assert_eq!(desk.pay("0.002"), Err("month".to_owned()));
    let now = desk.now;
    desk.budget.refund(&mut desk.sheet, &tickets[0], "never sent", now);
    desk.budget.refund(&mut desk.sheet, &tickets[0], "never sent", now);
    desk.settle(&tickets[1], "0.002");
    desk.settle(&tickets[1], "0.002");
    assert_eq!(desk.stands("month"), "0.002/0.002");
    assert!(desk.pay("0.002").is_ok());
    assert_eq!(desk.pay("0.002"), Err("month".to_owned()));
}

#[test]
fn what_nobody_ends_is_paid_and_marked() {
    let mut desk = global("1");
    let ticket = desk.held("0.40");
    desk.now = Timestamp::from_micros(desk.now.micros + 61 * SECOND);
    desk.pay("0.10").unwrap();
    assert_eq!(desk.stands("month"), "0.50/0.00");
    let uncertain = desk.budget.standings(&desk.sheet, desk.now)[0].balance.uncertain;
    assert_eq!(uncertain, usd("0.40"));
    // Its end came after all, and cost less.
    desk.settle(&ticket, "0.30");
    assert_eq!(desk.stands("month"), "0.40/0.00");
    let balance = desk.budget.standings(&desk.sheet, desk.now)[0].balance;
    assert_eq!((balance.uncertain, balance.requests), (MicroUsd::ZERO, 2));
}

#[test]
fn a_late_end_belongs_to_the_period_of_its_beginning() {
    let mut desk = global("1");
    desk.now = at("2026-02-01T07:59:59Z");
    let ticket = desk.held("1");
    desk.now = at("2026-02-01T08:00:00Z");
    assert_eq!(desk.stands("month"), "0.00/0.00");
    desk.settle(&ticket, "1");
    assert_eq!(desk.stands("month"), "0.00/0.00");
    desk.pay("1").unwrap();
    // The clock goes back: January stays closed, February stays full.
    desk.now = at("2026-01-31T20:00:00Z");
    assert_eq!(desk.pay("0.01"), Err("month".to_owned()));
    assert_eq!(desk.stands("month"), "1.00/0.00");
    desk.now = at("2026-03-01T08:00:00Z");
    assert!(desk.pay("1").is_ok());
}

#[test]
fn a_rolling_limit_holds_over_any_stretch() {
    let mut desk = Desk::new(
        vec![rule("rolling", Scope::Global, "1", Period::Rolling(DAY))],
        at("2026-01-01T00:00:00Z"),
    );
    let mut paid = Vec::new();
    for _ in 0..1_000 {
        desk.now = Timestamp::from_micros(desk.now.micros + 601 * SECOND);
        if desk.pay("0.05").is_ok() {
            paid.push(desk.now.micros);
        }
    }
    for (idx, start) in paid.iter().enumerate() {
        let within = paid[idx..].iter().filter(|time| **time < start + DAY).count();
        assert!(within <= 20, "{within} within a day");
    }
    assert!(paid.len() > 120, "{} in a week", paid.len());
}

#[test]
fn thresholds_are_told_of_once_per_period() {
    let mut desk = global("1");
    desk.now = at("2026-01-31T12:00:00Z");
    assert_eq!(desk.pay("0.49"), Ok(vec![]));
    assert_eq!(desk.pay("0.01"), Ok(vec!["month Threshold(50)".to_owned()]));
    assert_eq!(desk.pay("0.10"), Ok(vec![]));
    assert_eq!(desk.pay("0.30"), Ok(vec!["month Threshold(80)".to_owned()]));
    let order = desk.order("c", "0.2");
    let Reserved::Refused(refusal) = desk.reserve(&order) else { panic!("not refused") };
    assert_eq!(refusal.notices.len(), 1);
    assert_eq!(refusal.resets_at, Some(at("2026-02-01T08:00:00Z")));
    let Reserved::Refused(refusal) = desk.reserve(&order) else { panic!("not refused") };
    assert_eq!(refusal.notices, []);
    desk.now = at("2026-02-01T08:00:00Z");
    assert_eq!(desk.pay("0.50"), Ok(vec!["month Threshold(50)".to_owned()]));
}

#[test]
fn a_pace_that_the_limit_does_not_last_for_is_told_of_once() {
    let mut desk = global("10");
    let told = |desk: &mut Desk, day: &str, amount: &str| {
        desk.now = at(&format!("2026-{day}T12:00:00Z"));
        desk.pay(amount).unwrap()
    };
    let none: [&str; 0] = [];
    // A third of the month has passed, and less than that is spent; then more.
    assert_eq!(told(&mut desk, "01-11", "3.00"), none);
    assert_eq!(told(&mut desk, "01-11", "0.60"), ["month Pace"]);
    assert_eq!(told(&mut desk, "01-12", "1.00"), none);
    assert_eq!(told(&mut desk, "01-12", "0.50"), ["month Threshold(50)"]);
    // Early in the month a few requests say little, and a threshold that is reached says it.
    assert_eq!(told(&mut desk, "02-02", "0.99"), none);
    assert_eq!(told(&mut desk, "02-02", "0.01"), ["month Pace"]);
    assert_eq!(told(&mut desk, "03-02", "6.00"), ["month Threshold(50)"]);
    // More room makes the pace a good one, and what is reached after that is told of again.
    perform(&mut desk, "month", Deed::Limit(Some(usd("100"))));
    assert_eq!(told(&mut desk, "03-15", "5.00"), none);
    assert_eq!(told(&mut desk, "03-15", "40.00"), ["month Threshold(50)"]);
    // Who wants no thresholds is left alone.
    desk.budget.rules[0].thresholds.clear();
    assert_eq!(told(&mut desk, "04-02", "30.00"), none);
}

#[test]
fn deeds_by_hand_leave_lines_and_keep_history() {
    let mut desk = global("1");
    desk.pay("1").unwrap();
    assert!(desk.pay("0.1").is_err());
    perform(&mut desk, "month", Deed::Grant(usd("0.1")));
    assert!(desk.pay("0.1").is_ok());
    assert!(desk.pay("0.1").is_err());
    perform(&mut desk, "month", Deed::Limit(Some(usd("2"))));
    assert!(desk.pay("0.9").is_ok());
    perform(&mut desk, "month", Deed::Reset);
    assert_eq!(desk.stands("month"), "0.00/0.00");
    // What was granted lasts until the period ends, the limit until it is changed.
    assert!(desk.pay("2.1").is_ok());
    desk.now = at("2026-03-15T00:00:00Z");
    assert!(desk.pay("2.1").is_err());
    perform(&mut desk, "month", Deed::Limit(None));
    assert!(desk.pay("1.1").is_err());
    let by_hand: Vec<String> = desk
        .sheet
        .entries
        .iter()
        .filter(|entry| !entry.actor.is_empty())
        .map(|entry| format!("{} {} {} {}", entry.kind, entry.granted, entry.spent, entry.actor))
        .collect();
    assert_eq!(
        by_hand,
        ["grant 0.10 0.00 ann", "limit 2.00 0.00 ann", "reset 0.00 -2.00 ann", "limit 1.00 0.00 ann"]
    );
    let error = desk.budget.perform(&mut desk.sheet, "moth", (&Deed::Reset, &By::default()), desk.now);
    assert_eq!(error.unwrap_err().to_string(), "there is no account `moth`; the accounts are month");
}

#[test]
fn the_same_request_is_charged_once() {
    let mut desk = global("1");
    let order = desk.order("c", "0.1");
    let Reserved::Held(ticket, _) = desk.reserve(&order) else { panic!("not held") };
    assert_eq!(desk.reserve(&order), Reserved::UnderWay);
    let bill =
        Bill { amount: usd("0.1"), units: 1, certainty: Certainty::Known, answer: Some("hello".to_owned()) };
    desk.budget.settle(&mut desk.sheet, &ticket, &bill, desk.now);
    assert_eq!(desk.reserve(&order), Reserved::Repeated("hello".to_owned()));
    assert_eq!(desk.stands("month"), "0.10/0.00");
}

#[test]
fn every_scope_has_its_own_account() {
    let mut rules = vec![
        rule("all", Scope::Global, "1", month("UTC")),
        rule("talk", Scope::Conversation, "0.2", Period::Never),
        rule("key", Scope::Key, "0.3", month("UTC")),
        rule("web", Scope::Channel, "0.5", month("UTC")),
    ];
    rules[3].id = Some("chat".to_owned());
    let mut desk = Desk::new(rules, at("2026-01-15T12:00:00Z"));
    let mut ask = |conversation: &str, key: Option<&str>, channel: &str| {
        let mut order = desk.order(conversation, "0.1");
        order.scopes = scopes(conversation);
        order.scopes.key = key.map(str::to_owned);
        order.scopes.channel = channel.to_owned();
        match desk.reserve(&order) {
            Reserved::Held(..) => "held".to_owned(),
            Reserved::Refused(refusal) => refusal.account,
            other => format!("{other:?}"),
        }
    };
    assert_eq!(ask("a", None, "chat"), "held");
    assert_eq!(ask("a", None, "chat"), "held");
    assert_eq!(ask("a", None, "chat"), "talk:a");
    assert_eq!(ask("b", Some("k"), "rest"), "held");
    assert_eq!(ask("b", Some("k"), "rest"), "held");
    assert_eq!(ask("c", Some("k"), "rest"), "held");
    assert_eq!(ask("c", Some("k"), "rest"), "key:k");
    for conversation in ["d", "e", "f"] {
        assert_eq!(ask(conversation, None, "chat"), "held");
    }
    assert_eq!(ask("g", None, "chat"), "web");
    assert_eq!(ask("h", None, "rest"), "held");
    assert_eq!(ask("h", None, "rest"), "held");
    assert_eq!(ask("i", None, "rest"), "all");
}

#[test]
fn the_hardest_rule_decides() {
    let mut rules = vec![
        rule("soft", Scope::Global, "0.1", month("UTC")),
        rule("hard", Scope::Project, "0.2", month("UTC")),
    ];
    rules[0].exhausted = Exhausted::Allow;
    rules[1].exhausted = Exhausted::Degrade;
    let mut desk = Desk::new(rules, at("2026-01-15T12:00:00Z"));
    assert_eq!(
        desk.pay("0.1"),
        Ok(vec!["soft Threshold(100)".to_owned(), "hard:shop Threshold(50)".to_owned()])
    );
    assert_eq!(desk.pay("0.1").unwrap(), ["hard:shop Threshold(100)"]);
    let order = desk.order("c", "0.1");
    let Reserved::Refused(refusal) = desk.reserve(&order) else { panic!("not refused") };
    assert_eq!((refusal.account.as_str(), refusal.exhausted), ("hard:shop", Exhausted::Degrade));
}

#[test]
fn what_costs_more_than_expected_is_reported() {
    let mut desk = global("1");
    let ticket = desk.held("1");
    let notices = desk.settle(&ticket, "1.25");
    let told: Vec<String> = notices.iter().map(|notice| format!("{:?}", notice.event)).collect();
    assert_eq!(told, ["Overspent(MicroUsd { micros: 250000 })"]);
    assert_eq!(desk.sheet.entries.last().unwrap().reason, "0.25 more than reserved");
    assert_eq!(desk.stands("month"), "1.25/0.00");
}

#[test]
fn a_forecast_goes_on_as_it_went() {
    let mut desk = global("10");
    desk.now = at("2026-01-11T10:24:00Z");
    desk.pay("4").unwrap();
    let standing = &desk.budget.standings(&desk.sheet, desk.now)[0];
    let forecast = standing.forecast.unwrap();
    // 10.1 of 31 days have passed.
    assert_eq!(forecast.at_end.to_string(), "12.277227");
    let exhausted_at = jiff::Timestamp::from_microsecond(forecast.exhausted_at.unwrap().micros).unwrap();
    assert_eq!(exhausted_at.strftime("%F").to_string(), "2026-01-26");
}
