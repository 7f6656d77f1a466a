//! A classifier that reads sparse features and, where a language model gives them, dense vectors.
//!
//! The sparse model knows the words of the domain, the dense one what words mean; with few examples
//! the second is far better, with many both together are. Each is trained alone. How much either
//! counts, and how sharp the outcome is, is fitted on messages held out of both.

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::{Cancelled, TrainContext};
use intendant_numeric::dense::Linear;
use intendant_numeric::{calibration, regression};
use serde_json::{Value, json};

use crate::diet::Sources;
use crate::intent_model::{self, IntentModel, Sample, Settings, folds};
use crate::message::Message;

/// Up to so many messages all are held out in turn, a quarter at a time; beyond it only an eighth.
const FEW: usize = 2000;
/// Turns in which few messages are held out.
const TURNS: u32 = 4;
/// How loosely the dense model is held; the penalty is one over this and the number of messages.
const COST: f32 = 20.0;
/// How much the dense model's scores may count against the sparse one's. Never nothing: where no
/// word is known, vectors decide, however good words are at what was seen.
const RATIOS: [f32; 12] = [0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0];

/// How much better the loss must be for each time that one counts 2.7 times more than the other:
/// where messages held out do not tell, both count alike.
const PRIOR: f64 = 0.01;

/// A classifier over everything that featurizers give.
pub(crate) struct Fused {
    sparse: IntentModel,
    dense: Option<Dense>,
}

struct Dense {
    width: usize,
    weights: regression::Regression,
    linear: Linear,
    shares: Shares,
}

/// Factors of the logarithms of both models' probabilities.
#[derive(Clone, Copy, Debug)]
struct Shares {
    sparse: f32,
    dense: f32,
}

impl Fused {
    /// Trains on samples of at least two labels, of which some may have no dense vector. With the
    /// model come the guesses of [`IntentModel::train`].
    pub(crate) fn train(
        samples: &[Sample<'_>],
        labels: Vec<String>,
        settings: &Settings<'_>,
        context: &TrainContext<'_>,
    ) -> Result<(Self, Vec<u32>), Cancelled> {
        let width = samples.iter().map(|sample| sample.dense.len()).max().unwrap_or(0);
        let dense = match width {
            0 => None,
            _ => {
                let shares = fit(samples, &labels, settings, context)?;
                let weights = regress(samples.iter(), labels.len(), context)?;
                Some(Dense { width, linear: weights.linear(), weights, shares })
            }
        };
        let (sparse, guesses) = IntentModel::train(samples, labels, settings, context)?;
        Ok((Self { sparse, dense }, guesses))
    }

    /// All labels, sorted.
    pub(crate) fn labels(&self) -> &[String] {
        &self.sparse.labels
    }

    /// Remembers further messages; see [`IntentModel::remember_more`].
    pub(crate) fn remember_more(&mut self, messages: impl IntoIterator<Item = (String, u32)>) {
        self.sparse.remember_more(messages);
    }

    /// Probabilities of all labels, in their order.
    pub(crate) fn probabilities(&self, message: &Message<'_>, sources: &Sources) -> Vec<f32> {
        let probabilities = self.sparse.probabilities(message.text, &mut sources.features(message));
        let Some(dense) = &self.dense else { return probabilities };
        let vector = sources.dense(message);
        if vector.len() != dense.width {
            return probabilities;
        }
        let mut scores = dense.shares.sum(&logarithms(probabilities), &dense.linear.apply(&vector));
        calibration::softmax(&mut scores, 1.0);
        scores
    }

    pub(crate) fn store_into(&self, prefix: &str, stored: &mut Stored) -> Value {
        let mut state = self.sparse.store_into(prefix, stored);
        if let Some(dense) = &self.dense {
            let mut put = |name: &str, data: &[f32]| {
                let tensor = Tensor::flat(TensorData::F32(data.to_vec()));
                stored.tensors.insert(format!("{prefix}{name}"), tensor);
            };
            put("dense_weights", &dense.weights.weights);
            put("dense_bias", &dense.weights.bias);
            put("dense_shares", &[dense.shares.sparse, dense.shares.dense]);
            state["dense_width"] = json!(dense.width);
        }
        state
    }

    pub(crate) fn load_from(prefix: &str, state: &Value, stored: &mut Stored) -> Result<Self, Unreadable> {
        let sparse = IntentModel::load_from(prefix, state, stored)?;
        let Some(width) = state.get("dense_width").and_then(Value::as_u64) else {
            return Ok(Self { sparse, dense: None });
        };
        let weights = regression::Regression {
            weights: stored.take_f32(&format!("{prefix}dense_weights"))?,
            bias: stored.take_f32(&format!("{prefix}dense_bias"))?,
        };
        let width = width as usize;
        let shares = stored.take_f32(&format!("{prefix}dense_shares"))?;
        let is_sound = weights.bias.len() == sparse.labels.len()
            && weights.weights.len() == weights.bias.len().saturating_mul(width);
        let ([sparse_share, dense_share], true) = (shares.as_slice(), is_sound) else {
            return Err(Unreadable::new("the dense model's parts do not fit each other"));
        };
        let shares = Shares { sparse: *sparse_share, dense: *dense_share };
        Ok(Self { sparse, dense: Some(Dense { width, linear: weights.linear(), weights, shares }) })
    }
}

impl Shares {
    fn sum(self, sparse: &[f32], dense: &[f32]) -> Vec<f32> {
        sparse.iter().zip(dense).map(|(sparse, dense)| self.sparse * sparse + self.dense * dense).collect()
    }
}

fn logarithms(mut probabilities: Vec<f32>) -> Vec<f32> {
    probabilities.iter_mut().for_each(|value| *value = value.max(1e-12).ln());
    probabilities
}

fn regress<'a>(
    samples: impl Iterator<Item = &'a Sample<'a>>,
    classes: usize,
    context: &TrainContext<'_>,
) -> Result<regression::Regression, Cancelled> {
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for sample in samples.filter(|sample| !sample.dense.is_empty()) {
        rows.extend_from_slice(&sample.dense);
        targets.push(sample.label);
    }
    let count = targets.len().max(1);
    let data = regression::Data { rows: &rows, width: rows.len() / count, targets: &targets, classes };
    let options = regression::Options {
        penalty: 1.0 / (COST * count as f32),
        steps_max: 120,
        tolerance: 3e-3,
        threads: context.threads,
    };
    regression::train(&data, &options, || !context.progress.is_cancelled()).ok_or(Cancelled)
}

