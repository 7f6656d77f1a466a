//! A new model tried beside the one in use: in a share of conversations (canary) or silently (shadow).
//!
//! A conversation stays with its model: which one it gets follows from its id, not from chance, so it is the
//! same after a restart and on every replica, and a larger share keeps those it has. A canary that does
//! worse than the model in use, by the rules it was given, is taken out by itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intendant_talk::time::Timestamp;

use crate::assistant::Assistant;
use crate::shadow::Difference;

/// How many differences a shadow remembers as examples.
const EXAMPLES_MAX: usize = 50;
/// Shares are exact to a hundredth of a percent.
const SHARES: u64 = 10_000;

/// What a model that is tried may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers silently what the model in use answers aloud.
    Shadow,
    /// Answers a share of the conversations.
    Canary,
}

impl Role {
    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Shadow => "shadow",
            Role::Canary => "canary",
        }
    }
}

/// When a canary is taken out. Rates are shares from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// So many newest messages of each model are looked at.
    pub window: usize,
    /// The canary must have answered so many before it is judged.
    pub messages_min: usize,
    /// By how much its share of failed messages may be larger than that of the model in use.
    pub error_rate_worse_by: f64,
    /// By how much its share of messages it had no answer to may be larger.
    pub fallback_rate_worse_by: f64,
    /// How many times longer than the model in use it may take, at the 95th percentile.
    pub latency_p95_factor_max: f64,
    /// How long it may take in any case, at the 95th percentile.
    pub latency_p95_max: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            window: 200,
            messages_min: 50,
            error_rate_worse_by: 0.02,
            fallback_rate_worse_by: 0.1,
            latency_p95_factor_max: 3.0,
            latency_p95_max: None,
        }
    }
}

/// What is tried, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// What it may do.
    pub role: Role,
    /// In how many percent of the conversations.
    pub percent: f64,
    /// When it is taken out.
    pub rules: Rules,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// It was not answered as it should be.
    pub failed: bool,
    /// The model did not know what to say.
    pub fell_back: bool,
    /// From arrival to the end of its turn.
    pub took: Duration,
}

/// A model that is tried.
pub struct Trial {
    /// The model.
    pub candidate: Arc<Assistant>,
    /// What it may do.
    pub plan: Plan,
    /// Since when.
    pub since: Timestamp,
    seen: Mutex<Seen>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) current: Arm,
    pub(crate) candidate: Arm,
    pub(crate) compared: u64,
    pub(crate) different: BTreeMap<&'static str, u64>,
    pub(crate) skipped: u64,
    pub(crate) examples: VecDeque<Difference>,
}

#[derive(Default)]
pub(crate) struct Arm {
    pub(crate) newest: VecDeque<Observed>,
    pub(crate) messages: u64,
    pub(crate) failed: u64,
    pub(crate) fell_back: u64,
}

/// How a model did: everything since the trial began, rates and time over the newest messages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Messages answered.
    pub messages: u64,
    /// Of them failed.
    pub failed: u64,
    /// Of them without an answer of the model's own.
    pub fell_back: u64,
    /// Share of failed ones.
    pub error_rate: f64,
    /// Share of those without an answer.
    pub fallback_rate: f64,
    /// The time that 95 of 100 messages took at most.
    pub latency_p95: Duration,
}

/// What a shadow was found to do differently.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Messages compared.
    pub messages: u64,
    /// Of them different, by what differed: `intent`, `entities`, `actions`.
    pub different: BTreeMap<&'static str, u64>,
    /// Messages not compared because too many were waiting.
    pub skipped: u64,
    /// The newest ones that differed.
    pub examples: Vec<Difference>,
}

impl Trial {
    /// A trial that begins.
    pub fn new(candidate: Arc<Assistant>, plan: Plan, since: Timestamp) -> Self {
        Self::with(candidate, plan, (since, Seen::default()))
    }

    pub(crate) fn with(candidate: Arc<Assistant>, plan: Plan, (since, seen): (Timestamp, Seen)) -> Self {
        Self { candidate, plan, since, seen: Mutex::new(seen) }
    }

    /// Whether a conversation is one of those that the trial is about.
    pub fn includes(&self, sender_id: &str) -> bool {
        let threshold = (self.plan.percent.clamp(0.0, 100.0) / 100.0 * SHARES as f64).round() as u64;
        share_of(self.candidate.model_id(), sender_id) < threshold
    }

    /// Notes what became of a message of the model in use, or of the candidate. Gives the reason when the
    /// candidate has to go.
    pub fn observe(&self, is_candidate: bool, observed: Observed) -> Option<String> {
        let rules = self.plan.rules;
        let mut seen = self.seen();
        let arm = if is_candidate { &mut seen.candidate } else { &mut seen.current };
        arm.add(observed, rules.window.max(1));
        let is_judged = is_candidate && seen.candidate.newest.len() >= rules.messages_min.max(1);
        if is_judged { breach(&rules, seen.current.figures(), seen.candidate.figures()) } else { None }
    }

    /// Notes how a silent answer compared to the one that was given.
    pub(crate) fn compared(&self, difference: Option<Difference>) {
        let mut seen = self.seen();
        seen.compared += 1;
        let Some(difference) = difference else { return };
        for what in &difference.what {
            *seen.different.entry(what).or_default() += 1;
        }
        if seen.examples.len() == EXAMPLES_MAX {
            seen.examples.pop_front();
        }
        seen.examples.push_back(difference);
    }

    pub(crate) fn skipped(&self) {
        self.seen().skipped += 1;
    }

