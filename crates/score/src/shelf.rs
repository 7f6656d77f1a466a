//! Versions beside the one in use, held while somebody asks for them by their numbers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::service::Version;

/// Versions held unless declared otherwise.
const VERSIONS_MAX: usize = 2;

/// Versions that were asked for by number, the latest used last.
#[derive(Default)]
pub struct Shelf {
    versions_max: usize,
    held: Mutex<Vec<(Instant, Arc<Version>)>>,
    /// Held by whoever loads a version, so that nobody loads it twice.
    pub loading: tokio::sync::Mutex<()>,
}

impl Shelf {
    /// A shelf of as many versions as declared; none is ever held where that is 0.
    pub fn of(versions_max: Option<usize>) -> Self {
        Self { versions_max: versions_max.unwrap_or(VERSIONS_MAX), ..Self::default() }
    }

    /// How many versions are held at most.
    pub fn versions_max(&self) -> usize {
        self.versions_max
    }

    /// The version of this number, if it is held.
    pub fn get(&self, number: &str) -> Option<Arc<Version>> {
        let mut held = self.held();
        let at = held.iter().position(|(_, version)| version.number == number)?;
        let (_, version) = held.remove(at);
        held.push((Instant::now(), Arc::clone(&version)));
        Some(version)
    }

    /// Holds a version, in place of the one that was not used for longest when there is no room.
    pub fn put(&self, version: Version) -> Arc<Version> {
        let version = Arc::new(version);
        let mut held = self.held();
        held.retain(|(_, known)| known.number != version.number);
        held.push((Instant::now(), Arc::clone(&version)));
        let too_many = held.len().saturating_sub(self.versions_max);
        held.drain(..too_many);
        version
    }

    /// Lets go of versions that nobody asked for in so long; the numbers of those.
    pub fn forget_idle(&self, idle: Duration) -> Vec<String> {
        let mut held = self.held();
        let of_use = |(used, _): &(Instant, Arc<Version>)| used.elapsed() < idle;
        let idle =
            held.iter().filter(|one| !of_use(one)).map(|(_, version)| version.number.clone()).collect();
        held.retain(of_use);
        idle
    }

    /// Lets go of all.
    pub fn clear(&self) {
        self.held().clear();
    }

    /// Whether the version of this number is held.
    pub fn holds(&self, number: &str) -> bool {
        self.held().iter().any(|(_, version)| version.number == number)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Arc<Version>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
