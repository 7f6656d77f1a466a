//! Time within one turn.

use intendant_port::clock::Clock;
use intendant_talk::time::Timestamp;

/// A clock that never shows the same time twice, so that the order of events is the order of
/// their times; stores find the last session by time.
pub(crate) struct TurnClock<'a> {
    clock: &'a dyn Clock,
    last: Timestamp,
}

impl<'a> TurnClock<'a> {
    pub(crate) fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, last: Timestamp::from_micros(i64::MIN) }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        let earliest = Timestamp::from_micros(self.last.micros.saturating_add(1));
        self.last = self.clock.now().max(earliest);
        self.last
    }
}
