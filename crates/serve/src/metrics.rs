//! What is counted and timed, and the text in which Prometheus reads it.
//!
//! Each server has its own [`Metrics`]; there is no global registry. Labels come from small closed
//! sets or are cut off at [`SERIES_MAX`], so that nobody can fill the memory with them.
//!
//! Source: Prometheus text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use intendant_talk::event::{Event, EventKind};

/// Most series of one metric; what comes later is counted as `other`.
const SERIES_MAX: usize = 200;
/// Upper bounds of the buckets that durations fall into, in seconds.
const BUCKET_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Everything a server counts.
#[derive(Debug)]
pub struct Metrics {
    /// Requests by method, route and status, with the time until their response began.
    pub requests: Durations,
    /// Messages of users by channel, with the time until they were answered and stored.
    pub messages: Durations,
    /// Texts understood, with the time that took.
    pub parses: Durations,
    /// Actions chosen, by policy.
    pub predictions: Counts,
    /// Messages not understood (`nlu`) and situations in which no policy knew what to do (`core`).
    pub fallbacks: Counts,
    /// Calls of the action server by outcome, with the time they took.
    pub actions: Durations,
    /// Responses asked of the response generator by outcome, with the time they took.
    pub generations: Durations,
    /// Messages that could not be sent, by channel.
    pub unsent: Counts,
    /// Events that could not be stored or published, by where to.
    pub failed_writes: Counts,
    /// Models put into use.
    pub model_loads: Counts,
    /// Models that could not be loaded.
    pub model_load_failures: Counts,
    /// Messages while a model is tried on some conversations, by model (`current`, `canary`) and outcome.
    pub trial_messages: Counts,
    /// Models that were taken out because they did worse.
    pub trial_rollbacks: Counts,
    /// Messages handled by a shadow too, by what differed.
    pub shadow_comparisons: Counts,
    /// When the server was made.
    pub started: SystemTime,
    others: Others,
}

/// What other parts of the process count.
#[derive(Default)]
struct Others(Mutex<Vec<Writer>>);

/// Appends figures to a page of metrics.
type Writer = Box<dyn Fn(&mut String) + Send + Sync>;

impl std::fmt::Debug for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Others")
    }
}

/// A number that only grows, per combination of labels.
#[derive(Debug)]
pub struct Counts {
    about: About,
    series: Mutex<BTreeMap<Vec<String>, u64>>,
}

/// How often something happened and how long it took, per combination of labels.
#[derive(Debug)]
pub struct Durations {
    about: About,
    series: Mutex<BTreeMap<Vec<String>, Distribution>>,
}

#[derive(Debug)]
struct About {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
}

#[derive(Debug, Default)]
struct Distribution {
    /// Per bucket, those that fall into it and no smaller one.
    buckets: [u64; BUCKET_SECONDS.len()],
    count: u64,
    seconds: f64,
}

impl Default for Metrics {
    fn default() -> Self {
        let counts = |name, help, labels| Counts::new(About { name, help, labels });
        let durations = |name, help, labels| Durations::new(About { name, help, labels });
        Self {
            requests: durations(
                "intendant_http_request_duration_seconds",
                "Time until the response to a request began.",
                &["method", "route", "status"],
            ),
            messages: durations(
                "intendant_message_duration_seconds",
                "Time until a user's message was answered and stored.",
                &["channel"],
            ),
            parses: durations("intendant_parse_duration_seconds", "Time to understand a text.", &[]),
            predictions: counts(
                "intendant_predictions_total",
                "Actions chosen, by the policy that chose them.",
                &["policy"],
            ),
            fallbacks: counts(
                "intendant_fallbacks_total",
                "Messages not understood (nlu) and situations no policy knew (core).",
                &["kind"],
            ),
            actions: durations(
                "intendant_action_duration_seconds",
                "Time of a call to the action server.",
                &["outcome"],
            ),
            generations: durations(
                "intendant_generation_duration_seconds",
                "Time of a call to the response generator.",
                &["outcome"],
            ),
            unsent: counts(
                "intendant_unsent_messages_total",
                "Messages that could not be sent to a channel.",
                &["channel"],
            ),
            failed_writes: counts(
                "intendant_failed_writes_total",
                "Writes of events that failed, by where to.",
                &["to"],
            ),
            model_loads: counts("intendant_model_loads_total", "Models put into use.", &[]),
            model_load_failures: counts(
                "intendant_model_load_failures_total",
                "Models that could not be loaded; the one in use stayed.",
                &[],
            ),
            trial_messages: counts(
                "intendant_trial_messages_total",
                "Messages while a model is tried on a share of conversations, by model and outcome.",
                &["model", "outcome"],
            ),
            trial_rollbacks: counts(
                "intendant_trial_rollbacks_total",
                "Models taken out because they did worse than the one in use.",
                &[],
            ),
            shadow_comparisons: counts(
                "intendant_shadow_comparisons_total",
                "Messages that a shadow handled too, by what differed.",
                &["difference"],
            ),
            started: SystemTime::now(),
            others: Others::default(),
        }
    }
}

impl Metrics {
    /// Counts what an event of a conversation tells.
    pub(crate) fn saw(&self, event: &Event) {
        match &event.kind {
            EventKind::User(message) if message.parse.intent.name.as_deref() == Some("nlu_fallback") => {
                self.fallbacks.add(&["nlu"]);
            }
            EventKind::Action(action) => {
                if let Some(policy) = &action.policy {
                    self.predictions.add(&[policy]);
                }
                if action.name.as_deref() == Some("action_default_fallback") {
                    self.fallbacks.add(&["core"]);
                }
            }
            _ => {}
        }
    }

