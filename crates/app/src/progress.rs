//! Training progress: a line that moves on a terminal, nothing elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use intendant_component::training::Progress;

/// Time between two drawings.
const PERIOD: Duration = Duration::from_millis(100);

/// Set by the first interrupt; trainers stop at the next pass.
static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Progress on standard error.
pub struct TerminalProgress {
    draws: bool,
    last: Mutex<Option<Instant>>,
}

impl TerminalProgress {
    /// Draws only where somebody can see it.
    pub fn new(quiet: bool) -> Self {
        Self { draws: !quiet && std::io::stderr().is_terminal(), last: Mutex::new(None) }
    }

    /// Removes the line.
    pub fn clear(&self) {
        if self.draws {
            eprint!("\r\x1b[2K");
        }
    }
}

impl Progress for TerminalProgress {
    fn report(&self, phase: &str, done: u64, total: u64) {
        if !self.draws {
            return;
        }
        let Ok(mut last) = self.last.try_lock() else {
            return; // Another thread is drawing.
        };
        let is_due = last.is_none_or(|last| last.elapsed() >= PERIOD);
        if is_due || done == total {
            *last = Some(Instant::now());
            let share = (100 * done).checked_div(total).unwrap_or(100);
            eprint!("\r\x1b[2K{phase} {share} %");
            let _ = std::io::stderr().flush();
        }
    }

    fn is_cancelled(&self) -> bool {
        CANCELLED.load(Ordering::Relaxed)
    }
}
