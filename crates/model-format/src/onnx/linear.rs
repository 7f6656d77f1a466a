//! Linear models, names of classes, and what is done to scores at the end.

use super::proto::Node;
use super::tensor::{Data, Tensor};
use crate::Error;
use crate::output::Link;

/// A linear model.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// `[outputs][features]`.
    pub weights: Vec<Vec<f32>>,
    pub base: Vec<f32>,
    pub transform: Transform,
    /// Of classifiers.
    pub classes: Option<Labels>,
}

/// Names of classes.
#[derive(Clone, Debug)]
pub(super) enum Labels {
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

/// What is done to scores after they are summed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
}

impl Linear {
    pub fn of(node: &Node) -> Result<Self, Error> {
        let classes = if node.op == "LinearClassifier" { Labels::of(node) } else { None };
        let coefficients = node.floats("coefficients");
        let base = node.floats("intercepts").to_vec();
        let outputs = match &classes {
            None => usize::try_from(node.int("targets", 1)).unwrap_or(1).max(1),
            // Two classes may share one line.
            Some(classes) if classes.len() == 2 && base.len() == 1 => 1,
            Some(classes) => classes.len(),
        };
        let width = coefficients.len() / outputs.max(1);
        if width == 0 || width * outputs != coefficients.len() || (!base.is_empty() && base.len() != outputs)
        {
            return Err(Error::damaged("coefficients and intercepts do not fit the classes"));
        }
        Ok(Self {
            weights: coefficients.chunks(width).map(<[f32]>::to_vec).collect(),
            base: if base.is_empty() { vec![0.0; outputs] } else { base },
            transform: Transform::named(&node.text("post_transform", "NONE"))?,
            classes,
        })
    }

    pub fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, Error> {
        let width = input.width();
        if width != self.weights[0].len() {
            let message = format!("{} columns for {} coefficients", width, self.weights[0].len());
            return Err(Error::damaged(message));
        }
        let mut scores = Vec::new();
        for row in input.numbers()?.chunks(width) {
            let sum = |(weights, base): (&Vec<f32>, &f32)| {
                let products =
                    weights.iter().zip(row).map(|(weight, value)| f64::from(*weight) * f64::from(*value));
                products.sum::<f64>() + f64::from(*base)
            };
            let outputs: Vec<f64> = self.weights.iter().zip(&self.base).map(sum).collect();
            if self.classes.is_some() && outputs.len() == 1 {
                self.transform.single(outputs[0], &mut scores);
            } else {
                self.transform.all(&outputs, &mut scores);
            }
        }
        let columns = self.classes.as_ref().map_or(self.weights.len(), Labels::len);
        let scores = Tensor::table(columns, scores)?;
        Ok(match &self.classes {
            None => vec![scores],
            Some(classes) => vec![classes.given(&scores)?, scores],
        })
    }
}

impl Labels {
    pub fn of(node: &Node) -> Option<Self> {
        let texts = [node.texts("classlabels_strings"), node.texts("classlabels_int64s")];
        if let Some(texts) = texts.into_iter().find(|texts| !texts.is_empty()) {
            return Some(Self::Texts(texts.to_vec()));
        }
        let ints = [node.ints("classlabels_int64s"), node.ints("classlabels_ints")];
        ints.into_iter().find(|ints| !ints.is_empty()).map(|ints| Self::Ints(ints.to_vec()))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Ints(ints) => ints.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Ints(ints) => ints.iter().map(i64::to_string).collect(),
            Self::Texts(texts) => texts.clone(),
        }
    }

    /// The class of each row's best score.
    pub fn given(&self, scores: &Tensor) -> Result<Tensor, Error> {
        let values = scores.numbers()?;
        let best = |row: &[f32]| (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
        let rows: Vec<usize> = values.chunks(self.len().max(1)).map(best).collect();
        let data = match self {
            Self::Ints(ints) => Data::Int(rows.iter().map(|class| ints[*class]).collect()),
            Self::Texts(texts) => Data::Text(rows.iter().map(|class| texts[*class].clone()).collect()),
        };
        Tensor::new(vec![rows.len()], data)
    }
}

impl Transform {
    pub fn named(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            other => return Err(Error::unsupported(format!("the transform {other}"))),
        })
    }

    /// One sum that stands for the second of two classes.
    pub fn single(self, sum: f64, into: &mut Vec<f32>) {
        match self {
            Self::None => into.extend([(1.0 - sum) as f32, sum as f32]),
            Self::Logistic => {
                let share = 1.0 / (1.0 + (-sum).exp());
                into.extend([(1.0 - share) as f32, share as f32]);
            }
            Self::Softmax | Self::SoftmaxZero => self.all(&[-sum, sum], into),
        }
    }

    /// One sum per class or target.
    pub fn all(self, sums: &[f64], into: &mut Vec<f32>) {
        let mut values = sums.to_vec();
        match self {
            Self::None => {}
            Self::Logistic => Link::Sigmoid(1.0).apply(&mut values),
            Self::Softmax => Link::Softmax.apply(&mut values),
            Self::SoftmaxZero => {
                // Sums that are zero stay so.
                let zero: Vec<bool> = sums.iter().map(|sum| *sum == 0.0).collect();
                Link::Softmax.apply(&mut values);
                values.iter_mut().zip(zero).filter(|(_, zero)| *zero).for_each(|(value, _)| *value = 0.0);
            }
        }
        into.extend(values.iter().map(|value| *value as f32));
    }
}
