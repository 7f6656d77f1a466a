//! How RulePolicy learns, and what it refuses to learn.
//!
//! Source: `spec: dialogue.md §3.3`, training. Rules that say too little, too much, or the
//! opposite of another rule or story are errors that name both sides and where they stand.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::domain::{Domain, RULE_SNIPPET_ACTION};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;

use crate::examples::Seen;
use crate::rule::{
    DEFAULT_ACTION_INTENTS, DEFAULT_RULES, LOOP_LISTEN, LOOP_RULES, Rule, RuleOptions, RulePolicy, Unhappy,
    after_snippet,
};
use crate::state::key::key_of;
use crate::state::situation::{Needed, RuleOnly, Situation};
use crate::state::{SHOULD_NOT_BE_SET, State, UnsetSlots, has_features};
use crate::trackers::TrainingTracker;

/// User messages a rule may have.
const USER_TURNS_MAX: usize = 1;

/// Learns rules from rule and story trackers.
///
/// # Errors
/// With everything found when rules are incomplete, too long, or contradicted.
pub(crate) fn train(
    options: RuleOptions,
    domain: &Domain,
    trackers: &[TrainingTracker],
) -> Result<RulePolicy, Vec<Diagnostic>> {
    let trackers: Vec<&TrainingTracker> = trackers.iter().filter(|tracker| !tracker.is_augmented).collect();
    let (rules, stories): (Vec<_>, Vec<_>) = trackers.into_iter().partition(|tracker| tracker.is_rule);
    let mut errors = Vec::new();
    if options.restrict_rules {
        too_many_turns(&rules, &mut errors);
    }
    if options.check_for_contradictions {
        incomplete(domain, &rules, &mut errors);
    }
    let rules: Vec<Seen> = rules.iter().map(|rule| Seen::new(domain, rule, UnsetSlots::Omit)).collect();
    let stories: Vec<Seen> = stories.iter().map(|story| Seen::new(domain, story, UnsetSlots::Keep)).collect();
    let actions = domain.action_names();
    let fallback_idx =
        actions.iter().position(|name| *name == options.core_fallback_action_name).unwrap_or_default();
    let mut policy = RulePolicy {
        rules: lookup(&rules),
        unhappy: unhappy_lookup(rules.iter().chain(&stories)),
        rule_only: RuleOnly::default(),
        not_in_stories: BTreeSet::new(),
        options,
        fallback_idx,
    };
    if policy.options.check_for_contradictions {
        policy.rule_only = rule_only(&rules, &stories);
        let mut check = Check { domain, policy: &mut policy, sources: BTreeMap::new() };
        for rule in &rules {
            check.walk(rule, |check, turn| check.collect(turn));
        }
        let mut used = BTreeSet::new();
        let mut found = Vec::new();
        for seen in rules.iter().chain(&stories) {
            check.walk(seen, |check, turn| check.compare(turn, &mut used, &mut found));
        }
        errors.extend(found);
        let sources: BTreeSet<String> = check.sources.into_keys().collect();
        policy.not_in_stories = sources
            .into_iter()
            .chain(DEFAULT_ACTION_INTENTS.iter().map(|(intent, _)| format!("{DEFAULT_RULES}{intent}")))
            .chain(domain.forms.iter().map(|form| format!("{LOOP_RULES}{}", form.name)))
            .chain(domain.forms.iter().map(|form| format!("{LOOP_RULES}{}{LOOP_LISTEN}", form.name)))
            .filter(|source| !used.contains(source))
            .collect();
    }
    if errors.is_empty() { Ok(policy) } else { Err(errors) }
}

fn too_many_turns(rules: &[&TrainingTracker], errors: &mut Vec<Diagnostic>) {
    for rule in rules {
        let turns = rule.events.iter().filter(|event| matches!(event.event.kind, EventKind::User(_))).count();
        if turns > USER_TURNS_MAX {
            errors.push(
                Diagnostic::error(
                    rule.source.clone(),
                    format!("rule `{}` contains more than {USER_TURNS_MAX} user message", rule.name),
                )
                .with_hint(
                    "rules are not meant to hardcode a state machine: write a story, or set \
                     `restrict_rules: false` for RulePolicy",
                ),
            );
        }
    }
}

