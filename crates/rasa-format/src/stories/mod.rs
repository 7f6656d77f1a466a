//! Stories, rules and test stories (`spec: training-data.md §3`).

mod step;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::story::{Step, StepKind, Story, StoryKind};

use crate::reader::Reader;
use crate::suggest::did_you_mean;
use crate::yaml::{self, Entry, Environment, Kind, Node, SourceFile};
use step::Place;

/// Reads the stories and rules of one file.
pub fn read(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Vec<Story> {
    match yaml::parse(file, env, findings) {
        Some(document) => {
            let reader = &mut Reader { file: &file.path, findings };
            if reader.accepts_version(&document) { read_document(&document, reader) } else { Vec::new() }
        }
        None => Vec::new(),
    }
}

/// Whether a story file of this path holds test stories.
pub fn is_test_path(path: &str) -> bool {
    path.rsplit(['/', '\\']).next().is_some_and(|name| name.starts_with("test_"))
}

pub(crate) fn read_document(document: &Node, reader: &mut Reader<'_>) -> Vec<Story> {
    let is_test = is_test_path(reader.file);
    let mut stories = Vec::new();
    for (section, place) in
        [("stories", Place { is_rule: false, is_test }), ("rules", Place { is_rule: true, is_test })]
    {
        let Some(items) = document.get(section) else { continue };
        for item in reader.list(items, section) {
            stories.extend(read_item(item, place, reader));
        }
    }
    stories
}

fn read_item(item: &Node, place: Place, reader: &mut Reader<'_>) -> Option<Story> {
    let title = place.title();
    let Kind::Map(entries) = &item.kind else {
        let message = format!(
            "an item of `{}` must be a map, found {}; it is skipped",
            place.section(),
            item.describe()
        );
        reader.warning_with_hint(item.mark, message, format!("write `- {title}: name` with `steps:` below"));
        return None;
    };
    let Some(name) = item.entry(title) else {
        let message = format!("an item of `{}` needs the key `{title}`", place.section());
        let other = if place.is_rule { "story" } else { "rule" };
        if item.get(other).is_some() {
            let section = if place.is_rule { "stories" } else { "rules" };
            reader.error_with_hint(item.mark, message, format!("move the {other} below `{section}:`"));
        } else {
            let near = entries.iter().find_map(|entry| did_you_mean(&entry.key, [title]));
            let hint = near.unwrap_or_else(|| format!("start it with `- {title}: name`"));
            reader.error_with_hint(item.mark, message, hint);
        }
        return None;
    };
    let known: &[&str] = if place.is_rule {
        &["rule", "steps", "condition", "conversation_start", "wait_for_user_input", "metadata"]
    } else {
        &["story", "steps", "metadata"]
    };
    reader.known_keys(item, &format!("a {title}"), known);
    let name_text = if name.value.is_null() { "" } else { reader.text(&name.value, title)? };
    if name_text.is_empty() {
        reader.warning(name.mark, format!("this {title} has no name"));
    }
    let steps = steps(item, name_text, place, reader)?;
    Some(Story {
        name: name_text.to_owned(),
        kind: kind(item, place, reader),
        condition: condition(item, place, reader),
        steps,
        is_test: place.is_test,
        source: reader.source(item.mark),
    })
}

fn kind(item: &Node, place: Place, reader: &mut Reader<'_>) -> StoryKind {
    if !place.is_rule {
        return StoryKind::Story;
    }
    let mut flag = |key: &str, default: bool| match item.get(key) {
        Some(node) => reader.flag(node, key).unwrap_or(default),
        None => default,
    };
    StoryKind::Rule {
        conversation_start: flag("conversation_start", false),
        wait_for_user_input: flag("wait_for_user_input", true),
    }
}

fn steps(item: &Node, name: &str, place: Place, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let title = place.title();
    let Some(node) = item.get("steps") else {
        reader.warning(item.mark, format!("the {title} `{name}` has no steps and is skipped"));
        return None;
    };
    let items = reader.list(node, "steps");
    if items.is_empty() {
        if matches!(node.kind, Kind::List(_) | Kind::Null) {
            reader.warning(item.mark, format!("the {title} `{name}` has no steps and is skipped"));
        }
        return None;
    }
    let steps: Vec<Step> = items.iter().flat_map(|step| step::read(step, place, reader)).collect();
    warn_about_late_conditions(&steps, reader);
    Some(steps)
}

/// Conditions of a checkpoint filter the stories that come in, so they count at a story's start only.
fn warn_about_late_conditions(steps: &[Step], reader: &mut Reader<'_>) {
    let is_checkpoint = |step: &&Step| matches!(step.kind, StepKind::Checkpoint { .. });
    let n_first = steps.iter().take_while(is_checkpoint).count();
    for step in &steps[n_first..] {
        if let StepKind::Checkpoint { name, conditions } = &step.kind
            && !conditions.is_empty()
        {
            let message =
                format!("the conditions of the checkpoint `{name}` count at the start of a story only");
            let finding = Diagnostic::warning(step.source.clone(), message);
            reader.findings.push(finding.with_hint("write them where a story starts with the checkpoint"));
        }
    }
}

/// A rule's condition: only active loops and slots.
fn condition(item: &Node, place: Place, reader: &mut Reader<'_>) -> Vec<Step> {
    let Some(node) = item.get("condition").filter(|_| place.is_rule) else { return Vec::new() };
    let mut steps = Vec::new();
    for step in reader.list(node, "condition") {
        let is_condition = |entry: &Entry| matches!(entry.key.as_str(), "active_loop" | "slot_was_set");
        if step.entries().is_empty() || !step.entries().iter().all(is_condition) {
            let message = "a condition must be `active_loop` or `slot_was_set`";
            let found = step.entries().first().map(|entry| entry.key.as_str());
            let hint = found.and_then(|key| did_you_mean(key, ["active_loop", "slot_was_set"]));
            match hint {
                Some(hint) => reader.error_with_hint(step.mark, message, hint),
                None => reader.error(step.mark, message),
            }
            continue;
        }
        steps.extend(step::read(step, place, reader));
    }
    steps
}

/// The texts of end-to-end bot turns, sorted, without repetition.
pub fn end_to_end_actions(stories: &[Story]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for step in stories.iter().flat_map(|story| &story.steps) {
        if let StepKind::Bot(text) = &step.kind {
            texts.push(text.clone());
        }
    }
    texts.sort();
    texts.dedup();
    texts
}
