//! The floor of conversations within one process: first come, first served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::lock::{Guard, LockStore};
use tokio::sync::OwnedMutexGuard;

/// The lock store of servers without a `lock_store` setting.
///
/// Unlike Rasa's, tickets do not expire: a handler that takes long keeps its floor, and one that
/// dies gives it back at once, because the guard is dropped with it.
#[derive(Clone, Default)]
pub struct MemoryLocks {
    floors: Arc<Mutex<Floors>>,
}

type Floors = HashMap<String, Arc<tokio::sync::Mutex<()>>>;

/// A place in the queue of one conversation, then its floor.
struct Floor {
    floors: Arc<Mutex<Floors>>,
    sender_id: String,
    floor: Arc<tokio::sync::Mutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
}

/// References to a floor that nobody else waits for: the table's and the one that is dropped.
const REFERENCES_OF_THE_LAST: usize = 2;

impl Drop for Floor {
    fn drop(&mut self) {
        let mut floors = lock(&self.floors);
        self.held = None;
        // Nobody can start waiting while the table is locked.
        if Arc::strong_count(&self.floor) == REFERENCES_OF_THE_LAST {
            floors.remove(&self.sender_id);
        }
    }
}

fn lock(floors: &Mutex<Floors>) -> MutexGuard<'_, Floors> {
    floors.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LockStore for MemoryLocks {
    fn acquire<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Guard>> {
        let floor = Arc::clone(lock(&self.floors).entry(sender_id.to_owned()).or_default());
        let floors = Arc::clone(&self.floors);
        let mut place = Floor { floors, sender_id: sender_id.to_owned(), floor, held: None };
        Box::pin(async move {
            place.held = Some(Arc::clone(&place.floor).lock_owned().await);
            Ok(Guard::new(place))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn floors_are_given_in_order_and_forgotten() {
        let locks = MemoryLocks::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = locks.acquire("a").await.unwrap();
        let mut waiting = Vec::new();
        for number in 0..20 {
            let (locks, order) = (locks.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _floor = locks.acquire("a").await.unwrap();
                order.lock().unwrap().push(number);
                tokio::task::yield_now().await;
            }));
            tokio::task::yield_now().await;
        }
        let other = locks.acquire("b").await.unwrap();
        drop(locks.acquire("b"));
        assert_eq!(lock(&locks.floors).len(), 2);
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        drop(other);
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
        assert!(lock(&locks.floors).is_empty());
    }
}
