//! `SklearnIntentClassifier`: support vector machines over sentence vectors, their settings found by
//! cross-validation.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::Cancelled;
use intendant_numeric::regression::Data;
use intendant_numeric::svc::{self, Kernel, Probabilities, Ready, Svc};
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::diet::{Sources, ranked, set_ranking};
use crate::labels::Labelled;
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::scoring::Scoring;

const NAME: &str = "SklearnIntentClassifier";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: NAME,
    kind: ComponentKind::IntentClassifier,
    requires: &[ComponentKind::DenseFeaturizer],
    options: &OPTIONS,
    about: "Support vector machines over the sentence vectors of dense featurizers, one for each pair of intents, \
            as scikit-learn's `SVC` has them: intents weighed against each other by how rare they are, settings \
            chosen by cross-validation, confidences by Platt's sigmoids and pairwise coupling.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 7] = [
    option(
        "C",
        OptionKind::List,
        "[1, 2, 5, 10, 20, 100]",
        "how much examples count against the width of margins; the best is taken",
    ),
    option(
        "gamma",
        OptionKind::List,
        "[0.1]",
        "numbers, `scale` or `auto`, for all kernels but `linear`; the best is taken",
    ),
    option(
        "kernels",
        OptionKind::List,
        "[\"linear\"]",
        "`linear`, `rbf`, `poly`, `sigmoid`; the best is taken",
    ),
    option(
        "max_cross_validation_folds",
        OptionKind::Number,
        "5",
        "folds, at most; fewer when an intent has less than 25 examples, at least 2",
    ),
    option(
        "scoring_function",
        OptionKind::Text,
        "\"f1_weighted\"",
        "what is best: `accuracy`, `balanced_accuracy`, or `f1_`, `precision_`, `recall_` with `micro`, `macro`, `weighted`",
    ),
    option("num_threads", OptionKind::Number, "1", "accepted; the trainer's threads are used"),
    option("featurizers", OptionKind::List, "[]", "uses only the featurizers with these aliases"),
];

/// Length of the intent ranking.
const RANKING_LENGTH: usize = 10;
/// Examples of the smallest intent that a fold should have.
const EXAMPLES_OF_FOLD: usize = 5;

struct Classifier {
    model: Option<Model>,
    sources: Sources,
}

struct Model {
    labels: Vec<String>,
    width: usize,
    machine: Ready,
}

/// What to choose from.
struct Grid {
    costs: Vec<f32>,
    kernels: Vec<KernelName>,
    gammas: Vec<Gamma>,
    scoring: Scoring,
}

#[derive(Clone, Copy)]
enum KernelName {
    Linear,
    Rbf,
    Poly,
    Sigmoid,
}

#[derive(Clone, Copy)]
enum Gamma {
    Number(f32),
    /// One over the width and the variance of the data.
    Scale,
    /// One over the width.
    Auto,
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let grid = grid(options, training.diagnostics);
    let sources = Sources::of(options, training.before);
    let Labelled { labels, targets } =
        Labelled::of(training, |message| message.dense.iter().any(|vector| sources.uses(vector.origin)));
    let model = match grid {
        Some(grid) if labels.len() > 1 => {
            let rows: Vec<f32> =
                targets.iter().flat_map(|(at, _)| sources.dense(&training.messages[*at])).collect();
            let width = rows.len() / targets.len();
            let targets: Vec<u32> = targets.into_iter().map(|(_, label)| label).collect();
            let data = Data { rows: &rows, width, targets: &targets, classes: labels.len() };
            let folds = folds(&data, options.count("max_cross_validation_folds"));
            let machine = best(&data, &grid, &folds, training)?.ready();
            Some(Model { labels, width, machine })
        }
        Some(_) => {
            training.diagnostics.push(Labelled::too_few(options, NAME));
            None
        }
        None => None,
    };
    Ok(Box::new(Classifier { model, sources }))
}

