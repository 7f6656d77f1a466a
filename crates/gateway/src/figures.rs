//! What is counted, as Prometheus reads it.
//!
//! Source: Prometheus text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use intendant_budget::rule::Scope;
use intendant_budget::standing::Standing;

/// Accounts of one scope that are shown; conversations are too many to be shown at all.
const ACCOUNTS_MAX: usize = 200;

/// Takes one figure out of how an account stands, where there is one.
type Figure = fn(&Standing) -> Option<i64>;

/// Counts inquiries by what became of them.
#[derive(Debug, Default)]
pub struct Figures {
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
}

impl Figures {
    pub(crate) fn count(&self, outcome: &'static str) {
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// Writes everything: the counts of this process, and how accounts stand.
    pub fn write(&self, text: &mut String, standings: &[Standing], is_resting: bool) {
        let name = "intendant_gateway_inquiries_total";
        head(text, name, "Inquiries by where the answer came from, or why there was none.", "counter");
        for (outcome, count) in self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "{name}{{outcome=\"{outcome}\"}} {count}");
        }
        let name = "intendant_gateway_upstream_resting";
        head(text, name, "Whether the upstream is left alone after failures.", "gauge");
        let _ = writeln!(text, "{name} {}", u8::from(is_resting));
        let shown: Vec<&Standing> = standings
            .iter()
            .filter(|standing| standing.rule.scope != Scope::Conversation)
            .take(ACCOUNTS_MAX)
            .collect();
        for (word, help, figure) in ACCOUNT {
            let name = format!("intendant_budget_{word}");
            head(text, &name, help, "gauge");
            for standing in &shown {
                if let Some(value) = figure(standing) {
                    let _ = writeln!(text, "{name}{{account=\"{}\"}} {value}", escaped(&standing.account));
                }
            }
        }
    }
}

const SECOND_MICROS: i64 = 1_000_000;

/// What is told of an account: the end of the name, what it is, and how it is found.
const ACCOUNT: [(&str, &str, Figure); 11] = [
    ("limit_micro_usd", "What an account may spend in its period.", |s| Some(s.balance.limit.micros)),
    ("spent_micro_usd", "What was paid in the period.", |s| Some(s.balance.spent.micros)),
    ("reserved_micro_usd", "What requests under way may cost.", |s| Some(s.balance.reserved.micros)),
    ("remaining_micro_usd", "What is left.", |s| Some(s.balance.left().micros)),
    ("saved_micro_usd", "What cached and own answers would have cost.", |s| Some(s.balance.saved.micros)),
    ("uncertain_micro_usd", "What was paid for requests whose outcome is not known.", |s| {
        Some(s.balance.uncertain.micros)
    }),
    ("forecast_micro_usd", "What will be spent at the end of the period if it goes on like this.", |s| {
        Some(s.forecast?.at_end.micros)
    }),
    ("requests", "Requests paid for in the period.", |s| Some(s.balance.requests)),
    ("period_begins_seconds", "When the period began, in seconds since 1970.", |s| {
        Some(s.balance.window.first.micros.div_euclid(SECOND_MICROS))
    }),
    ("period_ends_seconds", "When the period ends, in seconds since 1970.", |s| {
        Some(s.balance.window.ends?.micros.div_euclid(SECOND_MICROS))
    }),
    ("exhausted", "Whether requests are turned away.", |s| Some(i64::from(s.is_exhausted))),
];

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
