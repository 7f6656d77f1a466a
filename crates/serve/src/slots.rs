//! The models that a server holds: the one in use, the one before it, one that is tried.

use std::collections::VecDeque;
use std::sync::Arc;

use intendant_talk::time::Timestamp;
use tokio::runtime::Handle;

use crate::assistant::Assistant;
use crate::error::{Error, Kind};
use crate::server::Server;
use crate::trial::{Plan, Role, Trial};

/// So many models that could not be loaded are remembered.
const UNLOADABLE_MAX: usize = 20;

/// Which models a server holds.
#[derive(Clone, Default)]
pub struct Slots {
    /// The one in use.
    pub current: Option<Arc<Assistant>>,
    /// The one that was in use before, where it is kept.
    pub previous: Option<Arc<Assistant>>,
    /// The one that is tried.
    pub trial: Option<Arc<Trial>>,
    /// How the last trial ended.
    pub ended: Option<Ended>,
    /// Models that could not be loaded, the newest last.
    pub unloadable: VecDeque<Unloadable>,
    /// Whether the one before is kept.
    pub(crate) keeps_previous: bool,
}

/// The end of a trial.
#[derive(Clone)]
pub struct Ended {
    /// The trial.
    pub trial: Arc<Trial>,
    /// Why it ended.
    pub reason: String,
    /// Whether it was ended because the model did worse.
    pub is_rollback: bool,
    /// When.
    pub at: Timestamp,
}

/// A model that could not be loaded; the one in use stayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unloadable {
    /// Its file or address.
    pub model: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Which model handles a conversation, and what is tried meanwhile.
pub(crate) struct Lane {
    pub(crate) assistant: Arc<Assistant>,
    pub(crate) trial: Option<Arc<Trial>>,
    /// Whether the assistant is the one that is tried.
    pub(crate) is_candidate: bool,
}

/// # Models
impl Server {
    /// Puts a model into use; messages in hand finish with the one they started with.
    pub fn put_model(&self, assistant: Arc<Assistant>) {
        let gone = self.with_slots(|slots| {
            let before = slots.current.replace(assistant);
            match slots.keeps_previous {
                true => std::mem::replace(&mut slots.previous, before),
                false => before,
            }
        });
        free(gone);
        self.metrics().model_loads.add(&[]);
    }

    /// Takes the model out of use.
    pub fn remove_model(&self) {
        free(self.with_slots(|slots| slots.current.take()));
    }

    /// The model in use.
    pub fn assistant(&self) -> Option<Arc<Assistant>> {
        self.slots().current
    }

    /// Keeps the model before the one in use in memory from now on, so that going back takes no time.
    pub fn keep_previous_model(&self) {
        self.with_slots(|slots| slots.keeps_previous = true);
    }

    /// Puts the model before back into use, and keeps the one that was in use instead.
    ///
    /// # Errors
    /// When none is kept.
    pub fn put_previous_model(&self) -> Result<Arc<Assistant>, Error> {
        let put = self.with_slots(|slots| {
            let previous = slots.previous.take()?;
            slots.previous = slots.current.replace(Arc::clone(&previous));
            Some(previous)
        });
        let nothing = || Error::new(Kind::NoModel, "no model before the one in use is kept in memory");
        let put = put.ok_or_else(nothing)?;
        self.metrics().model_loads.add(&[]);
        Ok(put)
    }

    /// Tries a model beside the one in use, instead of one that is tried already.
    pub fn begin_trial(&self, candidate: Arc<Assistant>, plan: Plan) -> Arc<Trial> {
        let since = self.outside().clock.now();
        self.put_trial(Trial::new(candidate, plan, since))
    }

    /// Goes on with a trial of an earlier process, or begins one, instead of what is tried.
    pub fn put_trial(&self, trial: Trial) -> Arc<Trial> {
        tracing::info!(
            model = trial.candidate.model_file,
            role = trial.plan.role.name(),
            percent = trial.plan.percent,
            "a model is tried"
        );
        let trial = Arc::new(trial);
        free(self.with_slots(|slots| slots.trial.replace(Arc::clone(&trial))));
        trial
    }

    /// Ends what is tried; `None` when nothing is.
    pub fn end_trial(&self, reason: &str) -> Option<Arc<Trial>> {
        let trial = self.slots().trial?;
        self.end(&trial, reason, false);
        Some(trial)
    }

    /// Ends what is tried because another server has found that it does worse.
    pub fn roll_back_trial(&self, reason: &str) {
        if let Some(trial) = self.slots().trial {
            self.end(&trial, reason, true);
        }
    }

    /// Puts the model that is tried into use.
    ///
    /// # Errors
    /// When none is.
    pub fn promote_trial(&self) -> Result<Arc<Assistant>, Error> {
        let nothing = || Error::new(Kind::NoModel, "no model is tried beside the one in use");
        let trial = self.slots().trial.ok_or_else(nothing)?;
        self.put_model(Arc::clone(&trial.candidate));
        self.end(&trial, "it was put into use", false);
        Ok(Arc::clone(&trial.candidate))
    }

    /// Remembers a model that could not be loaded.
    pub fn note_unloadable(&self, model: &str, reason: &str) {
        let at = self.outside().clock.now();
        let unloadable = Unloadable { model: model.to_owned(), reason: reason.to_owned(), at };
        self.with_slots(|slots| {
            slots.unloadable.retain(|known| known.model != model);
            if slots.unloadable.len() == UNLOADABLE_MAX {
                slots.unloadable.pop_front();
            }
            slots.unloadable.push_back(unloadable);
        });
        self.metrics().model_load_failures.add(&[]);
    }

    /// Ends a trial if it still goes on.
    pub(crate) fn end(&self, trial: &Arc<Trial>, reason: &str, is_rollback: bool) {
        let at = self.outside().clock.now();
        let is_ended = self.with_slots(|slots| {
            let goes_on = slots.trial.as_ref().is_some_and(|running| Arc::ptr_eq(running, trial));
            if goes_on {
                slots.trial = None;
                let (trial, reason) = (Arc::clone(trial), reason.to_owned());
                slots.ended = Some(Ended { trial, reason, is_rollback, at });
            }
            goes_on
        });
        if is_ended && is_rollback {
            self.metrics().trial_rollbacks.add(&[]);
            let model = trial.candidate.model_file.as_str();
            tracing::error!(model, reason, "a model did worse than the one in use and was taken out");
        }
    }

    /// Who handles a conversation.
    pub(crate) fn lane(&self, sender_id: &str) -> Result<Lane, Error> {
        let (current, trial) = self.read_slots(|slots| (slots.current.clone(), slots.trial.clone()));
        let assistant = current.ok_or_else(|| Error::new(Kind::NoModel, "no model is loaded"))?;
        Ok(match trial {
            Some(trial) if trial.plan.role == Role::Canary && trial.includes(sender_id) => {
                Lane { assistant: Arc::clone(&trial.candidate), trial: Some(trial), is_candidate: true }
            }
            trial => Lane { assistant, trial, is_candidate: false },
        })
    }
}

/// Gives the memory of a model back where nobody waits for it.
fn free<T: Send + 'static>(model: T) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn_blocking(move || drop(model)));
    }
}