/// What to choose from, if the options can be honoured; else errors say why.
fn grid(options: &Options, diagnostics: &mut Vec<Diagnostic>) -> Option<Grid> {
    let mut refuse = |name: &str, hint: &str| {
        let message = format!("option `{name}` of `{NAME}` cannot be {}", options.value(name));
        diagnostics.push(Diagnostic::error(options.source.clone(), message).with_hint(hint));
    };
    let above_zero =
        |value: &Value| value.as_f64().filter(|number| *number > 0.0).map(|number| number as f32);
    let costs = every(options, "C", above_zero);
    if costs.is_none() {
        refuse("C", "it is a list of numbers above 0");
    }
    let gammas = every(options, "gamma", |value| match value.as_str() {
        Some("scale") => Some(Gamma::Scale),
        Some("auto") => Some(Gamma::Auto),
        _ => above_zero(value).map(Gamma::Number),
    });
    if gammas.is_none() {
        refuse("gamma", "it is a list of numbers above 0, `scale` or `auto`");
    }
    let kernels = every(options, "kernels", |value| match value.as_str()? {
        "linear" => Some(KernelName::Linear),
        "rbf" => Some(KernelName::Rbf),
        "poly" => Some(KernelName::Poly),
        "sigmoid" => Some(KernelName::Sigmoid),
        _ => None,
    });
    if kernels.is_none() {
        refuse("kernels", "it is a list of `linear`, `rbf`, `poly` and `sigmoid`");
    }
    let scoring = Scoring::named(options.text("scoring_function").unwrap_or_default());
    if scoring.is_none() {
        refuse(
            "scoring_function",
            "it is `accuracy`, `balanced_accuracy`, or `f1_`, `precision_` or `recall_` with `micro`, `macro` or \
             `weighted`",
        );
    }
    Some(Grid { costs: costs?, kernels: kernels?, gammas: gammas?, scoring: scoring? })
}

/// The items of a list if there are any and all are of the kind.
fn every<T>(options: &Options, name: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    let items = options.value(name).as_array().map_or(&[][..], Vec::as_slice);
    items.iter().map(read).collect::<Option<Vec<T>>>().filter(|items| !items.is_empty())
}

impl Grid {
    /// The kernels with their numbers; those without a number once.
    fn settings(&self, data: &Data<'_>) -> Vec<Kernel> {
        let mut settings: Vec<Kernel> = Vec::new();
        for gamma in &self.gammas {
            let gamma = gamma.of(data);
            for kernel in &self.kernels {
                let kernel = match kernel {
                    KernelName::Linear => Kernel::Linear,
                    KernelName::Rbf => Kernel::Rbf(gamma),
                    KernelName::Poly => Kernel::Poly(gamma),
                    KernelName::Sigmoid => Kernel::Sigmoid(gamma),
                };
                if !settings.contains(&kernel) {
                    settings.push(kernel);
                }
            }
        }
        settings
    }
}

impl Gamma {
    fn of(self, data: &Data<'_>) -> f32 {
        let width = data.width.max(1) as f64;
        match self {
            Self::Number(number) => number,
            Self::Auto => (1.0 / width) as f32,
            Self::Scale => {
                let count = data.rows.len().max(1) as f64;
                let mean = data.rows.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
                let squares = data.rows.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>();
                (1.0 / (width * (squares / count).max(1e-12))) as f32
            }
        }
    }
}

/// The fold of each example; all folds have about as many of each intent.
fn folds(data: &Data<'_>, most: usize) -> Vec<u32> {
    let mut counts = vec![0usize; data.classes];
    data.targets.iter().for_each(|target| counts[*target as usize] += 1);
    let smallest = counts.into_iter().min().unwrap_or(0);
    let count = (smallest / EXAMPLES_OF_FOLD).min(most).max(2);
    let mut order: Vec<usize> = (0..data.targets.len()).collect();
    order.sort_by_key(|at| data.targets[*at]);
    let mut folds = vec![0; order.len()];
    order.into_iter().enumerate().for_each(|(place, at)| folds[at] = (place % count) as u32);
    folds
}

