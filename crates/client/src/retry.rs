//! When a request is sent again: the one policy of everything that calls others of its own accord.

use std::time::Duration;

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Most times a request is sent.
    pub tries_max: u32,
    /// The first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// All pauses together; a longer wait asked for by the other side ends the matter.
    pub pauses_max: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with this status, and maybe told when to come again.
    Answered(u16, Option<Duration>),
    /// It never got out.
    Unsent,
    /// It may have got out; nothing came back.
    Unanswered,
}

/// Whether a request may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// It only asks.
    Freely,
    /// Twice may be too often, so only what was certainly not done is done again.
    IfNotDone,
}

impl Default for Retry {
    fn default() -> Self {
        Self { tries_max: 5, first_pause: Duration::from_millis(250), pauses_max: Duration::from_secs(30) }
    }
}

impl Retry {
    /// How long to wait before the next try, after `tries` of them with `waited` between; `None`
    /// when the outcome stands.
    pub fn pause(
        &self,
        tries: u32,
        waited: Duration,
        outcome: Outcome,
        repeats: Repeats,
    ) -> Option<Duration> {
        let again = match outcome {
            Outcome::Answered(429 | 502 | 503, _) | Outcome::Unsent => true,
            Outcome::Answered(500 | 504, _) | Outcome::Unanswered => repeats == Repeats::Freely,
            Outcome::Answered(..) => false,
        };
        if !again || tries >= self.tries_max {
            return None;
        }
        let asked = match outcome {
            Outcome::Answered(_, asked) => asked,
            Outcome::Unsent | Outcome::Unanswered => None,
        };
        let doubled = self.first_pause.saturating_mul(1_u32.checked_shl(tries - 1).unwrap_or(u32::MAX));
        let pause = asked.unwrap_or(doubled);
        (waited.saturating_add(pause) <= self.pauses_max).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sent_again_where_that_is_safe() {
        let retry = Retry::default();
        let check = |tries, outcome, repeats, expected_ms: Option<u64>| {
            let found = retry.pause(tries, Duration::ZERO, outcome, repeats);
            assert_eq!(found, expected_ms.map(Duration::from_millis), "{tries} {outcome:?} {repeats:?}");
        };
        use Repeats::{Freely, IfNotDone};
        check(1, Outcome::Answered(200, None), Freely, None);
        check(1, Outcome::Answered(400, None), Freely, None);
        check(1, Outcome::Answered(500, None), IfNotDone, None);
        check(1, Outcome::Answered(500, None), Freely, Some(250));
        check(1, Outcome::Unanswered, IfNotDone, None);
        check(1, Outcome::Unanswered, Freely, Some(250));
        check(1, Outcome::Unsent, IfNotDone, Some(250));
        check(3, Outcome::Unsent, IfNotDone, Some(1000));
        check(5, Outcome::Unsent, Freely, None);
        check(2, Outcome::Answered(429, Some(Duration::from_secs(7))), IfNotDone, Some(7000));
        check(1, Outcome::Answered(429, Some(Duration::from_secs(3600))), Freely, None);
        check(1, Outcome::Answered(429, Some(Duration::from_secs(u64::MAX))), Freely, None);
        assert_eq!(retry.pause(2, Duration::from_secs(30), Outcome::Unsent, Freely), None);
    }
}
