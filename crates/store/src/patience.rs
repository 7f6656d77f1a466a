//! Waiting for a database that is not there yet, as Rasa does at its start.

use std::time::Duration;

use intendant_port::error::{Error, Kind, Result};

/// Time between attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// One who waits.
#[derive(Default)]
pub(crate) struct Patience {
    is_told: bool,
}

impl Patience {
    /// Pauses after an attempt that failed. Logs once that it waits.
    ///
    /// # Errors
    /// When the failure will not pass.
    pub(crate) async fn bear(&mut self, address: &str, failure: sqlx::Error, is_passing: bool) -> Result<()> {
        if !is_passing {
            let message = format!("cannot use the database at {address}");
            return Err(Error::new(Kind::Refused, message).because(failure));
        }
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(address, error = %failure, "the database cannot be reached; waiting for it");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
        Ok(())
    }
}
