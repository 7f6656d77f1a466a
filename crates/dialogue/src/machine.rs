//! Drives the conversation logic, written as `async fn`s, one step at a time.

use std::sync::Arc;

use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;

use crate::mind::Mind;
use crate::turn::{Answer, Input, Settings, Step};

pub(crate) struct Machine {
    tracker: Option<Tracker>,
    slots: Arc<[intendant_talk::domain::Slot]>,
}

impl Machine {
    pub(crate) fn new(mind: Arc<Mind>, tracker: Tracker, _input: Input, _settings: Settings) -> Self {
        Self { tracker: Some(tracker), slots: Arc::clone(&mind.slots) }
    }

    pub(crate) fn step(&mut self, _answer: Option<Answer>, _now: Timestamp) -> Step {
        let tracker = self.tracker.take().unwrap_or_else(|| Tracker::new("", Arc::clone(&self.slots)));
        Step::Done(Box::new(tracker))
    }
}
