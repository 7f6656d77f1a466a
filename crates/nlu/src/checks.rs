//! What can be said about a configuration before training (`spec: nlu.md §1`).

use std::collections::BTreeSet;

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::{NluData, Source};

use crate::component::ComponentKind;
use crate::train::{Planned, aliases};

/// Order, number and names of components.
pub(crate) fn structure(plan: &[Planned], diagnostics: &mut Vec<Diagnostic>) {
    for (at, planned) in plan.iter().enumerate() {
        let before = &plan[..at];
        for kind in planned.info.requires {
            if !before.iter().any(|earlier| earlier.info.kind.stands_for(*kind)) {
                let message = format!("`{}` needs a {} before it", planned.info.name, kind.words());
                let example = match kind {
                    ComponentKind::Tokenizer => "WhitespaceTokenizer",
                    ComponentKind::LanguageModel => "SpacyNLP",
                    ComponentKind::DenseFeaturizer => "LanguageModelFeaturizer",
                    _ => "CountVectorsFeaturizer",
                };
                diagnostics.push(
                    Diagnostic::error(planned.options.source.clone(), message)
                        .with_hint(format!("for example `{example}`")),
                );
            }
        }
        let classifies = |earlier: &Planned| earlier.info.kind.classifies_intents();
        if planned.info.kind == ComponentKind::Fallback && !before.iter().any(classifies) {
            let message = format!("`{}` needs an intent classifier before it", planned.info.name);
            diagnostics.push(
                Diagnostic::error(planned.options.source.clone(), message)
                    .with_hint("for example `DIETClassifier`"),
            );
        }
        if planned.info.kind == ComponentKind::Tokenizer
            && before.iter().any(|earlier| earlier.info.kind == ComponentKind::Tokenizer)
        {
            let message = format!("`{}` is a second tokenizer; a pipeline has one", planned.info.name);
            diagnostics.push(Diagnostic::error(planned.options.source.clone(), message));
        }
    }
    let aliases = aliases(plan);
    for (alias, owners) in aliases.iter().filter(|(_, owners)| owners.len() > 1) {
        let message = format!("alias `{alias}` is given to {} featurizers", owners.len());
        diagnostics.push(Diagnostic::error(owners[1].options.source.clone(), message));
    }
    for planned in plan {
        for wanted in planned.options.texts("featurizers") {
            if !aliases.contains_key(wanted.as_str()) {
                let message =
                    format!("`{}` wants the featurizer `{wanted}`, which no alias names", planned.info.name);
                diagnostics.push(Diagnostic::error(planned.options.source.clone(), message));
            }
        }
    }
}

/// Data without a component that uses it, and the like.
pub(crate) fn warn(plan: &[Planned], data: &NluData, diagnostics: &mut Vec<Diagnostic>) {
    if plan.is_empty() {
        return;
    }
    let has = |names: &[&str]| plan.iter().any(|planned| names.contains(&planned.info.name));
    let entities = || data.examples.iter().flat_map(|example| &example.entities);
    let mut warn = |source: Source, message: &str, hint: &str| {
        diagnostics.push(Diagnostic::warning(source, message).with_hint(hint));
    };
    let first = |holds: &dyn Fn(&intendant_talk::data::Example) -> bool| {
        data.examples.iter().find(|example| holds(example)).map(|example| example.source.clone())
    };
    let taggers = ["DIETClassifier", "CRFEntityExtractor"];
    if let Some(source) = first(&|example| example.intent_response_key.is_some())
        && !has(&["ResponseSelector"])
    {
        warn(
            source,
            "there are examples of retrieval intents, but no `ResponseSelector`",
            "add one to the pipeline",
        );
    }
    if let Some(source) = first(&|example| !example.entities.is_empty())
        && !has(&["DIETClassifier", "CRFEntityExtractor", "RegexEntityExtractor"])
    {
        warn(
            source,
            "there are annotated entities, but no component learns them",
            "add `DIETClassifier` or `CRFEntityExtractor`",
        );
    }
    let has_role = |example: &intendant_talk::data::Example| {
        example.entities.iter().any(|entity| entity.role.is_some() || entity.group.is_some())
    };
    if let Some(source) = first(&has_role)
        && !has(&taggers)
    {
        warn(
            source,
            "there are roles or groups, but no component learns them",
            "add `DIETClassifier` or `CRFEntityExtractor`",
        );
    }
    let users = ["RegexFeaturizer", "RegexEntityExtractor"];
    if let Some(regex) = data.regexes.first().filter(|_| !has(&users)) {
        warn(
            regex.source.clone(),
            "there are regular expressions, but no component uses them",
            "add `RegexFeaturizer` or `RegexEntityExtractor`",
        );
    }
    if let Some(lookup) = data.lookups.first() {
        if !has(&users) {
            warn(
                lookup.source.clone(),
                "there are lookup tables, but no component uses them",
                "add `RegexFeaturizer` or `RegexEntityExtractor`",
            );
        } else if has(&["RegexFeaturizer"]) && !has(&taggers) && !has(&["RegexEntityExtractor"]) {
            warn(
                lookup.source.clone(),
                "lookup tables only help components that learn entities, and there is none",
                "add `DIETClassifier`, `CRFEntityExtractor` or `RegexEntityExtractor`",
            );
        }
    }
    if !data.synonyms.is_empty() && !has(&["EntitySynonymMapper"]) {
        warn(
            Source::default(),
            "there are synonyms, but no `EntitySynonymMapper`",
            "add one after the entity extractors",
        );
    }
    let trainable: Vec<&Planned> =
        plan.iter().filter(|planned| taggers.contains(&planned.info.name)).collect();
    if let [_, second, ..] = trainable.as_slice() {
        warn(
            second.options.source.clone(),
            "several components learn the same entities, which are then found twice",
            "keep one of them",
        );
    }
    if has(&["RegexEntityExtractor"]) && has(&taggers) {
        let named: BTreeSet<&str> = data
            .regexes
            .iter()
            .map(|regex| regex.name.as_str())
            .chain(data.lookups.iter().map(|lookup| lookup.name.as_str()))
            .collect();
        let both: BTreeSet<&str> =
            entities().map(|entity| entity.entity.as_str()).filter(|name| named.contains(name)).collect();
        if !both.is_empty() {
            let both: Vec<&str> = both.into_iter().collect();
            let message = format!(
                "entities `{}` are both learnt and matched by patterns, and then found twice",
                both.join("`, `")
            );
            warn(
                Source::default(),
                &message,
                "give the regex or lookup table another name, or leave one component out",
            );
        }
    }
}
