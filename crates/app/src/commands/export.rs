//! `intendant export`: stored conversations, published to the event broker.
//!
//! Conversations go out in the order of their ids, events of each in the order of time. When the
//! broker fails for good, the printed command goes on exactly where this one stopped. Differs from
//! Rasa, whose command names a time and so leaves out earlier events of the conversations to come.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use intendant_config::Environment;
use intendant_port::broker::EventBroker;
use intendant_port::error::Error;
use intendant_port::store::{Scope, TrackerStore};
use intendant_talk::event::Event;
use intendant_talk::time::Timestamp;

use crate::cli::tools::ExportArgs;
use crate::failure::Failure;
use crate::terminal::say;
use crate::wiring;

/// Events handed to the broker at once.
const EVENTS_AT_ONCE: usize = 200;
/// How long to wait before the second, third, … try.
const RETRY_DELAYS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Runs `intendant export`.
pub fn run(arguments: &ExportArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(part) = &arguments.part {
        return super::agents::export(part);
    }
    if let (Some(minimum), Some(maximum)) = (arguments.minimum_timestamp, arguments.maximum_timestamp)
        && maximum < minimum
    {
        let message =
            format!("Maximum timestamp '{maximum}' is smaller than minimum timestamp '{minimum}'. Exiting.");
        return Err(Failure::new("", message));
    }
    let runtime = wiring::runtime()?;
    runtime.block_on(export(arguments, environment))
}

async fn export(arguments: &ExportArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let path = arguments.endpoints.display();
    if !arguments.endpoints.exists() {
        let hint = "it names the tracker store and the event broker; name it with --endpoints";
        return Err(Failure::new("", format!("{path} does not exist: {hint}")));
    }
    let endpoints = wiring::endpoints(Some(&arguments.endpoints), environment)?;
    if endpoints.tracker_store.is_none() {
        let message = format!("no `tracker_store` in {path}: it names the conversations to export");
        return Err(Failure::new("", message));
    }
    let outside = |error: Error| Failure::of("", &error);
    let mut settings = wiring::broker_environment(environment)?;
    settings.export_process_id = Some(uuid::Uuid::new_v4().simple().to_string());
    let store = intendant_store::open::tracker_store(endpoints.tracker_store.as_ref(), &settings.sql)
        .await
        .map_err(outside)?;
    let broker = intendant_broker::open::event_broker(endpoints.event_broker.as_ref(), &settings)
        .await
        .map_err(outside)?;
    let Some(broker) = broker else {
        return Err(Failure::new("", format!("no `event_broker` in {path}: it says where the events go")));
    };
    let ids = conversation_ids(store.as_ref(), arguments).await?;
    if let Some(offset) = arguments.offset_timestamps_by_seconds {
        say!("All times of events are moved by {offset} seconds.");
    }
    say!("Exporting {} conversations.", ids.len());
    let mut published = 0;
    for id in ids {
        let Some(events) = store.load(&id, Scope::AllSessions).await.map_err(outside)? else { continue };
        let skipped =
            if arguments.from_conversation.as_ref() == Some(&id) { arguments.from_event } else { 0 };
        let selected = select(events, arguments, skipped);
        if let Err(broken) = publish(broker.as_ref(), &id, &selected).await {
            let position = selected.get(broken.published).map_or(0, |(position, _)| *position);
            return Err(Failure::new("", interrupted(arguments, &id, position, &broken.error)));
        }
        published += selected.len();
    }
    say!("Done! Successfully published {published} events.");
    Ok(ExitCode::SUCCESS)
}

