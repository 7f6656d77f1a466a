//! What people do to accounts by hand: each leaves a line that says who and why.

use intendant_port::ledger::{Entry, Sheet};
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;

use crate::decide::{Budget, book};
use crate::rule::Account;

/// Something done by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// What was spent in the current period counts no more.
    Reset,
    /// So much more may be spent in the current period.
    Grant(MicroUsd),
    /// The limit is this from now on; `None` for that of the settings again.
    Limit(Option<MicroUsd>),
    /// So much was spent elsewhere, for so many requests, at this time.
    Adjust {
        /// How much.
        amount: MicroUsd,
        /// How many requests.
        requests: i64,
        /// When.
        at: Timestamp,
    },
}

/// Who does something, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl Budget {
    /// Does something to an account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn perform(
        &self,
        sheet: &mut Sheet,
        account: &str,
        (deed, by): (&Deed, &By),
        now: Timestamp,
    ) -> Result<(), NoAccount> {
        let rule = self.rule_of(account).ok_or_else(|| self.no_account(account))?;
        let account = Account { rule, name: account };
        let slot = (account.name.to_owned(), account.window(sheet, now).slot);
        let line = |kind: &str| Entry {
            at: now,
            kind: kind.to_owned(),
            slots: vec![slot.clone()],
            actor: by.actor.clone(),
            reason: by.reason.clone(),
            ..Entry::default()
        };
        match deed {
            Deed::Reset => {
                let first = account.window(sheet, now).first;
                let spent: Vec<_> = account
                    .slots(sheet, first)
                    .map(|(slot, counter)| (slot.clone(), counter.clone()))
                    .collect();
                let mut is_noted = false;
                for (slot, counter) in spent {
                    if counter.spent == MicroUsd::ZERO && counter.uncertain == MicroUsd::ZERO {
                        continue;
                    }
                    is_noted = true;
                    let taken = Entry {
                        slots: vec![slot],
                        spent: MicroUsd::ZERO.minus(counter.spent),
                        uncertain: MicroUsd::ZERO.minus(counter.uncertain),
                        ..line("reset")
                    };
                    book(sheet, taken);
                }
                // Who resets what is empty did so all the same.
                if !is_noted {
                    book(sheet, line("reset"));
                }
            }
            Deed::Grant(amount) => book(sheet, Entry { granted: *amount, ..line("grant") }),
            Deed::Limit(limit) => {
                let shown = match limit {
                    Some(limit) => sheet.limits.insert(account.name.to_owned(), *limit).unwrap_or(rule.limit),
                    None => sheet.limits.remove(account.name).unwrap_or(rule.limit),
                };
                let mut entry = Entry { granted: limit.unwrap_or(rule.limit), ..line("limit") };
                entry.purpose = format!("before {shown}");
                book(sheet, entry);
            }
            Deed::Adjust { amount, requests, at } => {
                let slot = (account.name.to_owned(), rule.period.window(*at).slot);
                let entry = Entry { slots: vec![slot], spent: *amount, units: *requests, ..line("adjust") };
                book(sheet, entry);
            }
        }
        self.forget_warnings(sheet, &account, now);
        Ok(())
    }

    /// Thresholds that are no longer reached are told of again when they are.
    fn forget_warnings(&self, sheet: &mut Sheet, account: &Account<'_>, now: Timestamp) {
        let balance = account.balance(sheet, now);
        let percent = balance.percent();
        let reached = account.rule.thresholds.iter().map(|threshold| i64::from(*threshold));
        let reached = reached.filter(|threshold| *threshold <= percent).max().unwrap_or(0);
        let slots: Vec<_> =
            account.slots(sheet, balance.window.first).map(|(slot, _)| slot.clone()).collect();
        for slot in slots {
            if let Some(counter) = sheet.counters.get_mut(&slot) {
                counter.warned = counter.warned.min(reached);
            }
        }
    }

    fn no_account(&self, account: &str) -> NoAccount {
        let shown = |rule: &crate::rule::Rule| match rule.owns(&rule.name) {
            true => rule.name.clone(),
            false => format!("{}:<{}>", rule.name, rule.scope.word()),
        };
        NoAccount { account: account.to_owned(), known: self.rules.iter().map(shown).collect() }
    }
}

/// There is no such account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAccount {
    /// Its name.
    pub account: String,
    /// Those that there are.
    pub known: Vec<String>,
}

impl std::fmt::Display for NoAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no account `{}`; the accounts are {}", self.account, self.known.join(", "))
    }
}

impl std::error::Error for NoAccount {}
