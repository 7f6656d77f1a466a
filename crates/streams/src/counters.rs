//! What is counted about a stream, as numbers and as text for Prometheus.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Over this time the rate is taken.
const WINDOW: Duration = Duration::from_secs(60);

/// Counters of one role of a stream. They begin with the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages scored and written, or sent on by a producer.
    pub done: AtomicU64,
    /// Messages whose key had been handled before.
    pub repeated: AtomicU64,
    /// Messages that became dead letters.
    pub dead: AtomicU64,
    /// Failures of transport, database or model, after which it was tried again.
    pub failures: AtomicU64,
    /// Microseconds spent scoring.
    pub scoring_micros: AtomicU64,
    /// Messages that wait.
    lag: AtomicI64,
    is_ready: AtomicBool,
    recent: Mutex<VecDeque<(Instant, u64)>>,
}

impl Counters {
    /// Counts handled messages.
    pub fn count_done(&self, count: u64) {
        self.done.fetch_add(count, Ordering::Relaxed);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match recent.back_mut() {
            Some((since, so_far)) if now.duration_since(*since) < Duration::from_secs(1) => *so_far += count,
            _ => recent.push_back((now, count)),
        }
        while recent.front().is_some_and(|(since, _)| now.duration_since(*since) > WINDOW) {
            recent.pop_front();
        }
    }

    /// Messages per second over the last minute.
    pub fn rate(&self) -> f64 {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let within = recent.iter().filter(|(since, _)| now.duration_since(*since) <= WINDOW);
        let (mut count, mut oldest) = (0, Duration::from_secs(1));
        for (since, done) in within {
            count += done;
            oldest = oldest.max(now.duration_since(*since));
        }
        count as f64 / oldest.as_secs_f64()
    }

    /// Sets how many messages wait.
    pub fn set_lag(&self, lag: u64) {
        self.lag.store(i64::try_from(lag).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// How many messages waited when it was last asked.
    pub fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Sets whether everything can be reached.
    pub fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Relaxed);
    }

    /// Whether everything could be reached when it was last tried.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }
}

/// Metrics of streams: name of the stream, its role, its counters.
pub fn write(streams: &[(&str, &str, &Counters)], text: &mut String) {
    type Read = fn(&Counters) -> f64;
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let outcomes: [(&str, Read); 3] = [
        ("done", |counters| counters.done.load(Ordering::Relaxed) as f64),
        ("repeated", |counters| counters.repeated.load(Ordering::Relaxed) as f64),
        ("dead", |counters| counters.dead.load(Ordering::Relaxed) as f64),
    ];
    heading(text, "intendant_stream_messages_total", "counter", "Messages by what became of them.");
    for (stream, role, counters) in streams {
        for (outcome, read) in outcomes {
            let labels = format!("{{stream=\"{stream}\",role=\"{role}\",outcome=\"{outcome}\"}}");
            let _ = writeln!(text, "intendant_stream_messages_total{labels} {}", read(counters));
        }
    }
    let mut metric = |name: &str, kind: &str, help: &str, read: &dyn Fn(&Counters) -> f64| {
        heading(text, name, kind, help);
        for (stream, role, counters) in streams {
            let _ = writeln!(text, "{name}{{stream=\"{stream}\",role=\"{role}\"}} {}", read(counters));
        }
    };
    metric(
        "intendant_stream_failures_total",
        "counter",
        "Failures after which it was tried again.",
        &|counters| load(&counters.failures),
    );
    metric("intendant_stream_scoring_seconds_total", "counter", "Time spent scoring.", &|counters| {
        load(&counters.scoring_micros) / 1e6
    });
    metric("intendant_stream_lag", "gauge", "Messages that wait.", &|counters| counters.lag() as f64);
    metric("intendant_stream_rate", "gauge", "Messages per second over the last minute.", &Counters::rate);
    metric("intendant_stream_ready", "gauge", "1 while everything can be reached.", &|counters| {
        f64::from(u8::from(counters.is_ready()))
    });
}

fn heading(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_text() {
        let counters = Counters::default();
        counters.count_done(3);
        counters.set_lag(7);
        counters.set_ready(true);
        let mut text = String::new();
        write(&[("articles", "consumer", &counters)], &mut text);
        for line in [
            r#"intendant_stream_messages_total{stream="articles",role="consumer",outcome="done"} 3"#,
            r#"intendant_stream_lag{stream="articles",role="consumer"} 7"#,
            r#"intendant_stream_ready{stream="articles",role="consumer"} 1"#,
            "# TYPE intendant_stream_rate gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(counters.rate() > 0.0);
    }
}
