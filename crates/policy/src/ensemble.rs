//! All policies of an assistant, asked together.
//!
//! Source: `spec: dialogue.md §3.1`.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::sync::Arc;

use intendant_component::stored::{Stored, Unreadable};
use intendant_talk::data::ComponentSpec;
use intendant_talk::domain::Domain;
use intendant_talk::event::{Event, EventKind};
use intendant_talk::tracker::Tracker;

use crate::kind::Policy;
use crate::memoization::Recall;
use crate::prediction::Prediction;
use crate::state::situation::{Needed, RuleOnly, Situation};

/// The trained policies of an assistant.
#[derive(Clone, Debug)]
pub struct Ensemble {
    pub(crate) actions: Arc<[String]>,
    pub(crate) members: Vec<Member>,
    /// Positions of the members in the order in which they are asked: by priority, then as listed.
    order: Vec<usize>,
    pub(crate) rule_only: RuleOnly,
}

/// A trained policy with its rank.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub name: String,
    pub priority: i64,
    pub policy: Policy,
}

impl Ensemble {
    pub(crate) fn new(domain: &Domain, members: Vec<Member>) -> Self {
        let rule_only = members.iter().find_map(|member| match &member.policy {
            Policy::Rule(policy) => Some(policy.rule_only.clone()),
            _ => None,
        });
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|idx| Reverse(members[*idx].priority));
        let rule_only = rule_only.unwrap_or_default();
        Self { actions: domain.action_names().into(), members, order, rule_only }
    }

    /// All actions in index order.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// Decides the next action of a conversation. Follow-up actions are the caller's business.
    ///
    /// Costs a look at the last events of the conversation, and rarely a scan of all. Policies that
    /// could not change what those before them decided are not asked.
    pub fn predict(&self, tracker: &Tracker, domain: &Domain) -> Prediction {
        let events: Vec<&Arc<Event>> = tracker.applied_events().collect();
        let situation = |needed: Needed| {
            let mut situation = Situation::of(tracker, domain, &events, (&self.rule_only, needed));
            situation.now.latest_message = tracker.latest_message();
            situation
        };
        let needed = self.needed();
        let of_rules = situation(Needed { learned_states: 1, ..needed });
        let seen_by_learners = OnceCell::new();
        let of_learners = || seen_by_learners.get_or_init(|| situation(Needed { rule_states: 1, ..needed }));
        let recall = Recall { domain, rule_only: &self.rule_only, actions_count: self.actions.len() };
        let rejected = self.rejected(tracker);
        let mut predictions: Vec<(i64, Prediction)> = Vec::with_capacity(self.members.len());
        for member in self.order.iter().map(|idx| &self.members[*idx]) {
            if is_settled(&predictions) && !member.policy.may_overrule() {
                continue;
            }
            let mut prediction = match &member.policy {
                Policy::Rule(policy) => policy.predict(&of_rules.now, &of_rules.rule_states, &self.actions),
                Policy::Memoization(policy) => policy.predict(of_learners(), &events, &recall),
                Policy::Ted(policy) => policy.predict(of_learners(), self.actions.len()),
                Policy::Unexpected(policy) => policy.predict(of_learners(), &self.actions),
            };
            if let Some(idx) = rejected {
                prediction.probabilities[idx] = 0.0;
            }
            predictions.push((member.priority, prediction));
        }
        combine(predictions, of_rules.now.is_listening())
    }

    fn needed(&self) -> Needed {
        let mut needed = Needed { rule_states: 1, learned_states: 1 };
        for member in &self.members {
            let learned = &mut needed.learned_states;
            match &member.policy {
                Policy::Rule(policy) => needed.rule_states = policy.states_needed(),
                Policy::Memoization(policy) => *learned = (*learned).max(policy.states_needed()),
                Policy::Ted(policy) => *learned = (*learned).max(policy.states_needed()),
                Policy::Unexpected(policy) => *learned = (*learned).max(policy.states_needed()),
            }
        }
        needed
    }

    /// An action that just refused to run is not tried again.
    fn rejected(&self, tracker: &Tracker) -> Option<usize> {
        let last = tracker.events().iter().rev().find_map(|event| match &event.kind {
            EventKind::Action(_) => Some(None),
            EventKind::ActionExecutionRejected { name, .. } => Some(Some(name)),
            _ => None,
        });
        let rejected = last.flatten()?;
        self.actions.iter().position(|action| action == rejected)
    }

    /// What goes into the archive: node name and content of each policy, in order.
    pub fn store(&self) -> Vec<(String, Stored)> {
        let nodes = self.members.iter().enumerate();
        nodes.map(|(idx, member)| (node_name(&member.name, idx), member.policy.store())).collect()
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
        let mut nodes: Vec<(String, Option<Stored>)> =
            nodes.into_iter().map(|(name, stored)| (name, Some(stored))).collect();
        let mut members = Vec::with_capacity(specs.len());
        for (idx, spec) in specs.iter().enumerate() {
            let (member, _) = crate::kind::plan(spec)
                .map_err(|found| Unreadable::new(format!("policy `{}`: {}", spec.name, found.message)))?;
            let wanted = node_name(&member.name, idx);
            let stored =
                nodes.iter_mut().find(|(name, _)| *name == wanted).and_then(|(_, stored)| stored.take());
            let stored = stored.ok_or_else(|| Unreadable::new(format!("`{wanted}` is missing")))?;
            let policy = member.options.load(stored, domain)?;
            members.push(Member { name: member.name, priority: member.priority, policy });
        }
        Ok(Self::new(domain, members))
    }
}

/// The name under which a policy is stored.
pub(crate) fn node_name(policy: &str, idx: usize) -> String {
    format!("train_{policy}{idx}")
}

/// Whether somebody is as sure as can be: of those asked later, whose priority is no higher, only
/// one who decides by other means than confidence could still change the decision.
fn is_settled(predictions: &[(i64, Prediction)]) -> bool {
    predictions.iter().any(|(_, prediction)| prediction.confidence() >= 1.0)
}

/// The decision of all: the most confident, then the highest priority, then the first.
fn combine(predictions: Vec<(i64, Prediction)>, is_listening: bool) -> Prediction {
    let mut events: Vec<EventKind> =
        predictions.iter().flat_map(|(_, prediction)| prediction.events.iter().cloned()).collect();
    let is_some_no_user = predictions.iter().any(|(_, prediction)| prediction.is_no_user);
    let is_some_end_to_end = predictions.iter().any(|(_, prediction)| prediction.is_end_to_end);
    let candidates =
        predictions.into_iter().filter(|(_, prediction)| match (is_some_no_user, is_some_end_to_end) {
            (true, _) => prediction.is_no_user,
            (false, true) => prediction.is_end_to_end,
            (false, false) => true,
        });
    let best = candidates.reduce(|best, other| {
        let (best_confidence, confidence) = (best.1.confidence(), other.1.confidence());
        let is_better = confidence > best_confidence || (confidence == best_confidence && other.0 > best.0);
        if is_better { other } else { best }
    });
    let mut best = best.map(|(_, prediction)| prediction).unwrap_or_default();
    events.append(&mut best.optional_events);
    if is_listening {
        events.push(EventKind::UserFeaturization { use_text: Some(best.is_end_to_end) });
    }
    best.events = events;
    best
}
