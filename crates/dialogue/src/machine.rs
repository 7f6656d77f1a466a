//! Drives the conversation's logic, written as `async fn`s, one step at a time.
//!
//! The logic awaits a [`Line`]: it puts a step on it and is resumed by the next call of
//! [`Machine::step`]. Nothing ever wakes it, so no runtime is needed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use intendant_talk::domain::Slot;
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;

use crate::conversation::Conversation;
use crate::mind::Mind;
use crate::turn::{Answer, Effect, Input, Question, Settings, Step};

pub(crate) struct Machine {
    logic: Option<Pin<Box<dyn Future<Output = Tracker> + Send>>>,
    line: Line,
    slots: Arc<[Slot]>,
}

impl Machine {
    pub(crate) fn new(mind: Arc<Mind>, tracker: Tracker, input: Input, settings: Settings) -> Self {
        let line = Line::default();
        let slots = Arc::clone(&mind.slots);
        let conversation = Conversation::new(mind, tracker, settings, line.clone());
        Self { logic: Some(Box::pin(conversation.run(input))), line, slots }
    }

    pub(crate) fn step(&mut self, answer: Option<Answer>, now: Timestamp) -> Step {
        let Some(logic) = &mut self.logic else {
            return Step::Done(Box::new(Tracker::new("", Arc::clone(&self.slots))));
        };
        {
            let mut line = self.line.lock();
            line.answer = answer;
            line.now = now;
        }
        match logic.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(tracker) => {
                self.logic = None;
                Step::Done(Box::new(tracker))
            }
            Poll::Pending => {
                self.line.lock().step.take().expect("invariant: the logic only pauses after putting a step")
            }
        }
    }
}

/// What runs between the logic and the driver of a turn.
#[derive(Clone, Default)]
pub(crate) struct Line {
    exchange: Arc<Mutex<Exchange>>,
}

#[derive(Default)]
struct Exchange {
    step: Option<Step>,
    answer: Option<Answer>,
    now: Timestamp,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the current step.
    pub(crate) fn now(&self) -> Timestamp {
        self.lock().now
    }

    pub(crate) async fn tell(&self, effect: Effect) {
        self.pause(Step::Effect(effect)).await;
    }

    pub(crate) async fn ask(&self, question: Question) -> Option<Answer> {
        self.pause(Step::Ask(Box::new(question))).await;
        self.lock().answer.take()
    }

    fn pause(&self, step: Step) -> Pause {
        self.lock().step = Some(step);
        Pause { is_over: false }
    }
}

/// Ready at the second poll.
struct Pause {
    is_over: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_over, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}
