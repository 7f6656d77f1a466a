//! The table of policies: names as users write them, options, training, storage.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_talk::data::ComponentSpec;
use intendant_talk::domain::Domain;
use serde_json::{Value, json};

use crate::examples::for_learning;
use crate::memoization::{Fingerprint, Memoization, MemoizationOptions, Memorising, fingerprint};
use crate::neighbours::Neighbours;
use crate::options::{Reader, nearest};
use crate::rule::{Rule, RuleOptions, RulePolicy, Unhappy};
use crate::state::key::{key_of, states_from_key};
use crate::state::situation::RuleOnly;
use crate::ted::{NETWORK_OPTIONS, Ted, TedOptions};
use crate::texts::Texts;
use crate::trackers::TrainingTracker;
use crate::unexpected::{Unexpected, UnexpectedOptions};

/// Names of all policies, as written in `config.yml`, with their usual priorities.
pub const ALL: [(&str, i64); 5] = [
    ("RulePolicy", 4),
    ("MemoizationPolicy", 3),
    ("AugmentedMemoizationPolicy", 3),
    ("UnexpecTEDIntentPolicy", 2),
    ("TEDPolicy", 1),
];

/// Policies of earlier Rasa versions and what took their place.
const REMOVED: [(&str, &str); 7] = [
    ("FormPolicy", "RulePolicy"),
    ("FallbackPolicy", "RulePolicy"),
    ("TwoStageFallbackPolicy", "RulePolicy"),
    ("MappingPolicy", "RulePolicy"),
    ("KerasPolicy", "TEDPolicy"),
    ("EmbeddingPolicy", "TEDPolicy"),
    ("SklearnPolicy", "TEDPolicy"),
];

/// Everything the code reads that is common to all policies.
const COMMON_OPTIONS: [&str; 3] = ["priority", "max_history", "featurizer"];

/// A policy that is configured but not trained.
pub(crate) struct Plan {
    pub name: String,
    pub priority: i64,
    pub options: Options,
}

/// Options by policy.
#[derive(Clone)]
pub(crate) enum Options {
    Rule(RuleOptions),
    Memoization(MemoizationOptions),
    Ted(TedOptions),
    Unexpected(UnexpectedOptions),
}

/// Trained policies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Policy {
    Rule(RulePolicy),
    Memoization(Memoization),
    Ted(Ted),
    Unexpected(Unexpected),
}

/// Reads one item of `policies:`, with warnings.
///
/// # Errors
/// For policies that do not exist here and options of the wrong type.
pub(crate) fn plan(spec: &ComponentSpec) -> Result<(Plan, Vec<Diagnostic>), Diagnostic> {
    let class = spec.name.rsplit('.').next().unwrap_or_default();
    let is_ours = !spec.name.contains('.') || spec.name.starts_with("rasa.");
    let Some((name, priority)) = ALL.into_iter().find(|(name, _)| is_ours && *name == class) else {
        return Err(unknown(spec, class, is_ours));
    };
    let mut reader = Reader::new(spec);
    let priority = reader.integer("priority", priority);
    let (options, accepted): (Options, Vec<&str>) = match name {
        "RulePolicy" => (Options::Rule(RuleOptions::read(&mut reader)), vec!["max_history"]),
        "TEDPolicy" => (Options::Ted(TedOptions::read(&mut reader)), NETWORK_OPTIONS.to_vec()),
        "UnexpecTEDIntentPolicy" => {
            let accepted = NETWORK_OPTIONS.into_iter().chain(["entity_recognition"]).collect();
            (Options::Unexpected(UnexpectedOptions::read(&mut reader)), accepted)
        }
        _ => {
            let is_augmented = name == "AugmentedMemoizationPolicy";
            (Options::Memoization(MemoizationOptions::read(&mut reader, is_augmented)), Vec::new())
        }
    };
    let accepted: Vec<&str> = accepted.into_iter().chain(COMMON_OPTIONS).collect();
    let found = reader.finish(&accepted);
    match found.iter().find(|found| found.severity == intendant_component::diagnostic::Severity::Error) {
        Some(error) => Err(error.clone()),
        None => Ok((Plan { name: name.to_owned(), priority, options }, found)),
    }
}

