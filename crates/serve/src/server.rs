//! The server value.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use intendant_dialogue::{Input, Message};
use intendant_policy::Prediction;
use intendant_port::action::ActionServer;
use intendant_port::broker::EventBroker;
use intendant_port::clock::Clock;
use intendant_port::generate::Generator;
use intendant_port::interpret::Interpreter;
use intendant_port::lock::LockStore;
use intendant_port::outlet::Outlet;
use intendant_port::store::{Scope, TrackerStore};
use intendant_port::trace::{SpanKind, Tracer};
use intendant_talk::event::{Event, Reminder};
use intendant_talk::message::{Intent, Object, Parse};
use intendant_talk::tracker::Tracker;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::assistant::Assistant;
use crate::cache::Cache;
use crate::error::{Error, Kind};
use crate::in_hand::InHand;
use crate::metrics::Metrics;
use crate::reminders::Reminders;
use crate::shadow::{COMPARISONS_MAX, Notes, Rehearsal};
use crate::slots::{Lane, Slots};
use crate::trace;
use crate::trial::{Observed, Role, Trial};
use crate::turn::{Keep, PickOutlet, Work, replayed};

/// Everything outside that a server works with.
#[derive(Clone)]
pub struct Outside {
    /// Where conversations are kept.
    pub store: Arc<dyn TrackerStore>,
    /// Who has the floor in a conversation.
    pub locks: Arc<dyn LockStore>,
    /// Who listens to events.
    pub broker: Option<Arc<dyn EventBroker>>,
    /// Who runs custom actions.
    pub actions: Option<Arc<dyn ActionServer>>,
    /// Who writes responses instead of the domain.
    pub generator: Option<Arc<dyn Generator>>,
    /// Who understands texts instead of the model.
    pub interpreter: Option<Arc<dyn Interpreter>>,
    /// Who wants to know what happened when.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// How a server behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most actions per message (`MAX_NUMBER_OF_PREDICTIONS`, 10 by default).
    pub predictions_max: usize,
    /// Seed of choices among response variations; `None` takes one from the clock.
    pub seed: Option<u64>,
}

/// One message of a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incoming {
    /// What was written; spaces around it are removed.
    pub text: String,
    /// Whose conversation it belongs to.
    pub sender_id: String,
    /// The channel it came by.
    pub input_channel: Option<String>,
    /// Metadata given by the channel.
    pub metadata: Object,
    /// What was understood of it, if somebody else did that already.
    pub parse: Option<Parse>,
}

/// A running assistant server. Cheap to clone; all clones are the same server.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    slots: RwLock<Slots>,
    /// Comparisons with a shadow that may begin.
    comparisons: Arc<Semaphore>,
    outside: Outside,
    settings: Settings,
    cache: Cache,
    in_hand: InHand,
    reminders: Reminders,
    metrics: Metrics,
    seed: AtomicU64,
}

/// Whose message a text without a conversation is.
const DEFAULT_SENDER_ID: &str = "default";

