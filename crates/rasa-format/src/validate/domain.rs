//! The domain's parts against each other.

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::domain::{MappingKind, Slot, SlotMapping};

use super::Checker;
use crate::suggest::did_you_mean;

impl Checker<'_> {
    /// Checks 4 to 6: forms and the mappings of slots that name them.
    pub(super) fn forms_and_slots(&mut self) {
        let domain = &self.project.domain;
        for form in &domain.forms {
            for slot in &form.required_slots {
                if domain.slot(slot).is_some() {
                    continue;
                }
                let path = format!("forms/{}/required_slots/{slot}", form.name);
                let message = format!(
                    "the form `{}` requires the slot `{slot}`, which is not in the domain",
                    form.name
                );
                let hint = did_you_mean(slot, domain.slots.iter().map(|slot| slot.name.as_str()))
                    .unwrap_or_else(|| format!("add `{slot}` to `slots`"));
                let source = self.project.domain_sources.find(&path);
                self.push(Diagnostic::error(source, message), Some(hint));
            }
        }
        for slot in &domain.slots {
            for (idx, mapping) in slot.mappings.iter().enumerate() {
                self.mapping_conditions(slot, idx, mapping);
            }
        }
    }

    fn mapping_conditions(&mut self, slot: &Slot, idx: usize, mapping: &SlotMapping) {
        let domain = &self.project.domain;
        for (condition_idx, condition) in mapping.conditions.iter().enumerate() {
            let Some(name) = &condition.active_loop else { continue };
            let path = format!("slots/{}/mappings/{idx}/conditions/{condition_idx}", slot.name);
            let source = self.project.domain_sources.find(&path);
            let Some(form) = domain.form(name) else {
                let message = format!(
                    "the slot `{}` has a mapping condition for the form `{name}`, which is not in the domain",
                    slot.name
                );
                let hint = did_you_mean(name, domain.forms.iter().map(|form| form.name.as_str()))
                    .unwrap_or_else(|| format!("add `{name}` to `forms`"));
                self.push(Diagnostic::error(source, message), Some(hint));
                continue;
            };
            let is_trigger = matches!(mapping.kind, MappingKind::FromTriggerIntent { .. });
            if !form.required_slots.is_empty() && !form.required_slots.contains(&slot.name) && !is_trigger {
                let message = format!(
                    "the slot `{}` has a mapping condition for the form `{name}`, which does not require it",
                    slot.name
                );
                let hint = format!("add `{}` to `required_slots` of `{name}`", slot.name);
                self.push(Diagnostic::error(source, message), Some(hint));
            }
        }
    }

    /// Names in mappings, forms and response conditions that lead nowhere. Rasa finds these only
    /// at run time, so they are warnings that no flag promotes.
    pub(super) fn references(&mut self) {
        let domain = &self.project.domain;
        let sources = &self.project.domain_sources;
        let intents = || domain.intents.iter().map(|intent| intent.name.as_str());
        let mut found: Vec<(String, String, Option<String>)> = Vec::new();
        for slot in &domain.slots {
            for (idx, mapping) in slot.mappings.iter().enumerate() {
                let path = format!("slots/{}/mappings/{idx}", slot.name);
                if let MappingKind::FromEntity { entity, .. } = &mapping.kind
                    && domain.entity(entity).is_none()
                {
                    let message = format!(
                        "the slot `{}` is filled from the entity `{entity}`, which is not in the domain",
                        slot.name
                    );
                    let hint =
                        did_you_mean(entity, domain.entities.iter().map(|entity| entity.name.as_str()));
                    found.push((path.clone(), message, hint));
                }
                let takes_all = mapping.intents.is_empty()
                    && mapping.not_intents.is_empty()
                    && mapping.conditions.is_empty();
                if takes_all && matches!(mapping.kind, MappingKind::FromText) {
                    let message = format!("every message of the user fills the slot `{}`", slot.name);
                    let hint = "narrow its `from_text` mapping by `intent`, or by `conditions` with `active_loop` \
                                and `requested_slot`";
                    found.push((path.clone(), message, Some(hint.to_owned())));
                }
                for intent in mapping.intents.iter().chain(&mapping.not_intents) {
                    if domain.intent(intent).is_none() {
                        let message = format!(
                            "a mapping of the slot `{}` names the intent `{intent}`, which is not in the domain",
                            slot.name
                        );
                        found.push((path.clone(), message, did_you_mean(intent, intents())));
                    }
                }
            }
        }
        for form in &domain.forms {
            for intent in form.ignored_intents.iter().filter(|intent| domain.intent(intent).is_none()) {
                let message = format!(
                    "the form `{}` ignores the intent `{intent}`, which is not in the domain",
                    form.name
                );
                found.push((format!("forms/{}", form.name), message, did_you_mean(intent, intents())));
            }
        }
        for (response, variations) in &domain.responses {
            for (slot, _) in variations.iter().flat_map(|variation| &variation.conditions) {
                if domain.slot(slot).is_none() {
                    let message = format!(
                        "a condition of the response `{response}` names the slot `{slot}`, which is not in the domain"
                    );
                    let hint = did_you_mean(slot, domain.slots.iter().map(|slot| slot.name.as_str()));
                    found.push((format!("responses/{response}"), message, hint));
                }
            }
        }
        for (path, message, hint) in found {
            self.push(Diagnostic::warning(sources.find(&path), message), hint);
        }
        self.annotated_entities();
    }

    /// Entities of examples that the domain does not know.
    fn annotated_entities(&mut self) {
        let domain = &self.project.domain;
        let mut seen: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        for example in &self.project.nlu.examples {
            for entity in &example.entities {
                if domain.entity(&entity.entity).is_some() || seen.contains(&entity.entity.as_str()) {
                    continue;
                }
                seen.push(&entity.entity);
                let message = format!("the entity `{}` has examples but is not in the domain", entity.entity);
                let hint =
                    did_you_mean(&entity.entity, domain.entities.iter().map(|entity| entity.name.as_str()))
                        .unwrap_or_else(|| format!("add `{}` to `entities` of the domain", entity.entity));
                found.push((example.source.clone(), message, hint));
            }
        }
        for (source, message, hint) in found {
            self.push(Diagnostic::warning(source, message), Some(hint));
        }
    }
}