fn unknown(spec: &ComponentSpec, class: &str, is_ours: bool) -> Diagnostic {
    if !is_ours {
        return Diagnostic::error(
            spec.source.clone(),
            format!("policy `{}` is Python code, which is not run here", spec.name),
        )
        .with_hint("remove it, or express its decisions as rules, stories and custom actions");
    }
    let error = Diagnostic::error(spec.source.clone(), format!("there is no policy `{}`", spec.name));
    if let Some((_, successor)) = REMOVED.iter().find(|(removed, _)| *removed == class) {
        return error.with_hint(format!("it belongs to Rasa before 3.0; use `{successor}`"));
    }
    match nearest(class, ALL.iter().map(|(name, _)| *name)) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error
            .with_hint(format!("the policies are {}", ALL.map(|(name, _)| format!("`{name}`")).join(", "))),
    }
}

impl Options {
    /// Trains the policy.
    pub(crate) fn train(
        self,
        domain: &Domain,
        trackers: &[TrainingTracker],
    ) -> Result<Policy, Vec<Diagnostic>> {
        Ok(match self {
            Self::Rule(options) => Policy::Rule(crate::rule_training::train(options, domain, trackers)?),
            Self::Memoization(options) => Policy::Memoization(memorise(options, domain, trackers)),
            Self::Ted(options) => Policy::Ted(Ted::train(options, domain, trackers)),
            Self::Unexpected(options) => Policy::Unexpected(Unexpected::train(options, domain, trackers)),
        })
    }

    /// Brings a stored policy back.
    pub(crate) fn load(self, mut stored: Stored, domain: &Domain) -> Result<Policy, Unreadable> {
        let actions = domain.action_names();
        Ok(match self {
            Self::Rule(options) => Policy::Rule(load_rule(options, &stored.state, &actions)?),
            Self::Memoization(options) => {
                Policy::Memoization(load_memoization(options, stored, actions.len())?)
            }
            Self::Ted(options) => {
                let (neighbours, state) = Neighbours::load(&mut stored)?;
                let texts = Texts::load(&state["texts"], &mut stored)?;
                if texts.is_none() && state["end_to_end"] == true {
                    return Err(Unreadable::new("the stories' texts were learnt by an earlier version"));
                }
                Policy::Ted(Ted { options, neighbours, texts })
            }
            Self::Unexpected(options) => {
                let (neighbours, state) = Neighbours::load(&mut stored)?;
                let intents = texts(&state, "intents")?;
                let thresholds = state.get("thresholds").and_then(Value::as_array);
                let thresholds: Vec<f64> =
                    thresholds.into_iter().flatten().filter_map(Value::as_f64).collect();
                if thresholds.len() != intents.len() {
                    return Err(Unreadable::new("intents and thresholds differ in number"));
                }
                Policy::Unexpected(Unexpected { options, neighbours, intents, thresholds })
            }
        })
    }
}

impl Policy {
    /// Whether it may change the decision of somebody as sure as can be, who is asked before it: by
    /// a form that goes on, by the user's text, or by the events that it brings.
    pub(crate) fn may_overrule(&self) -> bool {
        match self {
            Self::Rule(_) => true,
            Self::Ted(policy) => policy.texts.is_some(),
            Self::Memoization(_) | Self::Unexpected(_) => false,
        }
    }

    pub(crate) fn store(&self) -> Stored {
        match self {
            Self::Rule(policy) => store_rule(policy),
            Self::Memoization(policy) => store_memoization(policy),
            Self::Ted(policy) => {
                let mut parts = Stored::default();
                let texts = policy.texts.as_ref().map(|texts| texts.store_into(&mut parts));
                let mut stored = policy.neighbours.store(json!({ "texts": texts }));
                stored.tensors.append(&mut parts.tensors);
                stored
            }
            Self::Unexpected(policy) => {
                policy.neighbours.store(json!({ "intents": policy.intents, "thresholds": policy.thresholds }))
            }
        }
    }
}

