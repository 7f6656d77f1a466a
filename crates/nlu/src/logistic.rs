//! `LogisticRegressionClassifier`: logistic regression over the vectors of the configured featurizers.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::Cancelled;
use intendant_numeric::index::Index;
use intendant_numeric::logistic::{self, Kind, Link, Logistic};
use intendant_numeric::random::mix;
use intendant_numeric::sparse::Rows;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::diet::{Sources, ranked, set_ranking};
use crate::labels::Labelled;
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};

const NAME: &str = "LogisticRegressionClassifier";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: NAME,
    kind: ComponentKind::IntentClassifier,
    requires: &[ComponentKind::SparseFeaturizer],
    options: &OPTIONS,
    about: "Logistic regression over the configured feature vectors, sparse and dense; classes are weighed against \
            each other by how rare they are. It finds the optimum that scikit-learn's `LogisticRegression` looks \
            for. Its confidences are not calibrated on messages held out.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 9] = [
    option("max_iter", OptionKind::Number, "100", "steps of the training, at most"),
    option(
        "solver",
        OptionKind::Text,
        "\"lbfgs\"",
        "`lbfgs`, `newton-cg`, `sag` or `saga`, whose optimum is the same, or `liblinear`: each intent against the rest",
    ),
    option("tol", OptionKind::Number, "0.0001", "the training stops when no slope is larger"),
    option("C", OptionKind::Number, "1.0", "how much examples count against the size of the weights"),
    option(
        "class_weight",
        OptionKind::Any,
        "\"balanced\"",
        "`balanced`: intents count alike; or a map of intents to weights, 1 if not named",
    ),
    option("ranking_length", OptionKind::Number, "10", "length of the intent ranking; 0 for all"),
    option("featurizers", OptionKind::List, "[]", "uses only the featurizers with these aliases"),
    option("random_state", OptionKind::Number, "42", "accepted; nothing is drawn by lot"),
    option("epochs", OptionKind::Number, "null", "accepted, no effect; see `max_iter`"),
];

/// Solvers of scikit-learn that look for the optimum over all classes at once.
const JOINT_SOLVERS: [&str; 4] = ["lbfgs", "newton-cg", "sag", "saga"];

struct Classifier {
    model: Option<Model>,
    sources: Sources,
    ranking_length: usize,
}

struct Model {
    labels: Vec<String>,
    columns: Index,
    logistic: Logistic,
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let settings = settings(options, training);
    let sources = Sources::of(options, training.before);
    let Labelled { labels, targets } =
        Labelled::of(training, |message| !message.vectors.is_empty() || !message.dense.is_empty());
    let model = match settings {
        Some(settings) if labels.len() > 1 => {
            let mut columns = Index::default();
            let mut rows = Rows::default();
            for (at, _) in &targets {
                rows.push(
                    items(&training.messages[*at], &sources).map(|(key, value)| (columns.insert(key), value)),
                );
            }
            let targets: Vec<u32> = targets.into_iter().map(|(_, label)| label).collect();
            let weights = class_weights(options, &labels, &targets);
            let data = logistic::Data {
                rows: &rows,
                width: columns.len(),
                targets: &targets,
                class_weights: &weights,
            };
            let go_on = |step: usize| {
                training.context.step("logistic regression", step as u64, settings.steps_max as u64).is_ok()
            };
            let (logistic, is_settled) = logistic::train(&data, &settings, go_on).ok_or(Cancelled)?;
            if !is_settled {
                let message =
                    format!("`{NAME}` has not reached its optimum after {} steps", settings.steps_max);
                training.diagnostics.push(
                    Diagnostic::warning(options.source.clone(), message)
                        .with_hint("a larger `max_iter` takes longer and may be a little better"),
                );
            }
            Some(Model { labels, columns, logistic })
        }
        Some(_) => {
            training.diagnostics.push(Labelled::too_few(options, NAME));
            None
        }
        None => None,
    };
    Ok(Box::new(Classifier { model, sources, ranking_length: options.count("ranking_length") }))
}