/// The machine with the settings that are best for examples held out.
fn best(data: &Data<'_>, grid: &Grid, folds: &[u32], training: &Training<'_>) -> Result<Svc, Cancelled> {
    let context = training.context;
    let settings = grid.settings(data);
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let rounds = if settings.len() * grid.costs.len() > 1 { count as usize * settings.len() } else { 0 };
    let step = |done: usize| context.step("support vectors", done as u64, rounds as u64 + 1);
    let go_on = || !context.progress.is_cancelled();
    let mut scores = vec![vec![0.0; grid.costs.len()]; settings.len()];
    for round in 0..rounds {
        step(round)?;
        let (setting, fold) = (round % settings.len(), (round / settings.len()) as u32);
        let (held_out, members): (Vec<u32>, Vec<u32>) =
            (0..folds.len() as u32).partition(|at| folds[*at as usize] == fold);
        let options = svc::Options {
            kernel: settings[setting],
            costs: &grid.costs,
            probabilities: Probabilities::No,
            threads: context.threads,
        };
        let machines = svc::train(data, &members, &options, go_on).ok_or(Cancelled)?;
        let right: Vec<u32> = held_out.iter().map(|at| data.targets[*at as usize]).collect();
        for (score, machine) in scores[setting].iter_mut().zip(machines) {
            let votes = machine.ready().votes(data, &held_out, context.threads);
            *score += grid.scoring.of(&right, &votes, data.classes);
        }
    }
    // Of equal scores the first counts, in the order in which scikit-learn tries them.
    let mut found = (f64::NEG_INFINITY, 0, 0);
    for cost in 0..grid.costs.len() {
        for (setting, scores) in scores.iter().enumerate() {
            if scores[cost] > found.0 {
                found = (scores[cost], setting, cost);
            }
        }
    }
    step(rounds)?;
    let options = svc::Options {
        kernel: settings[found.1],
        costs: &grid.costs[found.2..=found.2],
        probabilities: Probabilities::Seeded(context.seed),
        threads: context.threads,
    };
    let everything: Vec<u32> = (0..folds.len() as u32).collect();
    svc::train(data, &everything, &options, go_on).and_then(|mut machines| machines.pop()).ok_or(Cancelled)
}

fn load(_: &Options, _: Slot, mut stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let state = std::mem::take(&mut stored.state);
    let model = if state["labels"].is_null() { None } else { Some(Model::load(&state, &mut stored)?) };
    Ok(Box::new(Classifier { model, sources: Sources::stored(&state) }))
}

impl Model {
    fn load(state: &Value, stored: &mut Stored) -> Result<Self, Unreadable> {
        let labels = Labelled::stored(state)?;
        let width = state["width"].as_u64().unwrap_or(0) as usize;
        let gamma = state["gamma"].as_f64().unwrap_or(0.0) as f32;
        let kernel = match state["kernel"].as_str() {
            Some("linear") => Kernel::Linear,
            Some("rbf") => Kernel::Rbf(gamma),
            Some("poly") => Kernel::Poly(gamma),
            Some("sigmoid") => Kernel::Sigmoid(gamma),
            _ => return Err(Unreadable::new("`kernel` is none that is known")),
        };
        let svc = Svc {
            classes: labels.len(),
            kernel,
            vectors: stored.take_f32("vectors")?,
            starts: stored.take_u32("starts")?,
            duals: stored.take_f32("duals")?,
            thresholds: stored.take_f32("thresholds")?,
            sigmoids: stored.take_f64("sigmoids")?,
        };
        if !svc.is_sound(width) {
            return Err(Unreadable::new("the parts of the support vector machines do not fit each other"));
        }
        Ok(Self { labels, width, machine: svc.ready() })
    }

    fn store_into(&self, stored: &mut Stored) {
        let svc = self.machine.svc();
        let (kernel, gamma) = match svc.kernel {
            Kernel::Linear => ("linear", None),
            Kernel::Rbf(gamma) => ("rbf", Some(gamma)),
            Kernel::Poly(gamma) => ("poly", Some(gamma)),
            Kernel::Sigmoid(gamma) => ("sigmoid", Some(gamma)),
        };
        stored.state["labels"] = json!(self.labels);
        stored.state["width"] = json!(self.width);
        stored.state["kernel"] = json!(kernel);
        stored.state["gamma"] = json!(gamma);
        let mut put = |name: &str, data| stored.tensors.insert(name.to_owned(), Tensor::flat(data));
        put("vectors", TensorData::F32(svc.vectors.clone()));
        put("starts", TensorData::U32(svc.starts.clone()));
        put("duals", TensorData::F32(svc.duals.clone()));
        put("thresholds", TensorData::F32(svc.thresholds.clone()));
        put("sigmoids", TensorData::F64(svc.sigmoids.clone()));
    }
}

impl Annotator for Classifier {
    fn annotate(&self, message: &mut Message<'_>) {
        let vector = self.sources.dense(message);
        let ranking = match &self.model {
            Some(model) if vector.len() == model.width => {
                let probabilities = model.machine.probabilities(&vector);
                ranked(&model.labels, &probabilities, (RANKING_LENGTH, false))
            }
            _ => Vec::new(),
        };
        set_ranking(&mut message.parse, ranking);
    }

    fn store(&self) -> Stored {
        let mut stored = Stored { state: json!({"origins": self.sources.origins}), ..Stored::default() };
        if let Some(model) = &self.model {
            model.store_into(&mut stored);
        }
        stored
    }
}
