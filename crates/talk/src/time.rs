//! Points in time, as integers.

/// A point in time in microseconds since the Unix epoch.
///
/// Rasa's wire format writes seconds as a float; that conversion belongs to the wire
/// ([`Timestamp::from_secs_f64`], [`Timestamp::as_secs_f64`]) and nowhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub micros: i64,
}

impl Timestamp {
    /// Builds a time stamp from microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Reads Rasa's float seconds, rounded to the microsecond; NaN becomes the epoch.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self { micros: (secs * 1e6).round() as i64 }
    }

    /// Writes Rasa's float seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.micros as f64 / 1e6
    }
}
