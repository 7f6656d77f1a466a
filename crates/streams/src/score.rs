//! What scores rows.

use serde_json::Value;

/// Scores rows. Computes; it is called off the async threads.
pub trait Score: Send + Sync {
    /// One answer per row, in order. A row that can never be scored has its own error, which makes it
    /// a dead letter.
    ///
    /// # Errors
    /// Why nothing can be scored now; the rows are tried again later.
    fn score(&self, rows: &[Value]) -> Result<Vec<Result<Value, String>>, String>;

    /// Which model it is, written beside every scored row.
    fn model(&self) -> String;
}

impl<F> Score for F
where
    F: Fn(&Value) -> Result<Value, String> + Send + Sync,
{
    fn score(&self, rows: &[Value]) -> Result<Vec<Result<Value, String>>, String> {
        Ok(rows.iter().map(self).collect())
    }

    fn model(&self) -> String {
        "function".to_owned()
    }
}
