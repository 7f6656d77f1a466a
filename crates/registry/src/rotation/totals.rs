//! What rotation has done since it began, for whoever watches it.

use std::fmt::Write;

use super::{Now, Report};

/// Sums over all passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Passes that did what was due.
    pub passes: u64,
    /// Passes that could not be finished.
    pub failures: u64,
    /// Models published.
    pub published: u64,
    /// Models removed.
    pub removed: u64,
    /// Their size together, in bytes.
    pub removed_bytes: u64,
    /// Files put into quarantine.
    pub quarantined: u64,
    /// Models that a server could not load.
    pub bad: u64,
    /// Models in the folder after the last pass.
    pub kept: u64,
    /// Files that were not ready or no model, in the last pass.
    pub failed_checks: u64,
    /// When something was last changed, in seconds since 1970.
    pub last_rotation_seconds: i64,
}

impl Totals {
    /// Adds what a pass did.
    pub fn add(&mut self, report: &Report, now: Now) {
        self.passes += 1;
        self.published += u64::from(report.published.is_some());
        self.removed += report.removed.len() as u64;
        self.removed_bytes += report.removed_bytes;
        self.quarantined += report.quarantined.len() as u64;
        self.bad += u64::from(report.bad.is_some());
        self.kept = report.kept.len() as u64;
        self.failed_checks = (report.pending.len() + report.refused.len()) as u64;
        if report.is_change() {
            self.last_rotation_seconds = now.wall.as_second();
        }
    }

    /// Adds a pass that could not be finished.
    pub fn add_failure(&mut self) {
        self.failures += 1;
    }

    /// As Prometheus reads it.
    pub fn write(&self, text: &mut String) {
        let counters = [
            ("passes", "Passes over the models folder.", self.passes),
            ("failed_passes", "Passes that could not be finished.", self.failures),
            ("published", "Models published under the fixed name.", self.published),
            ("removed", "Models removed.", self.removed),
            ("removed_bytes", "Size of removed models.", self.removed_bytes),
            ("quarantined", "Files put into quarantine.", self.quarantined),
            ("bad_models", "Models that a server could not load.", self.bad),
        ];
        for (name, help, value) in counters {
            let name = format!("intendant_rotation_{name}_total");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
        }
        let gauges = [
            ("kept_models", "Models in the folder.", self.kept.to_string()),
            ("failed_checks", "Files that are not ready or no model.", self.failed_checks.to_string()),
            (
                "last_change_timestamp_seconds",
                "When something was last changed, in seconds since 1970.",
                self.last_rotation_seconds.to_string(),
            ),
        ];
        for (name, help, value) in gauges {
            let name = format!("intendant_rotation_{name}");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
    }
}
