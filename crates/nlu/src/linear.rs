//! `LogisticRegressionClassifier` and `SklearnIntentClassifier`: linear models over the vectors of
//! the configured featurizers.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::diet::{Sources, ranked, samples, set_ranking};
use crate::fused::Fused;
use crate::intent_model;
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};

pub(crate) const LOGISTIC: ComponentInfo = ComponentInfo {
    name: "LogisticRegressionClassifier",
    kind: ComponentKind::IntentClassifier,
    requires: &[ComponentKind::SparseFeaturizer],
    options: &LOGISTIC_OPTIONS,
    about: "A linear classifier with calibrated probabilities over the configured feature vectors.",
    train: train_logistic,
    load: load_logistic,
};

pub(crate) const SKLEARN: ComponentInfo = ComponentInfo {
    name: "SklearnIntentClassifier",
    kind: ComponentKind::IntentClassifier,
    requires: &[ComponentKind::SparseFeaturizer],
    options: &SKLEARN_OPTIONS,
    about: "Linear support vector machines with calibrated probabilities over the configured feature vectors. \
            Rasa wants dense vectors for it; sparse ones do here.",
    train: train_sklearn,
    load: load_sklearn,
};

const LOGISTIC_OPTIONS: [OptionInfo; 8] = [
    option("ranking_length", OptionKind::Number, "10", "length of the intent ranking; 0 for all"),
    option("random_state", OptionKind::Number, "42", "seed of the training"),
    option("featurizers", OptionKind::List, "[]", "uses only the featurizers with these aliases"),
    option("max_iter", OptionKind::Number, "100", "accepted; training stops when it has converged"),
    option("solver", OptionKind::Text, "\"lbfgs\"", "accepted, no effect"),
    option("tol", OptionKind::Number, "0.0001", "accepted, no effect"),
    option("class_weight", OptionKind::Any, "\"balanced\"", "accepted, no effect"),
    option("epochs", OptionKind::Number, "null", "accepted, no effect"),
];

const SKLEARN_OPTIONS: [OptionInfo; 7] = [
    option("C", OptionKind::List, "[1, 2, 5, 10, 20, 100]", "accepted; the cost is fixed"),
    option("gamma", OptionKind::List, "[0.1]", "accepted; linear machines have none"),
    option("kernels", OptionKind::List, "[\"linear\"]", "`linear` is the only one"),
    option("max_cross_validation_folds", OptionKind::Number, "5", "accepted, no effect"),
    option("scoring_function", OptionKind::Text, "\"f1_weighted\"", "accepted, no effect"),
    option("num_threads", OptionKind::Number, "1", "accepted; the trainer's threads are used"),
    option("featurizers", OptionKind::List, "[]", "uses only the featurizers with these aliases"),
];

struct Linear {
    model: Option<Fused>,
    sources: Sources,
    ranking_length: usize,
}

fn train_logistic(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let seed = options.value("random_state").as_u64().unwrap_or(42);
    train(options, training, (LOGISTIC.name, seed))
}

fn train_sklearn(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let others: Vec<String> = options.texts("kernels").into_iter().filter(|name| name != "linear").collect();
    if !others.is_empty() {
        let message = format!(
            "`SklearnIntentClassifier` has the kernel `linear` only; `{}` is left out",
            others.join("`, `")
        );
        training.diagnostics.push(Diagnostic::warning(options.source.clone(), message));
    }
    let seed = training.context.seed;
    train(options, training, (SKLEARN.name, seed))
}

fn train(
    options: &Options,
    training: &mut Training<'_>,
    (name, seed): (&'static str, u64),
) -> Result<Box<dyn Annotator>, Cancelled> {
    let sources = Sources { reads_vectors: true, ..Sources::of(options, training.before) };
    let (labels, samples) =
        samples(training.messages, |at| training.examples[at].intent.as_deref(), &sources);
    let model = if labels.len() < 2 {
        let message = format!("`{name}` learns nothing: the examples have fewer than two intents");
        training.diagnostics.push(Diagnostic::warning(options.source.clone(), message));
        None
    } else {
        let settings = intent_model::Settings { phase: "intents", seed };
        Some(Fused::train(&samples, labels, &settings, training.context)?.0)
    };
    Ok(Box::new(Linear::new(options, model, sources)))
}

fn load_logistic(options: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    load(options, stored)
}

fn load_sklearn(options: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    load(options, stored)
}

fn load(options: &Options, mut stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let state = std::mem::take(&mut stored.state);
    let model = match &state["model"] {
        Value::Null => None,
        model => Some(Fused::load_from("", model, &mut stored)?),
    };
    let origins = state["origins"].as_array().map_or(&[][..], Vec::as_slice);
    let origins = origins.iter().filter_map(|origin| Some(origin.as_u64()? as usize)).collect();
    Ok(Box::new(Linear::new(options, model, Sources { reads_vectors: true, origins })))
}

impl Linear {
    fn new(options: &Options, model: Option<Fused>, sources: Sources) -> Self {
        let ranking_length = match options.value("ranking_length") {
            Value::Null => 10,
            _ => options.count("ranking_length"),
        };
        Self { model, sources, ranking_length }
    }
}

impl Annotator for Linear {
    fn annotate(&self, message: &mut Message<'_>) {
        let Some(model) = &self.model else {
            set_ranking(&mut message.parse, Vec::new());
            return;
        };
        let probabilities = model.probabilities(message, &self.sources);
        set_ranking(&mut message.parse, ranked(model.labels(), &probabilities, (self.ranking_length, false)));
    }

    fn store(&self) -> Stored {
        let mut stored = Stored::default();
        let model = self.model.as_ref().map(|model| model.store_into("", &mut stored));
        stored.state = json!({"model": model, "origins": self.sources.origins});
        stored
    }

    fn wants_vectors(&self) -> bool {
        true
    }
}
