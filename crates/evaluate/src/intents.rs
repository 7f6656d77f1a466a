//! Evaluation of intents.

use serde_json::{Value, json};

use crate::classification::Report;

/// What was wanted and what was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntentOutcome {
    /// The message.
    pub text: String,
    /// The annotated intent.
    pub target: String,
    /// The understood intent; empty when none.
    pub predicted: String,
    /// Its confidence.
    pub confidence: f64,
}

/// The evaluation of a set of messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntentEvaluation {
    /// Metrics by label and averages.
    pub report: Report,
    /// All outcomes that have a target.
    pub outcomes: Vec<IntentOutcome>,
}

impl IntentEvaluation {
    /// Evaluates outcomes; those without a target are left out.
    pub fn of(outcomes: Vec<IntentOutcome>) -> Self {
        let outcomes: Vec<IntentOutcome> =
            outcomes.into_iter().filter(|outcome| !outcome.target.is_empty()).collect();
        let pairs: Vec<(&str, &str)> =
            outcomes.iter().map(|outcome| (outcome.target.as_str(), outcome.predicted.as_str())).collect();
        let report = Report::of(&pairs, None);
        Self { report, outcomes }
    }

    /// `intent_errors.json`: what was understood wrongly.
    pub fn errors(&self) -> Vec<Value> {
        self.listed(|outcome| outcome.target != outcome.predicted)
    }

    /// `intent_successes.json`: what was understood rightly.
    pub fn successes(&self) -> Vec<Value> {
        self.listed(|outcome| outcome.target == outcome.predicted)
    }

    fn listed(&self, wanted: impl Fn(&IntentOutcome) -> bool) -> Vec<Value> {
        let wanted = self.outcomes.iter().filter(|outcome| wanted(outcome));
        wanted
            .map(|outcome| {
                json!({
                    "text": outcome.text,
                    "intent": outcome.target,
                    "intent_prediction": {"name": outcome.predicted, "confidence": outcome.confidence},
                })
            })
            .collect()
    }

    /// The `intent_evaluation` of `POST /model/test/intents`.
    pub fn to_json(&self) -> Value {
        let predictions: Vec<Value> = self
            .outcomes
            .iter()
            .map(|outcome| {
                json!({
                    "text": outcome.text,
                    "intent": outcome.target,
                    "predicted": outcome.predicted,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_have_rasas_keys() {
        let outcome = |target: &str, predicted: &str| IntentOutcome {
            text: "hi".into(),
            target: target.into(),
            predicted: predicted.into(),
            confidence: 0.75,
        };
        let evaluation =
            IntentEvaluation::of(vec![outcome("greet", "greet"), outcome("bye", "greet"), outcome("", "x")]);
        let json = evaluation.to_json();
        assert_eq!(json["accuracy"], 0.5);
        assert_eq!(
            json["predictions"][0],
            json!({
                "text": "hi", "intent": "greet", "predicted": "greet", "confidence": 0.75,
            })
        );
        assert_eq!(
            json["errors"],
            json!([
                {"text": "hi", "intent": "bye", "intent_prediction": {"name": "greet", "confidence": 0.75}},
            ])
        );
        assert_eq!(json["report"]["bye"]["confused_with"], json!({"greet": 1}));
        assert_eq!(evaluation.successes().len(), 1);
    }
}
