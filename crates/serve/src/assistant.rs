//! What the model slot holds.

use std::sync::Arc;

use intendant_dialogue::Mind;
use intendant_port::BoxFuture;
use intendant_talk::domain::Domain;
use intendant_talk::message::Parse;
use intendant_talk::tracker::Tracker;

/// Understands text. Closures `Fn(&str) -> Parse` do.
pub trait Understand: Send + Sync {
    /// Parses one message; blocks for as long as that takes.
    fn parse(&self, text: &str) -> Parse;

    /// Parses one message, off the async threads where that takes longer, with what servers that
    /// the model names have to say.
    fn understand<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Parse> {
        Box::pin(std::future::ready(self.parse(text)))
    }
}

impl<F: Fn(&str) -> Parse + Send + Sync> Understand for F {
    fn parse(&self, text: &str) -> Parse {
        self(text)
    }
}

/// What a new model is made to understand first.
const WARMING: &str = "Good morning, can you help me with 2 things on 24 December, please?";

/// A loaded model, ready to talk.
#[derive(Clone)]
pub struct Assistant {
    /// Domain and policies.
    pub mind: Arc<Mind>,
    /// Understanding, `/intent` messages included.
    pub understanding: Arc<dyn Understand>,
    /// The archive's file name, as `GET /status` shows it.
    pub model_file: String,
}

impl Assistant {
    /// The domain in use.
    pub fn domain(&self) -> &Arc<Domain> {
        &self.mind.domain
    }

    /// Does once what the first message would have to wait for.
    pub fn warm(&self) {
        self.understanding.parse(WARMING);
        let intent = self.domain().intents.first().map(|intent| format!("/{}", intent.name));
        if let Some(text) = intent {
            self.understanding.parse(&text);
        }
        self.mind.predict(&Tracker::new("warming", Arc::clone(&self.mind.slots)));
    }

    /// The id in the archive's metadata.
    pub fn model_id(&self) -> &str {
        &self.mind.model_id
    }
}
