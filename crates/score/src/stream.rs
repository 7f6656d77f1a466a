//! Messages of streams, scored by a predictor.

use std::sync::Arc;

use intendant_component::predictor::Prediction;
use intendant_predictor::input;
use intendant_predictor::output::{probability, told};
use intendant_streams::score::Score;
use serde_json::{Map, Value, json};

use crate::service::{Served, Version};

/// A predictor as the one who scores a stream's messages.
pub struct Scorer {
    predictor: Arc<Served>,
}

impl Scorer {
    /// Scores with whatever version of the predictor is in use.
    pub fn new(predictor: Arc<Served>) -> Self {
        Self { predictor }
    }
}

impl Score for Scorer {
    fn score(&self, rows: &[Value]) -> Result<Vec<Result<Value, String>>, String> {
        let name = &self.predictor.spec.name;
        let version = self.predictor.version().ok_or_else(|| format!("no version of `{name}` is in use"))?;
        let objects: Vec<Option<&Map<String, Value>>> = rows.iter().map(Value::as_object).collect();
        let one = |object: Option<&Map<String, Value>>| {
            let object = object.ok_or("the message is no JSON object")?;
            let table =
                input::rows(&version.model.spec, &version.signature, &[object]).map_err(|problems| {
                    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                })?;
            let predicted = version.model.predictor.predict(&table).map_err(|error| error.to_string())?;
            predicted
                .first()
                .map(|prediction| scored(&version, prediction))
                .ok_or_else(|| "no prediction".to_owned())
        };
        Ok(objects.into_iter().map(one).collect())
    }

    fn model(&self) -> String {
        let name = &self.predictor.spec.name;
        self.predictor.version().map_or_else(|| name.clone(), |version| format!("{name}:{}", version.number))
    }
}

fn scored(version: &Version, prediction: &Prediction) -> Value {
    let predictor = version.model.predictor.as_ref();
    let label = |label: usize| predictor.classes().get(label).cloned();
    match prediction {
        Prediction::Number(number) => json!({"prediction": number}),
        Prediction::Items { mode, items } => {
            let items: Vec<Value> =
                items.iter().map(|item| json!({"id": item.id, "score": item.score})).collect();
            json!({"items": items, "mode": mode})
        }
        prediction => {
            let mut value = match told(&version.model.spec, prediction) {
                Some(class) => {
                    json!({"label": label(class.label), "probability": probability(predictor, class)})
                }
                None => json!({}),
            };
            if let Prediction::Polarity { opinions, .. } = prediction {
                value["entities"] = opinions
                    .iter()
                    .map(|opinion| {
                        let said = opinion.class.as_ref().and_then(|class| label(class.label));
                        json!({"entity": opinion.entity, "prediction": said})
                    })
                    .collect();
            }
            value
        }
    }
}
