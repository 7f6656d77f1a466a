//! Evaluation of what each message has one label of: intents, and selected responses.

use serde_json::{Map, Value, json};

use crate::classification::Report;

/// What is labelled, with Rasa's names in files and JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The start of file names.
    pub file: &'static str,
    target: &'static str,
    /// In lists of errors and successes, where it holds name and confidence.
    prediction: &'static str,
    /// In the list of all predictions, where it holds the name.
    predicted: &'static str,
}

/// Intents.
pub const INTENTS: Kind =
    Kind { file: "intent", target: "intent", prediction: "intent_prediction", predicted: "predicted" };

/// Selected responses by intent and response key, `faq/hours`.
pub const RESPONSES: Kind = Kind {
    file: "response_selection",
    target: "intent_response_key_target",
    prediction: "intent_response_key_prediction",
    predicted: "intent_response_key_prediction",
};

/// What was wanted and what was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelOutcome {
    /// The message.
    pub text: String,
    /// The annotated label; empty when there is none.
    pub target: String,
    /// The label found; empty when none was.
    pub predicted: String,
    /// Its confidence.
    pub confidence: f64,
}

impl LabelOutcome {
    /// Whether what was wanted was found.
    pub fn is_right(&self) -> bool {
        self.target == self.predicted
    }
}

/// The evaluation of a set of messages.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelEvaluation {
    /// What is labelled.
    pub kind: &'static Kind,
    /// Metrics by label and averages.
    pub report: Report,
    /// All outcomes that have a target.
    pub outcomes: Vec<LabelOutcome>,
}

impl LabelEvaluation {
    /// Evaluates outcomes; those without a target are left out, and `None` is what no target gives.
    pub fn of(kind: &'static Kind, mut outcomes: Vec<LabelOutcome>) -> Option<Self> {
        outcomes.retain(|outcome| !outcome.target.is_empty());
        if outcomes.is_empty() {
            return None;
        }
        let report = Report::of(&pairs(&outcomes), None);
        Some(Self { kind, report, outcomes })
    }

    /// Pairs of wanted and found label.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        pairs(&self.outcomes)
    }

    /// Confidences with whether the prediction was right.
    pub fn confidences(&self) -> Vec<(f64, bool)> {
        self.outcomes.iter().map(|outcome| (outcome.confidence, outcome.is_right())).collect()
    }

    /// `…_errors.json`: what was found wrongly.
    pub fn errors(&self) -> Vec<Value> {
        self.listed(|outcome| !outcome.is_right())
    }

    /// `…_successes.json`: what was found rightly.
    pub fn successes(&self) -> Vec<Value> {
        self.listed(LabelOutcome::is_right)
    }

    fn listed(&self, wanted: impl Fn(&LabelOutcome) -> bool) -> Vec<Value> {
        let wanted = self.outcomes.iter().filter(|outcome| wanted(outcome));
        wanted
            .map(|outcome| {
                let mut entry = self.entry(outcome);
                let prediction = json!({"name": outcome.predicted, "confidence": outcome.confidence});
                entry.insert(self.kind.prediction.to_owned(), prediction);
                Value::Object(entry)
            })
            .collect()
    }

    /// The part of the answer of `POST /model/test/intents`.
    pub fn to_json(&self) -> Value {
        let predictions: Vec<Value> = self
            .outcomes
            .iter()
            .map(|outcome| {
                let mut entry = self.entry(outcome);
                entry.insert(self.kind.predicted.to_owned(), json!(outcome.predicted));
                entry.insert("confidence".to_owned(), json!(outcome.confidence));
                Value::Object(entry)
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

    fn entry(&self, outcome: &LabelOutcome) -> Map<String, Value> {
        let target = (self.kind.target.to_owned(), json!(outcome.target));
        Map::from_iter([("text".to_owned(), json!(outcome.text)), target])
    }
}

fn pairs(outcomes: &[LabelOutcome]) -> Vec<(&str, &str)> {
    outcomes.iter().map(|outcome| (outcome.target.as_str(), outcome.predicted.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(target: &str, predicted: &str) -> LabelOutcome {
        LabelOutcome {
            text: "hi".into(),
            target: target.into(),
            predicted: predicted.into(),
            confidence: 0.75,
        }
    }

    #[test]
    fn evaluations_have_rasas_keys() {
        let outcomes = || vec![outcome("greet", "greet"), outcome("bye", "greet"), outcome("", "x")];
        let evaluation = LabelEvaluation::of(&INTENTS, outcomes()).unwrap();
        let json = evaluation.to_json();
        assert_eq!(json["accuracy"], 0.5);
        assert_eq!(
            json["predictions"][0],
            json!({"text": "hi", "intent": "greet", "predicted": "greet", "confidence": 0.75})
        );
        assert_eq!(
            json["errors"],
            json!([{"text": "hi", "intent": "bye", "intent_prediction": {"name": "greet", "confidence": 0.75}}])
        );
        assert_eq!(json["report"]["bye"]["confused_with"], json!({"greet": 1}));
        assert_eq!(evaluation.successes().len(), 1);

        let json = LabelEvaluation::of(&RESPONSES, outcomes()).unwrap().to_json();
        assert_eq!(
            json["predictions"][1],
            json!({"text": "hi", "intent_response_key_target": "bye", "intent_response_key_prediction": "greet",
                   "confidence": 0.75})
        );
        assert_eq!(
            json["errors"][0]["intent_response_key_prediction"],
            json!({"name": "greet", "confidence": 0.75})
        );
        assert_eq!(LabelEvaluation::of(&INTENTS, vec![outcome("", "x")]), None);
    }
}
