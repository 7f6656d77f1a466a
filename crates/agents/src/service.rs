//! A server for one agent: sessions in memory, and its webhook.
//!
//! Messages of one session are answered one after the other, those of different sessions at once. A
//! session that nobody used for half an hour is forgotten, as Dialogflow does; so is every session
//! when the process ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use intendant_agent::{ActiveContext, Answer, Assistant, Query, Session, SessionEntities, Step};
use intendant_dialogflow_format::wire;
use intendant_port::clock::Clock;
use intendant_port::web::{Request, Web};
use intendant_talk::message::Object;

/// How long a session is kept without use.
const SESSION_LIFETIME_MS: i64 = 30 * 60 * 1000;
/// The most sessions that are kept; beyond, the ones longest unused go.
const SESSIONS_MAX: usize = 50_000;
/// How long the webhook may take.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is taken from the webhook.
const REPLY_BYTES_MAX: usize = 64 * 1024;

/// What the webhook is called with; agents hold no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Stands instead of the address in the agent.
    pub url: Option<String>,
    /// The header `Authorization`.
    pub authorization: Option<String>,
}

/// Answers messages to an agent.
pub struct Service {
    assistant: RwLock<Arc<Assistant>>,
    sessions: Mutex<Sessions>,
    clock: Arc<dyn Clock>,
    web: Arc<dyn Web>,
    webhook: WebhookSettings,
}

#[derive(Default)]
struct Sessions {
    held: HashMap<String, Held>,
    /// Uses since the unused were last looked for.
    uses: usize,
}

struct Held {
    session: Arc<tokio::sync::Mutex<Session>>,
    used_ms: i64,
}

/// A message could not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Service {
    /// A server for an agent.
    pub fn new(
        assistant: Assistant,
        clock: Arc<dyn Clock>,
        web: Arc<dyn Web>,
        webhook: WebhookSettings,
    ) -> Self {
        Self { assistant: RwLock::new(Arc::new(assistant)), sessions: Mutex::default(), clock, web, webhook }
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
        &self,
        session: &str,
        response_id: &str,
        (query, payload): (Query, Object),
    ) -> Result<Answer, Broken> {
        let assistant = self.assistant();
        let query = Arc::new(query);
        let held = self.session(session);
        let mut session_now = held.lock().await;
        let begun = {
            let (assistant, query, mut state) =
                (Arc::clone(&assistant), Arc::clone(&query), session_now.clone());
            let work = move || {
                let step = assistant.begin(&mut state, &query);
                (state, step)
            };
            tokio::task::spawn_blocking(work).await
        };
        let (state, mut step) = begun.map_err(|error| {
            tracing::error!(%error, session, "answering a message failed");
            Broken
        })?;
        *session_now = state;
        loop {
            let asked = match step {
                Step::Done(answer) => return Ok(answer),
                Step::Ask(asked) => asked,
            };
            let outcome = self.ask(&assistant, session, response_id, (&asked, &payload)).await;
            if let Err(why) = &outcome {
                tracing::warn!(session, why, "the webhook did not answer; the agent's own answer stands");
            }
            step = assistant.resume(&mut session_now, &query, asked, outcome);
        }
    }

    /// Asks the webhook.
    async fn ask(
        &self,
        assistant: &Assistant,
        session: &str,
        response_id: &str,
        (answer, payload): (&Answer, &Object),
    ) -> Result<intendant_agent::Reply, String> {
        let url = self.webhook.url.clone().unwrap_or_else(|| assistant.agent().settings.webhook.url.clone());
        let body = wire::write_webhook_call(session, response_id, answer, payload);
        let mut request = Request::json("the agent's webhook", url, &body);
        if let Some(authorization) = &self.webhook.authorization {
            request = request.with("authorization", authorization.clone());
        }
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
    pub async fn with_session<T>(&self, session: &str, run: impl FnOnce(&mut Session) -> T) -> T {
        let held = self.session(session);
        let mut state = held.lock().await;
        state.expire(self.now_ms());
        run(&mut state)
    }

    /// Sets a context of a session.
    pub async fn set_context(&self, session: &str, context: ActiveContext) {
        let now_ms = self.now_ms();
        self.with_session(session, |state| state.set(context, now_ms)).await;
    }

    /// Sets entities of a session; none ends them.
    pub async fn set_entities(&self, session: &str, name: &str, entities: Option<SessionEntities>) {
        self.with_session(session, |state| {
            state.entities.retain(|other| !other.name.eq_ignore_ascii_case(name));
            state.entities.extend(entities);
        })
        .await;
    }

    fn session(&self, name: &str) -> Arc<tokio::sync::Mutex<Session>> {
        let now_ms = self.now_ms();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.uses += 1;
        if sessions.uses > 1_000 || sessions.held.len() >= SESSIONS_MAX {
            sessions.forget(now_ms);
        }
        let held = sessions.held.entry(name.to_owned());
        let held = held.or_insert_with(|| Held { session: Arc::default(), used_ms: now_ms });
        if now_ms - held.used_ms > SESSION_LIFETIME_MS {
            held.session = Arc::default();
        }
        held.used_ms = now_ms;
        Arc::clone(&held.session)
    }
}

impl Sessions {
    fn forget(&mut self, now_ms: i64) {
        self.uses = 0;
        self.held.retain(|_, held| now_ms - held.used_ms <= SESSION_LIFETIME_MS);
        if self.held.len() >= SESSIONS_MAX {
            let mut times: Vec<i64> = self.held.values().map(|held| held.used_ms).collect();
            let middle = times.len() / 2;
            let (_, middle, _) = times.select_nth_unstable(middle);
            let middle = *middle;
            self.held.retain(|_, held| held.used_ms > middle);
        }
    }
}
