//! Which model is the newest, and which may go. Nothing here touches a file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::folder::{Identity, name_of};
use super::{Now, Settings};
use crate::inspect::Model;

/// A training that is dated later than now by more than this was dated by another clock.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

/// A complete model in the folder.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Where it is.
    pub path: PathBuf,
    /// The file as it was looked at.
    pub identity: Identity,
    /// What it is.
    pub model: Model,
}

impl Standing {
    /// Newer models have greater ranks: when it was trained (as it says, as its name says, or when
    /// the file was last written), then when the file was last written, then its name.
    pub fn rank(&self) -> (i128, i128, String) {
        let name = name_of(&self.path);
        let trained_at = self.model.trained_at.or_else(|| time_in_name(&name));
        let trained_at = trained_at.map_or(self.identity.modified, Timestamp::as_nanosecond);
        (trained_at, self.identity.modified, name)
    }

    fn age(&self, now: Now) -> i128 {
        now.wall.as_nanosecond() - self.rank().0
    }
}

// `[nlu-|core-]20260131-235959-…`, in the zone of this machine as `train` names them.
fn time_in_name(name: &str) -> Option<Timestamp> {
    let name = name.strip_prefix("nlu-").or_else(|| name.strip_prefix("core-")).unwrap_or(name);
    let time = DateTime::strptime("%Y%m%d-%H%M%S", name.get(..15)?).ok()?;
    time.to_zoned(TimeZone::system()).ok().map(|moment| moment.timestamp())
}

/// What must stay whatever its age.
#[derive(Default)]
pub struct Protection {
    /// By content: tagged, in use, published (the last known good).
    pub digests: BTreeSet<String>,
    /// By place.
    pub paths: Vec<PathBuf>,
}

impl Protection {
    /// Of several copies of a model only the first that is asked for is covered by its content.
    fn covers(&self, standing: &Standing, kept: &BTreeSet<&str>) -> bool {
        let digest = standing.model.digest.as_str();
        self.digests.contains(digest) && !kept.contains(digest)
            || self.paths.iter().any(|path| standing.path.starts_with(path))
    }
}

/// What a pass may remove.
#[derive(Debug, Default)]
pub struct Removal {
    /// Oldest first.
    pub models: Vec<Standing>,
    /// Why nothing may be removed at present.
    pub suspended: Option<String>,
}

/// Decides what may go; `models` newest first.
pub fn removal(models: &[Standing], protection: &Protection, settings: &Settings, now: Now) -> Removal {
    let ahead = models.iter().find(|standing| standing.age(now) < -(CLOCK_SLACK.as_nanos() as i128));
    if let Some(standing) = ahead {
        let why = format!(
            "{} was trained later than now: the clock has been set back, nothing is removed until it has \
             caught up",
            name_of(&standing.path)
        );
        return Removal { models: Vec::new(), suspended: Some(why) };
    }
    let mut bytes = 0_u64;
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    let mut going: Vec<Standing> = Vec::new();
    for (place, standing) in models.iter().enumerate() {
        let fits = settings.bytes_max.is_none_or(|max| bytes + standing.identity.bytes <= max);
        let is_young = standing.age(now) < settings.keep_younger.as_nanos() as i128;
        let is_covered = protection.covers(standing, &kept);
        let stays = place == 0 || is_covered || is_young || place < settings.keep && fits;
        if stays {
            kept.insert(&standing.model.digest);
            bytes += standing.identity.bytes;
        } else {
            going.push(standing.clone());
        }
    }
    going.reverse();
    let is_many =
        models.len() >= 10 && going.len() * 100 > models.len() * usize::from(settings.removed_percent_max);
    if is_many {
        let why = format!(
            "{} of {} models would be removed, more than {} %: do it with --force",
            going.len(),
            models.len(),
            settings.removed_percent_max
        );
        return Removal { models: going, suspended: Some(why) };
    }
    Removal { models: going, suspended: None }
}

/// Whether `path` is the same place as one of `paths`, each as given or relative to `folder`.
pub fn resolved(folder: &Path, paths: &[PathBuf]) -> Vec<PathBuf> {
    let absolute = |path: &PathBuf| path.canonicalize().or_else(|_| folder.join(path).canonicalize()).ok();
    paths.iter().filter_map(absolute).collect()
}
