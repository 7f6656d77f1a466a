//! What a trial has seen, as it is kept for after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use intendant_talk::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assistant::Assistant;
use crate::shadow::{Difference, Handling, KINDS};
use crate::trial::{Arm, Observed, Plan, Seen, Trial};

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    current: ArmRecord,
    candidate: ArmRecord,
    compared: u64,
    different: BTreeMap<String, u64>,
    skipped: u64,
    examples: Vec<Example>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct ArmRecord {
    messages: u64,
    failed: u64,
    fell_back: u64,
    /// Of the newest messages: microseconds, failed, fell back.
    newest: VecDeque<(u64, bool, bool)>,
}

#[derive(Serialize, Deserialize)]
struct Example {
    at_micros: i64,
    sender_id: String,
    text: String,
    what: Vec<String>,
    current: HandlingRecord,
    shadow: HandlingRecord,
}

/// Intent, entities, actions.
type HandlingRecord = (String, Vec<String>, Vec<String>);

impl Trial {
    /// What it has seen, to be kept.
    pub fn record(&self) -> Value {
        let seen = self.seen();
        let record = Record {
            current: arm_record(&seen.current),
            candidate: arm_record(&seen.candidate),
            compared: seen.compared,
            different: seen.different.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            skipped: seen.skipped,
            examples: seen.examples.iter().map(example).collect(),
        };
        serde_json::to_value(record).unwrap_or_default()
    }

    /// A trial that goes on: with what it had seen, as far as that can be understood.
    pub fn resumed(candidate: Arc<Assistant>, plan: Plan, (since, record): (Timestamp, Value)) -> Self {
        let record: Record = serde_json::from_value(record).unwrap_or_default();
        let known = |name: &str| KINDS.iter().find(|kind| **kind == name).copied();
        let difference = |example: Example| Difference {
            at: Timestamp { micros: example.at_micros },
            sender_id: example.sender_id,
            text: example.text,
            what: example.what.iter().filter_map(|name| known(name)).collect(),
            current: handling(example.current),
            shadow: handling(example.shadow),
        };
        let seen = Seen {
            current: arm(record.current),
            candidate: arm(record.candidate),
            compared: record.compared,
            different: record
                .different
                .iter()
                .filter_map(|(name, count)| Some((known(name)?, *count)))
                .collect(),
            skipped: record.skipped,
            examples: record.examples.into_iter().map(difference).collect(),
        };
        Self::with(candidate, plan, (since, seen))
    }
}

fn arm_record(arm: &Arm) -> ArmRecord {
    let newest = arm
        .newest
        .iter()
        .map(|seen| (u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX), seen.failed, seen.fell_back));
    ArmRecord {
        messages: arm.messages,
        failed: arm.failed,
        fell_back: arm.fell_back,
        newest: newest.collect(),
    }
}

fn arm(record: ArmRecord) -> Arm {
    let newest = record.newest.into_iter().map(|(micros, failed, fell_back)| Observed {
        failed,
        fell_back,
        took: Duration::from_micros(micros),
    });
    Arm {
        newest: newest.collect(),
        messages: record.messages,
        failed: record.failed,
        fell_back: record.fell_back,
    }
}

fn example(difference: &Difference) -> Example {
    let handling = |one: &Handling| (one.intent.clone(), one.entities.clone(), one.actions.clone());
    Example {
        at_micros: difference.at.micros,
        sender_id: difference.sender_id.clone(),
        text: difference.text.clone(),
        what: difference.what.iter().map(|kind| (*kind).to_owned()).collect(),
        current: handling(&difference.current),
        shadow: handling(&difference.shadow),
    }
}

fn handling((intent, entities, actions): HandlingRecord) -> Handling {
    Handling { intent, entities, actions }
}
