//! Stories against domain and language data.

use std::collections::{BTreeMap, BTreeSet};

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::domain::{DEFAULT_ACTIONS, DEFAULT_INTENTS};
use intendant_talk::story::{Step, StepKind};

use super::Checker;
use crate::suggest::did_you_mean;

/// Responses of default actions.
const DEFAULT_RESPONSES: [&str; 5] =
    ["utter_default", "utter_restart", "utter_back", "utter_ask_rephrase", "utter_action_failed"];

impl<'a> Checker<'a> {
    /// All steps of all stories and rules, alternatives included.
    fn steps(&self) -> Vec<&'a Step> {
        let mut steps = Vec::new();
        for story in &self.project.stories {
            for step in story.condition.iter().chain(&story.steps) {
                match &step.kind {
                    StepKind::Or(alternatives) => steps.extend(alternatives),
                    _ => steps.push(step),
                }
            }
        }
        steps
    }

    /// Names of the domain's intents that its author wrote.
    fn own_intents(&self) -> Vec<&'a str> {
        let names = self.project.domain.intents.iter().map(|intent| intent.name.as_str());
        names.filter(|name| !DEFAULT_INTENTS.contains(name)).collect()
    }

    /// Where each name occurs first.
    fn first_uses(&self, name_of: impl Fn(&'a StepKind) -> Option<&'a str>) -> BTreeMap<&'a str, &'a Source> {
        let mut uses = BTreeMap::new();
        for step in self.steps() {
            if let Some(name) = name_of(&step.kind) {
                uses.entry(name).or_insert(&step.source);
            }
        }
        uses
    }

    /// Checks 7 to 9: intents of domain, language data and stories.
    pub(super) fn intents(&mut self) {
        let project = self.project;
        let mut labelled: BTreeMap<&str, &Source> = BTreeMap::new();
        for example in &project.nlu.examples {
            if let Some(intent) = &example.intent {
                labelled.entry(intent).or_insert(&example.source);
            }
        }
        let told = self.first_uses(|kind| match kind {
            StepKind::User(user) => user.intent.as_deref(),
            _ => None,
        });
        let own: Vec<&str> = self.own_intents();
        let mut unused = Vec::new();
        for intent in &own {
            let source = project.domain_sources.find(&format!("intents/{intent}"));
            // Intents of reminders and other programs are never said.
            if !labelled.contains_key(intent) && !intent.starts_with("EXTERNAL_") {
                let message = format!("the intent `{intent}` of the domain has no examples");
                unused.push((
                    source.clone(),
                    message,
                    did_you_mean(intent, labelled.keys().copied().filter(|name| !own.contains(name))),
                ));
            }
            if !told.contains_key(intent) {
                unused.push((
                    source,
                    format!("the intent `{intent}` is not used in any story or rule"),
                    None,
                ));
            }
        }
        for (source, message, hint) in unused {
            self.push(Diagnostic::warning(source, message), hint);
        }
        for (uses, what) in [(labelled, "has examples"), (told, "is used in stories")] {
            for (intent, source) in uses {
                if project.domain.intent(intent).is_none() {
                    let message = format!("the intent `{intent}` {what} but is not in the domain");
                    let hint = did_you_mean(intent, own.iter().copied())
                        .unwrap_or_else(|| format!("add `{intent}` to `intents` of the domain"));
                    let finding = self.promoted(source.clone(), message);
                    self.push(finding, Some(hint));
                }
            }
        }
    }

    /// Check 11: responses that stories use, and responses that no story uses.
    pub(super) fn responses(&mut self) {
        let domain = &self.project.domain;
        let parent = |name: &'a str| name.split_once('/').map_or(name, |(parent, _)| parent);
        let mut defined: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, _) in &domain.responses {
            defined.entry(parent(name)).or_insert(name);
        }
        let used = self.first_uses(|kind| match kind {
            StepKind::Action(name) if name.starts_with("utter_") => Some(name),
            _ => None,
        });
        for (name, source) in &used {
            if !defined.contains_key(name) {
                let finding = self
                    .promoted((*source).clone(), format!("the response `{name}` is used but not defined"));
                let hint = did_you_mean(name, defined.keys().copied())
                    .unwrap_or_else(|| format!("add `{name}` to `responses` of the domain"));
                self.push(finding, Some(hint));
            }
        }
        for (name, full_name) in defined {
            if !used.contains_key(name) && !self.is_said_by_itself(name) {
                let source = self.project.domain_sources.find(&format!("responses/{full_name}"));
                let message = format!("the response `{name}` is not used in any story or rule");
                self.push(Diagnostic::warning(source, message), None);
            }
        }
    }

    /// Whether a form or a default action says the response without any story.
    fn is_said_by_itself(&self, response: &str) -> bool {
        if DEFAULT_RESPONSES.contains(&response) {
            return true;
        }
        let Some(asked) = response.strip_prefix("utter_ask_") else { return false };
        let forms = &self.project.domain.forms;
        forms.iter().any(|form| {
            let own = asked.strip_prefix(form.name.as_str()).and_then(|rest| rest.strip_prefix('_'));
            form.required_slots.iter().any(|slot| slot == asked || Some(slot.as_str()) == own)
        })
    }

    /// Checks 2 and 3: actions and loops that stories use.
    pub(super) fn actions_and_loops(&mut self) {
        let known: BTreeSet<String> = self.project.domain.action_names().into_iter().collect();
        let own: Vec<&str> =
            known.iter().map(String::as_str).filter(|name| !DEFAULT_ACTIONS.contains(name)).collect();
        let actions = self.first_uses(|kind| match kind {
            StepKind::Action(name) if !name.starts_with("utter_") => Some(name),
            _ => None,
        });
        for (name, source) in actions {
            if !known.contains(name) {
                let message = format!("the action `{name}` is used but is not in the domain");
                let hint = did_you_mean(name, known.iter().map(String::as_str))
                    .unwrap_or_else(|| format!("add `{name}` to `actions` of the domain"));
                self.push(Diagnostic::error(source.clone(), message), Some(hint));
            }
        }
        let loops = self.first_uses(|kind| match kind {
            StepKind::ActiveLoop(name) => name.as_deref(),
            _ => None,
        });
        for (name, source) in loops {
            if !known.contains(name) {
                let message = format!("the form `{name}` is used but is not in the domain");
                let hint = did_you_mean(name, own.iter().copied())
                    .unwrap_or_else(|| format!("add `{name}` to `forms` of the domain"));
                self.push(Diagnostic::error(source.clone(), message), Some(hint));
            }
        }
    }
}
