//! Stories and rules cut into blocks at checkpoints and alternatives.
//!
//! Source: `spec: training-data.md §3.1, §3.2`. A block is a run of events with the checkpoints it
//! may start from and the ones it ends in.

use std::sync::Arc;

use intendant_talk::data::Source;
use intendant_talk::domain::{Domain, MappingKind, RULE_SNIPPET_ACTION, SlotKind};
use intendant_talk::event::{ActionExecuted, Event, EventKind, UserMessage};
use intendant_talk::message::{Entity, Intent, Parse};
use intendant_talk::story::{SlotAssignment, Step, StepKind, Story, StoryKind, UserStep};
use intendant_talk::time::Timestamp;
use serde_json::Value;

use crate::state::SHOULD_NOT_BE_SET;

/// The checkpoint where conversations begin.
pub(crate) const STORY_START: &str = "STORY_START";

#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The story's name.
    pub name: String,
    pub source: Source,
    pub is_rule: bool,
    pub starts: Vec<Start>,
    /// A checkpoint's name; `None` at the end of a story.
    pub end: Option<String>,
    pub events: Vec<TrainingEvent>,
}

#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub checkpoint: String,
    /// Exact slot values an incoming conversation must have.
    pub conditions: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
pub(crate) struct TrainingEvent {
    pub event: Arc<Event>,
    /// An action that nothing before it explains; nobody learns to predict it.
    pub is_unpredictable: bool,
}

impl TrainingEvent {
    pub(crate) fn new(kind: EventKind) -> Self {
        Self { event: Arc::new(Event::new(Timestamp::default(), kind)), is_unpredictable: false }
    }

    fn is_listen(&self) -> bool {
        self.action_name() == Some("action_listen")
    }

    pub(crate) fn action_name(&self) -> Option<&str> {
        match &self.event.kind {
            EventKind::Action(action) => action.name.as_deref(),
            _ => None,
        }
    }
}

/// Cuts all stories and rules.
pub(crate) fn cut(domain: &Domain, stories: &[Story]) -> Vec<Block> {
    let mut cutter = Cutter { domain, blocks: Vec::new(), alternatives: 0 };
    for story in stories {
        cutter.story(story);
    }
    cutter.blocks
}

struct Cutter<'a> {
    domain: &'a Domain,
    blocks: Vec<Block>,
    /// Number of alternatives seen, for unique checkpoint names.
    alternatives: usize,
}

impl Cutter<'_> {
    fn story(&mut self, story: &Story) {
        let is_rule = matches!(story.kind, StoryKind::Rule { .. });
        let mut open: Vec<Block> = Vec::new();
        let mut starts: Vec<Start> = Vec::new();
        let mut kinds: Vec<&StepKind> = story.condition.iter().map(|step| &step.kind).collect();
        let snippet = StepKind::Action(RULE_SNIPPET_ACTION.to_owned());
        if let StoryKind::Rule { conversation_start: false, .. } = story.kind {
            kinds.push(&snippet);
        }
        kinds.extend(story.steps.iter().map(|step| &step.kind));
        if let StoryKind::Rule { wait_for_user_input: false, .. } = story.kind {
            kinds.push(&snippet);
        }
        for kind in kinds {
            match kind {
                StepKind::Checkpoint { name, conditions } if open.is_empty() => {
                    starts.push(Start { checkpoint: name.clone(), conditions: conditions.clone() });
                }
                StepKind::Checkpoint { name, .. } => {
                    self.close(&mut open, name);
                    starts = vec![Start { checkpoint: name.clone(), conditions: Vec::new() }];
                }
                StepKind::Or(alternatives) if alternatives.len() > 1 => {
                    self.open(&mut open, &mut starts, story);
                    open = self.branch(&open, alternatives, is_rule);
                    self.alternatives += 1;
                    let name = format!("GENR_OR_{:05}", self.alternatives);
                    self.close(&mut open, &name);
                    starts = vec![Start { checkpoint: name, conditions: Vec::new() }];
                }
                kind => {
                    self.open(&mut open, &mut starts, story);
                    let events = self.events(kind, is_rule);
                    for block in &mut open {
                        block.events.extend(events.iter().cloned());
                    }
                }
            }
        }
        for block in &mut open {
            finish(self.domain, block);
        }
        self.blocks.append(&mut open);
    }

    fn open(&self, open: &mut Vec<Block>, starts: &mut Vec<Start>, story: &Story) {
        if !open.is_empty() {
            return;
        }
        let mut starts = std::mem::take(starts);
        if starts.is_empty() {
            starts.push(Start { checkpoint: STORY_START.to_owned(), conditions: Vec::new() });
        }
        open.push(Block {
            name: story.name.clone(),
            source: story.source.clone(),
            is_rule: matches!(story.kind, StoryKind::Rule { .. }),
            starts,
            end: None,
            events: Vec::new(),
        });
    }

    fn close(&mut self, open: &mut Vec<Block>, checkpoint: &str) {
        for block in &mut *open {
            block.end = Some(checkpoint.to_owned());
            finish(self.domain, block);
        }
        self.blocks.append(open);
    }

    fn branch(&self, open: &[Block], alternatives: &[Step], is_rule: bool) -> Vec<Block> {
        let mut branches = Vec::new();
        for block in open {
            for alternative in alternatives {
                let events = self.events(&alternative.kind, is_rule);
                // Several slots in one alternative are alternatives themselves.
                let runs: Vec<Vec<TrainingEvent>> = match &alternative.kind {
                    StepKind::SlotWasSet(_) => events.into_iter().map(|event| vec![event]).collect(),
                    _ => vec![events],
                };
                for run in runs {
                    let mut branch = block.clone();
                    branch.events.extend(run);
                    branches.push(branch);
                }
            }
        }
        branches
    }

    fn events(&self, kind: &StepKind, is_rule: bool) -> Vec<TrainingEvent> {
        let one = |kind| vec![TrainingEvent::new(kind)];
        match kind {
            StepKind::User(user) => one(EventKind::User(Box::new(user_message(user)))),
            StepKind::Or(steps) => steps.iter().flat_map(|step| self.events(&step.kind, is_rule)).collect(),
            StepKind::Action(name) => one(EventKind::action(name.clone())),
            StepKind::Event(kind) => one(kind.clone()),
            StepKind::Bot(text) => one(EventKind::Action(ActionExecuted {
                action_text: Some(text.clone()),
                ..ActionExecuted::default()
            })),
            StepKind::Checkpoint { .. } => Vec::new(),
            StepKind::SlotWasSet(assignments) => assignments
                .iter()
                .map(|assignment| {
                    TrainingEvent::new(EventKind::Slot {
                        name: assignment.slot.clone(),
                        value: self.assigned_value(assignment, is_rule),
                    })
                })
                .collect(),
            StepKind::ActiveLoop(name) => {
                let forbidden = is_rule.then(|| SHOULD_NOT_BE_SET.to_owned());
                one(EventKind::ActiveLoop { name: name.clone().or(forbidden) })
            }
        }
    }

    fn assigned_value(&self, assignment: &SlotAssignment, is_rule: bool) -> Value {
        match &assignment.value {
            Some(Value::Null) if is_rule => SHOULD_NOT_BE_SET.into(),
            Some(value) => value.clone(),
            None => match self.domain.slot(&assignment.slot).map(|slot| &slot.kind) {
                Some(SlotKind::Text) => "filled".into(),
                Some(SlotKind::List) => vec![Value::from("filled")].into(),
                _ if is_rule => SHOULD_NOT_BE_SET.into(),
                _ => Value::Null,
            },
        }
    }
}

