//! Conversations kept in memory between messages, so that a message costs no reading.
//!
//! Bounded by the number of events. Two generations: what was used since the last turn-over, and
//! what was used before; when the young one is full it becomes the old one and the old one goes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use intendant_talk::tracker::Tracker;

/// Most events held in each generation.
const GENERATION_EVENTS_MAX: usize = 2_000;
/// Most conversations held in each generation.
const GENERATION_TRACKERS_MAX: usize = 2_000;

#[derive(Default)]
pub(crate) struct Cache {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<String, Held>,
    old: HashMap<String, Held>,
    young_events: usize,
}

struct Held {
    tracker: Tracker,
    epoch: u64,
}

impl Cache {
    fn generations(&self) -> MutexGuard<'_, Generations> {
        // What is held is only a copy: after a panic the worst is that something is read again.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a conversation out, if it is held and nobody else has written since.
    pub(crate) fn take(&self, sender_id: &str, epoch: u64) -> Option<Tracker> {
        let mut generations = self.generations();
        let held = match generations.young.remove(sender_id) {
            Some(held) => {
                generations.young_events =
                    generations.young_events.saturating_sub(held.tracker.events().len());
                Some(held)
            }
            None => generations.old.remove(sender_id),
        };
        held.filter(|held| held.epoch == epoch).map(|held| held.tracker)
    }

    /// Holds a conversation that is as it is stored.
    pub(crate) fn put(&self, tracker: Tracker, epoch: u64) {
        let events = tracker.events().len();
        let mut generations = self.generations();
        let is_full = generations.young_events + events > GENERATION_EVENTS_MAX
            || generations.young.len() >= GENERATION_TRACKERS_MAX;
        if is_full {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_events = 0;
        }
        generations.young_events += events;
        generations.young.insert(tracker.sender_id.clone(), Held { tracker, epoch });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_talk::event::{Event, EventKind};
    use intendant_talk::time::Timestamp;

    fn tracker(sender_id: &str, events: usize) -> Tracker {
        let mut tracker = Tracker::new(sender_id, Vec::new().into());
        for _ in 0..events {
            tracker.update(Event::new(Timestamp::default(), EventKind::ResetSlots));
        }
        tracker
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let cache = Cache::default();
        cache.put(tracker("used", 10), 1);
        for number in 0..3 * GENERATION_TRACKERS_MAX {
            cache.put(tracker(&number.to_string(), 1), 1);
            if number % 500 == 0 {
                let used = cache.take("used", 1).expect("was used lately");
                cache.put(used, 1);
            }
        }
        assert!(cache.take("used", 1).is_some());
        assert!(cache.take("0", 1).is_none());
        assert!(cache.generations().old.len() <= GENERATION_TRACKERS_MAX);
    }

    #[test]
    fn long_conversations_count_by_their_events() {
        let cache = Cache::default();
        cache.put(tracker("a", 12_000), 1);
        cache.put(tracker("b", 12_000), 1);
        cache.put(tracker("c", 12_000), 1);
        assert!(cache.take("a", 1).is_none());
        assert!(cache.take("b", 1).is_some());
        assert!(cache.take("c", 1).is_some());
    }

    #[test]
    fn a_changed_epoch_makes_stale() {
        let cache = Cache::default();
        cache.put(tracker("a", 1), 1);
        assert!(cache.take("a", 2).is_none());
        assert!(cache.take("a", 1).is_none());
    }
}
