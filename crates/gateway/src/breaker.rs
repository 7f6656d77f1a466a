//! The circuit breaker: an upstream that fails again and again is left alone for a while.

use intendant_talk::time::Timestamp;

/// Failures in a row after which the upstream is left alone.
const FAILURES_MAX: u32 = 5;
/// For how long.
const REST_MICROS: i64 = 30_000_000;

/// How an upstream did lately.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    rests_until: Option<Timestamp>,
}

impl Breaker {
    /// The seconds that it still rests, if it does.
    pub fn rests(&self, now: Timestamp) -> Option<u64> {
        let left = self.rests_until?.micros.saturating_sub(now.micros);
        // A clock that was set back must not make the rest longer.
        (left > 0 && left <= REST_MICROS).then(|| u64::try_from(left).unwrap_or(0).div_ceil(1_000_000))
    }

    /// Whether it may be asked now; after its rest one question at a time tries it out.
    ///
    /// # Errors
    /// With the seconds that it still rests.
    pub fn admit(&mut self, now: Timestamp) -> Result<(), u64> {
        if let Some(seconds) = self.rests(now) {
            return Err(seconds);
        }
        if self.is_open() {
            self.rests_until = Some(Timestamp::from_micros(now.micros.saturating_add(REST_MICROS)));
        }
        Ok(())
    }

    /// It answered, or turned a question away for reasons of the question.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It failed.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            self.rests_until = Some(Timestamp::from_micros(now.micros.saturating_add(REST_MICROS)));
        }
    }

    /// Whether it is left alone.
    pub fn is_open(&self) -> bool {
        self.rests_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_rests_and_is_tried_out() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(breaker.admit(at(0)), Ok(()));
            breaker.failed(at(0));
        }
        assert_eq!(breaker.admit(at(1)), Err(29));
        assert_eq!(breaker.admit(at(29)), Err(1));
        // One tries, the others wait; to look at it is not to try.
        assert_eq!((breaker.rests(at(29)), breaker.rests(at(30))), (Some(1), None));
        assert_eq!(breaker.admit(at(30)), Ok(()));
        assert_eq!(breaker.admit(at(30)), Err(30));
        breaker.failed(at(31));
        assert_eq!(breaker.admit(at(32)), Err(29));
        assert_eq!(breaker.admit(at(61)), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker.admit(at(61)), Ok(()));
        assert!(!breaker.is_open());
    }
}