async fn conversation_ids(store: &dyn TrackerStore, arguments: &ExportArgs) -> Result<Vec<String>, Failure> {
    let stored: BTreeSet<String> =
        store.conversation_ids().await.map_err(|error| Failure::of("", &error))?.into_iter().collect();
    if stored.is_empty() {
        return Err(Failure::new(
            "",
            "the tracker store holds no conversations; check that `tracker_store` names the one in use",
        ));
    }
    let is_wanted = |id: &String| {
        (arguments.conversation_ids.is_empty() || arguments.conversation_ids.contains(id))
            && arguments.from_conversation.as_ref().is_none_or(|first| id >= first)
    };
    let missing: Vec<&str> =
        arguments.conversation_ids.iter().filter(|id| !stored.contains(*id)).map(String::as_str).collect();
    if !missing.is_empty() {
        tracing::warn!(ids = missing.join(", "), "these conversations are not stored");
    }
    let wanted: Vec<String> = stored.into_iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        return Err(Failure::new("", "none of the conversations asked for is stored"));
    }
    Ok(wanted)
}

/// The events to publish with their position in the conversation by time.
fn select(events: Vec<Arc<Event>>, arguments: &ExportArgs, skipped: usize) -> Vec<(usize, Arc<Event>)> {
    let mut sorted = events;
    sorted.sort_by_key(|event| event.timestamp);
    let is_wanted = |event: &Event| {
        let seconds = event.timestamp.as_secs_f64();
        arguments.minimum_timestamp.is_none_or(|minimum| seconds >= minimum)
            && arguments.maximum_timestamp.is_none_or(|maximum| seconds < maximum)
    };
    let moved = |event: Arc<Event>| match arguments.offset_timestamps_by_seconds {
        None => event,
        Some(offset) => {
            let micros = event.timestamp.micros.saturating_add(offset.saturating_mul(1_000_000));
            Arc::new(Event { timestamp: Timestamp { micros }, ..Event::clone(&event) })
        }
    };
    let wanted = sorted.into_iter().enumerate().skip(skipped).filter(|(_, event)| is_wanted(event));
    wanted.map(|(position, event)| (position, moved(event))).collect()
}

/// A broker that fails for good.
struct Broken {
    /// Events of this conversation that have certainly arrived.
    published: usize,
    error: Error,
}

async fn publish(
    broker: &dyn EventBroker,
    sender_id: &str,
    events: &[(usize, Arc<Event>)],
) -> Result<(), Broken> {
    let mut published = 0;
    for chunk in events.chunks(EVENTS_AT_ONCE) {
        let chunk: Vec<Arc<Event>> = chunk.iter().map(|(_, event)| Arc::clone(event)).collect();
        let mut delays = RETRY_DELAYS.iter();
        loop {
            let sent = match broker.publish(sender_id, &chunk).await {
                Ok(()) => broker.flush().await,
                Err(error) => Err(error),
            };
            match (sent, delays.next()) {
                (Ok(()), _) => break,
                (Err(error), None) => return Err(Broken { published, error }),
                (Err(error), Some(delay)) => {
                    tracing::warn!(error = error.chain(), "publishing failed; trying again");
                    tokio::time::sleep(*delay).await;
                }
            }
        }
        published += chunk.len();
    }
    Ok(())
}

/// What to do after a failure.
fn interrupted(arguments: &ExportArgs, sender_id: &str, position: usize, error: &Error) -> String {
    let mut command =
        format!("intendant export --endpoints {}", word(&arguments.endpoints.display().to_string()));
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            command.push_str(&format!(" {flag} {}", word(&value)));
        }
    };
    add("--minimum-timestamp", arguments.minimum_timestamp.map(|seconds| seconds.to_string()));
    add("--maximum-timestamp", arguments.maximum_timestamp.map(|seconds| seconds.to_string()));
    let ids = &arguments.conversation_ids;
    add("--conversation-ids", (!ids.is_empty()).then(|| ids.join(",")));
    add(
        "--offset-timestamps-by-seconds",
        arguments.offset_timestamps_by_seconds.map(|offset| offset.to_string()),
    );
    add("--from-conversation", Some(sender_id.to_owned()));
    add("--from-event", (position > 0).then(|| position.to_string()));
    format!(
        "publishing an event of conversation `{sender_id}` failed: {}\nTo continue where this export stopped, \
         run:\n\n\t{command}\n",
        error.chain()
    )
}

/// A word as a POSIX shell takes it.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
