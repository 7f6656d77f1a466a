//! A server for one agent: messages in their conversations, and its webhook.
//!
//! Messages of one conversation are answered one after the other, those of different ones at once. A
//! message that was begun is finished, whether its client still waits or not.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use intendant_agent::{ActiveContext, Answer, Assistant, Query, Reply, Session, SessionEntities, Step};
use intendant_dialogflow_format::wire;
use intendant_port::clock::Clock;
use intendant_port::web::{Request, Web};
use intendant_store::agent_sessions::AgentSessions;
use intendant_talk::message::Object;

pub use crate::sessions::Broken;
use crate::sessions::{Floor, Sessions};

/// How long the webhook may take.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is taken from the webhook.
pub const REPLY_BYTES_MAX: usize = 64 * 1024;

/// Answers messages to an agent.
pub struct Service {
    assistant: RwLock<Arc<Assistant>>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    web: Arc<dyn Web>,
    webhook_url: Option<String>,
}

impl Service {
    /// A server for an agent that keeps its conversations in memory. `web` reaches its webhook, and knows
    /// what secrets that is shown; agents hold none.
    pub fn new(assistant: Assistant, clock: Arc<dyn Clock>, web: Arc<dyn Web>) -> Self {
        let assistant = RwLock::new(Arc::new(assistant));
        Self { assistant, sessions: Sessions::default(), clock, web, webhook_url: None }
    }

    /// The same with a webhook at this address, whatever the agent names.
    #[must_use]
    pub fn with_webhook_at(self, url: Option<String>) -> Self {
        Self { webhook_url: url, ..self }
    }

    /// The same with conversations in a database, where they outlive the process and other servers go on
    /// with them.
    pub fn kept_in(self, database: AgentSessions) -> Self {
        Self { sessions: Sessions::of(database), ..self }
    }

    /// Puts a newly trained agent in place; messages in hand finish with the one they began with.
    pub fn put(&self, assistant: Assistant) {
        *self.assistant.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(assistant);
    }

    /// The agent that answers.
    pub fn assistant(&self) -> Arc<Assistant> {
        Arc::clone(&self.assistant.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Now, in milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now().micros / 1000
    }

    /// Answers a message. `session` is the path of the session, `response_id` names this answer.
    ///
    /// # Errors
    /// When answering failed for a reason of ours; it is in the log.
    pub async fn detect(
        self: &Arc<Self>,
        session: &str,
        response_id: &str,
        message: (Query, Object),
    ) -> Result<Answer, Broken> {
        let (service, session, response_id) = (Arc::clone(self), session.to_owned(), response_id.to_owned());
        let turn = tokio::spawn(async move { service.turn(&session, &response_id, message).await });
        turn.await.unwrap_or_else(|error| {
            tracing::error!(%error, "answering a message failed");
            Err(Broken::Failed)
        })
    }

    async fn turn(
        &self,
        session: &str,
        response_id: &str,
        (query, payload): (Query, Object),
    ) -> Result<Answer, Broken> {
        let assistant = self.assistant();
        let mut floor = self.sessions.take(&self.key(session), self.now_ms()).await?;
        let query = Arc::new(query);
        let (begun_by, asked, mut state) =
            (Arc::clone(&assistant), Arc::clone(&query), floor.session.clone());
        let begun = tokio::task::spawn_blocking(move || {
            let step = begun_by.begin(&mut state, &asked);
            (state, step)
        });
        let (state, mut step) = begun.await.map_err(|error| {
            tracing::error!(%error, session, "answering a message failed");
            Broken::Failed
        })?;
        floor.session = state;
        loop {
            let url = self.webhook_url(&assistant);
            let asked = match step {
                Step::Ask(asked) if !url.is_empty() => asked,
                Step::Ask(answer) | Step::Done(answer) => {
                    self.put_back(floor).await?;
                    return Ok(answer);
                }
            };
            self.sessions.keep_hold(&floor).await?;
            let outcome = self.ask((url, session), response_id, (&asked, &payload)).await;
            if let Err(why) = &outcome {
                tracing::warn!(session, why, "the webhook did not answer; the agent's own answer stands");
            }
            step = assistant.resume(&mut floor.session, &query, asked, outcome);
        }
    }

    async fn put_back(&self, floor: Floor) -> Result<(), Broken> {
        self.sessions.put(floor, self.now_ms()).await
    }

    fn webhook_url(&self, assistant: &Assistant) -> String {
        self.webhook_url.clone().unwrap_or_else(|| assistant.agent().settings.webhook.url.clone())
    }

    /// Asks the webhook.
    async fn ask(
        &self,
        (url, session): (String, &str),
        response_id: &str,
        (answer, payload): (&Answer, &Object),
    ) -> Result<Reply, String> {
        let body = wire::write_webhook_call(session, response_id, answer, payload);
        let request = Request::json("the agent's webhook", url, &body);
        let sent = tokio::time::timeout(WEBHOOK_TIMEOUT, self.web.send(&request)).await;
        let sent = sent.map_err(|_| format!("no answer within {} s", WEBHOOK_TIMEOUT.as_secs()))?;
        let reply = sent.map_err(|error| error.chain())?;
        if !(200..300).contains(&reply.status) {
            return Err(format!("it answered with status {}", reply.status));
        }
        if reply.body.len() > REPLY_BYTES_MAX {
            return Err(format!("its answer is longer than {REPLY_BYTES_MAX} bytes"));
        }
        wire::read_reply(&reply.body)
    }

    /// Looks at or changes a session between messages.
    ///
    /// # Errors
    /// When the conversations cannot be reached.
    pub async fn with_session<T>(
        &self,
        session: &str,
        run: impl FnOnce(&mut Session) -> T,
    ) -> Result<T, Broken> {
        let now_ms = self.now_ms();
        let mut floor = self.sessions.take(&self.key(session), now_ms).await?;
        floor.session.expire(now_ms);
        let result = run(&mut floor.session);
        self.put_back(floor).await?;
        Ok(result)
    }

    /// Sets a context of a session.
    ///
    /// # Errors
    /// When the conversations cannot be reached.
    pub async fn set_context(&self, session: &str, context: ActiveContext) -> Result<(), Broken> {
        let now_ms = self.now_ms();
        self.with_session(session, |state| state.set(context, now_ms)).await
    }

    /// Sets entities of a session; none ends them.
    ///
    /// # Errors
    /// When the conversations cannot be reached.
    pub async fn set_entities(
        &self,
        session: &str,
        name: &str,
        entities: Option<SessionEntities>,
    ) -> Result<(), Broken> {
        self.with_session(session, |state| {
            state.entities.retain(|other| !other.name.eq_ignore_ascii_case(name));
            state.entities.extend(entities);
        })
        .await
    }

    /// By what a conversation is kept: agents that share a database do not meet in it.
    fn key(&self, session: &str) -> String {
        let assistant = self.assistant();
        format!("{}/{session}", assistant.agent().settings.display_name.as_deref().unwrap_or_default())
    }
}
