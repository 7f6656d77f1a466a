//! Models that are tried beside the one in use, as servers keep them for after a restart.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Catalog, Error};

/// What one environment tries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Digest of the version.
    pub digest: String,
    /// `shadow` or `canary`, share and rules, as they travel.
    pub plan: Value,
    /// When it began; it is known by that.
    pub since: Timestamp,
    /// Whether somebody asked for it, rather than the settings.
    pub is_by_hand: bool,
    /// What it has seen.
    pub seen: Value,
    /// How it ended.
    pub ended: Option<TrialEnd>,
}

/// The end of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialEnd {
    /// Why.
    pub reason: String,
    /// Whether the model did worse than the one in use.
    pub is_rollback: bool,
    /// When.
    pub at: Timestamp,
}

impl Catalog {
    /// Records what an environment tries from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_trial(&self, environment: &str, record: &TrialRecord) -> Result<(), Error> {
        self.index.begin_trial(environment, record.since.as_microsecond(), &value(record)).await
    }

    /// Records how that goes, unless something else is tried by now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_trial(&self, environment: &str, record: &TrialRecord) -> Result<(), Error> {
        self.index.keep_trial(environment, record.since.as_microsecond(), &value(record)).await
    }

    /// What an environment tries, or tried last. A record that cannot be understood is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn trial(&self, environment: &str) -> Result<Option<TrialRecord>, Error> {
        let trials = self.index.trials().await?;
        let found = trials.into_iter().find(|(of, _)| of == environment);
        Ok(found.and_then(|(_, record)| serde_json::from_value(record).ok()))
    }

    /// Digests that something uses: tags, and what is tried.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn used(&self) -> Result<Vec<String>, Error> {
        let mut used: Vec<String> = self.tags().await?.into_iter().map(|tag| tag.digest).collect();
        for (_, record) in self.index.trials().await? {
            let record = serde_json::from_value::<TrialRecord>(record);
            used.extend(record.ok().filter(|record| record.ended.is_none()).map(|record| record.digest));
        }
        Ok(used)
    }
}

fn value(record: &TrialRecord) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}
