//! Everything that a test of language understanding finds out beyond Rasa's reports.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use crate::advice::{Confusion, Suspect, confusions, suspects};
use crate::calibration::{self, Bin};
use crate::interval::{self, Figure};
use crate::labels::LabelEvaluation;
use crate::similarity::{Pair, alike};
use crate::spans::{SpanEvaluation, Tally};

/// How the tested messages relate to those that were trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The model has seen all of them: its mistakes tell little, its successes nothing.
    TrainedOn,
    /// The model has not seen them, or few.
    Held,
    /// Each was left out of the training of the model that read it.
    CrossValidated,
}

/// How well labels are found.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelFindings {
    /// Share of right labels.
    pub accuracy: Figure,
    /// Mean over labels, weighted by their number.
    pub f1: Figure,
    /// Expected calibration error.
    pub calibration_error: f64,
    /// What it is made of.
    pub bins: Vec<Bin>,
}

/// Two messages that say almost the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Twins {
    /// A message, of training data when the other is tested.
    pub first: (String, String),
    /// The other one, with its label.
    pub second: (String, String),
    /// 1 when only case and punctuation differ.
    pub similarity: f64,
}

/// A message with its label.
pub type Labelled<'a> = (&'a str, &'a str);

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// How the test was made.
    pub setting: Setting,
    /// Tested messages.
    pub messages: usize,
    /// Intents.
    pub intents: Option<LabelFindings>,
    /// Selected responses.
    pub responses: Option<LabelFindings>,
    /// Entities by extractor, counted by exact span.
    pub entities: BTreeMap<String, SpanEvaluation>,
    /// Intents that are taken for others.
    pub confusions: Vec<Confusion>,
    /// Messages that may be labelled wrongly; only from models that have not seen them.
    pub suspects: Vec<Suspect>,
    /// Messages of different intents that say almost the same.
    pub twins: Vec<Twins>,
    /// Tested messages that the training data has almost word by word.
    pub leaked: Vec<Twins>,
}

impl Findings {
    /// Looks at labels as they were found.
    pub fn of(
        setting: Setting,
        (intents, responses): (Option<&LabelEvaluation>, Option<&LabelEvaluation>),
        entities: BTreeMap<String, SpanEvaluation>,
        seed: u64,
    ) -> Self {
        let outcomes = intents.map(|evaluation| evaluation.outcomes.as_slice()).unwrap_or_default();
        Self {
            setting,
            messages: outcomes.len(),
            intents: intents.map(|evaluation| LabelFindings::of(evaluation, seed)),
            responses: responses.map(|evaluation| LabelFindings::of(evaluation, seed)),
            entities,
            confusions: confusions(outcomes),
            suspects: if setting == Setting::TrainedOn { Vec::new() } else { suspects(outcomes) },
            twins: Vec::new(),
            leaked: Vec::new(),
        }
    }

    /// Looks for messages that are almost the same: in the tested ones under different labels, and between `tested`
    /// and what was trained with.
    pub fn compare(&mut self, tested: &[Labelled<'_>], trained: &[Labelled<'_>]) {
        let labelled = |pair: &Pair, messages: &[Labelled<'_>]| {
            let of = |idx: usize| (messages[idx].0.to_owned(), messages[idx].1.to_owned());
            Twins { first: of(pair.first), second: of(pair.second), similarity: pair.similarity }
        };
        let texts: Vec<&str> = tested.iter().map(|(text, _)| *text).collect();
        let is_confusing = |first: usize, second: usize| {
            let (first, second) = (tested[first].1, tested[second].1);
            first != second && !first.is_empty() && !second.is_empty()
        };
        self.twins = alike(&texts, is_confusing).iter().map(|pair| labelled(pair, tested)).collect();
        let all: Vec<Labelled<'_>> = trained.iter().chain(tested).copied().collect();
        let texts: Vec<&str> = all.iter().map(|(text, _)| *text).collect();
        let crosses = |first: usize, second: usize| (first < trained.len()) != (second < trained.len());
        let mut seen = HashSet::new();
        self.leaked = alike(&texts, crosses)
            .iter()
            .filter(|pair| seen.insert(pair.second))
            .map(|pair| labelled(pair, &all))
            .collect();
    }

    /// `nlu_findings.json`.
    pub fn to_json(&self) -> Value {
        let entities: serde_json::Map<String, Value> =
            self.entities.iter().map(|(name, evaluation)| (name.clone(), spans_json(evaluation))).collect();
        let setting = match self.setting {
            Setting::TrainedOn => "messages that were trained with",
            Setting::Held => "messages that were held back",
            Setting::CrossValidated => "cross-validation",
        };
        json!({
            "setting": setting,
            "messages": self.messages,
            "intents": self.intents.as_ref().map(LabelFindings::to_json),
            "responses": self.responses.as_ref().map(LabelFindings::to_json),
            "entities": entities,
            "confusions": self.confusions.iter().map(confusion_json).collect::<Vec<_>>(),
            "suspects": self.suspects.iter().map(suspect_json).collect::<Vec<_>>(),
            "duplicates_across_intents": self.twins.iter().map(twins_json).collect::<Vec<_>>(),
            "leaked_from_training": self.leaked.iter().map(twins_json).collect::<Vec<_>>(),
        })
    }
}

impl LabelFindings {
    fn of(evaluation: &LabelEvaluation, seed: u64) -> Self {
        let outcomes = &evaluation.outcomes;
        let right = outcomes.iter().filter(|outcome| outcome.is_right()).count();
        let bins = calibration::bins(&evaluation.confidences());
        Self {
            accuracy: interval::share(right, outcomes.len()),
            f1: interval::weighted_f1(&evaluation.pairs(), seed),
            calibration_error: calibration::error(&bins),
            bins,
        }
    }

    fn to_json(&self) -> Value {
        let bin = |bin: &Bin| json!({"confidence": bin.confidence, "right": bin.right, "count": bin.count});
        json!({
            "accuracy": figure_json(&self.accuracy),
            "weighted_f1": figure_json(&self.f1),
            "calibration_error": self.calibration_error,
            "calibration": self.bins.iter().map(bin).collect::<Vec<_>>(),
        })
    }
}

fn figure_json(figure: &Figure) -> Value {
    json!({"value": figure.value, "low": figure.low, "high": figure.high})
}

fn spans_json(evaluation: &SpanEvaluation) -> Value {
    let tally = |tally: &Tally| {
        json!({
            "precision": tally.precision(), "recall": tally.recall(), "f1": tally.f1(),
            "right": tally.right, "wrong": tally.wrong, "missed": tally.missed,
        })
    };
    let by_type: serde_json::Map<String, Value> =
        evaluation.by_type.iter().map(|(name, one)| (name.clone(), tally(one))).collect();
    json!({ "f1": figure_json(&evaluation.f1), "total": tally(&evaluation.total), "by_type": by_type })
}

fn confusion_json(confusion: &Confusion) -> Value {
    json!({
        "intent": confusion.target, "read_as": confusion.predicted, "count": confusion.count,
        "of": confusion.support, "the_other_way": confusion.back, "words": confusion.words,
        "messages": confusion.messages, "advice": confusion.text(),
    })
}

fn suspect_json(suspect: &Suspect) -> Value {
    json!({
        "text": suspect.text, "intent": suspect.label, "suggested": suspect.suggested, "confidence": suspect.confidence,
    })
}

fn twins_json(twins: &Twins) -> Value {
    let side = |(text, label): &(String, String)| json!({"text": text, "intent": label});
    json!({"first": side(&twins.first), "second": side(&twins.second), "similarity": twins.similarity})
}
