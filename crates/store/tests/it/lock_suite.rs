//! What every lock store promises.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use intendant_port::error::Result;
use intendant_port::lock::{Continuity, LockStore};

/// Runs the suite on a lock store.
pub async fn run(locks: &Arc<dyn LockStore>) {
    first_come_first_served(locks).await;
    one_at_a_time(&[Arc::clone(locks)], "one").await;
    locks.flush().await.unwrap();
}

/// Runs it on lock stores that share their records, as those of several processes do.
pub async fn run_shared(processes: &[Arc<dyn LockStore>; 2]) {
    for locks in processes {
        run(locks).await;
    }
    one_at_a_time(processes, "both").await;
    knows_the_last_holder(processes).await.unwrap();
    for locks in processes {
        locks.flush().await.unwrap();
    }
}

async fn first_come_first_served(locks: &Arc<dyn LockStore>) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let first = locks.acquire("é: a").await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..12 {
        let (locks, order) = (Arc::clone(locks), Arc::clone(&order));
        waiting.push(tokio::spawn(async move {
            let _floor = locks.acquire("é: a").await.unwrap();
            order.lock().unwrap().push(number);
        }));
        // One thread: whoever is spawned first asks first.
        tokio::task::yield_now().await;
    }
    drop(locks.acquire("another").await.unwrap());
    assert!(order.lock().unwrap().is_empty(), "the floor is held");
    drop(first);
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..12).collect::<Vec<_>>());
}

async fn one_at_a_time(processes: &[Arc<dyn LockStore>], sender_id: &'static str) {
    let inside = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for number in 0..16 {
        let locks = Arc::clone(&processes[number % processes.len()]);
        let inside = Arc::clone(&inside);
        tasks.push(tokio::spawn(async move {
            for _ in 0..4 {
                let _floor = locks.acquire(sender_id).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have the floor");
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn knows_the_last_holder([one, other]: &[Arc<dyn LockStore>; 2]) -> Result<()> {
    let check = async |locks: &Arc<dyn LockStore>, expected: Continuity| {
        let floor = locks.acquire("held").await.unwrap();
        assert_eq!(floor.continuity(), expected);
    };
    check(one, Continuity::Broken).await;
    check(one, Continuity::Unbroken).await;
    check(other, Continuity::Broken).await;
    check(other, Continuity::Unbroken).await;
    check(one, Continuity::Broken).await;
    Ok(())
}
