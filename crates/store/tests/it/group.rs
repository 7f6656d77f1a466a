//! Writers share commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_store::group::{Column, Connection, Field, Foreign, GroupWriter, Row, Table};

const TABLE: Table = Table { name: "t", columns: &[Column::text("x")] };
const WRITERS: usize = 16;
const WRITES: usize = 20;

/// Stands in for a database on a slow disk, which no test can order.
struct SlowDisk {
    commits: Arc<AtomicUsize>,
}

impl Connection for SlowDisk {
    const BATCH_MAX: usize = 256;

    fn insert<'a>(&'a mut self, _table: Table, _rows: &'a [&'a Row]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(12)).await;
            self.commits.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn look(&mut self) -> BoxFuture<'_, Result<Foreign>> {
        Box::pin(std::future::ready(Ok(Foreign::Nothing)))
    }

    fn tidy(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn reset(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn a_slow_commit_is_shared_by_all_who_write_in_turn() {
    let commits = Arc::new(AtomicUsize::new(0));
    let writer = GroupWriter::start(SlowDisk { commits: Arc::clone(&commits) }, TABLE).unwrap();
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let writer = writer.clone();
        writers.push(tokio::spawn(async move {
            for _ in 0..WRITES {
                // Some come back sooner than others, all long before a commit is done.
                tokio::time::sleep(Duration::from_micros(100 * number as u64)).await;
                writer.write(vec![vec![Field::Text("y".to_owned())]]).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    // One for each round, and some until the writer has seen how many there are; nearly two for each
    // round if those who come first were not made to wait.
    let commits = commits.load(Ordering::Relaxed);
    assert!((WRITES..WRITES * 3 / 2).contains(&commits), "{commits} commits");
}
