//! What is counted, as Prometheus reads it.
//!
//! Source: Prometheus text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use intendant_budget::rule::Scope;
use intendant_budget::standing::Standing;
use intendant_port::money::MicroUsd;

/// Accounts of one scope that are shown; conversations are too many to be shown at all.
const ACCOUNTS_MAX: usize = 200;

/// Takes one amount out of how an account stands.
type Amount = fn(&Standing) -> MicroUsd;

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
        let amounts: [(&str, &str, Amount); 6] = [
            ("limit", "What an account may spend in its period.", |standing| standing.balance.limit),
            ("spent", "What was paid in the period.", |standing| standing.balance.spent),
            ("reserved", "What requests under way may cost.", |standing| standing.balance.reserved),
            ("remaining", "What is left.", |standing| standing.balance.left()),
            ("saved", "What cached and own answers would have cost.", |standing| standing.balance.saved),
            ("uncertain", "What was paid for requests whose outcome is not known.", |standing| {
                standing.balance.uncertain
            }),
        ];
        for (word, help, amount) in amounts {
            let name = format!("intendant_budget_{word}_micro_usd");
            head(text, &name, help, "gauge");
            for standing in &shown {
                let account = escaped(&standing.account);
                let _ = writeln!(text, "{name}{{account=\"{account}\"}} {}", amount(standing).micros);
            }
        }
        let name = "intendant_budget_exhausted";
        head(text, name, "Whether requests are turned away.", "gauge");
        for standing in &shown {
            let account = escaped(&standing.account);
            let _ = writeln!(text, "{name}{{account=\"{account}\"}} {}", u8::from(standing.is_exhausted));
        }
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
