//! How accounts stand, and where they are going.

use std::collections::BTreeSet;

use intendant_port::ledger::Sheet;
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;

use crate::decide::Budget;
use crate::period::{Period, Window};
use crate::rule::{Account, Balance, Rule};

/// Before so much of a period has passed, nothing can be said about its end.
const FORECAST_AFTER_PERCENT: i128 = 1;

/// How an account stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The account.
    pub account: String,
    /// Its rule.
    pub rule: Rule,
    /// What it may spend and has spent.
    pub balance: Balance,
    /// Whether requests are turned away.
    pub is_exhausted: bool,
    /// Where it is going, if that can be told.
    pub forecast: Option<Forecast>,
}

/// Where an account is going if it goes on like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// What will be spent at the end of the period.
    pub at_end: MicroUsd,
    /// When the limit is reached, if that is within the period.
    pub exhausted_at: Option<Timestamp>,
}

impl Budget {
    /// From when on counters tell how accounts stand now.
    pub fn horizon(&self, now: Timestamp) -> Timestamp {
        let firsts = self.rules.iter().map(|rule| rule.period.window(now).first);
        firsts.min().unwrap_or(now)
    }

    /// All accounts that are named by rules or have counters in the sheet, in the order of the rules.
    pub fn standings(&self, sheet: &Sheet, now: Timestamp) -> Vec<Standing> {
        let mut standings = Vec::new();
        for rule in &self.rules {
            let counted = sheet.counters.keys().map(|(account, _)| account);
            let mut names: BTreeSet<&String> =
                counted.chain(sheet.limits.keys()).filter(|account| rule.owns(account)).collect();
            if rule.owns(&rule.name) {
                names.insert(&rule.name);
            }
            for name in names {
                let balance = Account { rule, name }.balance(sheet, now);
                let is_exhausted = balance.left() <= MicroUsd::ZERO || balance.warned >= 100;
                standings.push(Standing {
                    account: name.clone(),
                    rule: rule.clone(),
                    is_exhausted,
                    forecast: forecast(&balance, &rule.period, now),
                    balance,
                });
            }
        }
        standings
    }
}

/// Goes on as the period went so far.
pub(crate) fn forecast(balance: &Balance, period: &Period, now: Timestamp) -> Option<Forecast> {
    let Window { first, ends, .. } = balance.window;
    let ends = match period {
        Period::Calendar(..) => ends?,
        Period::Rolling(_) | Period::Never => return None,
    };
    let passed = i128::from(now.micros) - i128::from(first.micros);
    let whole = i128::from(ends.micros) - i128::from(first.micros);
    if passed * 100 < whole * FORECAST_AFTER_PERCENT || balance.spent <= MicroUsd::ZERO || passed > whole {
        return None;
    }
    let spent = i128::from(balance.spent.micros);
    let at_end = i64::try_from(spent * whole / passed).unwrap_or(i64::MAX);
    let until_limit = i128::from(balance.limit.micros) * passed / spent;
    let exhausted_at = (until_limit < whole)
        .then(|| i64::try_from(i128::from(first.micros) + until_limit.max(0)).ok())
        .flatten()
        .map(Timestamp::from_micros);
    Some(Forecast { at_end: MicroUsd::from_micros(at_end), exhausted_at })
}
