//! From blocks to training conversations: checkpoints joined, cycles unrolled, stories glued.
//!
//! Source: `spec: training-data.md §3.3`. Which stories are glued together is chosen by our own
//! seeded generator, so the sample differs from Rasa's while its size and purpose are the same.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::domain::Domain;
use intendant_talk::event::{Event, EventKind};
use intendant_talk::story::Story;
use intendant_talk::tracker::applied_positions;
use serde_json::Value;

use crate::blocks::{Block, STORY_START, Start, TrainingEvent, cut};

/// Rounds in which finished stories are continued by others.
const AUGMENTATION_ROUNDS: usize = 3;
/// Glued conversations kept per unit of the augmentation factor.
const AUGMENTED_PER_FACTOR: usize = 10;
/// Conversations that may reach one block; beyond it a sample goes on.
const INCOMING_MAX: usize = 2_000;

/// A conversation to learn from.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrainingTracker {
    /// Names of the stories it is made of, joined by ` > `.
    pub name: String,
    /// Where its first story stands.
    pub source: Source,
    pub is_rule: bool,
    /// Glued from several stories.
    pub is_augmented: bool,
    pub events: Vec<TrainingEvent>,
}

impl TrainingTracker {
    /// The events that remain after restarts, rewinds and the folding of loops.
    pub(crate) fn applied(&self) -> Vec<&TrainingEvent> {
        let events: Vec<Arc<Event>> = self.events.iter().map(|event| Arc::clone(&event.event)).collect();
        applied_positions(&events).into_iter().map(|idx| &self.events[idx]).collect()
    }
}

/// Makes all training conversations, stories first, glued ones after them, rules last.
pub(crate) fn generate(
    domain: &Domain,
    stories: &[Story],
    augmentation: usize,
    seed: u64,
) -> (Vec<TrainingTracker>, Vec<Diagnostic>) {
    let blocks = cut(domain, stories);
    let mut diagnostics = Vec::new();
    unmatched_checkpoints(&blocks, &mut diagnostics);
    let (rules, stories): (Vec<Block>, Vec<Block>) = blocks.into_iter().partition(|block| block.is_rule);
    let mut chance = Chance { state: seed ^ 0x9e37_79b9_7f4a_7c15 };
    let mut trackers = Generator::new(domain, &stories).run(augmentation, &mut chance);
    trackers.extend(Generator::new(domain, &rules).run(0, &mut chance));
    (trackers, diagnostics)
}

/// Makes the conversations of test stories: none glued together, and two stories that tell the same
/// are two conversations.
pub(crate) fn for_tests(domain: &Domain, stories: &[Story]) -> Vec<TrainingTracker> {
    let blocks = cut(domain, stories);
    let mut generator = Generator::new(domain, &blocks);
    generator.keeps_duplicates = true;
    generator.run(0, &mut Chance { state: 0 })
}

fn unmatched_checkpoints(blocks: &[Block], diagnostics: &mut Vec<Diagnostic>) {
    let starts: HashSet<&str> =
        blocks.iter().flat_map(|block| &block.starts).map(|start| start.checkpoint.as_str()).collect();
    let ends: HashSet<&str> = blocks.iter().filter_map(|block| block.end.as_deref()).collect();
    let mut told = HashSet::new();
    for block in blocks {
        for start in &block.starts {
            let name = start.checkpoint.as_str();
            if name != STORY_START && !ends.contains(name) && told.insert(name) {
                diagnostics.push(
                    Diagnostic::warning(
                        block.source.clone(),
                        format!("`{}` starts from checkpoint `{name}`, which no story ends in", block.name),
                    )
                    .with_hint("end another story in this checkpoint or remove it"),
                );
            }
        }
        if let Some(name) = block.end.as_deref()
            && !name.starts_with("GENR_")
            && !starts.contains(name)
            && told.insert(name)
        {
            diagnostics.push(
                Diagnostic::warning(
                    block.source.clone(),
                    format!("`{}` ends in checkpoint `{name}`, which no story starts from", block.name),
                )
                .with_hint("start another story from this checkpoint or remove it"),
            );
        }
    }
    if !blocks.is_empty() && !starts.contains(STORY_START) {
        diagnostics.push(Diagnostic::warning(
            blocks[0].source.clone(),
            "every story starts from a checkpoint, so none can ever begin",
        ));
    }
}

