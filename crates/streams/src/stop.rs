//! Being asked to end: what is in hand is finished first.

use std::time::Duration;

use tokio::sync::watch;

/// Whether the end was asked for. Clones share it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Asks for the end.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when it is asked for.
    pub async fn asked(&self) {
        // The sender lives as long as we do, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|is_asked| *is_asked).await;
    }

    /// Waits for so long, or until the end is asked for.
    pub async fn pause(&self, duration: Duration) {
        let _ = tokio::time::timeout(duration, self.asked()).await;
    }
}

/// The time to wait after failures in a row: it doubles.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    next: Duration,
    max: Duration,
}

/// The wait after the first failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);

impl BackOff {
    /// Waits that grow up to `max`.
    pub fn up_to(max: Duration) -> Self {
        Self { next: FIRST_WAIT.min(max), max }
    }

    /// How long to wait now.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.max);
        wait
    }

    /// It went well.
    pub fn succeed(&mut self) {
        self.next = FIRST_WAIT.min(self.max);
    }
}
