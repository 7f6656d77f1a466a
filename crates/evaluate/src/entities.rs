//! Evaluation of entities, token by token, one report per extractor.

use std::collections::BTreeMap;

use intendant_talk::message::Entity;
use serde_json::{Map, Value, json};

use crate::classification::Report;

/// The label of tokens outside of entities.
const OUTSIDE: &str = "O";
/// Extractors that are not trained and left out of reports.
const NOT_TRAINED: [&str; 2] = ["DucklingEntityExtractor", "SpacyEntityExtractor"];

/// A message with wanted and found entities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityOutcome {
    /// The message.
    pub text: String,
    /// Token spans in code points.
    pub tokens: Vec<(usize, usize)>,
    /// Annotated entities.
    pub targets: Vec<Entity>,
    /// Entities found, by any extractor.
    pub predicted: Vec<Entity>,
}

/// The evaluation of one extractor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityEvaluation {
    /// Metrics by label and averages, tokens outside of entities left out.
    pub report: Report,
    /// Pairs of wanted and found label of every token.
    pub labels: Vec<(String, String)>,
    /// Confidence of each token's found label; 0 where the extractor gives none.
    pub confidences: Vec<f64>,
    /// `<Extractor>_errors.json`.
    pub errors: Vec<Value>,
    /// `<Extractor>_successes.json`.
    pub successes: Vec<Value>,
}

/// Evaluates every trained extractor in `extractors`.
pub fn evaluate(outcomes: &[EntityOutcome], extractors: &[String]) -> BTreeMap<String, EntityEvaluation> {
    let trained = extractors.iter().filter(|name| !NOT_TRAINED.contains(&name.as_str()));
    trained.map(|extractor| (extractor.clone(), EntityEvaluation::of(outcomes, extractor))).collect()
}

impl EntityEvaluation {
    fn of(outcomes: &[EntityOutcome], extractor: &str) -> Self {
        let mut evaluation = Self::default();
        for outcome in outcomes {
            let found: Vec<&Entity> = outcome
                .predicted
                .iter()
                .filter(|entity| entity.extractor.as_deref() == Some(extractor))
                .collect();
            let targets: Vec<&Entity> = outcome.targets.iter().collect();
            let mut is_right = true;
            for token in &outcome.tokens {
                let (wanted, _) = label_at(&targets, *token);
                let (label, confidence) = label_at(&found, *token);
                is_right &= wanted == label;
                evaluation.labels.push((wanted, label));
                evaluation.confidences.push(confidence);
            }
            let listed = json!({
                "text": outcome.text,
                "entities": targets.iter().map(|entity| entity_json(entity)).collect::<Vec<_>>(),
                "predicted_entities": found.iter().map(|entity| entity_json(entity)).collect::<Vec<_>>(),
            });
            if !is_right {
                evaluation.errors.push(listed);
            } else if !targets.is_empty() {
                evaluation.successes.push(listed);
            }
        }
        let pairs: Vec<(&str, &str)> =
            evaluation.labels.iter().map(|(wanted, found)| (wanted.as_str(), found.as_str())).collect();
        evaluation.report = Report::of(&pairs, Some(OUTSIDE));
        evaluation
    }

    /// One extractor's part of the `entity_evaluation` of `POST /model/test/intents`.
    pub fn to_json(&self) -> Value {
        json!({
            "report": self.report.to_json(),
            "precision": self.report.weighted.precision,
            "f1_score": self.report.weighted.f1,
            "accuracy": self.report.accuracy,
            "errors": self.errors,
        })
    }
}

/// The label of a token, `entity.group.role`, and its confidence.
fn label_at(entities: &[&Entity], (start, end): (usize, usize)) -> (String, f64) {
    let covers = |entity: &&&Entity| {
        entity.start_chars.is_some_and(|from| from < end) && entity.end_chars.is_some_and(|to| to > start)
    };
    let Some(entity) = entities.iter().find(covers) else { return (OUTSIDE.to_owned(), 0.0) };
    let mut label = entity.entity.clone();
    for part in [&entity.group, &entity.role].into_iter().flatten() {
        label.push('.');
        label.push_str(part);
    }
    let confidence = entity.extra.get("confidence_entity").and_then(Value::as_f64).unwrap_or(0.0);
    (label, confidence)
}

fn entity_json(entity: &Entity) -> Value {
    let mut map = Map::new();
    map.insert("entity".to_owned(), Value::from(entity.entity.clone()));
    map.insert("start".to_owned(), json!(entity.start_chars));
    map.insert("end".to_owned(), json!(entity.end_chars));
    map.insert("value".to_owned(), entity.value.clone());
    for (key, part) in [("role", &entity.role), ("group", &entity.group), ("extractor", &entity.extractor)] {
        if let Some(part) = part {
            map.insert(key.to_owned(), Value::from(part.clone()));
        }
    }
    map.extend(entity.extra.clone());
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city(span: (usize, usize), role: Option<&str>, extractor: Option<&str>) -> Entity {
        Entity {
            entity: "city".into(),
            start_chars: Some(span.0),
            end_chars: Some(span.1),
            role: role.map(str::to_owned),
            extractor: extractor.map(str::to_owned),
            ..Entity::default()
        }
    }

    #[test]
    fn tokens_are_compared_for_each_extractor() {
        let outcome = EntityOutcome {
            text: "from Rome to Oslo".into(),
            tokens: vec![(0, 4), (5, 9), (10, 12), (13, 17)],
            targets: vec![city((5, 9), Some("from"), None), city((13, 17), Some("to"), None)],
            predicted: vec![
                city((5, 9), Some("from"), Some("DIETClassifier")),
                city((13, 17), Some("from"), Some("DIETClassifier")),
                city((13, 17), None, Some("RegexEntityExtractor")),
                city((13, 17), None, Some("DucklingEntityExtractor")),
            ],
        };
        let extractors: Vec<String> =
            ["DIETClassifier", "RegexEntityExtractor", "DucklingEntityExtractor"].map(str::to_owned).to_vec();
        let evaluations = evaluate(&[outcome], &extractors);
        assert_eq!(evaluations.len(), 2);
        let diet = &evaluations["DIETClassifier"];
        assert_eq!(diet.report.labels["city.from"].support, 1);
        assert!((diet.report.labels["city.from"].precision - 0.5).abs() < 1e-9);
        assert_eq!(diet.errors.len(), 1);
        assert_eq!(diet.to_json()["report"]["city.to"]["confused_with"], json!({"city.from": 1}));
    }
}
