//! Training progress on standard error: a bar that moves on a terminal; elsewhere a line now and
//! then when training takes long.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use intendant_component::training::Progress;

use crate::stopping::Stop;

/// Time between two drawings of the bar.
const BAR_PERIOD: Duration = Duration::from_millis(100);
/// Time between two lines where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(30);
/// Characters of the bar.
const BAR_WIDTH: u64 = 24;

/// Progress on standard error.
pub struct TerminalProgress {
    output: Output,
    stop: Stop,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Nothing,
    Bar,
    Lines,
}

struct State {
    phases: Vec<Phase>,
    shown: Option<Instant>,
}

/// What one trainer is doing.
struct Phase {
    name: String,
    started: Instant,
    done: u64,
    total: u64,
}

impl TerminalProgress {
    /// Shows nothing when quiet.
    pub fn new(quiet: bool) -> Self {
        let output = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Output::Nothing,
            (false, true) => Output::Bar,
            (false, false) => Output::Lines,
        };
        // The first line is due after a full period, the first bar at once.
        let shown = (output == Output::Lines).then(Instant::now);
        Self { output, stop: Stop::default(), state: Mutex::new(State { phases: Vec::new(), shown }) }
    }

    /// Trainers stop at their next look when this is asked to.
    pub fn until(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if self.output == Output::Bar {
            eprint!("\r\x1b[2K");
        }
    }
}

impl Progress for TerminalProgress {
    fn report(&self, phase: &str, done: u64, total: u64) {
        if self.output == Output::Nothing {
            return;
        }
        let Ok(mut state) = self.state.lock() else { return };
        let now = Instant::now();
        state.put(phase, (done, total), now);
        let period = if self.output == Output::Bar { BAR_PERIOD } else { LINE_PERIOD };
        if state.shown.is_some_and(|shown| now.duration_since(shown) < period) {
            return;
        }
        let Some(text) = state.slowest(now) else { return };
        state.shown = Some(now);
        if self.output == Output::Bar {
            eprint!("\r\x1b[2K{text}");
        } else {
            eprintln!("{text}");
        }
        let _ = std::io::stderr().flush();
    }

    fn is_cancelled(&self) -> bool {
        self.stop.is_asked()
    }
}

impl State {
    fn put(&mut self, name: &str, (done, total): (u64, u64), now: Instant) {
        match self.phases.iter_mut().find(|phase| phase.name == name) {
            Some(phase) if phase.done <= done && phase.total == total => phase.done = done,
            // A phase of the same name begins again, for another component say.
            Some(phase) => *phase = Phase { name: name.to_owned(), started: now, done, total },
            None => self.phases.push(Phase { name: name.to_owned(), started: now, done, total }),
        }
    }

    /// Of the phases that run side by side, the one that will take longest.
    fn slowest(&self, now: Instant) -> Option<String> {
        let running = self.phases.iter().filter(|phase| phase.done < phase.total);
        let time_left = |phase: &&Phase| left(phase, now).unwrap_or(Duration::MAX);
        running.max_by_key(time_left).map(|phase| line(phase, now))
    }
}

/// How long a phase will still take, once it has come some way.
fn left(phase: &Phase, now: Instant) -> Option<Duration> {
    let elapsed = now.duration_since(phase.started);
    let steps = phase.total - phase.done;
    (phase.done > 0).then(|| elapsed.mul_f64(steps as f64 / phase.done as f64))
}

fn line(phase: &Phase, now: Instant) -> String {
    let full = (BAR_WIDTH * phase.done / phase.total.max(1)) as usize;
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR_WIDTH as usize - full));
    let percent = 100 * phase.done / phase.total.max(1);
    let mut line = format!("{:<12} [{bar}] {percent:>3} %", phase.name);
    if let Some(left) = left(phase, now) {
        let speed = phase.done as f64 / now.duration_since(phase.started).as_secs_f64().max(1e-3);
        line.push_str(&format!("  {speed:.1} steps/s, {} left", in_words(left)));
    }
    line
}

/// Whole seconds, minutes above two of them.
fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{} s", seconds.max(1)),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_that_takes_longest_is_shown() {
        let start = Instant::now();
        let mut state = State { phases: Vec::new(), shown: None };
        let check = |state: &State, seconds: u64, expected: Option<&str>| {
            assert_eq!(state.slowest(start + Duration::from_secs(seconds)).as_deref(), expected);
        };
        state.put("intents", (0, 4), start);
        check(&state, 1, Some("intents      [------------------------]   0 %"));
        state.put("intents", (2, 4), start);
        state.put("entities", (1, 6), start);
        check(&state, 10, Some("entities     [####--------------------]  16 %  0.1 steps/s, 50 s left"));
        state.put("entities", (6, 6), start);
        check(&state, 400, Some("intents      [############------------]  50 %  0.0 steps/s, 7 min left"));
        state.put("intents", (4, 4), start);
        check(&state, 400, None);
    }
}