/// Our own small generator; the sample only has to be fixed.
struct Chance {
    state: u64,
}

impl Chance {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At most `count` of `items`, in their order.
    fn sample<T>(&mut self, items: Vec<T>, count: usize) -> Vec<T> {
        let mut left = items.len();
        if left <= count {
            return items;
        }
        let mut wanted = count;
        let mut chosen = Vec::with_capacity(count);
        for item in items {
            if (self.next() % left as u64) < wanted as u64 {
                chosen.push(item);
                wanted -= 1;
            }
            left -= 1;
        }
        chosen
    }
}

struct Generator<'a> {
    domain: &'a Domain,
    blocks: Vec<&'a Block>,
    /// Positions, in order of processing, of the blocks that start from a checkpoint.
    starting: HashMap<&'a str, Vec<usize>>,
    seen: HashSet<u64>,
    keeps_duplicates: bool,
    /// Conversations that reached a story's end.
    ended: Vec<TrainingTracker>,
    /// Conversations that stop elsewhere: at a checkpoint nobody continues, before a restart.
    stopped: Vec<TrainingTracker>,
}

impl<'a> Generator<'a> {
    fn new(domain: &'a Domain, blocks: &'a [Block]) -> Self {
        let blocks = in_order(blocks);
        let mut starting: HashMap<&str, Vec<usize>> = HashMap::new();
        for (idx, block) in blocks.iter().enumerate() {
            for start in &block.starts {
                starting.entry(start.checkpoint.as_str()).or_default().push(idx);
            }
        }
        let (seen, ended, stopped) = (HashSet::new(), Vec::new(), Vec::new());
        Self { domain, blocks, starting, seen, keeps_duplicates: false, ended, stopped }
    }

    fn run(mut self, augmentation: usize, chance: &mut Chance) -> Vec<TrainingTracker> {
        let is_rule = self.blocks.first().is_some_and(|block| block.is_rule);
        let fresh = TrainingTracker { is_rule, ..TrainingTracker::default() };
        let mut active = BTreeMap::from([(STORY_START.to_owned(), vec![fresh])]);
        let mut unfinished: Vec<String> = Vec::new();
        // Cycles are walked again as long as that reaches new checkpoints.
        loop {
            active = self.pass(active, INCOMING_MAX, chance);
            let names: Vec<String> = active.keys().cloned().collect();
            if names.is_empty() || names == unfinished {
                break;
            }
            unfinished = names;
        }
        self.stopped.extend(active.into_values().flatten());
        if augmentation > 0 && !is_rule {
            self.augment(augmentation, chance);
        }
        let trackers = self.stopped.into_iter().chain(self.ended);
        let (augmented, mut original): (Vec<_>, Vec<_>) = trackers.partition(|tracker| tracker.is_augmented);
        original.extend(chance.sample(augmented, augmentation * AUGMENTED_PER_FACTOR));
        original
    }

    /// Walks all blocks once; returns what waits for blocks that were already passed.
    fn pass(
        &mut self,
        mut active: BTreeMap<String, Vec<TrainingTracker>>,
        incoming_max: usize,
        chance: &mut Chance,
    ) -> BTreeMap<String, Vec<TrainingTracker>> {
        let mut waiting: BTreeMap<String, Vec<TrainingTracker>> = BTreeMap::new();
        for idx in 0..self.blocks.len() {
            let block = self.blocks[idx];
            let mut incoming: Vec<TrainingTracker> = Vec::new();
            for start in &block.starts {
                let trackers = active.get(&start.checkpoint).into_iter().flatten();
                incoming.extend(trackers.filter(|tracker| self.admits(start, tracker)).cloned());
            }
            let incoming = chance.sample(incoming, incoming_max);
            let outgoing: Vec<TrainingTracker> =
                incoming.into_iter().map(|tracker| self.walk(block, tracker)).collect();
            let outgoing: Vec<TrainingTracker> = outgoing
                .into_iter()
                .filter(|tracker| self.seen.insert(fingerprint(block, tracker)) || self.keeps_duplicates)
                .collect();
            match &block.end {
                None => self.ended.extend(outgoing),
                Some(end) => match self.starting.get(end.as_str()) {
                    None => self.stopped.extend(outgoing),
                    Some(next) => {
                        if next.iter().any(|next| *next <= idx) {
                            waiting.entry(end.clone()).or_default().extend(outgoing.iter().cloned());
                        }
                        active.entry(end.clone()).or_default().extend(outgoing);
                    }
                },
            }
        }
        waiting.retain(|_, trackers| !trackers.is_empty());
        waiting
    }

