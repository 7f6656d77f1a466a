//! Decides what the assistant does next.
//!
//! Policies are trained on stories and rules ([`train`]) and asked together ([`Ensemble::predict`]).
//! Everything is pure: the same stories and seed give the same ensemble, to the byte. Neighbours:
//! `talk` holds conversations and the domain, `dialogue` runs what is decided here.

mod blocks;
pub mod ensemble;
mod examples;
mod kind;
mod memoization;
mod neighbours;
mod options;
pub mod prediction;
mod rule;
mod rule_training;
mod spans;
mod state;
mod structure;
mod ted;
mod texts;
mod trackers;
mod unexpected;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_component::stored::Stored;
use intendant_component::training::TrainContext;
use intendant_talk::data::{ComponentSpec, Source};
use intendant_talk::domain::Domain;
use intendant_talk::event::Event;
use intendant_talk::message::Object;
use intendant_talk::story::{StepKind, Story, StoryKind};

pub use blocks::user_message;
pub use ensemble::Ensemble;
pub use kind::ALL;
pub use prediction::Prediction;

use ensemble::Member;
use kind::{Options, Plan};

/// How many stories are glued together for the policies that learn from it; 0 switches it off.
pub const DEFAULT_AUGMENTATION: usize = 50;

/// Trains the policies of `specs` in their order.
///
/// # Errors
/// With everything found, warnings included, when any of it is an error: unknown policies,
/// contradicting or incomplete rules, forms without a rule policy.
pub fn train(
    specs: &[ComponentSpec],
    domain: &Domain,
    stories: &[Story],
    augmentation: usize,
    context: &TrainContext,
) -> Result<(Ensemble, Vec<Diagnostic>), Vec<Diagnostic>> {
    train_again(specs, &Material { domain, stories, augmentation }, Vec::new(), context)
}

/// What policies are trained on.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// The merged domain.
    pub domain: &'a Domain,
    /// Stories and rules.
    pub stories: &'a [Story],
    /// Stories glued together, at most.
    pub augmentation: usize,
}

/// Trains as [`train`] does, but takes policies that `known` holds, by node name, from there.
///
/// It is the caller's business that they were trained on the same material with the same options.
/// One that cannot be read is trained.
///
/// # Errors
/// As [`train`].
pub fn train_again(
    specs: &[ComponentSpec],
    material: &Material<'_>,
    known: Vec<(String, Stored)>,
    context: &TrainContext,
) -> Result<(Ensemble, Vec<Diagnostic>), Vec<Diagnostic>> {
    let Material { domain, stories, augmentation } = *material;
    let (plans, mut found) = plan(specs, domain, stories);
    found.extend(unknown_actions(domain, stories));
    let mut revived = revive(&plans, domain, known);
    let mut trackers = Vec::new();
    if revived.iter().any(Option::is_none) {
        let (generated, told) = trackers::generate(domain, stories, augmentation, context.seed);
        found.extend(told);
        trackers = generated;
    }
    let mut members = Vec::with_capacity(plans.len());
    let total = plans.len() as u64;
    for (idx, plan) in plans.into_iter().enumerate() {
        if context.progress.is_cancelled() {
            found.push(Diagnostic::error(Source::default(), "training was stopped"));
            break;
        }
        let policy = match revived[idx].take() {
            Some(policy) => Ok(policy),
            None => {
                context.progress.report("policies", idx as u64, total);
                plan.options.train(domain, &trackers)
            }
        };
        match policy {
            Ok(policy) => members.push(Member { name: plan.name, priority: plan.priority, policy }),
            Err(errors) => found.extend(errors),
        }
    }
    if found.iter().any(|found| found.severity == Severity::Error) {
        return Err(found);
    }
    Ok((Ensemble::new(domain, members), found))
}

/// The policies that need no training, by position.
fn revive(plans: &[Plan], domain: &Domain, known: Vec<(String, Stored)>) -> Vec<Option<kind::Policy>> {
    let mut known: BTreeMap<String, Stored> = known.into_iter().collect();
    let mut revive = |(idx, plan): (usize, &Plan)| {
        let stored = known.remove(&ensemble::node_name(&plan.name, idx))?;
        plan.options.clone().load(stored, domain).ok()
    };
    plans.iter().enumerate().map(&mut revive).collect()
}

/// The names under which the policies of a configuration are stored, in order; empty when one is unknown.
pub fn nodes(specs: &[ComponentSpec]) -> Vec<String> {
    let plans: Vec<Plan> = specs.iter().filter_map(|spec| Some(kind::plan(spec).ok()?.0)).collect();
    if plans.len() != specs.len() {
        return Vec::new();
    }
    plans.iter().enumerate().map(|(idx, plan)| ensemble::node_name(&plan.name, idx)).collect()
}

/// Checks a configuration without training it.
pub fn check(specs: &[ComponentSpec], domain: &Domain, stories: &[Story]) -> Vec<Diagnostic> {
    plan(specs, domain, stories).1
}

