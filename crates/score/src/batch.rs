//! Rows of several callers predicted together: they wait for each other, never longer than declared.

use std::sync::Arc;
use std::time::Duration;

use intendant_component::predictor::Prediction;
use intendant_predictor::spec::Serve;
use intendant_table::{Categories, Column, Table};
use tokio::sync::{mpsc, oneshot};

use crate::service::{Failure, Version};

/// Callers that wait to be taken into a batch.
const QUEUE: usize = 1024;

/// Collects rows and predicts them together.
pub struct Batcher {
    sender: mpsc::Sender<Waiting>,
}

struct Waiting {
    version: Arc<Version>,
    table: Arc<Table>,
    answer: oneshot::Sender<Result<Vec<Prediction>, Failure>>,
}

impl Batcher {
    /// The batcher that is declared; none unless rows may wait. Needs a runtime.
    pub fn declared(serve: &Serve) -> Option<Self> {
        let wait = Duration::from_micros(serve.batch_wait_micros.filter(|wait| *wait > 0)?);
        let rows_max = serve.batch_rows_max.unwrap_or(64).max(1);
        let (sender, receiver) = mpsc::channel(serve.queue.unwrap_or(QUEUE).max(1));
        tokio::spawn(collect(receiver, rows_max, wait));
        Some(Self { sender })
    }

    /// Predicts rows together with those of others.
    ///
    /// # Errors
    /// When too many wait, or the model refuses.
    pub async fn predict(
        &self,
        version: &Arc<Version>,
        table: Arc<Table>,
    ) -> Result<Vec<Prediction>, Failure> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { version: Arc::clone(version), table, answer };
        self.sender.try_send(waiting).map_err(|_| Failure::Busy)?;
        answered.await.unwrap_or(Err(Failure::Busy))
    }
}

async fn collect(mut receiver: mpsc::Receiver<Waiting>, rows_max: usize, wait: Duration) {
    let mut left = None;
    loop {
        let first = match left.take() {
            Some(first) => first,
            None => match receiver.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        let deadline = tokio::time::Instant::now() + wait;
        let mut rows = first.table.rows();
        let mut batch = vec![first];
        while rows < rows_max {
            let Ok(Some(next)) = tokio::time::timeout_at(deadline, receiver.recv()).await else { break };
            // A version that was just put into use, or too many rows: the next batch begins here.
            if !Arc::ptr_eq(&next.version, &batch[0].version) || rows + next.table.rows() > rows_max {
                left = Some(next);
                break;
            }
            rows += next.table.rows();
            batch.push(next);
        }
        tokio::task::spawn_blocking(move || answer(batch));
    }
}

fn answer(batch: Vec<Waiting>) {
    let version = Arc::clone(&batch[0].version);
    let together = concat(&batch.iter().map(|waiting| waiting.table.as_ref()).collect::<Vec<_>>());
    let predicted = together.map(|table| version.predict(&table));
    match predicted {
        Some(Ok(predictions)) => {
            let mut predictions = predictions.into_iter();
            for waiting in batch {
                let own = predictions.by_ref().take(waiting.table.rows()).collect();
                let _ = waiting.answer.send(Ok(own));
            }
        }
        // Who is to blame shows when each is asked alone.
        Some(Err(_)) | None => {
            for waiting in batch {
                let predicted = version.predict(&waiting.table);
                let _ = waiting.answer.send(predicted);
            }
        }
    }
}

/// Tables of the same signature below each other.
fn concat(tables: &[&Table]) -> Option<Table> {
    let [first, ..] = tables else { return None };
    let columns = first.names().iter().map(|name| {
        let parts: Option<Vec<&Column>> = tables.iter().map(|table| table.column(name)).collect();
        Some((name.clone(), joined(&parts?)?))
    });
    Table::new(columns.collect::<Option<_>>()?).ok()
}

fn joined(parts: &[&Column]) -> Option<Column> {
    macro_rules! flat {
        ($variant:ident) => {{
            let mut all = Vec::new();
            for part in parts {
                let Column::$variant(values) = part else { return None };
                all.extend_from_slice(values);
            }
            Column::$variant(all)
        }};
    }
    Some(match parts.first()? {
        Column::Number(_) => flat!(Number),
        Column::Boolean(_) => flat!(Boolean),
        Column::Date(_) => flat!(Date),
        Column::Text(_) => flat!(Text),
        Column::Category(_) => {
            let mut names = Vec::new();
            for part in parts {
                let Column::Category(categories) = part else { return None };
                names.extend((0..part.len()).map(|row| categories.get(row)));
            }
            Column::Category(Categories::of(names))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_put_below_each_other() {
        let table = |name: &str, number: f64| {
            let category = Column::Category(Categories::of([Some(name), None]));
            let numbers = Column::Number(vec![number, number + 1.0]);
            Table::new(vec![("a".to_owned(), category), ("b".to_owned(), numbers)]).unwrap()
        };
        let both = concat(&[&table("x", 1.0), &table("y", 3.0)]).unwrap();
        assert_eq!(both.rows(), 4);
        let names: Vec<_> = both
            .column("a")
            .unwrap()
            .values()
            .map(|value| value.to_text().map(|text| text.into_owned()))
            .collect();
        assert_eq!(names, [Some("x".to_owned()), None, Some("y".to_owned()), None]);
        assert_eq!(both.column("b"), Some(&Column::Number(vec![1.0, 2.0, 3.0, 4.0])));
        let other = Table::new(vec![("a".to_owned(), Column::Number(vec![1.0]))]).unwrap();
        assert!(concat(&[&table("x", 1.0), &other]).is_none());
    }
}
