//! A conversation prepared for one prediction of all policies.

mod tail;

use std::sync::Arc;

use intendant_talk::domain::Domain;
use intendant_talk::event::{Event, EventKind};

use super::{Previous, Replay, State, UnsetSlots, UserInput};

/// What only rules know of; policies that learn from stories must not see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RuleOnly {
    pub slots: Vec<String>,
    pub loops: Vec<String>,
}

/// A conversation prepared for one prediction of all policies.
pub(crate) struct Situation<'a> {
    /// The state of affairs after all events.
    pub now: Replay<'a>,
    /// The last states as rules see them, oldest first; enough for the longest rule.
    pub rule_states: Vec<State>,
    /// The last states as learning policies see them: turns made by rules alone are hidden.
    pub learned_states: Vec<State>,
    /// The first of [`Self::learned_states`] is the first of the conversation.
    pub is_learned_complete: bool,
}

/// How many last states are needed, at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    pub rule_states: usize,
    pub learned_states: usize,
}

/// A point before an action, or the end. Small, because long conversations have thousands.
struct Point {
    /// Number of events before it.
    end: u32,
    /// For visible points: position of the action event that learning policies take for the
    /// previous one; [`NO_POSITION`] when there is none.
    previous: u32,
    is_hidden: bool,
    is_after_listen: bool,
}

const NO_POSITION: u32 = u32::MAX;

impl Point {
    fn previous(&self) -> Option<usize> {
        (self.previous != NO_POSITION).then_some(self.previous as usize)
    }
}