/// Slots and loops that an action sets in some rule.
#[derive(Default)]
struct Fingerprint<'a> {
    slots: BTreeSet<&'a str>,
    loops: BTreeSet<&'a str>,
}

fn fingerprints<'a>(domain: &Domain, rules: &[&'a TrainingTracker]) -> HashMap<&'a str, Fingerprint<'a>> {
    let mut fingerprints: HashMap<&str, Fingerprint> = HashMap::new();
    for rule in rules {
        let mut action: Option<&str> = None;
        for event in &rule.events {
            match &event.event.kind {
                EventKind::Action(executed) => {
                    action = executed.name.as_deref().or(executed.action_text.as_deref());
                }
                // Its entities may set slots, which are not the doing of the listening before it.
                EventKind::User(_) => action = None,
                EventKind::Slot { name, .. } => {
                    let is_visible = domain.slot(name).is_some_and(has_features);
                    if let Some(action) = action.filter(|_| is_visible) {
                        fingerprints.entry(action).or_default().slots.insert(name);
                    }
                }
                EventKind::ActiveLoop { name: Some(name) } => {
                    if let Some(action) = action {
                        fingerprints.entry(action).or_default().loops.insert(name);
                    }
                }
                _ => {}
            }
        }
    }
    fingerprints
}

fn incomplete(domain: &Domain, rules: &[&TrainingTracker], errors: &mut Vec<Diagnostic>) {
    let fingerprints = fingerprints(domain, rules);
    let mut told = HashSet::new();
    for rule in rules {
        let seen = Seen::new(domain, rule, UnsetSlots::Keep);
        for (idx, state) in seen.states.iter().enumerate() {
            let next = seen.states.get(idx + 1).map_or(Some("action_listen"), State::previous_name);
            let Some(previous) = state.previous_name() else { continue };
            let Some(expected) = fingerprints.get(previous) else { continue };
            if next == Some(RULE_SNIPPET_ACTION) || previous == RULE_SNIPPET_ACTION {
                continue;
            }
            let missing: Vec<&str> = expected
                .slots
                .iter()
                .copied()
                .filter(|slot| !state.slots.iter().any(|(name, _)| name == slot))
                .collect();
            if !missing.is_empty() {
                errors.push(incomplete_slots(rule, previous, &missing));
            }
            let current = state.active_loop.as_deref();
            let is_loop_expected = current.is_some_and(|current| expected.loops.contains(current));
            if !expected.loops.is_empty() && !is_loop_expected {
                errors.push(incomplete_loop(rule, previous, &expected.loops));
            }
        }
    }
    errors.retain(|error| told.insert((error.source.clone(), error.message.clone())));
}

fn incomplete_slots(rule: &TrainingTracker, action: &str, missing: &[&str]) -> Diagnostic {
    Diagnostic::error(
        rule.source.clone(),
        format!(
            "incomplete rule: the action `{action}` in rule `{}` does not set some of the slots that it sets \
             in other rules: `{}`",
            rule.name,
            missing.join("`, `")
        ),
    )
    .with_hint(
        "add a `slot_was_set` after the action (`null` for a slot that must not be set), or, if it is the \
         last action, `wait_for_user_input: false`",
    )
}

fn incomplete_loop(rule: &TrainingTracker, form: &str, loops: &BTreeSet<&str>) -> Diagnostic {
    let mut values: Vec<&str> =
        loops.iter().map(|name| if *name == SHOULD_NOT_BE_SET { "null" } else { name }).collect();
    if !values.contains(&form) {
        values.push(form);
    }
    Diagnostic::error(
        rule.source.clone(),
        format!(
            "incomplete rule: the form `{form}` in rule `{}` does not set the `active_loop` that it sets in \
             other rules: `{}`",
            rule.name,
            values.join("`, `")
        ),
    )
    .with_hint(
        "add an `active_loop` after the form (`null` where it ends), or, if it is the last action, \
         `wait_for_user_input: false`",
    )
}

