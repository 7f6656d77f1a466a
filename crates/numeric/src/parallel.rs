//! Work on several threads whose result does not depend on their number.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies `work` to `0..units` on up to `threads` threads; results come in the order of the units.
pub fn map<T: Send>(threads: usize, units: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = threads.clamp(1, units.max(1));
    if threads == 1 {
        return (0..units).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let unit = next.fetch_add(1, Ordering::Relaxed);
            if unit >= units {
                return done;
            }
            done.push((unit, work(unit)));
        }
    };
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut results = worker();
        for handle in handles {
            match handle.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(unit, _)| *unit);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs two pieces of work, side by side when there is more than one thread.
pub fn join<A: Send, B: Send>(
    threads: usize,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    if threads <= 1 {
        return (first(), second());
    }
    std::thread::scope(|scope| {
        let handle = scope.spawn(first);
        let second = second();
        match handle.join() {
            Ok(first) => (first, second),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order() {
        for threads in [1, 2, 5] {
            assert_eq!(map(threads, 9, |unit| unit * unit), [0, 1, 4, 9, 16, 25, 36, 49, 64]);
            assert_eq!(map(threads, 0, |unit| unit), Vec::<usize>::new());
            assert_eq!(join(threads, || 1, || "b"), (1, "b"));
        }
    }
}
