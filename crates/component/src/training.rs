//! What every trainer is given: seed, threads, progress.

/// Receives progress and says whether to go on.
pub trait Progress: Sync {
    /// `done` of `total` units of `phase` are finished.
    fn report(&self, phase: &str, done: u64, total: u64);

    /// Trainers ask at least once per epoch or pass and stop with [`Cancelled`] when true.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Reports nothing, never cancels.
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _phase: &str, _done: u64, _total: u64) {}
}

/// Training was stopped on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untrained {
    /// What there is to learn from does not do; the message says why.
    Data(String),
    /// Training was stopped on request.
    Cancelled,
}

impl std::fmt::Display for Untrained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data(message) => f.write_str(message),
            Self::Cancelled => f.write_str("training was stopped"),
        }
    }
}

impl std::error::Error for Untrained {}

impl From<Cancelled> for Untrained {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// What every trainer is given. The result must not depend on `threads`.
#[derive(Clone, Copy)]
pub struct TrainContext<'a> {
    /// Seed of all chance; same data and seed give the same bytes.
    pub seed: u64,
    /// Worker threads to use, at least 1.
    pub threads: usize,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

impl TrainContext<'_> {
    /// Tells that `done` of `total` units of a phase are finished, unless training shall stop.
    ///
    /// # Errors
    /// When it shall.
    pub fn step(&self, phase: &str, done: u64, total: u64) -> Result<(), Cancelled> {
        if self.progress.is_cancelled() {
            return Err(Cancelled);
        }
        self.progress.report(phase, done, total);
        Ok(())
    }
}
