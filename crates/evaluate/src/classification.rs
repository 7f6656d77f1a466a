//! Reports on predicted labels.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// How many labels a label's most frequent confusions list.
const CONFUSIONS_MAX: usize = 3;

/// Precision, recall and their harmonic mean, with the number of examples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Share of predictions of the label that are right.
    pub precision: f64,
    /// Share of the label's examples that are found.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Number of examples.
    pub support: usize,
}

/// What a comparison of labels gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// By label, sorted.
    pub labels: BTreeMap<String, Scores>,
    /// For each label, what it was most often taken for.
    pub confusions: BTreeMap<String, Vec<(String, usize)>>,
    /// Share of right predictions over all pairs, excluded labels included.
    pub accuracy: f64,
    /// Over all decisions.
    pub micro: Scores,
    /// Mean over labels.
    pub macro_average: Scores,
    /// Mean over labels, weighted by support.
    pub weighted: Scores,
    /// Every decision is between labels of the report, so that its micro average is its accuracy.
    is_complete: bool,
}

impl Report {
    /// Compares pairs of target and predicted label; `excluded` is no label of its own.
    pub fn of(pairs: &[(&str, &str)], excluded: Option<&str>) -> Self {
        let counts = |side: fn(&(&str, &str)) -> String| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for pair in pairs {
                *counts.entry(side(pair)).or_default() += 1;
            }
            counts
        };
        let targets = counts(|pair| pair.0.to_owned());
        let predictions = counts(|pair| pair.1.to_owned());
        let right: Vec<&str> = pairs.iter().filter(|pair| pair.0 == pair.1).map(|pair| pair.0).collect();
        let is_complete = excluded.is_none() && predictions.keys().all(|name| targets.contains_key(name));
        let mut report = Self { is_complete, ..Self::default() };
        // A label that nothing was annotated with is no label of the report, as in Rasa's.
        for (name, support) in targets.iter().filter(|(name, _)| Some(name.as_str()) != excluded) {
            let support = *support;
            let hits = right.iter().filter(|label| *label == name).count();
            let predicted = predictions.get(name).copied().unwrap_or(0);
            report.labels.insert(name.clone(), scores((hits, predicted, support), support));
            report.confusions.insert(name.clone(), confusions(pairs, name, excluded));
        }
        report.accuracy = share(right.len(), pairs.len());
        report.average(&right, (&targets, &predictions));
        report
    }

    fn average(&mut self, right: &[&str], (targets, predictions): (&Counts, &Counts)) {
        let total = |counts: &Counts| -> usize {
            counts.iter().filter(|(name, _)| self.labels.contains_key(*name)).map(|(_, count)| count).sum()
        };
        let (support, predicted) = (total(targets), total(predictions));
        let hits = right.iter().filter(|label| self.labels.contains_key(**label)).count();
        self.micro = scores((hits, predicted, support), support);
        let labels = self.labels.len().max(1) as f64;
        let mean = |weight: &dyn Fn(&Scores) -> f64| {
            let sum = |part: fn(&Scores) -> f64| -> f64 {
                self.labels.values().map(|scores| part(scores) * weight(scores)).sum()
            };
            Scores { precision: sum(|s| s.precision), recall: sum(|s| s.recall), f1: sum(|s| s.f1), support }
        };
        let (even, weighted) =
            (mean(&|_| 1.0 / labels), mean(&|scores| scores.support as f64 / support.max(1) as f64));
        (self.macro_average, self.weighted) = (even, weighted);
    }

    /// The report in Rasa's shape.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut report = Map::new();
        for (name, scores) in &self.labels {
            let mut entry = json_of(scores);
            let confused: Map<String, Value> = self
                .confusions
                .get(name)
                .into_iter()
                .flatten()
                .map(|(other, count)| (other.clone(), Value::from(*count)))
                .collect();
            entry.insert("confused_with".to_owned(), Value::Object(confused));
            report.insert(name.clone(), Value::Object(entry));
        }
        let accuracy = ("accuracy", Value::from(self.accuracy));
        let average = |name, scores| (name, Value::Object(json_of(scores)));
        let micro = average("micro avg", &self.micro);
        let (first, last) = if self.is_complete { (accuracy, micro) } else { (micro, accuracy) };
        let macro_average = average("macro avg", &self.macro_average);
        let weighted = average("weighted avg", &self.weighted);
        for (name, value) in [first, macro_average, weighted, last] {
            report.insert(name.to_owned(), value);
        }
        report
    }
}

type Counts = BTreeMap<String, usize>;

fn json_of(scores: &Scores) -> Map<String, Value> {
    let value = json!({
        "precision": scores.precision,
        "recall": scores.recall,
        "f1-score": scores.f1,
        "support": scores.support,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn scores((hits, predicted, wanted): (usize, usize, usize), support: usize) -> Scores {
    let (precision, recall) = (share(hits, predicted), share(hits, wanted));
    let f1 = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
    Scores { precision, recall, f1, support }
}

fn confusions(pairs: &[(&str, &str)], name: &str, excluded: Option<&str>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (target, predicted) in pairs {
        if *target == name && *predicted != name && Some(*predicted) != excluded {
            *counts.entry(predicted).or_default() += 1;
        }
    }
    let mut counts: Vec<(String, usize)> =
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(CONFUSIONS_MAX);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_count_as_scikit_learn_does() {
        let pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("c", "b")];
        let report = Report::of(&pairs, None);
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        close(report.labels["a"].precision, 1.0);
        close(report.labels["a"].recall, 0.5);
        close(report.labels["b"].precision, 0.5);
        close(report.labels["c"].f1, 0.0);
        close(report.accuracy, 0.6);
        close(report.micro.f1, 0.6);
        close(report.macro_average.recall, 0.5);
        close(report.weighted.precision, 0.6);
        assert_eq!(report.confusions["a"], [("b".to_owned(), 1)]);
        let json = report.to_json();
        let keys: Vec<&String> = json.keys().collect();
        assert_eq!(keys, ["a", "b", "c", "accuracy", "macro avg", "weighted avg", "micro avg"]);
        assert_eq!(json["a"]["confused_with"], json!({"b": 1}));
        assert_eq!(json["weighted avg"]["support"], 5);
    }

    #[test]
    fn an_excluded_label_has_no_part_in_averages() {
        let report = Report::of(&[("O", "O"), ("city", "city"), ("O", "city")], Some("O"));
        assert_eq!(report.labels.len(), 1);
        assert!((report.micro.precision - 0.5).abs() < 1e-9);
        assert!((report.micro.recall - 1.0).abs() < 1e-9);
        let json = report.to_json();
        let keys: Vec<&String> = json.keys().collect();
        assert_eq!(keys, ["city", "micro avg", "macro avg", "weighted avg", "accuracy"]);
        assert_eq!(Report::of(&[], None).accuracy, 0.0);
    }
}
