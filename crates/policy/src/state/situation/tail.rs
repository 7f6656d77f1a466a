//! A long conversation looked at from its end: predictions need its last states only, and what came
//! before them is in the tracker's state or a few events away.

use std::sync::Arc;

use intendant_talk::domain::Domain;
use intendant_talk::event::{Event, EventKind};
use intendant_talk::tracker::Tracker;

use super::{Base, Needed, RuleOnly, Situation};
use crate::state::Replay;

/// How many last events are looked at, first few, then more.
const WINDOWS: [usize; 2] = [256, 2048];

impl<'a> Situation<'a> {
    /// The situation of a tracker; `events` are those in force. Costs the same in conversations of
    /// any length, unless a loop or rules alone have been active for hundreds of events.
    pub(crate) fn of(
        tracker: &'a Tracker,
        domain: &'a Domain,
        events: &[&'a Arc<Event>],
        (rule_only, needed): (&RuleOnly, Needed),
    ) -> Self {
        for window in WINDOWS.into_iter().filter(|window| 2 * window < events.len()) {
            let base = Base::before_the_last(tracker, domain, events, window);
            if let Some(found) = base.and_then(|base| Self::from_base(base, events, rule_only, needed)) {
                return found;
            }
        }
        Self::new(domain, events, rule_only, needed)
    }
}

impl<'a> Base<'a> {
    /// What is known before a user's message that lies at least `window` events back; `None` when
    /// that cannot be told without looking at everything.
    fn before_the_last(
        tracker: &'a Tracker,
        domain: &'a Domain,
        events: &[&'a Arc<Event>],
        window: usize,
    ) -> Option<Self> {
        // The tracker's slots are those of its model; another domain's would not fit.
        let is_same = tracker.slots().len() == domain.slots.len()
            && tracker.slots().iter().zip(&domain.slots).all(|(one, other)| one.name == other.name);
        let is_user = |event: &&Arc<Event>| matches!(event.kind, EventKind::User(_));
        let start = events[..events.len().checked_sub(window)?].iter().rposition(is_user)?;
        let (before, after) = events.split_at(start);
        let has_loops = after.iter().any(|event| matches!(event.kind, EventKind::ActiveLoop { .. }));
        if !is_same || has_loops || tracker.active_loop().is_some() {
            return None;
        }
        let mut replay = Replay::new(domain);
        replay.values = tracker.slot_values().map(|(_, value)| value).collect();
        restore_slots(&mut replay, before, after);
        let previous = before.iter().rposition(|event| matches!(event.kind, EventKind::Action(_)));
        replay.previous = previous.and_then(|idx| match &events[idx].kind {
            EventKind::Action(action) => Some(action),
            _ => None,
        });
        Some(Self { start, replay, previous })
    }
}

/// Puts the slots that change in `after` back to what they were before.
fn restore_slots<'a>(replay: &mut Replay<'a>, before: &[&'a Arc<Event>], after: &[&'a Arc<Event>]) {
    let domain = replay.domain;
    let index = |name: &str| domain.slots.iter().position(|slot| slot.name == name);
    let mut open: Vec<usize> = match after.iter().any(|event| matches!(event.kind, EventKind::ResetSlots)) {
        true => (0..domain.slots.len()).collect(),
        false => after
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::Slot { name, .. } => index(name),
                _ => None,
            })
            .collect(),
    };
    open.sort_unstable();
    open.dedup();
    for event in before.iter().rev() {
        match &event.kind {
            _ if open.is_empty() => return,
            EventKind::ResetSlots => break,
            EventKind::Slot { name, value } => {
                if let Some(place) = index(name).and_then(|idx| open.binary_search(&idx).ok()) {
                    replay.values[open.remove(place)] = value;
                }
            }
            _ => {}
        }
    }
    for idx in open {
        replay.values[idx] = &domain.slots[idx].initial_value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_talk::domain::{Slot, SlotKind};
    use intendant_talk::event::{ActionExecuted, UserMessage};
    use intendant_talk::time::Timestamp;
    use serde_json::json;

    /// Numbers by chance (xorshift).
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound as u64) as usize
        }
    }

    fn domain() -> Domain {
        let slot = |name: &str| Slot {
            name: name.to_owned(),
            kind: SlotKind::Text,
            initial_value: json!(null),
            influence_conversation: true,
            mappings: Vec::new(),
            is_automatic: false,
        };
        Domain { slots: ["a", "b", "c", "rare"].map(slot).to_vec(), ..Domain::default() }
    }

    /// A turn by chance: what the user says, slots, actions of which some are hidden.
    fn turn(chance: &mut Chance, kinds: &mut Vec<EventKind>, with_loops: bool) {
        let mut message = UserMessage { text: Some("x".to_owned()), ..UserMessage::default() };
        message.parse.intent.name = Some(format!("i{}", chance.below(3)));
        kinds.push(EventKind::User(Box::new(message)));
        if chance.below(3) == 0 {
            let name = ["a", "b", "c"][chance.below(3)].to_owned();
            kinds.push(EventKind::Slot {
                name,
                value: [json!(null), json!("v"), json!("")][chance.below(3)].clone(),
            });
        }
        match chance.below(60) {
            0 => kinds.push(EventKind::ResetSlots),
            1 => kinds.push(EventKind::Slot { name: "rare".to_owned(), value: json!("v") }),
            2 if with_loops => kinds.push(EventKind::ActiveLoop { name: Some("form".to_owned()) }),
            3 if with_loops => kinds.push(EventKind::ActiveLoop { name: None }),
            4 => kinds.push(EventKind::Followup { name: Some("utter_1".to_owned()) }),
            _ => {}
        }
        let hides = chance.below(3) == 0;
        for name in [format!("utter_{}", chance.below(4)), "action_listen".to_owned()] {
            let hide_rule_turn = hides || chance.below(9) == 0;
            kinds.push(EventKind::Action(ActionExecuted {
                name: Some(name),
                hide_rule_turn,
                ..ActionExecuted::default()
            }));
        }
    }

    #[test]
    fn the_end_of_a_conversation_looks_as_it_does_from_its_beginning() {
        let domain = domain();
        let rule_only = RuleOnly { slots: vec!["b".to_owned()], loops: Vec::new() };
        let mut shortened = 0;
        for seed in 0..60 {
            let mut chance = Chance(seed * 7919 + 1);
            let mut kinds = vec![EventKind::action("action_listen")];
            let turns = 100 + chance.below(400);
            (0..turns).for_each(|_| turn(&mut chance, &mut kinds, seed % 3 == 0));
            // Predictions happen anywhere in a turn.
            kinds.truncate(kinds.len() - chance.below(4));
            let mut tracker = Tracker::for_domain("x", &domain);
            for (second, kind) in kinds.into_iter().enumerate() {
                tracker.update(Event::new(Timestamp::from_micros(second as i64), kind));
            }
            let events: Vec<&Arc<Event>> = tracker.applied_events().collect();
            let needed = Needed { rule_states: 1 + chance.below(6), learned_states: chance.below(8) };
            let whole = Situation::new(&domain, &events, &rule_only, needed);
            let part = Situation::of(&tracker, &domain, &events, (&rule_only, needed));
            assert_eq!(part.rule_states, whole.rule_states, "seed {seed}");
            assert_eq!(part.learned_states, whole.learned_states, "seed {seed}");
            assert_eq!(part.is_learned_complete, whole.is_learned_complete, "seed {seed}");
            let told = |situation: &Situation| {
                (
                    situation.now.previous_name().map(str::to_owned),
                    situation.now.has_followup,
                    situation.now.state(crate::state::UnsetSlots::Keep),
                )
            };
            assert_eq!(told(&part), told(&whole), "seed {seed}");
            let base = Base::before_the_last(&tracker, &domain, &events, WINDOWS[0]);
            shortened += usize::from(
                base.is_some_and(|base| Situation::from_base(base, &events, &rule_only, needed).is_some()),
            );
        }
        assert!(shortened > 20, "the short way is taken {shortened} times");
    }
}
