//! `kind: tabular`: a class or a number from the columns of a row.
//!
//! ```yaml
//! kind: tabular
//! data: data/customers.csv
//! target: CHURN
//! positive: "Yes"
//! key: ID_CLIENT
//! features:
//!   AGE: {maximum: 100, missing: median}
//!   PAYS:
//! metric: f1
//! ```

use std::sync::Arc;

use intendant_component::predictor::{Class, Prediction, Predictor, Reasons, Refused};
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;
use intendant_learn::tabular::{
    Calibration, Explanation, Family, Feature, Imbalance, Impute, Metric, Model, Outliers, Predictions,
    Settings, Task, Threshold,
};
use intendant_rasa_format::suggest::did_you_mean;
use intendant_table::{Column, Kind as ColumnKind, Signature, Table};
use serde_json::Value;

use super::Material;
use crate::spec::{self, Spec};
use crate::{Failed, files};

struct Tabular {
    model: Model,
}

/// Trains on rows with a target.
pub fn train(
    spec: &Spec,
    material: &Material,
    context: &TrainContext<'_>,
) -> Result<Arc<dyn Predictor>, Failed> {
    let rows = with_target(spec, &material.rows)?;
    let settings = settings(spec, &rows)?;
    let trained = intendant_learn::tabular::train(&rows, &settings, context)
        .map_err(|error| Failed::new(error.to_string()))?;
    Ok(Arc::new(Tabular { model: trained.model }))
}

/// Loads what [`train`] gave.
pub fn load(_spec: &Spec, stored: Stored) -> Result<Arc<dyn Predictor>, Unreadable> {
    Ok(Arc::new(Tabular { model: Model::from_stored(stored)? }))
}

/// Rows that have a target, which is numbers when all of it are and they are more than two.
fn with_target(spec: &Spec, rows: &Table) -> Result<Table, Failed> {
    let target = spec.target.as_deref().unwrap_or_default();
    let column = files::column(rows, target)?;
    let there: Vec<usize> = (0..rows.rows()).filter(|row| !files::is_missing(column.value(*row))).collect();
    if there.is_empty() {
        return Err(Failed::new(format!("no row has a value in `{target}`")));
    }
    let (mut rows, column) = rows.take(&there).split_off(target);
    let Some(column) = column else { return Err(Failed::new(format!("the data has no column `{target}`"))) };
    let (numbers, failed) = column.cast(ColumnKind::Number);
    let column = match numbers {
        Column::Number(_) if failed.is_empty() && spec.positive.is_none() && !is_binary(&numbers) => numbers,
        _ => column.cast(ColumnKind::Category).0,
    };
    rows.push(target.to_owned(), column).map_err(|error| Failed::new(error.to_string()))?;
    Ok(rows)
}

fn is_binary(column: &Column) -> bool {
    let Some(first) = column.values().next() else { return false };
    let others: Vec<_> = column.values().filter(|value| *value != first).collect();
    others.windows(2).all(|pair| pair[0] == pair[1])
}

fn settings(spec: &Spec, rows: &Table) -> Result<Settings, Failed> {
    let mut settings = Settings::new(spec.target.clone().unwrap_or_default());
    settings.positive.clone_from(&spec.positive);
    settings.ignored.clone_from(&spec.ignore);
    settings.ignored.extend(spec.key.clone());
    settings.features = spec
        .features
        .iter()
        .filter(|(name, _)| !settings.ignored.contains(name))
        .map(|(name, declared)| feature(name, declared, rows))
        .collect::<Result<_, _>>()?;
    if let Some(name) = &spec.model.algorithm {
        settings.family =
            named("model", name, Family::named(name), Family::ALL.iter().map(|known| known.name()))?;
    }
    if let Some(name) = &spec.metric {
        settings.metric = Metric::named(name);
    }
    match (spec.threshold, settings.metric) {
        (Some(threshold), _) => settings.threshold = Threshold::At(threshold),
        (None, Some(metric @ (Metric::F1 | Metric::MacroF1 | Metric::Accuracy))) => {
            settings.threshold = Threshold::Best(metric);
        }
        (None, _) => {}
    }
    for (option, value) in &spec.model.options {
        let word = value.as_str().unwrap_or_default();
        match option.as_str() {
            "task" => {
                settings.task =
                    Some(named(option, word, Task::named(word), Task::ALL.iter().map(|known| known.name()))?);
            }
            "imbalance" => {
                let known = Imbalance::ALL.iter().map(|known| known.name());
                settings.imbalance = named(option, word, Imbalance::named(word), known)?;
            }
            "calibration" => {
                let known = Calibration::ALL.iter().map(|known| known.name());
                settings.calibration = named(option, word, Calibration::named(word), known)?;
            }
            "weight" => settings.weight = Some(word.to_owned()),
            "folds" => {
                settings.folds =
                    folds(value).ok_or_else(|| Failed::new("`model.folds` must be a number from 2 to 20"))?;
            }
            other => {
                let known = ["algorithm", "task", "imbalance", "calibration", "weight", "folds"];
                let hint =
                    did_you_mean(other, known).unwrap_or_else(|| format!("there are {}", known.join(", ")));
                return Err(Failed::new(format!("`model.{other}` is not an option: {hint}")));
            }
        }
    }
    Ok(settings)
}

