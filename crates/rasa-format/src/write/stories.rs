//! Stories and rules (`spec: training-data.md §3.4`).

use std::sync::Arc;

use intendant_talk::event::{Event, EventKind, UserMessage};
use intendant_talk::message::Entity;
use intendant_talk::story::{SlotAssignment, Step, StepKind, Story, StoryKind, UserStep};
use serde_json::Value;

use super::nlu::annotated_text;
use super::tree::{Entry, Tree};
use super::version;

/// What stories are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Training: users' turns by intent with listed entities, end-to-end turns by text.
    Training,
    /// Tests: users' turns by annotated text and intent.
    Test,
}

/// Writes stories, then rules.
pub fn stories_yaml(stories: &[Story], form: Form) -> String {
    stories_yaml_with_comments(stories, form, &|_, _| None)
}

/// Writes stories, then rules, with comments at the end of steps. `comment` gets the index of the
/// story in `stories` and of the step in its steps.
pub fn stories_yaml_with_comments(
    stories: &[Story],
    form: Form,
    comment: &dyn Fn(usize, usize) -> Option<String>,
) -> String {
    let mut written: Vec<Tree> = Vec::new();
    let mut rules: Vec<Tree> = Vec::new();
    for (idx, story) in stories.iter().enumerate() {
        let tree = story_tree(story, form, &|step| comment(idx, step));
        if story.kind == StoryKind::Story { written.push(tree) } else { rules.push(tree) }
    }
    let mut entries = vec![("version".to_owned(), version())];
    for (key, items) in [("stories", written), ("rules", rules)] {
        if !items.is_empty() {
            entries.push((key.to_owned(), Tree::List(items)));
        }
    }
    Tree::map(entries).to_yaml()
}

/// Makes a test story of a conversation's events, as `GET /conversations/{id}/story` shows it.
pub fn conversation_story(name: impl Into<String>, events: &[Arc<Event>]) -> Story {
    let mut steps = Vec::new();
    for (idx, event) in events.iter().enumerate() {
        let kind = match &event.kind {
            EventKind::User(message) => StepKind::User(user_step(message, &events[idx + 1..])),
            EventKind::Action(action) => match (&action.name, &action.action_text) {
                (Some(name), _) => StepKind::Action(name.clone()),
                (None, Some(text)) => StepKind::Bot(text.clone()),
                (None, None) => continue,
            },
            EventKind::Slot { name, value } => {
                StepKind::SlotWasSet(vec![SlotAssignment { slot: name.clone(), value: Some(value.clone()) }])
            }
            EventKind::ActiveLoop { name } => StepKind::ActiveLoop(name.clone()),
            _ => continue,
        };
        steps.push(Step { kind, source: Default::default() });
    }
    Story {
        name: name.into(),
        kind: StoryKind::Story,
        condition: Vec::new(),
        steps,
        is_test: true,
        source: Default::default(),
    }
}

fn user_step(message: &UserMessage, later: &[Arc<Event>]) -> UserStep {
    let mut by_text = message.parse.intent.name.is_none();
    for event in later {
        match &event.kind {
            EventKind::UserFeaturization { use_text } => by_text = *use_text == Some(true),
            EventKind::User(_) => break,
            _ => {}
        }
    }
    let full = message.parse.intent.extra.get("full_retrieval_intent_name").and_then(Value::as_str);
    UserStep {
        intent: if by_text { None } else { message.parse.intent.name.clone() },
        full_retrieval_intent: full.filter(|_| !by_text).map(str::to_owned),
        text: message.text.clone(),
        entities: message.parse.entities.clone(),
    }
}

fn entry(key: &str, value: Tree) -> Entry {
    Entry { key: key.to_owned(), value, comment: None }
}