/// The odd number whose multiples are spread most evenly (2^64 divided by the golden ratio).
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// # The model slot
impl Server {
    /// A server without a model.
    pub fn new(outside: Outside, settings: Settings) -> Self {
        let seed = settings.seed.unwrap_or_else(|| outside.clock.now().micros.unsigned_abs());
        let inner = Inner {
            slots: RwLock::default(),
            comparisons: Arc::new(Semaphore::new(COMPARISONS_MAX)),
            outside,
            settings,
            cache: Cache::default(),
            in_hand: InHand::new(),
            reminders: Reminders::default(),
            metrics: Metrics::default(),
            seed: AtomicU64::new(seed),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Which models the server holds.
    pub fn slots(&self) -> Slots {
        self.read_slots(Slots::clone)
    }

    pub(crate) fn read_slots<T>(&self, read: impl FnOnce(&Slots) -> T) -> T {
        read(&self.inner.slots.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn with_slots<T>(&self, change: impl FnOnce(&mut Slots) -> T) -> T {
        change(&mut self.inner.slots.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the server was built with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What the server works with.
    pub fn outside(&self) -> &Outside {
        &self.inner.outside
    }

    /// What the server counts.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Turns in hand.
    pub fn turns_in_hand(&self) -> usize {
        self.inner.in_hand.count()
    }

    /// Reminders that wait for their time.
    pub fn reminders_waiting(&self) -> usize {
        self.inner.reminders.count()
    }

    /// Whether the server takes no more work.
    pub fn is_stopping(&self) -> bool {
        self.inner.in_hand.is_closed()
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.inner.cache
    }

    pub(crate) fn in_hand(&self) -> &InHand {
        &self.inner.in_hand
    }

    pub(crate) fn reminders(&self) -> &Reminders {
        &self.inner.reminders
    }

    pub(crate) fn next_seed(&self) -> u64 {
        self.inner.seed.fetch_add(SEED_STEP, Ordering::Relaxed)
    }

    fn model(&self) -> Result<Arc<Assistant>, Error> {
        self.assistant().ok_or_else(|| Error::new(Kind::NoModel, "no model is loaded"))
    }

    fn model_of(&self, sender_id: &str) -> Result<Arc<Assistant>, Error> {
        Ok(self.lane(sender_id)?.assistant)
    }

    /// Takes no more work, waits for messages in hand, stores what is left.
    pub async fn stop(&self) {
        self.inner.reminders.clear();
        self.inner.in_hand.close();
        self.inner.in_hand.done().await;
        let outside = &self.inner.outside;
        if let Err(error) = outside.store.flush().await {
            tracing::error!(error = error.chain(), "cannot store the last events");
        }
        if let Some(broker) = &outside.broker
            && let Err(error) = broker.flush().await
        {
            tracing::error!(error = error.chain(), "cannot publish the last events");
        }
        if let Some(tracer) = &outside.tracer {
            tracer.flush().await;
        }
        if let Err(error) = outside.locks.flush().await {
            tracing::warn!(error = error.chain(), "the floors of conversations expire by themselves");
        }
    }
}

/// # Conversations
impl Server {
    /// Understands a text without a conversation.
    pub async fn parse(&self, text: &str) -> Result<Parse, Error> {
        let assistant = self.model()?;
        Ok(self.understand(&assistant, text.trim(), DEFAULT_SENDER_ID).await)
    }

    /// Whatever goes wrong, the message is kept and answered as one that says nothing.
    async fn understand(&self, assistant: &Assistant, text: &str, sender_id: &str) -> Parse {
        let mut span = self.begin_span("understand", SpanKind::Internal, trace::current());
        let start = Instant::now();
        let parse = match &self.outside().interpreter {
            None => assistant.understanding.understand(text).await,
            Some(interpreter) => {
                let context = span.as_ref().map(trace::Begun::context);
                match trace::within(context, interpreter.parse(text, sender_id)).await {
                    Ok(parse) => parse,
                    Err(error) => {
                        tracing::error!(sender_id, error = error.chain(), "a message was not understood");
                        if let Some(span) = &mut span {
                            span.fail(error.chain());
                        }
                        Parse { text: Some(String::new()), intent: Intent::new("", 0.0), ..Parse::default() }
                    }
                }
            }
        };
        self.metrics().parses.add(&[], start.elapsed());
        if let (Some(span), Some(intent)) = (&mut span, &parse.intent.name) {
            span.set("intent", intent.as_str());
        }
        parse
    }

    /// Handles one message to its end: the answers have been sent to `outlet` and everything is
    /// stored when this returns, even if the caller has gone away meanwhile.
    pub async fn handle(&self, incoming: Incoming, outlet: Arc<dyn Outlet>) -> Result<(), Error> {
        let Lane { assistant, trial, is_candidate } = self.lane(&incoming.sender_id)?;
        let start = Instant::now();
        let channel = incoming.input_channel.clone();
        let is_understood = incoming.parse.is_some() || self.outside().interpreter.is_some();
        let (sender_id, message) = self.understood(&assistant, incoming).await;
        let rehearsed =
            trial.as_ref().filter(|trial| trial.plan.role == Role::Shadow && trial.includes(&sender_id));
        let rehearsed = rehearsed.map(|trial| (Arc::clone(trial), sender_id.clone(), message.clone()));
        let notes = trial.is_some().then(Arc::<Mutex<Notes>>::default);
        let settings = rehearsed.is_some().then(|| self.turn_settings(outlet.name()));
        let work = Work {
            notes: notes.clone(),
            ..Work::new(assistant, sender_id, Input::Message(message), Keep::Store)
        };
        let done = self.work(work, Box::new(move |_| outlet), |_| ()).await;
        let took = start.elapsed();
        self.metrics().messages.add(&[channel.as_deref().unwrap_or("none")], took);
        if let (Some(trial), Some(notes)) = (trial, notes) {
            let notes = std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner));
            let failed = done.is_err() || notes.failed;
            let observed = Observed { failed, fell_back: notes.fell_back, took };
            self.observed(&trial, is_candidate, observed);
            if let (Some((trial, sender_id, message)), Some(settings), Ok(())) = (rehearsed, settings, &done)
            {
                let understands = !is_understood;
                self.rehearse(Rehearsal { trial, sender_id, message, understands, notes, settings });
            }
        }
        done
    }

    fn observed(&self, trial: &Arc<Trial>, is_candidate: bool, observed: Observed) {
        if trial.plan.role == Role::Canary {
            let model = if is_candidate { "canary" } else { "current" };
            let outcome = match observed {
                Observed { failed: true, .. } => "failed",
                Observed { fell_back: true, .. } => "fallback",
                _ => "answered",
            };
            self.metrics().trial_messages.add(&[model, outcome]);
            if let Some(reason) = trial.observe(is_candidate, observed) {
                self.end(trial, &reason, true);
            }
        }
    }

    /// Lets the shadow handle a message too, unless too many are waiting for it.
    fn rehearse(&self, rehearsal: Rehearsal) {
        let Ok(permit) = Arc::clone(&self.inner.comparisons).try_acquire_owned() else {
            self.metrics().shadow_comparisons.add(&["skipped"]);
            return rehearsal.trial.skipped();
        };
        let server = self.clone();
        tokio::spawn(async move {
            rehearsal.run(&server).await;
            drop(permit);
        });
    }

    /// Records one message and fills slots from it, without answering.
    pub async fn log<T: Send + 'static>(
        &self,
        incoming: Incoming,
        outlet: Arc<dyn Outlet>,
        look: impl FnOnce(&Tracker) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let assistant = self.model_of(&incoming.sender_id)?;
        let (sender_id, message) = self.understood(&assistant, incoming).await;
        let work = Work::new(assistant, sender_id, Input::Log(message), Keep::Store);
        self.work(work, Box::new(move |_| outlet), look).await
    }

    /// Runs one action as if a policy had chosen it; `look` sees the conversation before it runs,
    /// with a session start where one is due.
    pub async fn execute<T: Send + 'static>(
        &self,
        sender_id: String,
        action: Execute,
        pick: PickOutlet,
        look: impl FnOnce(&Tracker) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let assistant = self.model_of(&sender_id)?;
        if !assistant.mind.actions().contains(&action.name) {
            return Err(unknown_action(&assistant, &action.name));
        }
        let input = Input::SessionIfDue { metadata: Object::new() };
        let before = Work::new(Arc::clone(&assistant), sender_id.clone(), input, Keep::Discard);
        let seen = self.work(before, Box::new(|_| Arc::new(Nowhere)), look).await?;
        let input =
            Input::Execute { action: action.name, policy: action.policy, confidence: action.confidence };
        self.work(Work::new(assistant, sender_id, input, Keep::Store), pick, |_| ()).await?;
        Ok(seen)
    }

    /// Lets an intent come from outside and answers it.
    pub async fn trigger_intent<T: Send + 'static>(
        &self,
        sender_id: String,
        trigger: Trigger,
        pick: PickOutlet,
        look: impl FnOnce(&Tracker) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let assistant = self.model_of(&sender_id)?;
        if assistant.domain().intent(&trigger.intent).is_none() {
            let message = format!("the intent {} does not exist in the domain", trigger.intent);
            return Err(Error::new(Kind::UnknownName, message));
        }
        let input = Input::External { intent: trigger.intent, entities: trigger.entities };
        self.work(Work::new(assistant, sender_id, input, Keep::Store), pick, look).await
    }

    /// Appends events made elsewhere.
    pub async fn append_events<T: Send + 'static>(
        &self,
        sender_id: String,
        posted: Posted,
        pick: PickOutlet,
        look: impl FnOnce(&Tracker) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let assistant = self.model_of(&sender_id)?;
        let input = Input::Events { events: posted.events, side_effects: posted.side_effects };
        self.work(Work::new(assistant, sender_id, input, Keep::Store), pick, look).await
    }

