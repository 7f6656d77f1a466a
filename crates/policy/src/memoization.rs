//! MemoizationPolicy and AugmentedMemoizationPolicy: stories known by heart.
//!
//! Source: `spec: dialogue.md §3.2`. Situations are kept as 128-bit fingerprints, so that a
//! thousand long stories take a few hundred kilobytes.
//!
//! ```yaml
//! policies:
//!   - name: AugmentedMemoizationPolicy
//!     max_history: 5
//! ```

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use intendant_talk::domain::Domain;
use intendant_talk::event::{Event, EventKind};

use crate::options::Reader;
use crate::prediction::Prediction;
use crate::state::State;
use crate::state::key::key_of;
use crate::state::situation::{Needed, RuleOnly, Situation};

/// What a sequence of states is known by.
pub(crate) type Fingerprint = (u64, u64);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemoizationOptions {
    pub max_history: Option<usize>,
    pub use_nlu_confidence_as_score: bool,
    /// Forgets the beginning of a conversation until it finds something it knows.
    pub is_augmented: bool,
}

impl MemoizationOptions {
    pub(crate) fn read(reader: &mut Reader, is_augmented: bool) -> Self {
        // Fingerprints make the compression of keys pointless; the option is accepted.
        let _ = reader.flag("enable_feature_string_compression", true);
        Self {
            max_history: reader.max_history(),
            use_nlu_confidence_as_score: reader.flag("use_nlu_confidence_as_score", false),
            is_augmented,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Memoization {
    pub options: MemoizationOptions,
    /// Fingerprint of the last states -> index of the action.
    pub lookup: BTreeMap<Fingerprint, u32>,
    /// Length of the longest known sequence.
    pub longest: usize,
}

/// Collects what is to be memorised.
pub(crate) struct Memorising {
    policy: Memoization,
    ambiguous: HashSet<Fingerprint>,
}

impl Memorising {
    pub(crate) fn new(options: MemoizationOptions) -> Self {
        let policy = Memoization { options, lookup: BTreeMap::new(), longest: 0 };
        Self { policy, ambiguous: HashSet::new() }
    }

    /// `states` are fingerprints of single states up to the action.
    pub(crate) fn learn(&mut self, states: &[Fingerprint], action: u32) {
        let tail = self.policy.tail(states);
        let key = combine(tail);
        self.policy.longest = self.policy.longest.max(tail.len());
        if *self.policy.lookup.entry(key).or_insert(action) != action {
            self.ambiguous.insert(key);
        }
    }

    pub(crate) fn finish(mut self) -> Memoization {
        self.policy.lookup.retain(|key, _| !self.ambiguous.contains(key));
        self.policy
    }
}

impl Memoization {
    fn tail<'a, T>(&self, states: &'a [T]) -> &'a [T] {
        let count = self.options.max_history.map_or(states.len(), |max| max.max(1).min(states.len()));
        &states[states.len() - count..]
    }

    /// How many states decide.
    pub(crate) fn states_needed(&self) -> usize {
        self.longest + 1
    }

    pub(crate) fn predict(
        &self,
        situation: &Situation,
        events: &[&Arc<Event>],
        context: &Recall,
    ) -> Prediction {
        let mut probabilities = vec![0.0; context.actions_count];
        let is_whole = situation.is_learned_complete;
        if let Some(idx) = self.recall(&situation.learned_states, is_whole, events, context)
            && let Some(slot) = probabilities.get_mut(idx as usize)
        {
            let by_confidence = self.options.use_nlu_confidence_as_score;
            *slot = if by_confidence { situation.now.intent_confidence() } else { 1.0 };
        }
        let name = if self.options.is_augmented { "AugmentedMemoizationPolicy" } else { "MemoizationPolicy" };
        Prediction { probabilities, policy: Some(name.to_owned()), ..Prediction::default() }
    }

    fn recall(
        &self,
        states: &[State],
        is_whole: bool,
        events: &[&Arc<Event>],
        context: &Recall,
    ) -> Option<u32> {
        let known = self.look_up(states, is_whole);
        if known.is_some() || !self.options.is_augmented {
            return known;
        }
        // The beginning is forgotten, action by action; slots set there are forgotten with it.
        let actions: Vec<usize> = events
            .iter()
            .enumerate()
            .filter(|(_, event)| matches!(event.kind, EventKind::Action(_)))
            .map(|(idx, _)| idx)
            .collect();
        let longest = self.options.max_history.unwrap_or(usize::MAX).min(self.longest);
        let from = actions.len().saturating_sub(longest);
        actions[from..].iter().find_map(|start| {
            let needed = Needed { rule_states: 0, learned_states: self.states_needed() };
            let situation = Situation::new(context.domain, &events[*start..], context.rule_only, needed);
            self.look_up(&situation.learned_states, situation.is_learned_complete)
        })
    }

    fn look_up(&self, states: &[State], is_whole: bool) -> Option<u32> {
        let is_enough = self.options.max_history.is_some_and(|max| states.len() >= max);
        if states.len() > self.longest && self.options.max_history.is_none() || !(is_whole || is_enough) {
            return None;
        }
        let fingerprints: Vec<Fingerprint> = self.tail(states).iter().map(fingerprint).collect();
        self.lookup.get(&combine(&fingerprints)).copied()
    }
}

/// What recalling needs besides the conversation.
pub(crate) struct Recall<'a> {
    pub domain: &'a Domain,
    pub rule_only: &'a RuleOnly,
    pub actions_count: usize,
}

/// Fingerprint of one state.
pub(crate) fn fingerprint(state: &State) -> Fingerprint {
    let key = key_of(std::slice::from_ref(state));
    (hash(key.as_bytes(), 0xcbf2_9ce4_8422_2325), hash(key.as_bytes(), 0x6c62_272e_07bb_0142))
}

fn combine(states: &[Fingerprint]) -> Fingerprint {
    states.iter().fold((states.len() as u64, 1), |(a, b), state| {
        (
            (a.rotate_left(5) ^ state.0).wrapping_mul(0x517c_c1b7_2722_0a95),
            (b.rotate_left(7) ^ state.1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    })
}

/// FNV-1a with a final mix.
fn hash(bytes: &[u8], offset: u64) -> u64 {
    let folded =
        bytes.iter().fold(offset, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (folded ^ (folded >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
