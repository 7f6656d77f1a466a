//! All policies of an assistant, asked together.

use intendant_component::stored::{Stored, Unreadable};
use intendant_talk::data::ComponentSpec;
use intendant_talk::domain::Domain;
use intendant_talk::tracker::Tracker;

use crate::prediction::Prediction;

/// The trained policies of an assistant.
#[derive(Clone, Debug)]
pub struct Ensemble {
    actions: Vec<String>,
}

impl Ensemble {
    pub(crate) fn empty(_specs: &[ComponentSpec], domain: &Domain) -> Self {
        Self { actions: domain.action_names() }
    }

    /// All actions in index order.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// Decides the next action of a conversation. Follow-up actions are the caller's business.
    pub fn predict(&self, tracker: &Tracker, domain: &Domain) -> Prediction {
        let _ = (tracker, domain);
        Prediction::for_action(&self.actions, "action_listen", 1.0)
    }

    /// What goes into the archive: node name and content of each policy, in order.
    pub fn store(&self) -> Vec<(String, Stored)> {
        Vec::new()
    }

    /// Brings a stored ensemble back.
    ///
    /// # Errors
    /// When a policy is missing or its content does not fit.
    pub fn load(
        specs: &[ComponentSpec],
        domain: &Domain,
        nodes: Vec<(String, Stored)>,
    ) -> Result<Self, Unreadable> {
        let _ = nodes;
        Ok(Self::empty(specs, domain))
    }
}
