//! One turn with its effects: what `dialogue` decides is done here, in order, and stored once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use intendant_dialogue::{
    ActionFailure, ActionReply, Answer, Effect, GenerateCall, Generator, Input, Level, Question, Step, Turn,
};
use intendant_port::action::ActionCall;
use intendant_port::lock::Continuity;
use intendant_port::outlet::Outlet;
use intendant_port::store::Scope;
use intendant_port::trace::SpanKind;
use intendant_talk::event::{Event, EventKind};
use intendant_talk::tracker::Tracker;

use crate::assistant::Assistant;
use crate::clock::TurnClock;
use crate::error::{Error, Kind};
use crate::server::Server;
use crate::shadow::{Notes, asked};
use crate::trace::{self, Begun};

/// The longest conversation id; the column of SQL stores holds no more.
pub const SENDER_ID_CHARS_MAX: usize = 255;

/// What a turn is made of.
pub(crate) struct Work {
    pub(crate) assistant: Arc<Assistant>,
    pub(crate) sender_id: String,
    pub(crate) input: Input,
    pub(crate) keep: Keep,
    /// What a trial wants to know of it.
    pub(crate) notes: Option<Arc<Mutex<Notes>>>,
}

impl Work {
    pub(crate) fn new(assistant: Arc<Assistant>, sender_id: String, input: Input, keep: Keep) -> Self {
        Self { assistant, sender_id, input, keep, notes: None }
    }
}

/// Whether what happened is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Store,
    Discard,
}

/// Whether a conversation held in memory is as it is stored.
#[derive(Clone, Copy)]
struct Validity {
    /// The epoch it must have been held with.
    epoch: u64,
    /// Nobody else has had the floor meanwhile.
    is_current: bool,
}

/// Picks where answers go, knowing the conversation.
pub type PickOutlet = Box<dyn FnOnce(&Tracker) -> Arc<dyn Outlet> + Send>;

impl Server {
    /// Runs a turn to its end whatever becomes of the caller, and lets `look` see the conversation
    /// before anybody else gets the floor.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: Work,
        pick: PickOutlet,
        look: impl FnOnce(&Tracker) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if work.sender_id.chars().nth(SENDER_ID_CHARS_MAX).is_some() {
            let message = format!("a conversation id may have at most {SENDER_ID_CHARS_MAX} characters");
            return Err(Error::new(Kind::BadInput, message));
        }
        let Some(ticket) = self.in_hand().begin() else {
            return Err(Error::new(Kind::Stopping, "the server is stopping"));
        };
        let mut span = self.begin_span(name_of(&work.input), SpanKind::Internal, trace::current());
        if let Some(span) = &mut span {
            span.set("conversation.id", work.sender_id.as_str());
        }
        let server = self.clone();
        let task = tokio::spawn(async move {
            let _ticket = ticket;
            let context = span.as_ref().map(Begun::context);
            let done = trace::within(context, server.turn(work, pick, look)).await;
            if let (Some(span), Err(error)) = (&mut span, &done) {
                span.fail(error.message.as_str());
            }
            done
        });
        task.await
            .unwrap_or_else(|error| Err(Error::new(Kind::Internal, format!("a turn ended early: {error}"))))
    }

    async fn turn<T>(
        &self,
        work: Work,
        pick: PickOutlet,
        look: impl FnOnce(&Tracker) -> T,
    ) -> Result<T, Error> {
        let outside = self.outside();
        let floor = outside.locks.acquire(&work.sender_id).await?;
        let validity = self.validity(floor.continuity()).await;
        let tracker = self.fetch(&work.assistant, &work.sender_id, validity).await?;
        let outlet = pick(&tracker);
        let is_posted = matches!(work.input, Input::Events { .. });
        if let Some(notes) = &work.notes {
            noted(notes).before = Some(tracker.clone());
        }
        let mut clock = TurnClock::new(&*outside.clock);
        let settings = self.turn_settings(outlet.name());
        let turn = Turn::start(Arc::clone(&work.assistant.mind), tracker, work.input, settings);
        let (tracker, appended) = Drive {
            server: self,
            assistant: &work.assistant,
            sender_id: &work.sender_id,
            outlet: &outlet,
            notes: work.notes.as_deref(),
        }
        .run(turn, &mut clock)
        .await;
        let seen = look(&tracker);
        if work.keep == Keep::Store {
            let begins_session = appended.iter().any(|event| starts_session(event));
            self.save(&work.sender_id, appended).await?;
            // After a session start the store's rule decides which events the next message sees; so
            // it does for posted events, which may carry any time.
            let tracker = match begins_session || is_posted {
                true => {
                    let events = outside.store.last_session(tracker.events().to_vec());
                    replayed(&work.sender_id, &work.assistant, events)
                }
                false => tracker,
            };
            self.cache().put(tracker, validity.epoch);
        }
        Ok(seen)
    }

    /// What a conversation held in memory must have been stored with to be as it is stored.
    async fn validity(&self, continuity: Continuity) -> Validity {
        match continuity {
            Continuity::Unknown => {
                let epoch = self.outside().store.epoch().await;
                Validity { epoch, is_current: true }
            }
            // Whoever writes has had the floor, so it alone tells.
            Continuity::Unbroken => Validity { epoch: 0, is_current: true },
            Continuity::Broken => Validity { epoch: 0, is_current: false },
        }
    }

    /// The last session of a conversation.
    async fn fetch(
        &self,
        assistant: &Assistant,
        sender_id: &str,
        validity: Validity,
    ) -> Result<Tracker, Error> {
        let slots = &assistant.mind.slots;
        let held = self.cache().take(sender_id, validity.epoch);
        if let Some(tracker) = held.filter(|_| validity.is_current) {
            let is_current = Arc::ptr_eq(tracker.slots(), slots);
            return Ok(if is_current { tracker } else { tracker.with_slots(Arc::clone(slots)) });
        }
        let events = self.outside().store.load(sender_id, Scope::LastSession).await?.unwrap_or_default();
        Ok(replayed(sender_id, assistant, events))
    }

    /// Stores and publishes new events; both are done when this returns.
    async fn save(&self, sender_id: &str, events: Vec<Arc<Event>>) -> Result<(), Error> {
        let outside = self.outside();
        let mut span = self.begin_span("save", SpanKind::Internal, trace::current());
        if let Some(span) = &mut span {
            span.set("events", events.len());
        }
        let failed = |error: intendant_port::error::Error| {
            self.metrics().failed_writes.add(&["store"]);
            Error::from(error)
        };
        match &outside.broker {
            Some(broker) if !events.is_empty() => {
                let published = events.clone();
                let (stored, published) = tokio::join!(
                    outside.store.append(sender_id, events),
                    broker.publish(sender_id, &published)
                );
                if let Err(error) = published {
                    self.metrics().failed_writes.add(&["broker"]);
                    tracing::error!(sender_id, error = error.chain(), "cannot publish events");
                }
                stored.map_err(failed)
            }
            _ => outside.store.append(sender_id, events).await.map_err(failed),
        }
    }
}

