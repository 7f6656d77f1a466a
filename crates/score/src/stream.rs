//! Messages of streams, scored by a predictor.

use std::collections::BTreeMap;
use std::sync::Arc;

use intendant_component::predictor::Prediction;
use intendant_predictor::input;
use intendant_predictor::output::{probability, told};
use intendant_streams::score::Score;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use crate::articles::Failed;
use crate::service::{Served, Service, Version};

/// A predictor as the one who scores a stream's messages. Where it keeps articles, messages are kept there, too: a
/// message that comes again finds its article known.
pub struct Scorer {
    service: Arc<Service>,
    predictor: Arc<Served>,
    runtime: Handle,
}

impl Scorer {
    /// Scores with whatever version of the predictor is in use; `None` when there is no such predictor.
    pub fn new(service: Arc<Service>, name: &str, runtime: Handle) -> Option<Self> {
        let predictor = Arc::clone(service.get(name)?);
        Some(Self { service, predictor, runtime })
    }

    /// Keeps articles that were scored; those that are no articles are told of by position.
    fn keep(&self, objects: &[(usize, &Map<String, Value>)]) -> Result<Vec<(usize, String)>, String> {
        let Some(articles) = &self.predictor.articles else { return Ok(Vec::new()) };
        let mut left: Vec<(usize, &Map<String, Value>)> = objects.to_vec();
        let mut dead = Vec::new();
        loop {
            let given: Vec<&Map<String, Value>> = left.iter().map(|(_, object)| *object).collect();
            let taken = self.runtime.block_on(self.service.take_articles(articles, &self.predictor, &given));
            match taken {
                Ok(_) => return Ok(dead),
                Err(Failed::Invalid(problems)) => {
                    let wrong: BTreeMap<usize, String> = problems
                        .into_iter()
                        .map(|(at, field, problem)| (left[at].0, format!("`{field}` {problem}")))
                        .collect();
                    left.retain(|(at, _)| !wrong.contains_key(at));
                    dead.extend(wrong);
                }
                Err(failed) => return Err(failed.to_string()),
            }
        }
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
        let mut scored: Vec<Result<Value, String>> = objects.iter().copied().map(one).collect();
        let sound: Vec<(usize, &Map<String, Value>)> = objects
            .iter()
            .enumerate()
            .filter(|(at, _)| scored[*at].is_ok())
            .filter_map(|(at, object)| Some((at, (*object)?)))
            .collect();
        for (at, reason) in self.keep(&sound)? {
            scored[at] = Err(reason);
        }
        Ok(scored)
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
