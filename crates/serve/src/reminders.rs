//! Wake-up calls. They live in memory only; a restart forgets them, as in Rasa.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intendant_port::outlet::Outlet;
use intendant_talk::event::Reminder;
use intendant_talk::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::task::AbortHandle;

use crate::server::Server;

/// A reminder that is overdue by more than this when scheduled is not called any more.
const GRACE: Duration = Duration::from_secs(1);
/// Most reminders waiting at a time.
const REMINDERS_MAX: usize = 100_000;

/// The reminders that wait, by conversation and name.
#[derive(Default)]
pub(crate) struct Reminders {
    waiting: Mutex<HashMap<(String, String), Waiting>>,
}

struct Waiting {
    intent: String,
    entities: Option<Value>,
    timer: AbortHandle,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl Reminders {
    fn waiting(&self) -> MutexGuard<'_, HashMap<(String, String), Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the conversation at the reminder's time; a reminder of the same name is replaced.
    pub(crate) fn schedule(
        &self,
        server: &Server,
        sender_id: &str,
        reminder: Reminder,
        outlet: Arc<dyn Outlet>,
    ) {
        let now = server.outside().clock.now();
        let Some(due) = due(&reminder.date_time) else {
            let date_time = reminder.date_time.as_str();
            tracing::error!(sender_id, date_time, "a reminder's time cannot be read; it is not scheduled");
            return;
        };
        let delay_micros = due.micros.saturating_sub(now.micros);
        if delay_micros < -i64::try_from(GRACE.as_micros()).unwrap_or(0) {
            tracing::warn!(sender_id, name = reminder.name, "a reminder lies in the past; it is dropped");
            return;
        }
        let delay = Duration::from_micros(u64::try_from(delay_micros).unwrap_or(0));
        let key = (sender_id.to_owned(), reminder.name.clone());
        let mut waiting = self.waiting();
        if waiting.len() >= REMINDERS_MAX && !waiting.contains_key(&key) {
            tracing::error!(sender_id, "too many reminders are waiting; this one is dropped");
            return;
        }
        let (intent, entities) = (reminder.intent.clone(), reminder.entities.clone());
        let (server, own_key) = (server.clone(), key.clone());
        let timer = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            // From here on the reminder is a turn like any other; cancelling it no longer stops it.
            let server_too = server.clone();
            tokio::spawn(async move {
                server_too.reminders().forget(&own_key);
                server_too.remind(own_key.0, reminder, outlet).await;
            });
        });
        waiting.insert(key, Waiting { intent, entities, timer: timer.abort_handle() });
    }

    fn forget(&self, key: &(String, String)) {
        self.waiting().remove(key);
    }

    /// Cancels the conversation's reminders that match all that is given.
    pub(crate) fn cancel(
        &self,
        sender_id: &str,
        name: Option<&str>,
        intent: Option<&str>,
        entities: Option<&Value>,
    ) {
        self.waiting().retain(|(conversation, own_name), reminder| {
            let matches = conversation == sender_id
                && name.is_none_or(|name| name == own_name)
                && intent.is_none_or(|intent| intent == reminder.intent)
                && entities.is_none_or(|entities| Some(entities) == reminder.entities.as_ref());
            !matches
        });
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.waiting().len()
    }

    /// Cancels all.
    pub(crate) fn clear(&self) {
        self.waiting().clear();
    }
}

/// Reads ISO 8601; a time without zone is local time, as Rasa's scheduler has it.
fn due(date_time: &str) -> Option<Timestamp> {
    let text = date_time.trim();
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?.timestamp(),
    };
    Some(Timestamp::from_micros(instant.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(due(text).map(|time| time.micros / 1_000_000), expected, "{text}");
        };
        check("1970-01-01T00:00:10Z", Some(10));
        check("1970-01-01T01:00:10+01:00", Some(10));
        check("1970-01-01 00:00:10.5Z", Some(10));
        check("tomorrow", None);
        check("", None);
        assert!(due("2030-01-01T00:00:00").is_some());
        assert!(due("2030-01-01T00:00:00.123456").is_some());
    }
}
