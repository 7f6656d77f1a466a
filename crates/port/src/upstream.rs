//! Who is asked for answers, mostly for money.

use intendant_talk::message::Object;
use serde_json::Value;

use crate::BoxFuture;
use crate::error::Error;

/// What a user says.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The conversation.
    pub session: String,
    /// The text, or the name of an event.
    pub input: Input,
    /// The language's tag, like `en` or `de-CH`.
    pub language: String,
    /// What was said before, oldest first, for upstreams that remember nothing.
    pub before: Vec<Said>,
    /// The `queryParams` of a `detectIntent` request, for upstreams that speak it.
    pub query_params: Option<Value>,
}

/// What the user does.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Says this.
    Text(String),
    /// Triggers an event.
    Event {
        /// Its name.
        name: String,
        /// What it carries.
        parameters: Object,
    },
}

impl Input {
    /// The text, or the event's name.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Event { name, .. } => name,
        }
    }

    /// The text, or the event as Rasa writes an intent with entities: `/greet{"name": "Ann"}`.
    pub fn as_intent(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Event { name, parameters } if parameters.is_empty() => format!("/{name}"),
            Self::Event { name, parameters } => format!("/{name}{}", Value::Object(parameters.clone())),
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The user's words.
    pub question: String,
    /// The bot's.
    pub answer: String,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Messages as the REST channel gives them: `text`, `image`, `buttons`, `custom`.
    pub messages: Vec<Object>,
    /// The whole `detectIntent` response, of upstreams that speak it.
    pub detected: Option<Value>,
    /// Units of each kind that the upstream says it counted; empty where every answer counts as one.
    pub usage: Vec<Usage>,
    /// The upstream remembers something of this conversation, so that the same question may be
    /// answered otherwise next time.
    pub leaves_state: bool,
}

/// Units of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The kind, as the price table names it.
    pub kind: &'static str,
    /// How many.
    pub units: u64,
}

/// Whether a failed request is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    /// It surely is not: it never left, or was turned away.
    Free,
    /// Nobody knows: it was sent, and what came back says nothing.
    Unknown,
}

/// A request that failed.
#[derive(Debug)]
pub struct Failed {
    /// Whether it is paid for.
    pub billing: Billing,
    /// Why it failed.
    pub error: Error,
    /// After how many seconds the upstream wants to be asked again, if it said so.
    pub retry_after_secs: Option<u64>,
}

/// Takes an answer piece by piece while it is made.
pub trait Pieces: Send + Sync {
    /// Takes the next piece of the text.
    fn take(&self, piece: &str);
}

/// Answers questions.
pub trait Upstream: Send + Sync {
    /// The name in price tables, like `dialogflow`.
    fn name(&self) -> &str;

    /// The edition in price tables, like `essentials`; for language models the model.
    fn edition(&self) -> &str;

    /// Kinds of units that this question will use, at most so many.
    fn needs(&self, question: &Question) -> Vec<Usage>;

    /// Whether an answer depends on the question alone as long as it leaves no state behind.
    fn is_repeatable(&self) -> bool {
        false
    }

    /// Whether it costs nothing.
    fn is_free(&self) -> bool {
        false
    }

    /// Asks. Text is given to `pieces` while it comes, if the upstream can do that.
    fn ask<'a>(
        &'a self,
        question: &'a Question,
        pieces: Option<&'a dyn Pieces>,
    ) -> BoxFuture<'a, Result<Answer, Failed>>;
}

/// Somebody of our own who answers.
pub trait Nearby: Send + Sync {
    /// Answers a question.
    fn answer<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Error>>;
}

/// An upstream that costs nothing.
pub struct Free<T>(pub T);

impl<T: Nearby> Upstream for Free<T> {
    fn name(&self) -> &str {
        "assistant"
    }

    fn edition(&self) -> &str {
        "own"
    }

    fn needs(&self, _question: &Question) -> Vec<Usage> {
        Vec::new()
    }

    fn is_free(&self) -> bool {
        true
    }

    fn ask<'a>(
        &'a self,
        question: &'a Question,
        _pieces: Option<&'a dyn Pieces>,
    ) -> BoxFuture<'a, Result<Answer, Failed>> {
        Box::pin(async move {
            let answer = self.0.answer(question).await;
            answer.map_err(|error| Failed { billing: Billing::Free, error, retry_after_secs: None })
        })
    }
}
