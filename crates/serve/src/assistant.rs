//! What the model slot holds.

use std::sync::Arc;

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
    /// The domain in use.
    pub domain: Arc<Domain>,
    /// Understanding; `None` for a model without NLU, which reads `/intent` messages only.
    pub understanding: Option<Arc<dyn Understand>>,
    /// The archive's file name, as `GET /status` shows it.
    pub model_file: String,
    /// The id in the archive's metadata.
    pub model_id: String,
}