    fn admits(&self, start: &Start, tracker: &TrainingTracker) -> bool {
        start.conditions.iter().all(|(slot, expected)| {
            let initial = self.domain.slot(slot).map(|slot| &slot.initial_value);
            let set = tracker.events.iter().rev().find_map(|event| match &event.event.kind {
                EventKind::Slot { name, value } if name == slot => Some(value),
                _ => None,
            });
            set.or(initial).unwrap_or(&Value::Null) == expected
        })
    }

    fn walk(&mut self, block: &Block, mut tracker: TrainingTracker) -> TrainingTracker {
        if tracker.name.is_empty() {
            tracker.name.clone_from(&block.name);
            tracker.source = block.source.clone();
        } else if !tracker.name.split(" > ").any(|name| name == block.name) {
            tracker.name = format!("{} > {}", tracker.name, block.name);
        }
        for event in &block.events {
            if matches!(event.event.kind, EventKind::Restart | EventKind::Rewind | EventKind::Undo) {
                self.stopped.push(tracker.clone());
            }
            tracker.events.push(event.clone());
        }
        tracker
    }

    fn augment(&mut self, factor: usize, chance: &mut Chance) {
        let start_blocks = self.starting.get(STORY_START).map_or(0, Vec::len).max(1);
        // A thousand stories need not be continued by fifty others each to keep a few hundred.
        let incoming_max = (factor * AUGMENTED_PER_FACTOR).div_ceil(start_blocks).clamp(1, factor);
        for _ in 0..AUGMENTATION_ROUNDS {
            let mut glued = chance.sample(self.ended.clone(), factor);
            for tracker in &mut glued {
                tracker.is_augmented = true;
                // Every story begins by listening, so the listening at the end goes.
                tracker.events.pop();
            }
            let active = BTreeMap::from([(STORY_START.to_owned(), glued)]);
            self.pass(active, incoming_max, chance);
        }
    }
}

/// Blocks such that each comes after those that lead to it, where cycles allow; else as written.
fn in_order(blocks: &[Block]) -> Vec<&Block> {
    let mut starting: HashMap<&str, Vec<usize>> = HashMap::new();
    for (idx, block) in blocks.iter().enumerate() {
        for start in &block.starts {
            starting.entry(start.checkpoint.as_str()).or_default().push(idx);
        }
    }
    let mut done = vec![false; blocks.len()];
    let mut post_order = Vec::with_capacity(blocks.len());
    // Walked by hand: a chain of checkpoints may be longer than the call stack.
    for root in (0..blocks.len()).rev() {
        let mut stack = vec![(root, 0)];
        if std::mem::replace(&mut done[root], true) {
            continue;
        }
        while let Some((idx, child)) = stack.pop() {
            let children = blocks[idx].end.as_deref().and_then(|end| starting.get(end));
            match children.and_then(|children| children.iter().rev().nth(child)) {
                Some(next) => {
                    stack.push((idx, child + 1));
                    if !std::mem::replace(&mut done[*next], true) {
                        stack.push((*next, 0));
                    }
                }
                None => post_order.push(idx),
            }
        }
    }
    post_order.into_iter().rev().map(|idx| &blocks[idx]).collect()
}

/// Same events and same place to go on from.
fn fingerprint(block: &Block, tracker: &TrainingTracker) -> u64 {
    let mut hasher = DefaultHasher::new();
    block.end.hash(&mut hasher);
    tracker.is_augmented.hash(&mut hasher);
    for event in &tracker.events {
        match &event.event.kind {
            EventKind::User(message) => {
                (0, &message.parse.intent.name, &message.text).hash(&mut hasher);
                for entity in &message.parse.entities {
                    (&entity.entity, &entity.role, &entity.group).hash(&mut hasher);
                }
            }
            EventKind::Action(action) => (1, &action.name, &action.action_text).hash(&mut hasher),
            EventKind::Slot { name, value } => (2, name, value.to_string()).hash(&mut hasher),
            EventKind::ActiveLoop { name } => (3, name).hash(&mut hasher),
            kind => (4, kind.type_name()).hash(&mut hasher),
        }
    }
    hasher.finish()
}