impl<'a> Situation<'a> {
    pub(crate) fn new(
        domain: &'a Domain,
        events: &[&'a Arc<Event>],
        rule_only: &RuleOnly,
        needed: Needed,
    ) -> Self {
        let base = Base { start: 0, replay: Replay::new(domain), previous: None };
        let scan = scan(&base, events);
        let (learned_from, is_learned_complete) = learned_start(&scan.points, needed.learned_states);
        let view = View { learned_from, is_learned_complete, rule_only, needed };
        Self::materialise(base, scan, events, &view)
    }

    /// As [`Self::new`] from a later point on; `None` when that is not enough.
    fn from_base(
        base: Base<'a>,
        events: &[&'a Arc<Event>],
        rule_only: &RuleOnly,
        needed: Needed,
    ) -> Option<Self> {
        let scan = scan(&base, events);
        let (learned_from, is_complete) = learned_start(&scan.points, needed.learned_states);
        // Whether the turn before the base was hidden is not known; it matters up to the first turn
        // that is not.
        let sound_from = scan.points.iter().position(|point| !point.is_hidden)? + 1;
        let rules_from = scan.points.len().checked_sub(needed.rule_states)?;
        if is_complete || learned_from.min(rules_from) < sound_from {
            return None;
        }
        let view = View { learned_from, is_learned_complete: false, rule_only, needed };
        Some(Self::materialise(base, scan, events, &view))
    }

    fn materialise(base: Base<'a>, scan: Scan<'a>, events: &[&'a Arc<Event>], view: &View<'_>) -> Self {
        let View { learned_from, is_learned_complete, rule_only, needed } = *view;
        let Scan { points, mut marks } = scan;
        let rules_from = points.len().saturating_sub(needed.rule_states);
        let (mut rule_states, mut learned_states) = (Vec::new(), Vec::<State>::new());
        marks.retain(|(idx, _)| *idx <= rules_from.min(learned_from));
        let (first, mut now) = marks.pop().unwrap_or((0, base.replay));
        let mut position = if first == 0 { base.start } else { points[first].end as usize };
        for (idx, point) in points.iter().enumerate().skip(first) {
            for event in &events[position..point.end as usize] {
                now.apply(event);
            }
            position = point.end as usize;
            if idx < rules_from && (idx < learned_from || point.is_hidden) {
                continue;
            }
            let state = now.state(UnsetSlots::Keep);
            if idx >= learned_from && !point.is_hidden {
                let mut visible = state.clone();
                hide_rules(&mut visible, learned_states.last(), rule_only);
                if let Some(previous) = point.previous() {
                    visible.previous = match &events[previous].kind {
                        EventKind::Action(action) => Previous::of(action),
                        _ => None,
                    };
                }
                if visible.user.as_ref().is_some_and(|user| user.intent.is_some()) {
                    visible.choose_user_input(UserInput::Intent);
                }
                learned_states.push(visible);
            }
            if idx >= rules_from {
                rule_states.push(state);
            }
        }
        learned_states.retain(|state| state.previous_name() != Some("action_unlikely_intent"));
        Self { now, rule_states, learned_states, is_learned_complete }
    }
}

/// What is known before an event from which a scan begins.
struct Base<'a> {
    /// The event's position.
    start: usize,
    replay: Replay<'a>,
    /// Position of the action before it.
    previous: Option<usize>,
}

/// Which part of a conversation is turned into states.
struct View<'a> {
    learned_from: usize,
    is_learned_complete: bool,
    rule_only: &'a RuleOnly,
    needed: Needed,
}

/// Removes what only rules know, and what the user said in turns that rules took.
fn hide_rules(state: &mut State, earlier: Option<&State>, rule_only: &RuleOnly) {
    state.slots.retain(|(name, _)| !rule_only.slots.contains(name));
    if state.active_loop.as_ref().is_some_and(|name| rule_only.loops.contains(name)) {
        state.active_loop = None;
    }
    if let Some(earlier) = earlier
        && !state.follows_listen()
    {
        state.user.clone_from(&earlier.user);
    }
}

/// Points between two marks from which a replay can go on.
const MARK_EVERY: usize = 64;

/// All points, and the state of affairs at some of them.
struct Scan<'a> {
    points: Vec<Point>,
    /// Index of a point, and the replay up to it.
    marks: Vec<(usize, Replay<'a>)>,
}

fn scan<'a>(base: &Base<'a>, events: &[&'a Arc<Event>]) -> Scan<'a> {
    // About every third event is an action.
    let count = (events.len() - base.start) / 2 + 1;
    let mut scan = Scan { points: Vec::with_capacity(count), marks: Vec::new() };
    let mut replay = base.replay.clone();
    let mut previous = base.previous;
    let mut turn = Turn::default();
    for (idx, event) in events.iter().enumerate().skip(base.start) {
        if let EventKind::Action(action) = &event.kind {
            if scan.points.len().is_multiple_of(MARK_EVERY) {
                scan.marks.push((scan.points.len(), replay.clone()));
            }
            turn.advance(&replay, previous, action.hide_rule_turn);
            scan.points.push(turn.point(&replay, idx));
            previous = Some(idx);
        }
        replay.apply(event);
    }
    turn.advance(&replay, previous, false);
    scan.points.push(turn.point(&replay, events.len()));
    scan
}

/// Which turn learning policies take themselves to be in.
#[derive(Default)]
struct Turn {
    is_hidden: bool,
    /// Position of the action before the last turn that is not hidden.
    previous: Option<usize>,
}

impl Turn {
    fn advance(&mut self, replay: &Replay, previous: Option<usize>, hide: bool) {
        if !self.is_hidden {
            self.previous = previous;
        }
        // Follow-ups and a form's next question do not change whether a turn is hidden.
        let follows_loop = replay.active_loop.is_some() && replay.previous_name() == replay.active_loop;
        if !replay.has_followup && !follows_loop {
            self.is_hidden = hide;
        }
    }

    fn point(&self, replay: &Replay, end: usize) -> Point {
        let is_after_listen = replay.is_listening();
        let position = |idx: usize| u32::try_from(idx).unwrap_or(NO_POSITION);
        let previous = self.previous.map_or(NO_POSITION, position);
        Point { end: position(end), previous, is_hidden: self.is_hidden, is_after_listen }
    }
}

/// The first point to materialise so that the last `count` visible states come out right, and
/// whether it is the first of all.
fn learned_start(points: &[Point], count: usize) -> (usize, bool) {
    if count == 0 {
        return (points.len(), false);
    }
    let mut visible = 0;
    for (idx, point) in points.iter().enumerate().rev() {
        if point.is_hidden {
            continue;
        }
        visible += 1;
        // What the user said is taken over from the last visible turn after a listen.
        if visible > count && point.is_after_listen {
            return (idx, false);
        }
    }
    (0, true)
}