/// Trains both models without some messages and finds the shares that explain those best.
fn fit(
    samples: &[Sample<'_>],
    labels: &[String],
    settings: &Settings<'_>,
    context: &TrainContext<'_>,
) -> Result<Shares, Cancelled> {
    let folds = folds(samples, settings.seed ^ 0xDE45E);
    let (turns, folds_at_once) = if samples.len() <= FEW { (TURNS, 2) } else { (1, 1) };
    let (mut sparse, mut dense, mut right) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..turns {
        let side = |is_held_out: bool| {
            let of_turn = move |fold: u32| fold / folds_at_once == turn;
            let of_side = samples.iter().zip(&folds).filter(move |(_, fold)| of_turn(**fold) == is_held_out);
            of_side.map(|(sample, _)| sample)
        };
        let rest: Vec<Sample<'_>> = side(false).cloned().collect();
        let phase = intent_model::Settings { phase: "weighing vectors", ..*settings };
        let (model, _) = IntentModel::train(&rest, labels.to_vec(), &phase, context)?;
        let linear = regress(rest.iter(), labels.len(), context)?.linear();
        for sample in side(true).filter(|sample| !sample.dense.is_empty()) {
            sparse.push(logarithms(model.probabilities(sample.text, &mut sample.features.clone())));
            dense.push(linear.apply(&sample.dense));
            right.push(sample.label);
        }
    }
    let mut best = (f64::INFINITY, Shares { sparse: 1.0, dense: 1.0 });
    for ratio in RATIOS {
        let direction = Shares { sparse: 1.0, dense: ratio };
        let scores: Vec<Vec<f32>> =
            sparse.iter().zip(&dense).map(|(sparse, dense)| direction.sum(sparse, dense)).collect();
        let loss = |sharpness: f32| calibration::loss(&scores, &right, |_| sharpness, 0.02);
        let sharpness = calibration::minimize(0.05, 10.0, loss);
        let found = loss(sharpness) + PRIOR * f64::from(ratio.ln().abs());
        if found < best.0 {
            best = (found, Shares { sparse: sharpness, dense: sharpness * ratio });
        }
    }
    Ok(best.1)
}