    /// How the model in use and the candidate did.
    pub fn figures(&self) -> (Figures, Figures) {
        let seen = self.seen();
        (seen.current.figures(), seen.candidate.figures())
    }

    /// What a shadow was found to do differently.
    pub fn comparison(&self) -> Compared {
        let seen = self.seen();
        Compared {
            messages: seen.compared,
            different: seen.different.clone(),
            skipped: seen.skipped,
            examples: seen.examples.iter().cloned().collect(),
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        // After a panic the worst is that one message is not counted.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arm {
    fn add(&mut self, observed: Observed, window: usize) {
        self.messages += 1;
        self.failed += u64::from(observed.failed);
        self.fell_back += u64::from(observed.fell_back);
        while self.newest.len() >= window {
            self.newest.pop_front();
        }
        self.newest.push_back(observed);
    }

    fn figures(&self) -> Figures {
        let share = |is: fn(&Observed) -> bool| {
            self.newest.iter().filter(|observed| is(observed)).count() as f64
                / self.newest.len().max(1) as f64
        };
        let mut times: Vec<Duration> = self.newest.iter().map(|observed| observed.took).collect();
        times.sort_unstable();
        let at = (times.len() * 95).div_ceil(100).saturating_sub(1);
        Figures {
            messages: self.messages,
            failed: self.failed,
            fell_back: self.fell_back,
            error_rate: share(|observed| observed.failed),
            fallback_rate: share(|observed| observed.fell_back),
            latency_p95: times.get(at).copied().unwrap_or_default(),
        }
    }
}

/// Which rule is broken, in words for people.
fn breach(rules: &Rules, current: Figures, candidate: Figures) -> Option<String> {
    let rate = |what: &str, candidate: f64, current: f64, worse_by: f64| {
        (candidate > current + worse_by).then(|| {
            format!(
                "{what} {:.1} %, that of the model in use {:.1} %, allowed is {:.1} % more",
                candidate * 100.0,
                current * 100.0,
                worse_by * 100.0
            )
        })
    };
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let took = candidate.latency_p95;
    rate("error rate", candidate.error_rate, current.error_rate, rules.error_rate_worse_by)
        .or_else(|| {
            let (candidate, current) = (candidate.fallback_rate, current.fallback_rate);
            rate("fallback rate", candidate, current, rules.fallback_rate_worse_by)
        })
        .or_else(|| {
            let limit = rules.latency_p95_max.filter(|limit| took > *limit)?;
            let (took, limit) = (milliseconds(took), milliseconds(limit));
            Some(format!("95 % of messages took up to {took:.1} ms, allowed are {limit:.1} ms"))
        })
        .or_else(|| {
            // Without as many messages of the model in use there is nothing to compare with.
            let usual = current.latency_p95;
            let is_known = current.messages >= rules.messages_min.max(1) as u64;
            let limit = usual.mul_f64(rules.latency_p95_factor_max.clamp(0.0, 1e6));
            (is_known && took > limit).then(|| {
                format!(
                    "95 % of messages took up to {:.1} ms, those of the model in use {:.1} ms, allowed is the {}-fold",
                    milliseconds(took),
                    milliseconds(usual),
                    rules.latency_p95_factor_max
                )
            })
        })
}

/// Where a conversation falls, from 0 to [`SHARES`]: FNV-1a of the model's id and the conversation's, mixed.
/// Another model asks other users first.
fn share_of(model_id: &str, sender_id: &str) -> u64 {
    let bytes = model_id.bytes().chain([b'\n']).chain(sender_id.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ (mixed >> 33)) % SHARES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_grow_without_moving_anybody() {
        let within = |percent: u64| -> Vec<usize> {
            let is_within = |at: &usize| share_of("model", &format!("user-{at}")) < percent * SHARES / 100;
            (0..20_000).filter(is_within).collect()
        };
        let (five, ten) = (within(5), within(10));
        assert!(
            (900..1100).contains(&five.len()) && (1850..2150).contains(&ten.len()),
            "{} {}",
            five.len(),
            ten.len()
        );
        assert!(five.iter().all(|user| ten.contains(user)));
        assert!(within(0).is_empty() && within(100).len() == 20_000);
        assert_ne!(share_of("model", "user-1"), share_of("other", "user-1"));
    }

    #[test]
    fn rules_are_judged_over_the_window() {
        let rules = Rules { window: 20, messages_min: 10, ..Rules::default() };
        let fine = Observed { took: Duration::from_millis(10), ..Observed::default() };
        // How many of the newest 20 messages of the candidate are like this one.
        let check = |other: Observed, count: usize, expected: Option<&str>| {
            let (mut current, mut candidate) = (Arm::default(), Arm::default());
            for at in 0..20 {
                current.add(fine, 20);
                candidate.add(if at < count { other } else { fine }, 20);
            }
            let found = breach(&rules, current.figures(), candidate.figures());
            match (found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(found.starts_with(expected), "{found}"),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        };
        check(fine, 20, None);
        check(Observed { failed: true, ..fine }, 1, Some("error rate 5.0 %, that of the model in use 0.0 %"));
        check(Observed { fell_back: true, ..fine }, 2, None);
        check(Observed { fell_back: true, ..fine }, 3, Some("fallback rate 15.0 %"));
        let slow = Observed { took: Duration::from_millis(31), ..fine };
        check(slow, 1, None);
        check(slow, 2, Some("95 % of messages took up to 31.0 ms, those of the model in use 10.0 ms"));
    }
}
