//! Work in hand, counted, so that the end can wait for it.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts work in hand and knows whether more is taken.
#[derive(Clone)]
pub(crate) struct InHand {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Default)]
struct State {
    working: usize,
    is_closed: bool,
}

/// One piece of work in hand, until dropped.
pub(crate) struct Ticket {
    state: Arc<watch::Sender<State>>,
}

impl InHand {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// Begins a piece of work; `None` after [`InHand::close`].
    pub(crate) fn begin(&self) -> Option<Ticket> {
        let mut is_open = false;
        self.state.send_if_modified(|state| {
            is_open = !state.is_closed;
            if is_open {
                state.working += 1;
            }
            false
        });
        is_open.then(|| Ticket { state: Arc::clone(&self.state) })
    }

    /// How many pieces of work are in hand.
    pub(crate) fn count(&self) -> usize {
        self.state.borrow().working
    }

    /// Whether no more work is taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.borrow().is_closed
    }

    /// Takes no more work.
    pub(crate) fn close(&self) {
        self.state.send_modify(|state| state.is_closed = true);
    }

    /// Waits until nothing is in hand.
    pub(crate) async fn done(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.state.subscribe().wait_for(|state| state.working == 0).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.state.send_if_modified(|state| {
            state.working -= 1;
            state.is_closed && state.working == 0
        });
    }
}