/// What a turn is called in a trace.
fn name_of(input: &Input) -> &'static str {
    match input {
        Input::Message(_) => "message",
        Input::Log(_) => "log message",
        Input::External { .. } => "external intent",
        Input::Reminder(_) => "reminder",
        Input::Execute { .. } => "execute action",
        Input::SessionIfDue { .. } | Input::SessionIfEmpty => "session",
        Input::Events { .. } => "events",
    }
}

/// Replays events over an assistant's slots.
pub(crate) fn replayed(sender_id: &str, assistant: &Assistant, events: Vec<Arc<Event>>) -> Tracker {
    let mut tracker = Tracker::new(sender_id, Arc::clone(&assistant.mind.slots));
    for event in events {
        tracker.update_shared(event);
    }
    tracker
}

fn noted(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn starts_session(event: &Event) -> bool {
    match &event.kind {
        EventKind::SessionStarted => true,
        EventKind::Action(action) => action.name.as_deref() == Some("action_session_start"),
        _ => false,
    }
}

struct Drive<'a> {
    server: &'a Server,
    assistant: &'a Assistant,
    sender_id: &'a str,
    outlet: &'a Arc<dyn Outlet>,
    notes: Option<&'a Mutex<Notes>>,
}

impl Drive<'_> {
    async fn run(&self, mut turn: Turn, clock: &mut TurnClock<'_>) -> (Tracker, Vec<Arc<Event>>) {
        let mut appended = Vec::new();
        let mut answer = None;
        loop {
            match turn.step(answer.take(), clock.now()) {
                Step::Effect(Effect::Append(event)) => {
                    self.server.metrics().saw(&event);
                    if let Some(notes) = self.notes {
                        noted(notes).saw(&event);
                    }
                    appended.push(event);
                }
                Step::Effect(effect) => self.perform(effect).await,
                Step::Ask(question) => answer = Some(self.answer(*question).await),
                Step::Done(tracker) => return (*tracker, appended),
            }
        }
    }

    async fn perform(&self, effect: Effect) {
        let sender_id = self.sender_id;
        match effect {
            Effect::Append(_) => {}
            Effect::Send(message) => {
                if let Err(error) = self.outlet.send(sender_id, &message.content()).await {
                    let channel = self.outlet.name();
                    self.server.metrics().unsent.add(&[channel]);
                    tracing::error!(sender_id, channel, error = error.chain(), "cannot send a message");
                }
            }
            Effect::Schedule(reminder) => {
                self.server.reminders().schedule(self.server, sender_id, reminder, Arc::clone(self.outlet));
            }
            Effect::Cancel { name, intent, entities } => {
                self.server.reminders().cancel(
                    sender_id,
                    name.as_deref(),
                    intent.as_deref(),
                    entities.as_ref(),
                );
            }
            Effect::Log { level, message } => match level {
                Level::Debug => tracing::debug!(sender_id, "{message}"),
                Level::Warn => tracing::warn!(sender_id, "{message}"),
                Level::Error => tracing::error!(sender_id, "{message}"),
            },
        }
    }

    async fn answer(&self, question: Question) -> Answer {
        let answer = match &question {
            Question::CallAction(call) => Answer::Action(self.call_action(call).await),
            Question::Generate(call) => Answer::Generated(self.generate(call).await),
        };
        if let Some(notes) = self.notes {
            let mut notes = noted(notes);
            notes.failed |=
                matches!(answer, Answer::Action(Err(ActionFailure::Failed(_))) | Answer::Generated(Err(_)));
            notes.answers.push((asked(&question).to_owned(), answer.clone()));
        }
        answer
    }

    async fn call_action(&self, call: &intendant_dialogue::ActionCall) -> Result<ActionReply, ActionFailure> {
        let Some(actions) = &self.server.outside().actions else {
            let message = format!(
                "the custom action '{}' cannot run: endpoints.yml names no action_endpoint",
                call.name
            );
            return Err(ActionFailure::Failed(message));
        };
        let name = format!("action {}", call.name);
        let mut span = self.server.begin_span(name, SpanKind::Client, trace::current());
        let traceparent = span.as_ref().map(|span| span.context().traceparent());
        let outgoing = ActionCall {
            name: &call.name,
            tracker: &call.tracker,
            domain: self.assistant.domain(),
            needs_domain: call.needs_domain,
            traceparent: traceparent.as_deref(),
        };
        let start = Instant::now();
        let (outcome, answer) = match actions.run(outgoing).await {
            Ok(intendant_port::action::ActionReply::Done { events, responses }) => {
                ("done", Ok(ActionReply { events, responses }))
            }
            Ok(intendant_port::action::ActionReply::Rejected { reason, .. }) => {
                ("rejected", Err(ActionFailure::Rejected(reason)))
            }
            Err(error) => ("failed", Err(ActionFailure::Failed(error.chain()))),
        };
        self.server.metrics().actions.add(&[outcome], start.elapsed());
        if let Some(span) = &mut span {
            span.set("outcome", outcome);
            if let Err(ActionFailure::Failed(error)) = &answer {
                span.fail(error.as_str());
            }
        }
        answer
    }

    async fn generate(&self, call: &GenerateCall) -> Result<intendant_talk::message::Object, String> {
        let Some(generator) = &self.server.outside().generator else {
            return Err("no response generator is configured".to_owned());
        };
        let name = format!("response {}", call.response);
        let mut span = self.server.begin_span(name, SpanKind::Client, trace::current());
        let traceparent = span.as_ref().map(|span| span.context().traceparent());
        let outgoing = intendant_port::generate::GenerateCall {
            response: &call.response,
            response_id: call.id.as_deref(),
            arguments: &call.arguments,
            tracker: &call.tracker,
            channel: &call.channel,
            traceparent: traceparent.as_deref(),
        };
        let start = Instant::now();
        let generated = generator.generate(outgoing).await.map_err(|error| error.chain());
        let outcome = if generated.is_ok() { "done" } else { "failed" };
        self.server.metrics().generations.add(&[outcome], start.elapsed());
        if let (Some(span), Err(error)) = (&mut span, &generated) {
            span.fail(error.as_str());
        }
        generated
    }
}

impl Server {
    pub(crate) fn turn_settings(&self, output_channel: &str) -> intendant_dialogue::Settings {
        let generator =
            if self.outside().generator.is_some() { Generator::Outside } else { Generator::Domain };
        intendant_dialogue::Settings {
            output_channel: output_channel.to_owned(),
            max_predictions: self.settings().predictions_max,
            seed: self.next_seed(),
            generator,
        }
    }
}
