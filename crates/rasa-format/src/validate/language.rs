//! Language data on its own.

use std::collections::{BTreeMap, HashMap};

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::{Example, Source};

use super::Checker;
use crate::project::Project;
use crate::reader::quoted;

/// Examples that an intent or entity needs to be learned at all.
const EXAMPLES_MIN: usize = 2;

impl Checker<'_> {
    /// Check 10: one text with several intents.
    pub(super) fn repeated_examples(&mut self) {
        let mut by_text: HashMap<&str, Vec<&Example>> = HashMap::new();
        for example in self.project.nlu.examples.iter().filter(|example| example.intent.is_some()) {
            by_text.entry(&example.text).or_default().push(example);
        }
        let mut found = Vec::new();
        for (text, examples) in by_text {
            let first = examples[0];
            let Some(other) = examples.iter().find(|example| example.intent != first.intent) else {
                continue;
            };
            let mut intents: Vec<&str> =
                examples.iter().filter_map(|example| example.intent.as_deref()).collect();
            intents.sort_unstable();
            intents.dedup();
            let Source { file, line, .. } = &first.source;
            let message = format!(
                "the example `{text}` is labelled with {} (first in {file}:{line})",
                quoted(&intents)
            );
            found.push((other.source.clone(), message));
        }
        found.sort();
        for (source, message) in found {
            let finding = self.promoted(source, message);
            self.push(finding, Some("keep the example with one intent only".to_owned()));
        }
    }
}

/// What is too little to learn from: said before training (`spec: training-data.md §2.5`).
pub fn check_amounts(project: &Project) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut intents: BTreeMap<&str, (usize, &Source)> = BTreeMap::new();
    let mut entities: BTreeMap<String, (usize, &Source)> = BTreeMap::new();
    let mut without_response: BTreeMap<&str, &Source> = BTreeMap::new();
    for example in &project.nlu.examples {
        let source = &example.source;
        if let Some(intent) = &example.intent {
            if intent.is_empty() {
                findings.push(Diagnostic::warning(source.clone(), "this example has an empty intent"));
            }
            intents.entry(intent).or_insert((0, source)).0 += 1;
        }
        for entity in &example.entities {
            let mut count = |label: String| entities.entry(label).or_insert((0, source)).0 += 1;
            count(format!("entity `{}`", entity.entity));
            for (kind, label) in [("role", &entity.role), ("group", &entity.group)] {
                if let Some(label) = label {
                    count(format!("{kind} `{label}` of the entity `{}`", entity.entity));
                }
            }
        }
        if let Some(key) = &example.intent_response_key
            && project.domain.response(&format!("utter_{key}")).is_none()
        {
            without_response.entry(key).or_insert(source);
        }
    }
    let rare_intents = intents.into_iter().map(|(name, found)| (format!("intent `{name}`"), found));
    for (label, (count, source)) in rare_intents.chain(entities) {
        if count < EXAMPLES_MIN {
            let message = format!("the {label} has only {count} example");
            findings.push(
                Diagnostic::warning(source.clone(), message)
                    .with_hint(format!("give it at least {EXAMPLES_MIN}")),
            );
        }
    }
    for (key, source) in without_response {
        let message = format!("the intent `{key}` has no response `utter_{key}`");
        let hint = format!("add `utter_{key}` to `responses`");
        findings.push(Diagnostic::warning(source.clone(), message).with_hint(hint));
    }
    findings
}
