//! Evaluation of response selection.

use serde_json::{Value, json};

use crate::classification::Report;

/// What was wanted and what was selected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseOutcome {
    /// The message.
    pub text: String,
    /// The annotated intent with its response key, `faq/hours`.
    pub target: String,
    /// The selected one; empty when none.
    pub predicted: String,
    /// Its confidence.
    pub confidence: f64,
}

/// The evaluation of a set of messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseEvaluation {
    /// Metrics by label and averages.
    pub report: Report,
    /// All outcomes that have a target.
    pub outcomes: Vec<ResponseOutcome>,
}

impl ResponseEvaluation {
    /// Evaluates outcomes; those without a target are left out.
    pub fn of(outcomes: Vec<ResponseOutcome>) -> Self {
        let outcomes: Vec<ResponseOutcome> =
            outcomes.into_iter().filter(|outcome| !outcome.target.is_empty()).collect();
        let pairs: Vec<(&str, &str)> =
            outcomes.iter().map(|outcome| (outcome.target.as_str(), outcome.predicted.as_str())).collect();
        let report = Report::of(&pairs, None);
        Self { report, outcomes }
    }

    /// `response_selection_errors.json`.
    pub fn errors(&self) -> Vec<Value> {
        self.listed(|outcome| outcome.target != outcome.predicted)
    }

    /// `response_selection_successes.json`.
    pub fn successes(&self) -> Vec<Value> {
        self.listed(|outcome| outcome.target == outcome.predicted)
    }

    fn listed(&self, wanted: impl Fn(&ResponseOutcome) -> bool) -> Vec<Value> {
        let wanted = self.outcomes.iter().filter(|outcome| wanted(outcome));
        wanted
            .map(|outcome| {
                json!({
                    "text": outcome.text,
                    "intent_response_key_target": outcome.target,
                    "intent_response_key_prediction":
                        {"name": outcome.predicted, "confidence": outcome.confidence},
                })
            })
            .collect()
    }

    /// The `response_selection_evaluation` of `POST /model/test/intents`.
    pub fn to_json(&self) -> Value {
        let predictions: Vec<Value> = self
            .outcomes
            .iter()
            .map(|outcome| {
                json!({
                    "text": outcome.text,
                    "intent_response_key_target": outcome.target,
                    "intent_response_key_prediction": outcome.predicted,
                    "confidence": outcome.confidence,
                })
            })
            .collect();
        json!({
            "predictions": predictions,
            "report": self.report.to_json(),
            "precision": self.report.weighted.precision,
            "f1_score": self.report.weighted.f1,
            "accuracy": self.report.accuracy,
            "errors": self.errors(),
        })
    }
}
