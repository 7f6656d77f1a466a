//! What an agent holds, counted, and what was left behind.

use std::collections::{BTreeMap, BTreeSet};

use intendant_agent::values::Agent;
use serde_json::{Value, json};

/// Why a value was left behind that is nobody's business.
pub(crate) const SECRET: &str = "secret";

/// What an import found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Intents.
    pub intents: usize,
    /// Phrases by language, as the author spelled it.
    pub phrases: BTreeMap<String, usize>,
    /// Entity types.
    pub entities: usize,
    /// Entries by language, as the author spelled it.
    pub entries: BTreeMap<String, usize>,
    /// Different names of contexts, case ignored.
    pub contexts: usize,
    /// Parameters of all intents.
    pub parameters: usize,
    /// Messages of all intents, of every platform and language.
    pub messages: usize,
    /// Events of all intents.
    pub events: usize,
    /// What was left behind.
    pub dropped: Vec<Dropped>,
    /// What is worth a look.
    pub warnings: Vec<String>,
}

/// Something that was left behind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// A file, or a place in one (`agent.json#/secondaryKey`).
    pub what: String,
    /// Why.
    pub why: String,
}

impl Report {
    /// Counts what an agent holds.
    pub fn of(agent: &Agent) -> Self {
        let mut report =
            Self { intents: agent.intents.len(), entities: agent.entities.len(), ..Self::default() };
        let mut contexts = BTreeSet::new();
        for intent in &agent.intents {
            count(&mut report.phrases, &intent.phrases);
            contexts.extend(intent.input_contexts.iter().map(|name| name.to_lowercase()));
            report.events += intent.events.len();
            for response in &intent.responses {
                contexts.extend(response.output_contexts.iter().map(|context| context.name.to_lowercase()));
                report.parameters += response.parameters.len();
                report.messages += response.messages.len();
            }
        }
        for entity in &agent.entities {
            count(&mut report.entries, &entity.entries);
        }
        report.contexts = contexts.len();
        report
    }

    /// Whether some of what was left behind was secret.
    pub fn holds_secrets(&self) -> bool {
        self.dropped.iter().any(|dropped| dropped.why == SECRET)
    }

    /// The report for machines.
    pub fn to_json(&self) -> Value {
        let dropped: Vec<Value> =
            self.dropped.iter().map(|dropped| json!({"what": dropped.what, "why": dropped.why})).collect();
        json!({
            "intents": self.intents,
            "phrases": self.phrases,
            "entities": self.entities,
            "entries": self.entries,
            "contexts": self.contexts,
            "parameters": self.parameters,
            "messages": self.messages,
            "events": self.events,
            "dropped": dropped,
            "warnings": self.warnings,
        })
    }
}

fn count<T>(sums: &mut BTreeMap<String, usize>, by_language: &BTreeMap<String, Vec<T>>) {
    for (language, items) in by_language.iter().filter(|(_, items)| !items.is_empty()) {
        *sums.entry(language.clone()).or_default() += items.len();
    }
}
