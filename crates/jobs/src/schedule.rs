//! When something is due: a cron expression in a time zone.

use std::str::FromStr;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A cron expression in a zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds first; `zone` is a
    /// name like `Europe/Paris`, and UTC where none is given.
    ///
    /// # Errors
    /// What is wrong with the expression or the zone.
    pub fn new(expression: &str, zone: Option<&str>) -> Result<Self, String> {
        let cron = Cron::from_str(expression)
            .map_err(|error| format!("`{expression}` is no cron expression: {error}"))?;
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name)
                .map_err(|_| format!("`{name}` is no time zone; use a name like Europe/Paris or UTC"))?,
        };
        Ok(Self { cron, zone })
    }

    /// The first time it is due after another; `None` if that never comes.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let local: Zoned = time.to_zoned(self.zone.clone());
        self.cron.find_next_occurrence(&local, false).ok().map(|due| due.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_clock_on_the_wall() {
        let check = |expression: &str, zone: Option<&str>, from: &str, expected: &[&str]| {
            let schedule = Schedule::new(expression, zone).unwrap();
            let mut time: Timestamp = from.parse().unwrap();
            for expected in expected {
                time = schedule.after(time).unwrap();
                assert_eq!(time.to_string(), *expected, "{expression} after {from}");
            }
        };
        check("0 3 * * *", None, "2026-05-01T03:00:00Z", &["2026-05-02T03:00:00Z", "2026-05-03T03:00:00Z"]);
        // Summer begins in Paris on 29 March 2026: 03:00 there is 02:00 UTC before and 01:00 after.
        let paris = Some("Europe/Paris");
        check("0 3 * * *", paris, "2026-03-28T00:00:00Z", &["2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z"]);
        // 02:30 is missing on that day, and comes twice on 25 October; each day has one turn.
        let around_spring = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
        check("30 2 * * *", paris, "2026-03-28T00:00:00Z", &around_spring);
        let around_autumn = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        check("30 2 * * *", paris, "2026-10-24T00:00:00Z", &around_autumn);
        check("*/10 * * * * *", None, "2026-01-01T00:00:05Z", &["2026-01-01T00:00:10Z"]);
        check("0 9 * * MON-FRI", None, "2026-05-01T09:00:00Z", &["2026-05-04T09:00:00Z"]);
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |expression: &str, zone: Option<&str>| Schedule::new(expression, zone).unwrap_err();
        assert!(wrong("every day", None).starts_with("`every day` is no cron expression: "));
        assert!(wrong("61 * * * *", None).contains("is no cron expression"));
        assert_eq!(
            wrong("0 3 * * *", Some("Europe/Pariss")),
            "`Europe/Pariss` is no time zone; use a name like Europe/Paris or UTC"
        );
        assert!(Schedule::new("0 0 30 2 *", None).unwrap().after(Timestamp::UNIX_EPOCH).is_none());
    }
}