fn folds(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|folds| usize::try_from(folds).ok()).filter(|folds| (2..=20).contains(folds))
}

fn named<'a, T>(
    option: &str,
    word: &str,
    found: Option<T>,
    known: impl Iterator<Item = &'a str>,
) -> Result<T, Failed> {
    found.ok_or_else(|| {
        let known: Vec<&str> = known.collect();
        Failed::new(format!("`{option}` cannot be `{word}`; it can be {}", known.join(", ")))
    })
}

fn feature(name: &str, declared: &spec::Feature, rows: &Table) -> Result<Feature, Failed> {
    let column = files::column(rows, name)?;
    let mut feature = Feature::new(name);
    feature.kind = match declared.type_.as_deref() {
        Some("integer") => Some(ColumnKind::Number),
        Some(kind) => ColumnKind::named(kind),
        None => None,
    };
    feature.least = declared.minimum;
    feature.most = declared.maximum;
    if declared.outliers.as_deref() == Some("clip") {
        feature.outliers = Outliers::Clip;
    }
    if declared.zero_is_missing {
        feature.missing.push(0.0);
    }
    feature.impute = match declared.missing.as_deref() {
        Some("median") => Impute::Median,
        Some("mean") => Impute::Mean,
        Some("zero") => Impute::Constant(0.0),
        _ => Impute::Leave,
    };
    if feature.impute != Impute::Leave && !matches!(column.kind(), ColumnKind::Number) {
        return Err(Failed::new(format!("`features.{name}.missing`: the column holds no numbers to impute")));
    }
    Ok(feature)
}

/// Predictions of `learn` row by row.
pub(super) fn by_row(predictions: &Predictions) -> Vec<Prediction> {
    let one = |row: usize| match predictions.task {
        Task::Regression => Prediction::Number(predictions.scores[row]),
        Task::Binary | Task::Multiclass => Prediction::Class(Class {
            label: predictions.labels[row] as usize,
            probabilities: predictions.probabilities(row).to_vec(),
        }),
    };
    (0..predictions.rows()).map(one).collect()
}

/// Explanations of `learn`.
pub(super) fn reasons(explanations: Vec<Explanation>) -> Vec<Reasons> {
    let one = |explanation: Explanation| Reasons {
        base: explanation.base,
        contributions: explanation.contributions,
    };
    explanations.into_iter().map(one).collect()
}

impl Predictor for Tabular {
    fn signature(&self) -> &Signature {
        self.model.signature()
    }

    fn classes(&self) -> &[String] {
        self.model.classes()
    }

    fn positive(&self) -> Option<usize> {
        (self.model.task() == Task::Binary).then_some(1)
    }

    fn threshold(&self) -> Option<f64> {
        (self.model.task() == Task::Binary).then(|| self.model.threshold())
    }

    fn predict(&self, rows: &Table) -> Result<Vec<Prediction>, Refused> {
        Ok(by_row(&self.model.predict(rows)))
    }

    fn explain(&self, rows: &Table) -> Result<Option<Vec<Reasons>>, Refused> {
        Ok(Some(reasons(self.model.explain(rows))))
    }

    fn importance(&self) -> Vec<(String, f64)> {
        self.model.importance().to_vec()
    }

    fn stored(&self) -> Stored {
        self.model.to_stored()
    }

    fn reference(&self) -> Option<Value> {
        Some(self.model.reference().to_json())
    }

    fn curve(&self, rows: &Table, column: &str) -> Vec<(String, f64)> {
        self.model.partial_dependence(rows, column)
    }
}
