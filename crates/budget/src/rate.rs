//! How many requests one caller may make: buckets that fill with time.
//!
//! Money limits protect the purse; these protect everybody else's share of it from one caller.

use std::collections::HashMap;

use intendant_talk::time::Timestamp;

/// Callers that are remembered; beyond it, those whose bucket is full are forgotten first.
const CALLERS_MAX: usize = 100_000;

/// Buckets of one kind of caller.
#[derive(Debug)]
pub struct Rates {
    per_minute: u32,
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Requests left, in millionths.
    level: i64,
    filled_at: Timestamp,
}

const ONE: i64 = 1_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

impl Rates {
    /// At most so many requests per minute and caller, and as many at once.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: HashMap::new() }
    }

    /// Takes one request of a caller.
    ///
    /// # Errors
    /// With the seconds to wait, when there is none left.
    pub fn take(&mut self, caller: &str, now: Timestamp) -> Result<(), u64> {
        let full = i64::from(self.per_minute) * ONE;
        if self.per_minute == 0 {
            return Err(u64::MAX);
        }
        if self.buckets.len() >= CALLERS_MAX && !self.buckets.contains_key(caller) {
            self.forget(now);
        }
        let rate = i128::from(full);
        let bucket = self.buckets.entry(caller.to_owned()).or_insert(Bucket { level: full, filled_at: now });
        // A clock that goes back fills nothing.
        let passed = now.micros.saturating_sub(bucket.filled_at.micros).clamp(0, MINUTE_MICROS);
        let gained = i64::try_from(i128::from(passed) * rate / i128::from(MINUTE_MICROS)).unwrap_or(full);
        bucket.level = bucket.level.saturating_add(gained).min(full);
        bucket.filled_at = now;
        if bucket.level >= ONE {
            bucket.level -= ONE;
            return Ok(());
        }
        let missing = i128::from(ONE - bucket.level);
        let micros = missing * i128::from(MINUTE_MICROS) / rate;
        Err(u64::try_from(micros / 1_000_000).unwrap_or(u64::MAX).saturating_add(1))
    }

    fn forget(&mut self, now: Timestamp) {
        self.buckets.retain(|_, bucket| now.micros.saturating_sub(bucket.filled_at.micros) < MINUTE_MICROS);
        if self.buckets.len() >= CALLERS_MAX {
            // So many callers within a minute: forgetting them all is kinder than growing without end.
            self.buckets.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_with_time() {
        let mut rates = Rates::new(3);
        let mut take = |caller: &str, seconds: i64| {
            rates.take(caller, Timestamp::from_micros(1_000_000_000 + seconds * 1_000_000))
        };
        for _ in 0..3 {
            assert_eq!(take("a", 0), Ok(()));
        }
        assert_eq!(take("a", 0), Err(21));
        assert_eq!(take("b", 0), Ok(()));
        assert_eq!(take("a", 10), Err(11));
        assert_eq!(take("a", 21), Ok(()));
        assert_eq!(take("a", 5), Err(20));
        assert_eq!(take("a", 600), Ok(()));
        assert_eq!(Rates::new(0).take("a", Timestamp::default()), Err(u64::MAX));
    }

    #[test]
    fn callers_are_forgotten_before_they_fill_the_memory() {
        let mut rates = Rates::new(1);
        for caller in 0..CALLERS_MAX + 10 {
            assert_eq!(rates.take(&caller.to_string(), Timestamp::default()), Ok(()));
        }
        assert!(rates.buckets.len() <= CALLERS_MAX);
    }
}
