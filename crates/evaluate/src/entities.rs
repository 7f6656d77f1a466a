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
        evaluation.report = Report::of(&evaluation.pairs(), Some(OUTSIDE));
        evaluation
    }

    /// Pairs of wanted and found label.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.labels.iter().map(|(wanted, found)| (wanted.as_str(), found.as_str())).collect()
    }

    /// Confidences of tokens that were taken for part of an entity, with whether they are; empty when the extractor
    /// gives none.
    pub fn confidences(&self) -> Vec<(f64, bool)> {
        let labelled = self.labels.iter().zip(&self.confidences);
        let found = labelled.filter(|((_, found), confidence)| found != OUTSIDE && **confidence > 0.0);
        found.map(|((wanted, found), confidence)| (*confidence, wanted == found)).collect()
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

/// The label of a token, `entity.group.role`, and its confidence, of the entity that has most of it.
fn label_at(entities: &[&Entity], (start, end): (usize, usize)) -> (String, f64) {
    let shared = |entity: &Entity| {
        let (from, to) = (entity.start_chars.unwrap_or(0), entity.end_chars.unwrap_or(0));
        to.min(end).saturating_sub(from.max(start))
    };
    // Of equally good ones the first.
    let Some(entity) =
        entities.iter().rev().max_by_key(|entity| shared(entity)).filter(|one| shared(one) > 0)
    else {
        return (OUTSIDE.to_owned(), 0.0);
    };
    let mut label = entity.entity.clone();
    for part in [&entity.group, &entity.role].into_iter().flatten() {
        label.push('.');
        label.push_str(part);
    }
    let confidence = |key: &str| entity.extra.get(key).and_then(Value::as_f64);
    let parts =
        ["confidence_entity", "confidence_role", "confidence_group"].into_iter().filter_map(confidence);
    (label, parts.min_by(f64::total_cmp).unwrap_or(0.0))
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
