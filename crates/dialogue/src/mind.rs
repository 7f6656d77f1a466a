//! What an assistant knows, shared by all its conversations.

use std::sync::Arc;

use intendant_policy::{Ensemble, Prediction};
use intendant_talk::domain::{Domain, Slot};
use intendant_talk::tracker::Tracker;

/// A loaded assistant without its language understanding.
#[derive(Clone, Debug)]
pub struct Mind {
    /// Intents, slots, responses, forms, actions.
    pub domain: Arc<Domain>,
    /// The domain's slots, to be shared by trackers ([`Tracker::new`]).
    pub slots: Arc<[Slot]>,
    /// The policies; `None` for a model that only understands.
    pub ensemble: Option<Ensemble>,
    /// Written into the metadata of new events.
    pub model_id: String,
    /// Written into the metadata of new events, when known.
    pub assistant_id: Option<String>,
    actions: Arc<[String]>,
}

impl Mind {
    /// An assistant over `domain`.
    pub fn new(
        domain: Arc<Domain>,
        ensemble: Option<Ensemble>,
        model_id: impl Into<String>,
        assistant_id: Option<String>,
    ) -> Self {
        let slots = domain.slots.clone().into();
        let actions = domain.action_names().into();
        Self { domain, slots, ensemble, model_id: model_id.into(), assistant_id, actions }
    }

    /// All actions in the index order of predictions.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// Decides the next action as the loop would, a pending follow-up action included. `None` for
    /// a model without policies. Changes nothing.
    pub fn predict(&self, tracker: &Tracker) -> Option<Prediction> {
        if let Some(followup) = tracker.followup_action()
            && self.actions.iter().any(|action| action == followup)
        {
            let mut prediction = Prediction::for_action(&self.actions, followup, 1.0);
            prediction.policy = Some("followup_action".to_owned());
            return Some(prediction);
        }
        Some(self.ensemble.as_ref()?.predict(tracker, &self.domain))
    }
}
