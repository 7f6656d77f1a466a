//! One pass over a models folder after the other.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::folder::{self, Identity, name_of};
use super::order::{self, Protection, Standing};
use super::publish;
use super::state::{OwnFiles, State};
use super::{Error, Kind, Now, Settings};
use crate::inspect::{Verdict, inspect};

/// What a rotation asks its surroundings.
pub trait Outside {
    /// Digests that must stay: tagged, used by an environment, being served.
    ///
    /// # Errors
    /// Why that cannot be known; nothing is removed then.
    fn in_use(&self) -> Result<BTreeSet<String>, String>;

    /// Lets a server load the model that was just published.
    ///
    /// # Errors
    /// Why it could not; the model then counts as bad and the one before is published again.
    fn activate(&self, latest: &Path) -> Result<(), String>;
}

/// What one pass found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The model that was published by this pass.
    pub published: Option<String>,
    /// Models in the folder after it, newest first.
    pub kept: Vec<String>,
    /// Models that were removed.
    pub removed: Vec<String>,
    /// Their size together, in bytes.
    pub removed_bytes: u64,
    /// Files that are not ready, with the reason.
    pub pending: Vec<(String, String)>,
    /// Files that are no models, with the reason.
    pub refused: Vec<(String, String)>,
    /// Files that were put into quarantine.
    pub quarantined: Vec<String>,
    /// Why nothing was removed although something is old.
    pub suspended: Option<String>,
    /// A model that a server could not load, with its reason.
    pub bad: Option<(String, String)>,
}

impl Report {
    /// Whether something was done.
    pub fn is_change(&self) -> bool {
        self.published.is_some() || !self.removed.is_empty() || !self.quarantined.is_empty()
    }
}

/// Keeps one folder. Only one can exist for a folder at a time.
pub struct Rotator {
    settings: Settings,
    folder: PathBuf,
    latest: PathBuf,
    own: OwnFiles,
    /// Held for as long as this exists; a dry run holds none.
    lock: Option<File>,
    state: State,
    /// Files that did not change since they were looked at, with what they are.
    known: HashMap<PathBuf, (Identity, Verdict)>,
    /// Since when, on the steady clock, a file has looked as it does.
    since: HashMap<PathBuf, (Identity, Duration)>,
}