fn memorise(options: MemoizationOptions, domain: &Domain, trackers: &[TrainingTracker]) -> Memoization {
    let actions = domain.action_names();
    let mut memorising = Memorising::new(options);
    for tracker in trackers.iter().filter(|tracker| !tracker.is_rule && !tracker.is_augmented) {
        let seen = for_learning(domain, tracker);
        let fingerprints: Vec<Fingerprint> = seen.states.iter().map(fingerprint).collect();
        for (states, action) in seen.examples() {
            if let Some(idx) = actions.iter().position(|name| *name == action) {
                memorising.learn(&fingerprints[..states.len()], idx as u32);
            }
        }
    }
    memorising.finish()
}

fn store_rule(policy: &RulePolicy) -> Stored {
    let rules: Vec<Value> =
        policy.rules.iter().map(|rule| json!({ "when": rule.key, "then": rule.action })).collect();
    let unhappy: Vec<Value> = policy
        .unhappy
        .iter()
        .map(|(states, kind)| {
            json!({ "when": key_of(states), "interrupted": *kind == Unhappy::LoopWasInterrupted })
        })
        .collect();
    let state = json!({
        "rules": rules,
        "unhappy": unhappy,
        "rule_only_slots": policy.rule_only.slots,
        "rule_only_loops": policy.rule_only.loops,
        "not_in_stories": policy.not_in_stories,
    });
    Stored { state, ..Stored::default() }
}

fn load_rule(options: RuleOptions, state: &Value, actions: &[String]) -> Result<RulePolicy, Unreadable> {
    let items = |name: &str| state.get(name).and_then(Value::as_array).into_iter().flatten();
    let text = |item: &Value, name: &str| {
        let text = item.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| Unreadable::new(format!("a rule has no `{name}`")))
    };
    let mut rules = Vec::new();
    for item in items("rules") {
        let key = text(item, "when")?;
        rules.push(Rule { states: states_from_key(&key)?, key, action: text(item, "then")? });
    }
    let mut unhappy = Vec::new();
    for item in items("unhappy") {
        let is_interrupted = item.get("interrupted").and_then(Value::as_bool).unwrap_or(false);
        let kind = if is_interrupted { Unhappy::LoopWasInterrupted } else { Unhappy::DoNotPredictLoop };
        unhappy.push((states_from_key(&text(item, "when")?)?, kind));
    }
    let fallback_idx =
        actions.iter().position(|name| *name == options.core_fallback_action_name).unwrap_or_default();
    Ok(RulePolicy {
        options,
        fallback_idx,
        rules,
        unhappy,
        rule_only: RuleOnly {
            slots: texts(state, "rule_only_slots")?,
            loops: texts(state, "rule_only_loops")?,
        },
        not_in_stories: texts(state, "not_in_stories")?.into_iter().collect(),
    })
}

fn texts(state: &Value, name: &str) -> Result<Vec<String>, Unreadable> {
    let items = state.get(name).and_then(Value::as_array);
    let items = items.ok_or_else(|| Unreadable::new(format!("`{name}` is missing")))?;
    Ok(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}

fn store_memoization(policy: &Memoization) -> Stored {
    let mut stored = Stored { state: json!({ "longest": policy.longest }), ..Stored::default() };
    let mut put = |name: &str, data| stored.tensors.insert(name.to_owned(), Tensor::flat(data));
    put("first", TensorData::U64(policy.lookup.keys().map(|key| key.0).collect()));
    put("second", TensorData::U64(policy.lookup.keys().map(|key| key.1).collect()));
    put("actions", TensorData::U32(policy.lookup.values().copied().collect()));
    stored
}

fn load_memoization(
    options: MemoizationOptions,
    mut stored: Stored,
    actions_count: usize,
) -> Result<Memoization, Unreadable> {
    let longest = stored.state.get("longest").and_then(Value::as_u64);
    let longest = longest.ok_or_else(|| Unreadable::new("`longest` is missing"))? as usize;
    let (first, second) = (stored.take_u64("first")?, stored.take_u64("second")?);
    let actions = stored.take_u32("actions")?;
    let is_within = actions.iter().all(|idx| (*idx as usize) < actions_count);
    if first.len() != actions.len() || second.len() != actions.len() || !is_within {
        return Err(Unreadable::new("memorised situations and actions do not fit"));
    }
    let lookup = first.into_iter().zip(second).zip(actions).collect();
    Ok(Memoization { options, lookup, longest })
}
