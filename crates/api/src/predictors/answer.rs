//! Predictions as JSON.

use intendant_component::predictor::{Class, Item, Opinion, Prediction, Reasons};
use intendant_predictor::output::probability;
use intendant_score::service::Version;
use serde_json::{Map, Value, json};

/// What a template's placeholder stands for.
pub fn placeholder(version: &Version, prediction: &Prediction, name: &str) -> Option<Value> {
    let predictor = version.model.predictor.as_ref();
    let class = match prediction {
        Prediction::Class(class) => Some(class),
        Prediction::Polarity { document, .. } => Some(document),
        _ => None,
    };
    Some(match (name, prediction) {
        ("$model", _) => version.model.spec.name.clone().into(),
        ("$version", _) => version.number.clone().into(),
        ("$threshold", _) => predictor.threshold().into(),
        ("$value", Prediction::Number(number)) => (*number).into(),
        ("$probability", _) => probability(predictor, class?).into(),
        ("$label", _) => label(version, class?),
        ("$probabilities", _) => probabilities(version, class?),
        ("$entities", Prediction::Polarity { opinions, .. }) => {
            opinions.iter().map(|opinion| entity(version, opinion)).collect()
        }
        ("$opinions", Prediction::Polarity { opinions, .. }) => opinions
            .iter()
            .map(|opinion| {
                let said = opinion.class.as_ref().map_or(Value::Null, |class| label(version, class));
                json!({"entity": opinion.entity, "prediction": said})
            })
            .collect(),
        ("$items", Prediction::Items { items, .. }) => {
            items.iter().map(|found| item(version, found)).collect()
        }
        ("$shown", Prediction::Items { items, .. }) => {
            items.iter().map(|found| shown(version, found)).collect()
        }
        ("$mode", Prediction::Items { mode, .. }) => mode.clone().into(),
        _ => return None,
    })
}

/// Everything that there is to say of a row.
pub fn whole(version: &Version, prediction: &Prediction, reasons: Option<&Reasons>) -> Value {
    let predictor = version.model.predictor.as_ref();
    let mut answer = match prediction {
        Prediction::Class(class) => {
            let mut answer = json!({
                "label": label(version, class),
                "probability": probability(predictor, class),
                "probabilities": probabilities(version, class),
            });
            if let Some(threshold) = predictor.threshold() {
                answer["threshold"] = threshold.into();
            }
            answer
        }
        Prediction::Number(number) => json!({"prediction": number}),
        Prediction::Polarity { document, opinions } => {
            let score = document.probabilities.get(document.label);
            json!({
                "document": {
                    "label": label(version, document), "score": score, "scores": probabilities(version, document),
                },
                "entities": opinions.iter().map(|opinion| entity(version, opinion)).collect::<Vec<_>>(),
            })
        }
        Prediction::Items { mode, items } => {
            json!({"items": items.iter().map(|found| item(version, found)).collect::<Vec<_>>(), "mode": mode})
        }
    };
    if let Some(reasons) = reasons {
        answer["explanation"] = explanation(reasons);
    }
    answer["model"] = version.model.spec.name.clone().into();
    answer["version"] = version.number.clone().into();
    answer
}

/// What speaks for and against a prediction.
pub fn explanation(reasons: &Reasons) -> Value {
    let contributions: Map<String, Value> =
        reasons.contributions.iter().map(|(name, weight)| (name.clone(), (*weight).into())).collect();
    json!({"base": reasons.base, "contributions": contributions})
}

/// What MLflow's clients get for a row: a probability, a class of several, a number, or everything.
pub fn short(version: &Version, prediction: &Prediction) -> Value {
    let predictor = version.model.predictor.as_ref();
    match prediction {
        Prediction::Class(class) if predictor.positive().is_some() => probability(predictor, class).into(),
        Prediction::Class(class) => label(version, class),
        Prediction::Number(number) => (*number).into(),
        Prediction::Polarity { document, opinions } if opinions.is_empty() => label(version, document),
        _ => whole(version, prediction, None),
    }
}

fn label(version: &Version, class: &Class) -> Value {
    version.model.predictor.classes().get(class.label).cloned().into()
}

fn probabilities(version: &Version, class: &Class) -> Value {
    let pairs = version.model.predictor.classes().iter().zip(&class.probabilities);
    Value::Object(pairs.map(|(name, value)| (name.clone(), (*value).into())).collect())
}

fn entity(version: &Version, opinion: &Opinion) -> Value {
    let mentions: Vec<Value> = opinion
        .mentions
        .iter()
        .map(|(start, end, surface)| json!({"start": start, "end": end, "surface": surface}))
        .collect();
    let class = opinion.class.as_ref();
    json!({
        "entity": opinion.entity,
        "mentions": mentions,
        "label": class.map_or(Value::Null, |class| label(version, class)),
        "scores": class.map_or(Value::Null, |class| probabilities(version, class)),
    })
}

fn item(version: &Version, found: &Item) -> Value {
    let mut told = json!({"id": found.id, "score": found.score, "reason": found.reason});
    for (name, value) in version.model.predictor.describe(&found.id) {
        told[name] = value.into();
    }
    told
}

/// Only the columns that the catalogue declares to show.
fn shown(version: &Version, found: &Item) -> Value {
    let known = version.model.predictor.describe(&found.id);
    let declared = version.model.spec.catalogue.as_ref();
    let show: Vec<&str> =
        declared.map(|catalogue| catalogue.show.iter().map(String::as_str).collect()).unwrap_or_default();
    let fields = known.into_iter().filter(|(name, _)| show.contains(&name.as_str()));
    Value::Object(fields.map(|(name, value)| (name, value.into())).collect())
}