/// Situation -> action; situations with several actions are left out.
fn lookup(rules: &[Seen]) -> Vec<Rule> {
    let mut lookup: BTreeMap<String, Rule> = BTreeMap::new();
    let mut ambiguous: HashSet<String> = HashSet::new();
    for rule in rules {
        for (states, action) in rule.examples() {
            let states = after_snippet(states);
            if states.is_empty() {
                continue;
            }
            let key = key_of(states);
            match lookup.get(&key) {
                Some(known) if known.action != action => {
                    ambiguous.insert(key);
                }
                Some(_) => {}
                None => {
                    lookup.insert(key.clone(), Rule { states: states.to_vec(), key, action });
                }
            }
        }
    }
    lookup
        .into_values()
        .filter(|rule| rule.action != RULE_SNIPPET_ACTION && !ambiguous.contains(&rule.key))
        .collect()
}

fn unhappy_lookup<'a>(seen: impl Iterator<Item = &'a Seen<'a>>) -> Vec<(Vec<State>, Unhappy)> {
    let mut lookup: BTreeMap<String, (Vec<State>, Unhappy)> = BTreeMap::new();
    for seen in seen {
        for (states, action) in seen.examples() {
            let Some(last) = states.last() else { continue };
            let Some(loop_name) = last.loop_name() else { continue };
            let unhappy = match (last.follows_listen(), action == loop_name) {
                (true, true) => Unhappy::LoopWasInterrupted,
                (false, false) => Unhappy::DoNotPredictLoop,
                _ => continue,
            };
            let before = states.len().checked_sub(2).and_then(|idx| states[idx].previous.clone());
            let mut key_states = Vec::with_capacity(2);
            if before.is_some() {
                key_states.push(State { previous: before, ..State::default() });
            }
            key_states.push(last.clone());
            let key_states = after_snippet(&key_states).to_vec();
            if !key_states.is_empty() {
                lookup.insert(key_of(&key_states), (key_states, unhappy));
            }
        }
    }
    lookup.into_values().collect()
}

fn rule_only(rules: &[Seen], stories: &[Seen]) -> RuleOnly {
    fn of(seen: &[Seen]) -> (BTreeSet<String>, BTreeSet<String>) {
        let states = || seen.iter().flat_map(|seen| &seen.states[..seen.states.len() - 1]);
        let slots = states().flat_map(|state| state.slots.iter().map(|(name, _)| name.clone())).collect();
        let loops = states().filter_map(|state| state.loop_name().map(str::to_owned)).collect();
        (slots, loops)
    }
    let ((rule_slots, rule_loops), (story_slots, story_loops)) = (of(rules), of(stories));
    RuleOnly {
        slots: rule_slots.difference(&story_slots).cloned().collect(),
        loops: rule_loops.difference(&story_loops).cloned().collect(),
    }
}

/// Runs the policy over training conversations.
struct Check<'a> {
    domain: &'a Domain,
    policy: &'a mut RulePolicy,
    /// Source of a decision -> who contributed it: name, where, and the action it stands for.
    sources: BTreeMap<String, Vec<(String, Option<Source>, String)>>,
}

/// One predicted action in a training conversation.
struct CheckedTurn<'a> {
    tracker: &'a TrainingTracker,
    expected: &'a str,
    predicted: Option<String>,
    source: String,
}