fn story_tree(story: &Story, form: Form, comment: &dyn Fn(usize) -> Option<String>) -> Tree {
    let written = |steps: &[Step], comment: &dyn Fn(usize) -> Option<String>| -> Tree {
        let steps = steps.iter().enumerate();
        Tree::List(steps.filter_map(|(idx, step)| step_tree(step, form, comment(idx))).collect())
    };
    let steps = entry("steps", written(&story.steps, comment));
    let StoryKind::Rule { conversation_start, wait_for_user_input } = story.kind else {
        return Tree::Map(vec![entry("story", Tree::text(&story.name)), steps]);
    };
    let mut entries = vec![entry("rule", Tree::text(&story.name))];
    if !story.condition.is_empty() {
        entries.push(entry("condition", written(&story.condition, &|_| None)));
    }
    if conversation_start {
        entries.push(entry("conversation_start", Tree::Scalar(Value::Bool(true))));
    }
    entries.push(steps);
    if !wait_for_user_input {
        entries.push(entry("wait_for_user_input", Tree::Scalar(Value::Bool(false))));
    }
    Tree::Map(entries)
}

fn step_tree(step: &Step, form: Form, comment: Option<String>) -> Option<Tree> {
    let mut entries = match &step.kind {
        StepKind::User(user) => user_entries(user, form),
        StepKind::Or(steps) => {
            let steps = steps.iter().filter_map(|step| step_tree(step, form, None)).collect();
            vec![entry("or", Tree::List(steps))]
        }
        StepKind::Action(name) => match name.as_str() {
            "action_listen" | "action_session_start" | "..." => return None,
            _ => vec![entry("action", Tree::text(name))],
        },
        StepKind::Event(EventKind::SessionStarted) => return None,
        StepKind::Event(event) => vec![entry("action", Tree::text(event.type_name()))],
        StepKind::Bot(text) => vec![entry("bot", Tree::of(&Value::String(text.clone())))],
        StepKind::Checkpoint { name, conditions } => {
            let mut entries = vec![entry("checkpoint", Tree::text(name))];
            if !conditions.is_empty() {
                let conditions = conditions.iter().map(|(slot, value)| slot_tree(slot, value));
                entries.push(entry("slot_was_set", Tree::List(conditions.collect())));
            }
            entries
        }
        StepKind::SlotWasSet(assignments) => {
            let slots = assignments.iter().map(|assignment| match &assignment.value {
                Some(value) => slot_tree(&assignment.slot, value),
                None => Tree::text(&assignment.slot),
            });
            vec![entry("slot_was_set", Tree::List(slots.collect()))]
        }
        StepKind::ActiveLoop(name) => {
            let name = name.as_ref().map_or(Value::Null, |name| Value::String(name.clone()));
            vec![entry("active_loop", Tree::Scalar(name))]
        }
    };
    if let Some(first) = entries.first_mut() {
        first.comment = comment;
    }
    Some(Tree::Map(entries))
}

fn slot_tree(slot: &str, value: &Value) -> Tree {
    Tree::map(vec![(slot.to_owned(), Tree::of(value))])
}

fn user_entries(user: &UserStep, form: Form) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(intent) = user.full_retrieval_intent.as_ref().or(user.intent.as_ref()) {
        entries.push(entry("intent", Tree::text(intent)));
    }
    let shows_text = form == Form::Test || user.intent.is_none();
    match &user.text {
        Some(text) if shows_text => {
            entries.push(entry("user", Tree::Literal(annotated_text(text, &user.entities))));
        }
        _ if !user.entities.is_empty() => {
            let entities = user.entities.iter().map(listed_entity);
            entries.push(entry("entities", Tree::List(entities.collect())));
        }
        _ => {}
    }
    entries
}

fn listed_entity(entity: &Entity) -> Tree {
    let has_value = !entity.value.is_null() && entity.value != Value::String(String::new());
    if !has_value && entity.role.is_none() && entity.group.is_none() {
        return Tree::text(&entity.entity);
    }
    let mut entries = vec![(entity.entity.clone(), Tree::of(&entity.value))];
    for (key, label) in [("role", &entity.role), ("group", &entity.group)] {
        if let Some(label) = label {
            entries.push((key.to_owned(), Tree::text(label)));
        }
    }
    Tree::map(entries)
}
