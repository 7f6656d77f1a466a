//! The server value.

use std::sync::{Arc, PoisonError, RwLock};

use intendant_port::action::ActionServer;
use intendant_port::broker::EventBroker;
use intendant_port::clock::Clock;
use intendant_port::generate::Generator;
use intendant_port::lock::LockStore;
use intendant_port::outlet::Outlet;
use intendant_port::store::TrackerStore;
use intendant_talk::message::{Object, Parse};

use crate::assistant::Assistant;
use crate::error::{Error, Kind};

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
}

/// A running assistant server. Cheap to clone; all clones are the same server.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    model: RwLock<Option<Arc<Assistant>>>,
    outside: Outside,
    settings: Settings,
}

impl Server {
    /// A server without a model.
    pub fn new(outside: Outside, settings: Settings) -> Self {
        Self { inner: Arc::new(Inner { model: RwLock::new(None), outside, settings }) }
    }

    /// Puts a model into use; messages in hand finish with the one they started with.
    pub fn put_model(&self, assistant: Arc<Assistant>) {
        *self.inner.model.write().unwrap_or_else(PoisonError::into_inner) = Some(assistant);
    }

    /// Takes the model out of use.
    pub fn remove_model(&self) {
        *self.inner.model.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The model in use.
    pub fn assistant(&self) -> Option<Arc<Assistant>> {
        self.inner.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the server was built with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What the server works with.
    pub fn outside(&self) -> &Outside {
        &self.inner.outside
    }

    /// Understands a text without a conversation.
    pub async fn parse(&self, text: &str) -> Result<Parse, Error> {
        let assistant = self.assistant().ok_or_else(no_model)?;
        let text = text.trim();
        Ok(match &assistant.understanding {
            Some(understanding) => understanding.parse(text),
            None => Parse { text: Some(text.to_owned()), ..Parse::default() },
        })
    }

    /// Handles one message to its end: the answers have been sent to `outlet` and everything is
    /// stored when this returns.
    pub async fn handle(&self, incoming: Incoming, outlet: &dyn Outlet) -> Result<(), Error> {
        let assistant = self.assistant().ok_or_else(no_model)?;
        let _floor = self.inner.outside.locks.acquire(&incoming.sender_id).await?;
        Err(Error::new(
            Kind::Internal,
            format!("model {} cannot hold conversations by {} yet", assistant.model_id, outlet.name()),
        ))
    }

    /// Takes no more work, waits for messages in hand, stores what is left.
    pub async fn stop(&self) {
        if let Err(error) = self.inner.outside.store.flush().await {
            tracing::error!(error = error.chain(), "cannot store the last events");
        }
        if let Some(broker) = &self.inner.outside.broker
            && let Err(error) = broker.flush().await
        {
            tracing::error!(error = error.chain(), "cannot publish the last events");
        }
    }
}

fn no_model() -> Error {
    Error::new(Kind::NoModel, "no model is loaded")
}