    /// Saves a conversation made anew of events, by the store's own rule.
    pub async fn replace_events(&self, sender_id: &str, events: Vec<Event>) -> Result<Tracker, Error> {
        let assistant = self.model_of(sender_id)?;
        let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
        let outside = self.outside();
        let _floor = outside.locks.acquire(sender_id).await?;
        let epoch = outside.store.epoch().await;
        drop(self.cache().take(sender_id, epoch));
        outside.store.replace(sender_id, events.clone()).await?;
        Ok(replayed(sender_id, &assistant, events))
    }

    /// Starts a session where one is due, then decides what would come next.
    pub async fn predict<T: Send + 'static>(
        &self,
        sender_id: String,
        look: impl FnOnce(&Tracker, Option<Prediction>, &Assistant) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let assistant = self.model_of(&sender_id)?;
        let seer = Arc::clone(&assistant);
        let input = Input::SessionIfDue { metadata: Object::new() };
        let work = Work::new(assistant, sender_id, input, Keep::Store);
        self.work(work, Box::new(|_| Arc::new(Nowhere)), move |tracker| {
            look(tracker, seer.mind.predict(tracker), &seer)
        })
        .await
    }

    /// The whole conversation. One that is not known becomes known, and shows the session start
    /// that its first message would bring.
    pub async fn conversation(&self, sender_id: &str) -> Result<Tracker, Error> {
        let assistant = self.model_of(sender_id)?;
        if let Some(tracker) = self.stored(sender_id, Scope::AllSessions).await?
            && !tracker.events().is_empty()
        {
            return Ok(if self.outside().store.shows_applied() { tracker.as_applied() } else { tracker });
        }
        {
            let _floor = self.outside().locks.acquire(sender_id).await?;
            self.outside().store.append(sender_id, Vec::new()).await?;
        }
        let sender_id = sender_id.to_owned();
        let work = Work::new(assistant, sender_id, Input::SessionIfEmpty, Keep::Discard);
        self.work(work, Box::new(|_| Arc::new(Nowhere)), Tracker::clone).await
    }

    /// What is stored of a conversation; `None` when it is not known.
    pub async fn stored(&self, sender_id: &str, scope: Scope) -> Result<Option<Tracker>, Error> {
        let assistant = self.model_of(sender_id)?;
        let events = self.outside().store.load(sender_id, scope).await?;
        Ok(events.map(|events| replayed(sender_id, &assistant, events)))
    }

    pub(crate) async fn remind(&self, sender_id: String, reminder: Reminder, outlet: Arc<dyn Outlet>) {
        let Ok(assistant) = self.model_of(&sender_id) else {
            tracing::warn!(sender_id, name = reminder.name, "a reminder is due but no model is loaded");
            return;
        };
        let input = Input::Reminder(reminder);
        let work = Work::new(assistant, sender_id, input, Keep::Store);
        if let Err(error) = self.work(work, Box::new(move |_| outlet), |_| ()).await {
            tracing::error!(%error, "a reminder failed");
        }
    }
}

