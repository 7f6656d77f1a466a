//! What is remembered of a conversation: contexts, and the parameter that was asked for.

use intendant_talk::message::Object;

use crate::lexicon::SessionEntities;

/// How long a context lives without messages.
pub const CONTEXT_LIFETIME_MS: i64 = 20 * 60 * 1000;
/// The most contexts of a conversation.
const CONTEXTS_MAX: usize = 200;

/// A context that is active.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActiveContext {
    /// Its name, in lower case.
    pub name: String,
    /// Messages for which it is still active; 0 for one that ends.
    pub lifespan: u32,
    /// What it carries.
    pub parameters: Object,
    /// When it ends whatever happens, in milliseconds since 1970 UTC; 0 when that was not said yet.
    pub ends_ms: i64,
}

/// A conversation between messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// The active contexts, in the order in which they began.
    pub contexts: Vec<ActiveContext>,
    /// The intent whose parameters are asked for.
    pub filling: Option<Filling>,
    /// Entities of this session alone.
    pub entities: Vec<SessionEntities>,
}

/// An intent that waits for its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filling {
    /// The intent's name.
    pub intent: String,
    /// The parameter that was asked for.
    pub asked: String,
    /// What is known, by name and `name.original`.
    pub known: Object,
    /// The contexts that were active when the intent was found.
    pub contexts: Vec<ActiveContext>,
}

impl Session {
    /// Sets a context, or ends it when its lifespan is 0.
    pub fn set(&mut self, mut context: ActiveContext, now_ms: i64) {
        context.name = context.name.to_lowercase();
        let at = self.contexts.iter().position(|other| other.name == context.name);
        if context.lifespan == 0 {
            at.map(|at| self.contexts.remove(at));
            return;
        }
        context.ends_ms = now_ms.saturating_add(CONTEXT_LIFETIME_MS);
        match at {
            Some(at) => self.contexts[at] = context,
            None if self.contexts.len() < CONTEXTS_MAX => self.contexts.push(context),
            None => {}
        }
    }

    /// Ends contexts whose time is over.
    pub fn expire(&mut self, now_ms: i64) {
        self.contexts.retain(|context| context.ends_ms == 0 || context.ends_ms > now_ms);
    }

    /// One message has come: every context has one less to live.
    pub(crate) fn age(&mut self) {
        for context in &mut self.contexts {
            context.lifespan = context.lifespan.saturating_sub(1);
        }
        self.contexts.retain(|context| context.lifespan > 0);
    }
}
