//! Explainable boosting machines as JSON: cuts, names and the scores of every bin.
//!
//! `bins` lists for each feature one or more resolutions, the first for curves, the last for pairs: cuts of numbers
//! (bin 0 is missing, bin 1 lies below the first cut, the last is unseen) or numbered names. `term_features` names
//! the features of each term, `term_scores` holds its scores, nested like its features.

use serde_json::Value;

use intendant_learn::tabular::Task;

use crate::inputs::Feature;
use crate::output::Link;
use crate::{Body, Error, Foreign, Format};

/// A sum of curves and surfaces.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    intercept: f64,
    terms: Vec<Term>,
    link: Link,
}

#[derive(Clone, Debug)]
struct Term {
    name: String,
    axes: Vec<Axis>,
    /// Row-major over the axes.
    scores: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Axis {
    feature: usize,
    /// Empty for names: their codes are bins already.
    cuts: Option<Vec<f64>>,
    bins: usize,
}

/// Reads a machine.
pub(crate) fn read(bytes: &[u8]) -> Result<Foreign, Error> {
    let model: Value = serde_json::from_slice(bytes).map_err(|error| {
        Error::damaged(format!("the JSON is broken at line {}, column {}", error.line(), error.column()))
    })?;
    let wrong = |what: &str| Error::damaged(format!("{what} is missing or of another shape"));
    let listed = model["features"].as_array().ok_or_else(|| wrong("`features`"))?;
    let bins =
        model["bins"].as_array().filter(|bins| bins.len() == listed.len()).ok_or_else(|| wrong("`bins`"))?;
    let mut features = Vec::with_capacity(listed.len());
    for (feature, bins) in listed.iter().zip(bins) {
        let mut described =
            Feature::number(feature["name"].as_str().ok_or_else(|| wrong("a feature's name"))?);
        if let Some(names) = bins[0].as_object() {
            let mut pairs: Vec<(u64, &String)> =
                names.iter().filter_map(|(name, code)| Some((code.as_u64()?, name))).collect();
            pairs.sort();
            // Codes count from one: zero is missing.
            if pairs.iter().zip(1..).any(|((code, _), expected)| *code != expected) {
                return Err(wrong("the numbering of a feature's names"));
            }
            described.categories = pairs.into_iter().map(|(_, name)| name.clone()).collect();
            described.first_code = 1.0;
            described.unknown_code = described.categories.len() as f64 + 1.0;
        }
        features.push(described);
    }
    let indexes = model["term_features"].as_array().ok_or_else(|| wrong("`term_features`"))?;
    let scores = model["term_scores"]
        .as_array()
        .filter(|scores| scores.len() == indexes.len())
        .ok_or_else(|| wrong("`term_scores`"))?;
    let mut terms = Vec::with_capacity(indexes.len());
    for (at, (indexes, scores)) in indexes.iter().zip(scores).enumerate() {
        terms.push(term(indexes, scores, bins, &features).ok_or_else(|| wrong(&format!("term {at}")))?);
    }
    let (task, link) = match model["link"].as_str() {
        Some("logit") => (Task::Binary, Link::Sigmoid(1.0)),
        Some("identity") => (Task::Regression, Link::None),
        Some("log") => (Task::Regression, Link::Exp),
        other => return Err(Error::unsupported(format!("the link {other:?}"))),
    };
    let intercept = model["intercept"].as_f64().ok_or_else(|| wrong("`intercept`"))?;
    Ok(Foreign {
        format: Format::Ebm,
        features,
        is_named: true,
        task,
        classes: if task == Task::Binary { vec!["0".to_owned(), "1".to_owned()] } else { Vec::new() },
        threshold: 0.5,
        body: Body::Ebm(Machine { intercept, terms, link }),
    })
}

fn term(indexes: &Value, scores: &Value, bins: &[Value], features: &[Feature]) -> Option<Term> {
    let indexes: Vec<usize> = indexes
        .as_array()?
        .iter()
        .map(|index| usize::try_from(index.as_u64()?).ok())
        .collect::<Option<_>>()?;
    let mut axes = Vec::with_capacity(indexes.len());
    for feature in &indexes {
        let resolutions = bins.get(*feature)?.as_array()?;
        let own = if indexes.len() > 1 { resolutions.last()? } else { resolutions.first()? };
        let cuts: Option<Vec<f64>> =
            own.as_array().map(|cuts| cuts.iter().map(Value::as_f64).collect::<Option<_>>()).unwrap_or(None);
        if cuts.is_none() && !own.is_object() {
            return None;
        }
        let known = cuts.as_ref().map_or(features[*feature].categories.len(), |cuts| cuts.len() + 1);
        axes.push(Axis { feature: *feature, cuts, bins: known + 2 });
    }
    let mut flat = Vec::new();
    flatten(scores, &axes, &mut flat)?;
    let name = indexes.iter().map(|index| features[*index].name.as_str()).collect::<Vec<_>>().join(" & ");
    Some(Term { name, axes, scores: flat })
}

/// Scores in one list; `None` where nesting and axes differ.
fn flatten(scores: &Value, axes: &[Axis], into: &mut Vec<f64>) -> Option<()> {
    let Some((axis, rest)) = axes.split_first() else {
        into.push(scores.as_f64()?);
        return Some(());
    };
    let list = scores.as_array().filter(|list| list.len() == axis.bins)?;
    list.iter().try_for_each(|scores| flatten(scores, rest, into))
}

impl Axis {
    fn bin(&self, value: f64) -> usize {
        if value.is_nan() {
            return 0;
        }
        match &self.cuts {
            Some(cuts) => 1 + cuts.partition_point(|cut| *cut <= value),
            None => (value.max(0.0) as usize).min(self.bins - 1),
        }
    }
}

impl Term {
    fn score(&self, row: &[f64]) -> f64 {
        let bin = |at: usize, axis: &Axis| at * axis.bins + axis.bin(row[axis.feature]);
        self.scores[self.axes.iter().fold(0, bin)]
    }
}

impl Machine {
    /// Outputs of rows.
    pub fn scores(&self, rows: &[f64], width: usize) -> Vec<f64> {
        let score = |row: &[f64]| {
            let mut output = [self.intercept + self.terms.iter().map(|term| term.score(row)).sum::<f64>()];
            self.link.apply(&mut output);
            output[0]
        };
        rows.chunks(width.max(1)).map(score).collect()
    }

    /// Intercept and terms of one row.
    pub fn explain(&self, row: &[f64], _: &dyn Fn(usize) -> String) -> (f64, Vec<(String, f64)>) {
        (self.intercept, self.terms.iter().map(|term| (term.name.clone(), term.score(row))).collect())
    }
}