/// Reads and checks the configuration as a whole.
fn plan(specs: &[ComponentSpec], domain: &Domain, stories: &[Story]) -> (Vec<Plan>, Vec<Diagnostic>) {
    let (mut plans, mut found): (Vec<Plan>, Vec<Diagnostic>) = (Vec::new(), Vec::new());
    for spec in specs {
        match kind::plan(spec) {
            Ok((plan, warnings)) => {
                check_fallback(&plan, spec, domain, &mut found);
                found.extend(warnings);
                plans.push(plan);
            }
            Err(error) => found.push(error),
        }
    }
    let source = specs.first().map(|spec| spec.source.clone()).unwrap_or_default();
    if specs.is_empty() {
        found.push(
            Diagnostic::error(source.clone(), "no policies are configured").with_hint(
                "list some under `policies:` in config.yml, or leave the key out for the usual ones",
            ),
        );
    }
    let has_rule_policy = specs.iter().any(|spec| spec.name.ends_with("RulePolicy"));
    let has_rules = stories.iter().any(|story| matches!(story.kind, StoryKind::Rule { .. }));
    if !has_rule_policy && !domain.forms.is_empty() {
        let form = &domain.forms[0].name;
        found.push(
            Diagnostic::error(
                source.clone(),
                format!("the domain has forms (`{form}`) but there is no RulePolicy"),
            )
            .with_hint("add `- name: RulePolicy` under `policies:` in config.yml"),
        );
    } else if !has_rule_policy && has_rules {
        found.push(
            Diagnostic::warning(source.clone(), "there are rules but no policy that uses them")
                .with_hint("add `- name: RulePolicy` under `policies:` in config.yml"),
        );
    } else if has_rule_policy && !has_rules {
        found.push(
            Diagnostic::warning(source.clone(), "there is a RulePolicy but there are no rules")
                .with_hint("write some under `rules:`, or remove RulePolicy from config.yml"),
        );
    }
    same_priorities(&plans, &source, &mut found);
    (plans, found)
}

fn check_fallback(plan: &Plan, spec: &ComponentSpec, domain: &Domain, found: &mut Vec<Diagnostic>) {
    let Options::Rule(options) = &plan.options else { return };
    let fallback = &options.core_fallback_action_name;
    if options.enable_fallback_prediction && !domain.action_names().contains(fallback) {
        found.push(
            Diagnostic::error(
                spec.source.clone(),
                format!("the fallback action `{fallback}` of RulePolicy is not in the domain"),
            )
            .with_hint("add it under `actions:`, or change `core_fallback_action_name`"),
        );
    }
}

fn same_priorities(plans: &[Plan], source: &Source, found: &mut Vec<Diagnostic>) {
    let mut by_priority: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for plan in plans {
        by_priority.entry(plan.priority).or_default().push(&plan.name);
    }
    for (priority, names) in by_priority {
        if names.len() > 1 {
            found.push(
                Diagnostic::warning(
                    source.clone(),
                    format!("policies `{}` have the same priority {priority}", names.join("`, `")),
                )
                .with_hint("give each its own `priority`; otherwise the one listed first wins ties"),
            );
        }
    }
}

/// Finds stories and rules that continue the same history in different ways, as `data validate`
/// reports them.
///
/// `max_history` limits how far back histories are compared; `None` compares all of it.
pub fn conflicts(domain: &Domain, stories: &[Story], max_history: Option<usize>) -> Vec<Diagnostic> {
    structure::conflicts(domain, stories, max_history)
}

/// A story as the events that it stands for.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Names of the stories it is made of, joined by ` > `.
    pub name: String,
    /// Where its first story stands.
    pub source: Source,
    /// The events in order, listening included.
    pub events: Vec<Arc<Event>>,
}

/// Test stories as conversations: checkpoints joined, alternatives apart, nothing glued together.
/// Rules are left out: they are not conversations.
pub fn conversations(domain: &Domain, stories: &[Story]) -> Vec<Conversation> {
    let told: Vec<Story> = stories.iter().filter(|story| story.kind == StoryKind::Story).cloned().collect();
    let of_tracker = |tracker: trackers::TrainingTracker| Conversation {
        name: tracker.name,
        source: tracker.source,
        events: tracker.events.into_iter().map(|event| event.event).collect(),
    };
    trackers::for_tests(domain, &told).into_iter().map(of_tracker).collect()
}

/// Actions of stories and rules that the domain does not have: nothing can predict them.
fn unknown_actions(domain: &Domain, stories: &[Story]) -> Vec<Diagnostic> {
    let known: HashSet<String> = domain.action_names().into_iter().collect();
    let mut found = Vec::new();
    for step in stories.iter().flat_map(|story| &story.steps) {
        let StepKind::Action(name) = &step.kind else { continue };
        // A retrieval action may be written with its response key.
        let base = name.split('/').next().unwrap_or(name);
        if !known.contains(name) && !known.contains(base) {
            let message = format!("the action `{name}` is not in the domain");
            let hint = match base.strip_prefix("utter_") {
                Some(_) => format!("add a response `{name}` to the domain, or correct the name"),
                None => format!("add `{name}` to `actions` of the domain, or correct the name"),
            };
            found.push(Diagnostic::error(step.source.clone(), message).with_hint(hint));
        }
    }
    found
}

/// The policies used when `config.yml` names none.
pub fn default_policies() -> Vec<ComponentSpec> {
    let spec = |name: &str, options: &[(&str, serde_json::Value)]| ComponentSpec {
        name: name.to_owned(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Object>(),
        ..ComponentSpec::default()
    };
    vec![
        spec("MemoizationPolicy", &[]),
        spec("RulePolicy", &[]),
        spec("UnexpecTEDIntentPolicy", &[("max_history", 5.into()), ("epochs", 100.into())]),
        spec(
            "TEDPolicy",
            &[("max_history", 5.into()), ("epochs", 100.into()), ("constrain_similarities", true.into())],
        ),
    ]
}