impl Rotator {
    /// Takes a folder and clears away what a process left that was ended in the middle.
    ///
    /// # Errors
    /// When the settings make no sense, another process has the folder, or it cannot be written.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let mut rotator = Self::look_at(settings)?;
        rotator.lock = Some(rotator.own.own()?);
        rotator.state = rotator.own.load();
        publish::clean(&rotator.latest);
        Ok(rotator)
    }

    /// For a dry run: takes nothing and writes nothing.
    ///
    /// # Errors
    /// When the settings make no sense.
    pub fn look_at(settings: Settings) -> Result<Self, Error> {
        let wrong = |message: String| Error::new(Kind::Settings, message);
        if settings.keep == 0 {
            return Err(wrong("at least one model must be kept".to_owned()));
        }
        let folder = settings.folder.canonicalize().map_err(|error| {
            wrong(format!("the models folder {} cannot be used: {error}", settings.folder.display()))
        })?;
        let latest_folder = settings.latest.parent().filter(|parent| !parent.as_os_str().is_empty());
        let latest_folder = latest_folder.unwrap_or(Path::new(".")).canonicalize().ok();
        let latest = match (latest_folder, settings.latest.file_name()) {
            (Some(parent), Some(name)) if parent.starts_with(&folder) => parent.join(name),
            _ => {
                return Err(wrong(format!(
                    "the path of the latest model, {}, must lie in the models folder {}",
                    settings.latest.display(),
                    settings.folder.display()
                )));
            }
        };
        let own = OwnFiles::of(&folder);
        let state = own.load();
        let (known, since) = (HashMap::new(), HashMap::new());
        Ok(Rotator { settings, folder, latest, own, lock: None, state, known, since })
    }

    /// Looks at the whole folder and does what is due.
    ///
    /// # Errors
    /// When a file cannot be read or written. What was done until then is sound; nothing was removed.
    pub fn pass(&mut self, now: Now, outside: &dyn Outside, force: bool) -> Result<Report, Error> {
        let mut report = Report::default();
        let models = self.survey(now, &mut report)?;
        let is_dry = self.lock.is_none();
        if let Some(newest) = self.due(&models) {
            report.published = Some(name_of(&newest.path));
            if !is_dry {
                self.publish(&newest, &models, outside, &mut report)?;
            }
        }
        let protection = self.protection(outside).map_err(|why| {
            Error::new(Kind::Files, format!("cannot know which models are in use, so none is removed: {why}"))
        })?;
        let removal = order::removal(&models, &protection, &self.settings, now);
        report.suspended = removal.suspended.filter(|_| !force);
        let going: &[Standing] = if report.suspended.is_some() { &[] } else { &removal.models };
        for standing in going {
            if is_dry || self.discard(standing, now)? {
                report.removed.push(name_of(&standing.path));
                report.removed_bytes += standing.identity.bytes;
            }
        }
        let stays = |standing: &&Standing| !report.removed.contains(&name_of(&standing.path));
        report.kept = models.iter().filter(stays).map(|standing| name_of(&standing.path)).collect();
        if !is_dry {
            self.quarantine(now, &mut report)?;
            self.empty_trash(now);
            self.audit(&report, now);
        }
        Ok(report)
    }

    /// How long until a file that is not quiet yet may be looked at; `None` when there is none.
    pub fn waits(&self, now: Now) -> Option<Duration> {
        let left = |(identity, since): &(Identity, Duration)| {
            if identity.age(now).is_some_and(|age| age >= self.settings.quiet) {
                return None;
            }
            self.settings.quiet.checked_sub(now.steady.saturating_sub(*since)).filter(|left| !left.is_zero())
        };
        self.since.values().filter_map(left).max()
    }

    // All complete models, newest first.
    fn survey(&mut self, now: Now, report: &mut Report) -> Result<Vec<Standing>, Error> {
        let found = folder::candidates(&self.folder, &self.latest)?;
        let present: BTreeSet<&PathBuf> = found.iter().map(|(path, _)| path).collect();
        self.known.retain(|path, _| present.contains(path) || *path == self.latest);
        self.since.retain(|path, _| present.contains(path));
        let mut models = Vec::new();
        for (path, identity) in found {
            let name = name_of(&path);
            if !self.is_quiet(&path, identity, now) {
                report.pending.push((name, "it is still being written".to_owned()));
                continue;
            }
            let verdict = self.verdict(&path, identity)?;
            if let Some(Verdict::Complete(model)) = &verdict
                && folder::said_digest(&path).is_some_and(|said| said != model.digest)
            {
                // One of the two is still being written, or the archive came damaged.
                report
                    .pending
                    .push((name, format!("its SHA-256 is {}, its .sha256 says another", model.digest)));
                continue;
            }
            match verdict {
                Some(Verdict::Complete(model)) => models.push(Standing { path, identity, model }),
                Some(Verdict::Incomplete(why)) => report.pending.push((name, why)),
                Some(Verdict::Refused(why)) => report.refused.push((name, why)),
                None => report.pending.push((name, "it changed while it was read".to_owned())),
            }
        }
        models.sort_by_cached_key(|standing| std::cmp::Reverse(standing.rank()));
        Ok(models)
    }

    fn is_quiet(&mut self, path: &Path, identity: Identity, now: Now) -> bool {
        let seen = self.since.entry(path.to_owned()).or_insert((identity, now.steady));
        if seen.0 != identity {
            *seen = (identity, now.steady);
        }
        let watched = now.steady.saturating_sub(seen.1);
        watched >= self.settings.quiet || identity.age(now).is_some_and(|age| age >= self.settings.quiet)
    }

    // What a file is; `None` when it changed meanwhile.
    fn verdict(&mut self, path: &Path, identity: Identity) -> Result<Option<Verdict>, Error> {
        if let Some((known, verdict)) = self.known.get(path)
            && *known == identity
        {
            return Ok(Some(verdict.clone()));
        }
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::files("read", path, &error)),
        };
        let verdict = inspect(file).map_err(|error| Error::files("read", path, &error))?;
        if Identity::at(path) != Some(identity) {
            return Ok(None);
        }
        self.known.insert(path.to_owned(), (identity, verdict.clone()));
        Ok(Some(verdict))
    }

    // The model that should be published, if it is not already.
    fn due(&mut self, models: &[Standing]) -> Option<Standing> {
        let newest = models.iter().find(|standing| !self.state.bad.contains(&standing.model.digest))?;
        let latest = self.latest.clone();
        // Unreadable, incomplete, a link, not there: all the same reason to publish.
        let current = Identity::at(&latest)
            .and_then(|identity| Some((identity, self.verdict(&latest, identity).ok()??)));
        let Some((identity, Verdict::Complete(current))) = current else {
            return Some(newest.clone());
        };
        if current.digest == newest.model.digest {
            return None;
        }
        // A model that is nowhere else is not replaced by an older one.
        let is_elsewhere = models.iter().any(|standing| standing.model.digest == current.digest);
        let remembered = self.state.published_rank.filter(|_| self.state.published == Some(current.digest));
        let trained_at = remembered
            .map(i128::from)
            .or(current.trained_at.map(Timestamp::as_nanosecond))
            .unwrap_or(identity.modified);
        (is_elsewhere || newest.rank().0 >= trained_at).then(|| newest.clone())
    }

    fn publish(
        &mut self,
        newest: &Standing,
        models: &[Standing],
        outside: &dyn Outside,
        report: &mut Report,
    ) -> Result<(), Error> {
        publish::publish(newest, &self.latest)?;
        let Err(why) = outside.activate(&self.latest) else {
            return self.remember(newest);
        };
        report.published = None;
        report.bad = Some((name_of(&newest.path), why));
        self.state.bad.insert(newest.model.digest.clone());
        let last_good = self.state.published.clone();
        let last_good = models.iter().find(|standing| Some(&standing.model.digest) == last_good.as_ref());
        if let Some(last_good) = last_good {
            publish::publish(last_good, &self.latest)?;
        }
        self.own.save(&self.state)
    }

    fn remember(&mut self, published: &Standing) -> Result<(), Error> {
        self.state.published = Some(published.model.digest.clone());
        self.state.published_rank = i64::try_from(published.rank().0).ok();
        self.own.save(&self.state)
    }

    fn protection(&self, outside: &dyn Outside) -> Result<Protection, String> {
        let mut digests = outside.in_use()?;
        digests.extend(self.state.published.clone());
        Ok(Protection { digests, paths: order::resolved(&self.folder, &self.settings.protected) })
    }

    // Moves a model to the trash, unless it is no longer the file that was looked at.
    fn discard(&mut self, standing: &Standing, now: Now) -> Result<bool, Error> {
        if Identity::at(&standing.path) != Some(standing.identity) {
            return Ok(false);
        }
        let trash = self.own.trash();
        self.own.make(&trash)?;
        let milliseconds = now.wall.as_millisecond();
        let place = trash.join(format!("{milliseconds}-{}", name_of(&standing.path)));
        fs::rename(&standing.path, &place).map_err(|error| Error::files("remove", &standing.path, &error))?;
        // What it says would be wrong of the next archive under this name; there may be none.
        let _ = fs::rename(folder::sidecar(&standing.path), folder::sidecar(&place));
        Ok(true)
    }

    fn quarantine(&mut self, now: Now, report: &mut Report) -> Result<(), Error> {
        let is_old =
            |identity: &Identity| identity.age(now).is_some_and(|age| age >= self.settings.quarantine_after);
        let hopeless = self.known.iter().filter_map(|(path, (identity, verdict))| {
            let is_incomplete = matches!(verdict, Verdict::Incomplete(_)) && *path != self.latest;
            (is_incomplete && is_old(identity)).then(|| path.clone())
        });
        let mut hopeless: Vec<PathBuf> = hopeless.collect();
        hopeless.sort();
        for path in hopeless {
            let folder = self.own.quarantine();
            self.own.make(&folder)?;
            let place = folder.join(format!("{}-{}", now.wall.as_millisecond(), name_of(&path)));
            fs::rename(&path, place).map_err(|error| Error::files("move", &path, &error))?;
            report.quarantined.push(name_of(&path));
            report.pending.retain(|(name, _)| *name != name_of(&path));
        }
        Ok(())
    }

    // What cannot be removed now is tried again in the next pass.
    fn empty_trash(&self, now: Now) {
        for entry in fs::read_dir(self.own.trash()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(removed_at) = name.split_once('-').and_then(|(time, _)| time.parse::<i64>().ok()) else {
                continue;
            };
            let age = now.wall.as_millisecond().saturating_sub(removed_at);
            if u128::try_from(age).is_ok_and(|age| age >= self.settings.trash_grace.as_millis())
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(%error, file = name, "cannot empty the trash");
            }
        }
    }

    fn audit(&self, report: &Report, now: Now) {
        if !report.is_change() && report.bad.is_none() {
            return;
        }
        tracing::info!(
            published = report.published.as_deref().unwrap_or("-"),
            kept = report.kept.len(),
            removed = report.removed.len(),
            removed_bytes = report.removed_bytes,
            quarantined = report.quarantined.len(),
            "rotated"
        );
        let line = json!({
            "at": now.wall.to_string(),
            "published": report.published,
            "digest": self.state.published,
            "kept": report.kept,
            "removed": report.removed,
            "removed_bytes": report.removed_bytes,
            "quarantined": report.quarantined,
            "bad": report.bad,
        });
        let mut options = fs::OpenOptions::new();
        let written = options
            .append(true)
            .create(true)
            .open(self.own.audit())
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write the audit of the rotation");
        }
    }
}
