//! `kind: text`: what a text says as a whole, and what it says about entities in it.
//!
//! ```yaml
//! kind: text
//! data: data/headlines.csv
//! text: headline
//! entity: entity
//! target: label
//! metric: macro_f1
//! ```
//!
//! The column `entity` may hold several names, each on a line of its own. Without it a gazetteer finds who is named.

use std::sync::Arc;

use intendant_component::predictor::{Class, Opinion, Prediction, Predictor, Reasons, Refused};
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::TrainContext;
use intendant_polarity::{Balance, Example, Metric, Model, Options, Subject, mentions};
use intendant_table::{Field, Kind as ColumnKind, Signature, Table};
use serde_json::{Value, json};

use super::Material;
use crate::Failed;
use crate::files;
use crate::gazetteer::Names;
use crate::spec::Spec;

/// Words that speak for or against a prediction, at most.
const REASONS_MAX: usize = 20;

struct TextPredictor {
    model: Model,
    names: Option<Names>,
    signature: Signature,
    columns: Columns,
    positive: Option<usize>,
}

struct Columns {
    text: String,
    entity: Option<String>,
    date: Option<String>,
}

/// Trains on texts with labels.
pub fn train(
    spec: &Spec,
    material: &Material,
    context: &TrainContext<'_>,
) -> Result<Arc<dyn Predictor>, Failed> {
    let columns = Columns::of(spec);
    let target = spec.target.as_deref().unwrap_or_default();
    let texts = files::texts(&material.rows, &columns.text)?;
    let labels = files::texts(&material.rows, target)?;
    let entities = columns.entity.as_ref().map(|name| files::texts(&material.rows, name)).transpose()?;
    let mut examples = Vec::with_capacity(texts.len());
    for (row, (text, label)) in texts.iter().zip(&labels).enumerate() {
        let (Some(text), Some(label)) = (text, label) else { continue };
        let entity = entities.as_ref().and_then(|entities| entities[row].as_deref());
        examples.push(match entity {
            Some(entity) => Example::entity(text, entity, label),
            None => Example::document(text, label),
        });
    }
    let is_balanced = matches!(spec.metric.as_deref(), Some("macro_f1" | "f1"));
    let options = Options {
        labels: Vec::new(),
        metric: if is_balanced { Metric::MacroF1 } else { Metric::Accuracy },
        balance: if is_balanced { Balance::Balanced } else { Balance::default() },
    };
    let (model, _) = intendant_polarity::train(&examples, &options, context)
        .map_err(|error| Failed::new(error.to_string()))?;
    let names = match (&spec.gazetteer, &material.gazetteer) {
        (Some(_), Some(file)) => Some(Names::read(file)?),
        (Some(declared), None) => Some(Names::of(&declared.entities)),
        (None, _) => None,
    };
    Ok(Arc::new(TextPredictor::new(spec, model, names)?))
}

/// Loads what [`train`] gave.
pub fn load(spec: &Spec, stored: Stored) -> Result<Arc<dyn Predictor>, Unreadable> {
    let Stored { mut state, tensors } = stored;
    let names = match state.get("names") {
        None | Some(Value::Null) => None,
        Some(names) => Some(Names::from_json(names).ok_or_else(|| Unreadable::new("the gazetteer"))?),
    };
    let model = Model::load(Stored { state: state["model"].take(), tensors })?;
    let predictor = TextPredictor::new(spec, model, names);
    Ok(Arc::new(predictor.map_err(|error| Unreadable::new(error.to_string()))?))
}

impl Columns {
    fn of(spec: &Spec) -> Self {
        let date = spec.gazetteer.as_ref().and_then(|gazetteer| gazetteer.year_of.clone());
        Self {
            text: spec.text.clone().unwrap_or_else(|| "text".to_owned()),
            entity: spec.entity.clone(),
            date,
        }
    }
}

