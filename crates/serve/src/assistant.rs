//! What the model slot holds.

use std::sync::Arc;

use intendant_dialogue::Mind;
use intendant_talk::domain::Domain;
use intendant_talk::message::Parse;

/// Understands text. Closures `Fn(&str) -> Parse` do.
pub trait Understand: Send + Sync {
    /// Parses one message; takes well under a millisecond.
    fn parse(&self, text: &str) -> Parse;
}

impl<F: Fn(&str) -> Parse + Send + Sync> Understand for F {
    fn parse(&self, text: &str) -> Parse {
        self(text)
    }
}

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

    /// The id in the archive's metadata.
    pub fn model_id(&self) -> &str {
        &self.mind.model_id
    }
}
