//! What is counted of predictors in service, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0];

/// What is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    series: Mutex<BTreeMap<(String, &'static str), Series>>,
    /// Requests and rows that were answered, by predictor and version.
    versions: Mutex<BTreeMap<(String, String), (u64, u64)>>,
}

#[derive(Clone, Debug, Default)]
struct Series {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    rows: u64,
    seconds: f64,
}

impl Metrics {
    /// A request to a predictor: how it ended, how many rows it had, how long it took.
    pub fn add(&self, predictor: &str, outcome: &'static str, (rows, seconds): (usize, f64)) {
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (predictor.to_owned(), outcome);
        let series = all.entry(key).or_default();
        series.count += 1;
        series.rows += rows as u64;
        series.seconds += seconds;
        if let Some(bucket) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            series.buckets[bucket] += 1;
        }
    }

    /// Writes all in the text format.
    pub fn write(&self, text: &mut String) {
        let all = self.series.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = "intendant_predictor_request_duration_seconds";
        let _ = writeln!(text, "# HELP {name} Time of requests to predictors.\n# TYPE {name} histogram");
        for ((predictor, outcome), series) in &all {
            let labels = format!("predictor=\"{predictor}\",outcome=\"{outcome}\"");
            let mut sum = 0;
            for (bound, count) in BUCKETS.iter().zip(series.buckets) {
                sum += count;
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {sum}");
            }
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(text, "{name}_count{{{labels}}} {}", series.count);
        }
        let name = "intendant_predictor_rows_total";
        let _ = writeln!(text, "# HELP {name} Rows predicted.\n# TYPE {name} counter");
        for ((predictor, outcome), series) in &all {
            let _ =
                writeln!(text, "{name}{{predictor=\"{predictor}\",outcome=\"{outcome}\"}} {}", series.rows);
        }
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = "intendant_predictor_version_rows_total";
        let _ = writeln!(text, "# HELP {name} Rows predicted by each version.\n# TYPE {name} counter");
        for ((predictor, version), (_, rows)) in &versions {
            let _ = writeln!(text, "{name}{{predictor=\"{predictor}\",version=\"{version}\"}} {rows}");
        }
    }

    /// An answer of a version.
    pub fn add_to_version(&self, predictor: &str, version: &str, rows: usize) {
        let mut all = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sum) = all.entry((predictor.to_owned(), version.to_owned())).or_default();
        *count += 1;
        *sum += rows as u64;
    }

    /// Requests and rows that were answered by each version of a predictor so far.
    pub fn of_versions(&self, predictor: &str) -> BTreeMap<String, (u64, u64)> {
        let all = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = all.iter().filter(|((name, _), _)| name == predictor);
        of_it.map(|((_, version), counts)| (version.clone(), *counts)).collect()
    }
}