/// The message a story's user step stands for.
pub fn user_message(step: &UserStep) -> UserMessage {
    let mut intent = match &step.intent {
        Some(name) => Intent::new(name.clone(), 1.0),
        None => Intent { name: None, confidence: Some(1.0), ..Intent::default() },
    };
    if let Some(full) = &step.full_retrieval_intent {
        intent.extra.insert("full_retrieval_intent_name".to_owned(), full.clone().into());
    }
    let parse =
        Parse { text: step.text.clone(), intent, entities: step.entities.clone(), ..Parse::default() };
    UserMessage { text: step.text.clone(), parse, ..UserMessage::default() }
}

/// Marks the first action nobody can know, and makes listening and slots explicit.
fn finish(domain: &Domain, block: &mut Block) {
    let events = std::mem::take(&mut block.events);
    let mut may_be_first = block.starts.iter().any(|start| start.checkpoint == STORY_START);
    for mut event in events {
        match &event.event.kind {
            EventKind::User(message) => {
                may_be_first = false;
                listen(&mut block.events);
                let slots = slots_from_entities(domain, &message.parse.entities);
                block.events.push(event);
                block.events.extend(slots);
            }
            EventKind::Action(_) => {
                if event.is_listen() && block.events.last().is_some_and(TrainingEvent::is_listen) {
                    continue;
                }
                event.is_unpredictable = std::mem::replace(&mut may_be_first, false);
                block.events.push(event);
            }
            _ => block.events.push(event),
        }
    }
    if block.end.is_none() {
        listen(&mut block.events);
    }
}

fn listen(events: &mut Vec<TrainingEvent>) {
    if !events.last().is_some_and(TrainingEvent::is_listen) {
        events.push(TrainingEvent::new(EventKind::action("action_listen")));
    }
}

/// The slots that a story's entities fill, as slot extraction would.
fn slots_from_entities(domain: &Domain, entities: &[Entity]) -> Vec<TrainingEvent> {
    if !domain.store_entities_as_slots || entities.is_empty() {
        return Vec::new();
    }
    let mut events = Vec::new();
    for slot in &domain.slots {
        for mapping in &slot.mappings {
            let MappingKind::FromEntity { entity, role, group } = &mapping.kind else { continue };
            if mapping.conditions.first().is_some_and(|condition| condition.active_loop.is_some()) {
                continue;
            }
            let values: Vec<Value> = entities
                .iter()
                .filter(|found| found.entity == *entity && found.role == *role && found.group == *group)
                .map(|found| found.value.clone())
                .collect();
            let Some(last) = values.last().cloned() else { continue };
            let value = if matches!(slot.kind, SlotKind::List) { values.into() } else { last };
            events.push(TrainingEvent::new(EventKind::Slot { name: slot.name.clone(), value }));
        }
    }
    events
}
