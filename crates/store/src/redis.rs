//! Conversations in Redis, one key each, with the value that Rasa keeps there: the JSON
//! `{"events": […], "name": id}` (`spec: http-and-channels.md §6`).
//!
//! New events are written over the end of the value instead of writing it anew, so that a message
//! costs the same in a long conversation as in a short one. A value that ends in an unexpected way
//! is read and written anew as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::{Scope, TrackerStore};
use intendant_rasa_format::wire::event_to_json;
use intendant_talk::event::Event;
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, Script};
use serde_json::Value;

use crate::redis_link::{RedisSettings, failed};
use crate::session::last_session_start;
use crate::sql::event_of;

/// What conversations read from memory are trusted for: nothing tells us of foreign writes.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Keys asked for at a time when all are listed.
const SCAN_COUNT: usize = 1000;

/// KEYS: the conversation's key. ARGV: how values end, new events, milliseconds to keep or 0.
/// Answers 0 when the value ends in another way.
const APPEND: &str = r#"
local key, tail, added, keep = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local length = redis.call('STRLEN', key)
if length == 0 then
  redis.call('SET', key, '{"events": [' .. added .. tail)
else
  local start = length - #tail
  if start < 1 or redis.call('GETRANGE', key, start, -1) ~= tail then return 0 end
  local before = redis.call('GETRANGE', key, start - 1, start - 1)
  local separator = ', '
  if before == '[' or added == '' then separator = '' end
  redis.call('SETRANGE', key, start, separator .. added .. tail)
end
if keep > 0 then redis.call('PEXPIRE', key, keep) end
return 1
"#;

/// The tracker store of `type: redis`.
pub struct RedisStore {
    connection: ConnectionManager,
    prefix: String,
    /// How long a conversation is kept after its last message (`record_exp`).
    keep: Option<Duration>,
    append: Script,
    started: Instant,
}

impl RedisStore {
    /// A store that connects when it is used.
    pub fn new(settings: &RedisSettings, keep: Option<Duration>) -> Result<Self> {
        let (connection, prefix) = (settings.connect()?, settings.prefix.clone());
        Ok(Self { connection, prefix, keep, append: Script::new(APPEND), started: Instant::now() })
    }

    fn key(&self, sender_id: &str) -> String {
        format!("{}{sender_id}", self.prefix)
    }

    async fn stored(&self, sender_id: &str) -> Result<Option<Vec<Value>>> {
        let mut connection = self.connection.clone();
        let found: Option<String> =
            connection.get(self.key(sender_id)).await.map_err(|error| failed("read", error))?;
        let Some(text) = found else {
            return Ok(None);
        };
        let read = serde_json::from_str::<Value>(&text).map_err(|error| {
            Error::new(
                Kind::Invalid,
                format!("the value of {} in redis is no conversation", self.key(sender_id)),
            )
            .because(error)
        })?;
        Ok(Some(read.get("events").and_then(Value::as_array).cloned().unwrap_or_default()))
    }

    async fn write_anew(&self, sender_id: &str, events: &[Value]) -> Result<()> {
        let mut connection = self.connection.clone();
        let value = format!("{{\"events\": [{}{}", joined(events), tail(sender_id));
        let mut command = redis::cmd("SET");
        command.arg(self.key(sender_id)).arg(value);
        if let Some(keep) = self.keep {
            command.arg("PX").arg(millis(keep));
        }
        command.exec_async(&mut connection).await.map_err(|error| failed("write to", error))
    }

    async fn add(&self, sender_id: &str, events: Vec<Value>) -> Result<()> {
        let mut connection = self.connection.clone();
        let fits: i64 = self
            .append
            .key(self.key(sender_id))
            .arg(tail(sender_id))
            .arg(joined(&events))
            .arg(self.keep.map_or(0, millis))
            .invoke_async(&mut connection)
            .await
            .map_err(|error| failed("write to", error))?;
        if fits == 1 {
            return Ok(());
        }
        let mut all = self.stored(sender_id).await?.unwrap_or_default();
        all.extend(events);
        self.write_anew(sender_id, &all).await
    }
}

fn joined(events: &[Value]) -> String {
    events.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}

/// How Rasa's values end.
fn tail(sender_id: &str) -> String {
    format!("], \"name\": {}}}", python_json_string(sender_id))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A string as Python's `json.dumps` writes it: in ASCII.
fn python_json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut units = [0; 2];
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7e}' => out.push(char),
            _ => {
                char.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")))
            }
        }
    }
    out.push('"');
    out
}

/// Reads events; those that cannot be read are left out.
fn read_events(sender_id: &str, values: &[Value]) -> Vec<Arc<Event>> {
    let mut events = Vec::with_capacity(values.len());
    for value in values {
        match event_of(value) {
            Ok(event) => events.extend(event),
            Err(error) => {
                tracing::warn!(sender_id, error, "a stored event cannot be read and is left out");
            }
        }
    }
    events
}

impl TrackerStore for RedisStore {
    fn load<'a>(
        &'a self,
        sender_id: &'a str,
        scope: Scope,
    ) -> BoxFuture<'a, Result<Option<Vec<Arc<Event>>>>> {
        Box::pin(async move {
            let Some(values) = self.stored(sender_id).await? else {
                return Ok(None);
            };
            let events = read_events(sender_id, &values);
            Ok(Some(match scope {
                Scope::AllSessions => events,
                Scope::LastSession => self.last_session(events),
            }))
        })
    }

    fn append<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.add(sender_id, events.iter().map(|event| event_to_json(event)).collect()))
    }

    /// Adds those events that are not among the stored ones, as Rasa merges them.
    fn replace<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let stored = self.stored(sender_id).await?.unwrap_or_default();
            let known: BTreeSet<String> = stored.iter().map(Value::to_string).collect();
            let new = events.iter().map(|event| event_to_json(event));
            self.add(sender_id, new.filter(|event| !known.contains(&event.to_string())).collect()).await
        })
    }

    fn last_session(&self, mut events: Vec<Arc<Event>>) -> Vec<Arc<Event>> {
        events.drain(..last_session_start(&events));
        events
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let mut ids = BTreeSet::new();
            let mut cursor = 0_u64;
            loop {
                let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
                    .arg(cursor)
                    .arg("MATCH")
                    .arg(format!("{}*", self.prefix))
                    .arg("COUNT")
                    .arg(SCAN_COUNT)
                    .query_async(&mut connection)
                    .await
                    .map_err(|error| failed("list the keys of", error))?;
                ids.extend(keys.iter().filter_map(|key| key.strip_prefix(&self.prefix)).map(str::to_owned));
                if next == 0 {
                    return Ok(ids.into_iter().collect());
                }
                cursor = next;
            }
        })
    }

    fn epoch(&self) -> BoxFuture<'_, u64> {
        let epoch = self.started.elapsed().as_millis() / LOOK_INTERVAL.as_millis();
        Box::pin(std::future::ready(u64::try_from(epoch).unwrap_or(u64::MAX)))
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_as_python_does() {
        let check = |text: &str, expected: &str| assert_eq!(python_json_string(text), expected);
        check("a\"\\/\n\u{1}\u{7f}", r#""a\"\\/\n\u0001\u007f""#);
        check("é\u{1F600}", r#""\u00e9\ud83d\ude00""#);
    }
}