impl Check<'_> {
    fn walk(&mut self, seen: &Seen, mut check: impl FnMut(&mut Self, CheckedTurn)) {
        let mut running = Tracker::for_domain("", self.domain);
        let mut is_unpredictable = true;
        for event in &seen.applied {
            if let EventKind::Action(action) = &event.event.kind {
                let expected = action.name.as_deref().or(action.action_text.as_deref()).unwrap_or_default();
                if expected == RULE_SNIPPET_ACTION {
                    is_unpredictable = true;
                } else if is_unpredictable || event.is_unpredictable {
                    is_unpredictable = false;
                } else {
                    let (predicted, source) = self.predict_patiently(&mut running, seen.tracker, expected);
                    check(self, CheckedTurn { tracker: seen.tracker, expected, predicted, source });
                }
            }
            running.update_shared(Arc::clone(&event.event));
        }
    }

    /// A form is predicted first, but inside its unhappy path something else may come.
    fn predict_patiently(
        &self,
        running: &mut Tracker,
        tracker: &TrainingTracker,
        expected: &str,
    ) -> (Option<String>, String) {
        let (predicted, source) = self.predict(running, tracker.is_rule);
        let active = running.active_loop_name().filter(|name| *name != SHOULD_NOT_BE_SET).map(str::to_owned);
        match active {
            Some(name) if predicted.as_deref() != Some(expected) && predicted.as_deref() == Some(&name) => {
                let (policy, confidence) = (None, None);
                let rejected = EventKind::ActionExecutionRejected { name, policy, confidence };
                running.update(Event::new(Timestamp::default(), rejected));
                self.predict(running, tracker.is_rule)
            }
            _ => (predicted, source),
        }
    }

    fn predict(&self, running: &Tracker, is_rule: bool) -> (Option<String>, String) {
        let events: Vec<&Arc<Event>> = running.applied_events().collect();
        // The source of "nothing applies" names the whole situation, so all of it is needed.
        let needed = Needed { rule_states: usize::MAX, learned_states: 0 };
        let situation = Situation::new(self.domain, &events, &RuleOnly::default(), needed);
        let decision = self.policy.decide(&situation.now, &situation.rule_states);
        let fallback = || match self.policy.options.enable_fallback_prediction {
            true => self.policy.options.core_fallback_action_name.clone(),
            false => "action_listen".to_owned(),
        };
        let predicted = decision.action.or_else(|| is_rule.then(fallback));
        (predicted, decision.source)
    }

    fn collect(&mut self, turn: CheckedTurn) {
        let CheckedTurn { tracker, expected, predicted, source } = turn;
        if source.is_empty() {
            return;
        }
        let contributors = self.sources.entry(source.clone()).or_default();
        if source.starts_with(DEFAULT_RULES) || source.starts_with(LOOP_RULES) {
            contributors.push((source, None, predicted.unwrap_or_default()));
        } else {
            contributors.push((tracker.name.clone(), Some(tracker.source.clone()), expected.to_owned()));
        }
    }

    fn compare(&mut self, turn: CheckedTurn, used: &mut BTreeSet<String>, found: &mut Vec<Diagnostic>) {
        let CheckedTurn { tracker, expected, predicted, source } = turn;
        if !tracker.is_rule && predicted.as_deref() == Some(expected) {
            used.insert(source.clone());
        }
        let Some(predicted) = predicted.filter(|predicted| !source.is_empty() && predicted != expected)
        else {
            return;
        };
        if !tracker.is_rule && self.is_prefix_that_listens(&source, &predicted) {
            self.policy.rules.retain(|rule| rule.key != source);
            return;
        }
        let contributors = self.sources.get(&source).map(Vec::as_slice).unwrap_or_default();
        let names: BTreeSet<String> = contributors
            .iter()
            .filter(|(_, _, action)| action != expected)
            .map(|(name, place, _)| match place {
                Some(Source { file, line, .. }) if !file.is_empty() => format!("`{name}` ({file}:{line})"),
                _ => format!("`{name}`"),
            })
            .collect();
        if names.is_empty() {
            return;
        }
        let kind = if tracker.is_rule { "rule" } else { "story" };
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let mut message = format!(
            "the prediction of the action `{expected}` in {kind} `{}` is contradicting with rule(s) {names}",
            tracker.name
        );
        if predicted != self.policy.options.core_fallback_action_name {
            message.push_str(&format!(" which predicted action `{predicted}`"));
        }
        let error = Diagnostic::error(tracker.source.clone(), message)
            .with_hint("update your stories and rules so that they do not contradict each other");
        if !found.contains(&error) {
            found.push(error);
        }
    }

    /// A rule that listens where a longer rule goes on is dropped rather than reported.
    fn is_prefix_that_listens(&self, source: &str, predicted: &str) -> bool {
        if predicted != "action_listen" || source.matches("prev_action").count() > 1 {
            return false;
        }
        let stem = &source[..source.len().saturating_sub(2)];
        self.policy.rules.iter().any(|rule| rule.key != source && rule.key.starts_with(stem))
    }
}