impl TextPredictor {
    fn new(spec: &Spec, model: Model, names: Option<Names>) -> Result<Self, Failed> {
        let columns = Columns::of(spec);
        let field = |name: &str, is_optional: bool| Field {
            name: name.to_owned(),
            kind: ColumnKind::Text,
            is_optional,
            categories: Vec::new(),
        };
        let mut fields = vec![field(&columns.text, false)];
        fields.extend(columns.entity.iter().chain(&columns.date).map(|name| field(name, true)));
        let labels = model.labels();
        let positive = spec.positive.as_ref().map(|name| {
            let found = labels.iter().position(|label| label == name);
            found.ok_or_else(|| Failed::new(format!("`positive: {name}` is none of {}", labels.join(", "))))
        });
        let positive = positive.transpose()?;
        Ok(Self { model, names, signature: Signature { fields }, columns, positive })
    }

    fn class(&self, prediction: intendant_polarity::Prediction) -> Class {
        let probabilities = prediction.probabilities.iter().map(|share| f64::from(*share)).collect();
        Class { label: prediction.label, probabilities }
    }

    fn opinion(&self, text: &str, entity: &str, spans: &[intendant_text::Token]) -> Opinion {
        let class =
            (!spans.is_empty()).then(|| self.class(self.model.predict(&Subject { text, mentions: spans })));
        let mentions =
            spans.iter().map(|span| (span.start_chars, span.end_chars, span.text(text).to_owned())).collect();
        Opinion { entity: entity.to_owned(), mentions, class }
    }

    fn one(&self, text: &str, entities: Option<&str>, date: Option<&str>) -> Prediction {
        let document = self.class(self.model.predict(&Subject::document(text)));
        let opinions = match (entities, &self.names) {
            (Some(entities), _) => entities
                .lines()
                .filter(|name| !name.trim().is_empty())
                .map(|name| self.opinion(text, name, &mentions(text, name.trim())))
                .collect(),
            (None, Some(names)) => names
                .find(text, date)
                .iter()
                .map(|(entity, spans)| self.opinion(text, entity, spans))
                .collect(),
            (None, None) => Vec::new(),
        };
        Prediction::Polarity { document, opinions }
    }
}

impl Predictor for TextPredictor {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn classes(&self) -> &[String] {
        self.model.labels()
    }

    fn positive(&self) -> Option<usize> {
        self.positive
    }

    fn predict(&self, rows: &Table) -> Result<Vec<Prediction>, Refused> {
        let read = |name: &str| files::texts(rows, name).map_err(|error| Refused::new(error.to_string()));
        let texts = read(&self.columns.text)?;
        let optional = |name: &Option<String>| {
            name.as_ref().filter(|name| rows.column(name).is_some()).map(|name| read(name)).transpose()
        };
        let (entities, dates) = (optional(&self.columns.entity)?, optional(&self.columns.date)?);
        let cell = |column: &Option<Vec<Option<String>>>, row: usize| -> Option<String> {
            column.as_ref().and_then(|column| column[row].clone())
        };
        let predictions = texts.iter().enumerate().map(|(row, text)| {
            let (entities, date) = (cell(&entities, row), cell(&dates, row));
            self.one(text.as_deref().unwrap_or_default(), entities.as_deref(), date.as_deref())
        });
        Ok(predictions.collect())
    }

    fn explain(&self, rows: &Table) -> Result<Option<Vec<Reasons>>, Refused> {
        let texts =
            files::texts(rows, &self.columns.text).map_err(|error| Refused::new(error.to_string()))?;
        let explain = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default();
            let characters: Vec<char> = text.chars().collect();
            let mut contributions: Vec<(String, f64)> = self
                .model
                .explain(&Subject::document(text))
                .iter()
                .map(|word| {
                    let span = characters.get(word.start_chars..word.end_chars).unwrap_or_default();
                    (span.iter().collect(), f64::from(word.weight))
                })
                .collect();
            contributions.sort_by(|left, right| right.1.abs().total_cmp(&left.1.abs()));
            contributions.truncate(REASONS_MAX);
            Reasons { base: 0.0, contributions }
        };
        Ok(Some(texts.iter().map(explain).collect()))
    }

    fn stored(&self) -> Stored {
        let Stored { state, tensors } = self.model.store();
        let names = self.names.as_ref().map(Names::to_json);
        Stored { state: json!({"model": state, "names": names}), tensors }
    }
}
