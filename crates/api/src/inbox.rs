//! Messages of one channel that were taken and wait to be handled: in order within a conversation,
//! each only once, never more than a fixed number.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use intendant_channel::platform::Said;
use tokio::sync::watch;

/// Messages of one conversation that wait.
const CONVERSATION_MESSAGES_MAX: usize = 100;
/// Messages of all conversations that wait.
const MESSAGES_MAX: usize = 10_000;
/// Ids of messages that are remembered, so that what a provider sends again is handled once.
const SEEN_MAX: usize = 20_000;

/// The waiting messages of one channel.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    idle: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// A conversation is here while somebody works on it.
    queues: HashMap<String, VecDeque<Said>>,
    waiting: usize,
    seen: HashSet<String>,
    seen_in_order: VecDeque<String>,
    is_stopping: bool,
}

/// Why messages are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The right and duty to handle a conversation's messages, one after the other.
pub(crate) struct Shift {
    inbox: Arc<Inbox>,
    sender_id: String,
    is_over: bool,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes messages, all or none. Each [`Shift`] is for somebody who works it off.
    pub(crate) fn put(self: &Arc<Self>, said: Vec<Said>) -> Result<Vec<Shift>, Full> {
        let mut state = self.state();
        let said: Vec<Said> = said.into_iter().filter(|said| !state.has_seen(said)).collect();
        if said.is_empty() {
            return Ok(Vec::new());
        }
        let is_long = |said: &Said| {
            state.queues.get(&said.sender_id).is_some_and(|queue| queue.len() >= CONVERSATION_MESSAGES_MAX)
        };
        if state.is_stopping || state.waiting + said.len() > MESSAGES_MAX || said.iter().any(is_long) {
            return Err(Full);
        }
        let mut shifts = Vec::new();
        for said in said {
            state.remember(&said);
            state.waiting += 1;
            let sender_id = said.sender_id.clone();
            let queue = state.queues.entry(sender_id.clone()).or_insert_with(|| {
                shifts.push(Shift { inbox: Arc::clone(self), sender_id, is_over: false });
                VecDeque::new()
            });
            queue.push_back(said);
        }
        Ok(shifts)
    }

    /// Takes no more messages.
    pub(crate) fn stop(&self) {
        self.state().is_stopping = true;
    }

    /// Waits until all messages are handled.
    pub(crate) async fn settled(&self) {
        let mut idle = self.idle.subscribe();
        while !self.state().queues.is_empty() {
            // The sender lives in `self`, so waiting cannot fail.
            let _ = idle.changed().await;
        }
    }
}

impl State {
    fn has_seen(&self, said: &Said) -> bool {
        said.id.as_ref().is_some_and(|id| self.seen.contains(id))
    }

    fn remember(&mut self, said: &Said) {
        let Some(id) = &said.id else { return };
        if self.seen.insert(id.clone()) {
            self.seen_in_order.push_back(id.clone());
        }
        if self.seen_in_order.len() > SEEN_MAX
            && let Some(oldest) = self.seen_in_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}

impl Shift {
    /// The next message; `None` when there is no more, which ends the shift.
    pub(crate) fn next(&mut self) -> Option<Said> {
        // Taking the last one and giving up are one step, or a message could be forgotten.
        let mut state = self.inbox.state();
        let said = state.queues.get_mut(&self.sender_id).and_then(VecDeque::pop_front);
        match &said {
            Some(_) => state.waiting -= 1,
            None => {
                state.queues.remove(&self.sender_id);
                self.is_over = true;
            }
        }
        said
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        let mut state = self.inbox.state();
        // Work that broke off takes the messages with it; otherwise the queue may be somebody else's.
        if !self.is_over
            && let Some(lost) = state.queues.remove(&self.sender_id)
        {
            state.waiting -= lost.len();
            tracing::error!(sender_id = self.sender_id, messages = lost.len(), "messages were not handled");
        }
        drop(state);
        self.inbox.idle.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_channel::platform::Words;
    use intendant_talk::message::Object;

    fn said(sender_id: &str, id: &str) -> Said {
        Said {
            sender_id: sender_id.to_owned(),
            words: Words::Text(id.to_owned()),
            metadata: Object::new(),
            id: Some(id.to_owned()),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    #[test]
    fn messages_wait_in_order_and_come_once() {
        let inbox = Arc::new(Inbox::default());
        let put = |sender: &str, id: &str| inbox.put(vec![said(sender, id)]).map(|shifts| shifts.len());
        let mut shifts = inbox.put(vec![said("a", "1"), said("b", "2"), said("a", "3")]).unwrap();
        assert_eq!(shifts.len(), 2);
        let mut a = shifts.remove(0);
        assert_eq!(a.next().unwrap().id.as_deref(), Some("1"));
        // While one is handled, others of the conversation wait for the same worker.
        assert_eq!(put("a", "4"), Ok(0));
        assert_eq!(put("a", "1"), Ok(0), "a message that comes again");
        assert_eq!(a.next().unwrap().id.as_deref(), Some("3"));
        assert_eq!(a.next().unwrap().id.as_deref(), Some("4"));
        assert_eq!(a.next(), None);
        assert_eq!(put("a", "5"), Ok(1));
        drop(a);
        assert_eq!(put("c", "6"), Ok(1));
        drop(shifts);
        assert_eq!(inbox.state().waiting, 0, "broken off work takes its messages along");
    }

    #[test]
    fn there_is_an_end_to_waiting() {
        let inbox = Arc::new(Inbox::default());
        let many: Vec<Said> = (0..CONVERSATION_MESSAGES_MAX).map(|idx| said("a", &idx.to_string())).collect();
        let shifts = inbox.put(many).unwrap();
        assert_eq!(inbox.put(vec![said("a", "x")]).map(drop), Err(Full));
        // What was not taken is taken when it comes again.
        drop(shifts);
        assert_eq!(inbox.put(vec![said("a", "x")]).map(|shifts| shifts.len()), Ok(1));
        inbox.stop();
        assert_eq!(inbox.put(vec![said("b", "y")]).map(drop), Err(Full));
    }
}