/// How to train, if the options can be honoured; else errors say why.
fn settings(options: &Options, training: &mut Training<'_>) -> Option<logistic::Options> {
    let mut refuse = |message: String, hint: &str| {
        training.diagnostics.push(Diagnostic::error(options.source.clone(), message).with_hint(hint));
    };
    let solver = options.text("solver").unwrap_or_default();
    let kind = match solver {
        "liblinear" => Some(Kind::Apart),
        _ if JOINT_SOLVERS.contains(&solver) => Some(Kind::Joint),
        _ => None,
    };
    if kind.is_none() {
        let message = format!("option `solver` of `{NAME}` cannot be `{solver}`");
        refuse(message, "it is `lbfgs`, `newton-cg`, `sag`, `saga` or `liblinear`");
    }
    let mut is_sound = kind.is_some();
    for name in ["max_iter", "tol", "C"] {
        if options.number(name) <= 0.0 {
            refuse(
                format!("option `{name}` of `{NAME}` must be above 0, found {}", options.value(name)),
                "leave it out for the default",
            );
            is_sound = false;
        }
    }
    let is_weight = |value: &Value| value.as_f64().is_some_and(|weight| weight >= 0.0);
    let is_heeded = match options.value("class_weight") {
        Value::String(name) => name == "balanced",
        Value::Object(weights) => weights.values().all(is_weight),
        _ => false,
    };
    if !is_heeded {
        let message =
            format!("option `class_weight` of `{NAME}` cannot be {}", options.value("class_weight"));
        refuse(message, "it is `balanced` or a map of intents to weights that are not below 0");
    }
    Some(logistic::Options {
        kind: kind.filter(|_| is_sound && is_heeded)?,
        cost: options.number("C") as f32,
        steps_max: options.count("max_iter").max(1),
        tolerance: options.number("tol") as f32,
        threads: training.context.threads,
    })
}

fn class_weights(options: &Options, labels: &[String], targets: &[u32]) -> Vec<f32> {
    if let Value::Object(weights) = options.value("class_weight") {
        let weight = |label: &String| weights.get(label).and_then(Value::as_f64).unwrap_or(1.0) as f32;
        return labels.iter().map(weight).collect();
    }
    let mut counts = vec![0.0f32; labels.len()];
    targets.iter().for_each(|label| counts[*label as usize] += 1.0);
    counts.iter().map(|count| targets.len() as f32 / (labels.len() as f32 * count)).collect()
}

/// The entries of a message's vectors, each with a key that says whose it is and which.
fn items<'a>(message: &'a Message<'_>, sources: &'a Sources) -> impl Iterator<Item = (u64, f32)> + 'a {
    /// Tells entries of dense vectors from those of sparse ones of the same featurizer.
    const DENSE: u64 = 1 << 31;
    let key = |origin: usize, column: u64| mix((origin as u64) << 32 | column);
    let sparse = message.vectors.iter().filter(|vector| sources.uses(vector.origin));
    let sparse = sparse.flat_map(move |vector| {
        vector.items.iter().map(move |(column, value)| (key(vector.origin, u64::from(*column)), *value))
    });
    let dense = message.dense.iter().filter(|vector| sources.uses(vector.origin));
    sparse.chain(dense.flat_map(move |vector| {
        vector
            .values
            .iter()
            .enumerate()
            .map(move |(at, value)| (key(vector.origin, DENSE | at as u64), *value))
    }))
}

fn load(options: &Options, _: Slot, mut stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let state = std::mem::take(&mut stored.state);
    let model = if state["labels"].is_null() { None } else { Some(Model::load(&state, &mut stored)?) };
    let sources = Sources::stored(&state);
    Ok(Box::new(Classifier { model, sources, ranking_length: options.count("ranking_length") }))
}

impl Model {
    fn load(state: &Value, stored: &mut Stored) -> Result<Self, Unreadable> {
        let labels = Labelled::stored(state)?;
        let columns = Index::from_keys(&stored.take_u64("columns")?);
        let link = match state["link"].as_str() {
            Some("softmax") => Link::Softmax,
            Some("sigmoid") => Link::Sigmoid,
            _ => return Err(Unreadable::new("`link` is neither `softmax` nor `sigmoid`")),
        };
        let logistic = Logistic { link, classes: labels.len(), weights: stored.take_f32("weights")? };
        if logistic.weights.len() != (columns.len() + 1).saturating_mul(labels.len()) {
            return Err(Unreadable::new("the weights do not fit the columns"));
        }
        Ok(Self { labels, columns, logistic })
    }
}

impl Annotator for Classifier {
    fn annotate(&self, message: &mut Message<'_>) {
        let ranking = match &self.model {
            Some(model) if !message.text.is_empty() => {
                let known = items(message, &self.sources)
                    .filter_map(|(key, value)| Some((model.columns.get(key)?, value)));
                let probabilities = model.logistic.probabilities(known);
                ranked(&model.labels, &probabilities, (self.ranking_length, false))
            }
            _ => Vec::new(),
        };
        set_ranking(&mut message.parse, ranking);
    }

    fn store(&self) -> Stored {
        let mut stored = Stored { state: json!({"origins": self.sources.origins}), ..Stored::default() };
        if let Some(Model { labels, columns, logistic }) = &self.model {
            let link = if logistic.link == Link::Softmax { "softmax" } else { "sigmoid" };
            stored.state["labels"] = json!(labels);
            stored.state["link"] = json!(link);
            let mut put = |name: &str, data| stored.tensors.insert(name.to_owned(), Tensor::flat(data));
            put("columns", TensorData::U64(columns.keys().to_vec()));
            put("weights", TensorData::F32(logistic.weights.clone()));
        }
        stored
    }

    fn wants_vectors(&self) -> bool {
        true
    }
}
