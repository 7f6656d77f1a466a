//! Section `jobs`: where jobs wait, who does them, when they come by themselves.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// How jobs are done.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jobs {
    /// `postgresql://…` or the path of a SQLite file.
    pub database: String,
    /// How many jobs `intendant up` does at the same time; 0 leaves them to `intendant worker`.
    pub workers: usize,
    /// A worker that was silent for so long is taken for dead, and its job for one to do again.
    pub lease_seconds: f64,
    /// How often a job is begun at most, crashes of workers included.
    pub attempts: u32,
    /// How long finished jobs are kept.
    pub keep_days: f64,
    /// Who asks over HTTP must give this token.
    pub token: Option<String>,
    /// Jobs that come by themselves, by name.
    pub schedules: BTreeMap<String, Scheduled>,
}

/// A job that comes by itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// When: a cron expression of five or six fields.
    pub cron: String,
    /// The time zone of the expression; UTC unless said otherwise.
    pub zone: Option<String>,
    /// `train` or `evaluate`.
    pub job: String,
    /// The job's options.
    #[serde(default)]
    pub options: Map<String, Value>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            database: ".intendant/jobs.db".to_owned(),
            workers: 1,
            lease_seconds: 30.0,
            attempts: 3,
            keep_days: 90.0,
            token: None,
            schedules: BTreeMap::new(),
        }
    }
}