/// An action to be run by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Execute {
    /// The action's name.
    pub name: String,
    /// The policy to be named in its event.
    pub policy: Option<String>,
    /// The confidence to be named in its event.
    pub confidence: Option<f64>,
}

/// An intent from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// The intent.
    pub intent: String,
    /// A list of entities, a map of type to value, or null.
    pub entities: Value,
}

/// Events made elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    /// In order.
    pub events: Vec<Event>,
    /// Whether bot messages are sent and reminders scheduled.
    pub side_effects: bool,
}

/// The outlet of turns that say nothing.
struct Nowhere;

impl Outlet for Nowhere {
    fn name(&self) -> &str {
        "collector"
    }

    fn send<'a>(
        &'a self,
        _recipient_id: &'a str,
        _message: &'a Object,
    ) -> intendant_port::BoxFuture<'a, intendant_port::error::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Server {
    async fn understood(&self, assistant: &Assistant, incoming: Incoming) -> (String, Message) {
        let text = incoming.text.trim();
        let parse = match incoming.parse {
            Some(parse) => parse,
            None => self.understand(assistant, text, &incoming.sender_id).await,
        };
        let message = Message {
            text: Some(text.to_owned()),
            parse,
            input_channel: incoming.input_channel,
            message_id: Some(uuid::Uuid::new_v4().simple().to_string()),
            metadata: incoming.metadata,
        };
        (incoming.sender_id, message)
    }
}

fn unknown_action(assistant: &Assistant, name: &str) -> Error {
    let known = assistant.mind.actions().join("\n\t - ");
    let message = format!(
        "Cannot access action '{name}', as that name is not a registered action for this domain. \
         Available actions are: \n\t - {known}"
    );
    Error::new(Kind::UnknownName, message)
}