    /// Lets another part of the process write what it counts after these.
    pub fn also(&self, write: impl Fn(&mut String) + Send + Sync + 'static) {
        lock(&self.others.0).push(Box::new(write));
    }

    /// All metrics as text.
    pub fn write(&self, text: &mut String) {
        for durations in [&self.requests, &self.messages, &self.parses, &self.actions, &self.generations] {
            durations.write(text);
        }
        let counts = [
            &self.predictions,
            &self.fallbacks,
            &self.unsent,
            &self.failed_writes,
            &self.model_loads,
            &self.model_load_failures,
            &self.trial_messages,
            &self.trial_rollbacks,
            &self.shadow_comparisons,
        ];
        for counts in counts {
            counts.write(text);
        }
        for write in lock(&self.others.0).iter() {
            write(text);
        }
    }
}

/// Writes a number that may grow and fall.
pub fn write_gauge(text: &mut String, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
    write_head(text, name, help, "gauge");
    let labels: Vec<String> =
        labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{name}{braces} {value}");
}

impl Counts {
    fn new(about: About) -> Self {
        let mut series = BTreeMap::new();
        if about.labels.is_empty() {
            series.insert(Vec::new(), 0);
        }
        Self { about, series: Mutex::new(series) }
    }

    /// Counts one more with these labels' values.
    pub fn add(&self, labels: &[&str]) {
        *entry(&mut lock(&self.series), labels) += 1;
    }

    fn write(&self, text: &mut String) {
        let About { name, help, .. } = self.about;
        write_head(text, name, help, "counter");
        for (labels, count) in lock(&self.series).iter() {
            let _ = writeln!(text, "{name}{} {count}", self.about.braces(labels, None));
        }
    }
}

impl Durations {
    fn new(about: About) -> Self {
        Self { about, series: Mutex::default() }
    }

    /// Counts one that took this long.
    pub fn add(&self, labels: &[&str], took: Duration) {
        let seconds = took.as_secs_f64();
        let mut series = lock(&self.series);
        let distribution = entry(&mut series, labels);
        if let Some(bucket) = BUCKET_SECONDS.iter().position(|bound| seconds <= *bound) {
            distribution.buckets[bucket] += 1;
        }
        distribution.count += 1;
        distribution.seconds += seconds;
    }

    fn write(&self, text: &mut String) {
        let About { name, help, .. } = self.about;
        write_head(text, name, help, "histogram");
        for (labels, distribution) in lock(&self.series).iter() {
            let mut total = 0;
            for (bound, count) in BUCKET_SECONDS.iter().zip(distribution.buckets) {
                total += count;
                let braces = self.about.braces(labels, Some(&bound.to_string()));
                let _ = writeln!(text, "{name}_bucket{braces} {total}");
            }
            let all = self.about.braces(labels, Some("+Inf"));
            let braces = self.about.braces(labels, None);
            let _ = writeln!(text, "{name}_bucket{all} {}", distribution.count);
            let _ = writeln!(text, "{name}_sum{braces} {}", distribution.seconds);
            let _ = writeln!(text, "{name}_count{braces} {}", distribution.count);
        }
    }
}

impl About {
    fn braces(&self, values: &[String], bound: Option<&str>) -> String {
        let pairs =
            self.labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
        let pairs: Vec<String> = pairs.chain(bound.map(|bound| format!("le=\"{bound}\""))).collect();
        if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
    }
}

fn lock<T>(series: &Mutex<T>) -> MutexGuard<'_, T> {
    // After a panic the worst is that one is not counted.
    series.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entry<'a, T: Default>(series: &'a mut BTreeMap<Vec<String>, T>, labels: &[&str]) -> &'a mut T {
    let mut key: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
    if series.len() >= SERIES_MAX && !series.contains_key(&key) {
        key = vec!["other".to_owned(); labels.len()];
    }
    series.entry(key).or_default()
}

fn write_head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.messages.add(&["rest"], Duration::from_millis(2));
        metrics.messages.add(&["rest"], Duration::from_secs(60));
        metrics.predictions.add(&["a \"b\"\n\\"]);
        for channel in 0..2 * SERIES_MAX {
            metrics.unsent.add(&[&channel.to_string()]);
        }
        let mut text = String::new();
        metrics.write(&mut text);
        for line in [
            "# TYPE intendant_message_duration_seconds histogram",
            "intendant_message_duration_seconds_bucket{channel=\"rest\",le=\"0.001\"} 0",
            "intendant_message_duration_seconds_bucket{channel=\"rest\",le=\"0.0025\"} 1",
            "intendant_message_duration_seconds_bucket{channel=\"rest\",le=\"10\"} 1",
            "intendant_message_duration_seconds_bucket{channel=\"rest\",le=\"+Inf\"} 2",
            "intendant_message_duration_seconds_sum{channel=\"rest\"} 60.002",
            "intendant_message_duration_seconds_count{channel=\"rest\"} 2",
            "intendant_predictions_total{policy=\"a \\\"b\\\"\\n\\\\\"} 1",
            "intendant_unsent_messages_total{channel=\"other\"} 200",
            "intendant_model_loads_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
        let mut gauge = String::new();
        write_gauge(&mut gauge, "up", "Whether it is.", &[("model", "x")], 1.0);
        assert_eq!(gauge, "# HELP up Whether it is.\n# TYPE up gauge\nup{model=\"x\"} 1\n");
    }
}
