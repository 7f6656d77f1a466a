//! The operators.
//!
//! Source: ONNX operator specifications, domains `ai.onnx` and `ai.onnx.ml`.

use std::collections::HashMap;

use super::proto::Node;
use super::tensor::{Data, Tensor};
use super::text::{Normalizer, Tokenizer, Vectorizer};
use super::trees::Ensemble;
use crate::Error;
use crate::output::Link;

/// What a node does.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Hands its input on.
    Same,
    Cast(i64),
    Constant(Tensor),
    Concat(i64),
    Reshape(Option<Vec<i64>>),
    Flatten,
    Unsqueeze(Option<Vec<i64>>),
    Squeeze(Option<Vec<i64>>),
    Pairwise(Pairwise),
    Single(Single),
    Softmax(i64),
    ReduceSum {
        axis: Option<i64>,
        keeps: bool,
        is_mean: bool,
    },
    ArgMax {
        axis: i64,
        keeps: bool,
    },
    MatMul,
    Gemm {
        alpha: f32,
        beta: f32,
        turns_left: bool,
        turns_right: bool,
    },
    Gather(i64),
    Where,
    Imputer {
        values: Vec<f32>,
        replaced: f32,
    },
    Scaler {
        offset: Vec<f32>,
        scale: Vec<f32>,
    },
    Normalize(String),
    Binarizer(f32),
    OneHot {
        codes: HashMap<String, usize>,
        width: usize,
        allows_unknown: bool,
    },
    Labels {
        map: HashMap<String, usize>,
        values: Data,
        default: Data,
    },
    FeatureVectorizer,
    Linear(Box<Linear>),
    Trees {
        ensemble: Box<Ensemble>,
        classes: Option<Labels>,
    },
    Tokenizer(Tokenizer),
    Vectorizer(Box<Vectorizer>),
    Normalizer(Normalizer),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Pairwise {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    And,
    Or,
    Least,
    Most,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Single {
    Negative,
    Absolute,
    Exp,
    Log,
    Root,
    Sigmoid,
    Tanh,
    Relu,
    IsNan,
    Not,
    Clip(f32, f32),
}

/// A linear model.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// `[outputs][features]`.
    weights: Vec<Vec<f32>>,
    base: Vec<f32>,
    transform: Transform,
    /// Of classifiers.
    classes: Option<Labels>,
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

/// Operators that are not implemented, each once.
pub(super) fn unknown(nodes: &[Node]) -> Vec<String> {
    let mut unknown: Vec<String> =
        nodes
            .iter()
            .filter(|node| !is_known(node))
            .map(|node| {
                if node.domain.is_empty() { node.op.clone() } else { format!("{}.{}", node.domain, node.op) }
            })
            .collect();
    unknown.sort();
    unknown.dedup();
    unknown
}

const PLAIN: [&str; 41] = [
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Div",
    "Equal",
    "Exp",
    "Flatten",
    "Gather",
    "Gemm",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Log",
    "MatMul",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Sqrt",
    "Squeeze",
    "StringNormalizer",
    "Sub",
    "Tanh",
    "TfIdfVectorizer",
];

const CLASSICAL: [&str; 13] = [
    "ArrayFeatureExtractor",
    "Binarizer",
    "CategoryMapper",
    "FeatureVectorizer",
    "Imputer",
    "LabelEncoder",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
    "OneHotEncoder",
    "Scaler",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
];

fn is_known(node: &Node) -> bool {
    let op = node.op.as_str();
    match node.domain.as_str() {
        "" | "ai.onnx" => PLAIN.contains(&op) || matches!(op, "Unsqueeze" | "Where"),
        "ai.onnx.ml" => CLASSICAL.contains(&op) || op == "ZipMap",
        "com.microsoft" => op == "Tokenizer",
        _ => false,
    }
}

impl Op {
    /// A node's operator; constant inputs are at hand.
    pub fn of(node: &Node, inputs: &[Option<&Tensor>]) -> Result<Self, Error> {
        if let Some(attribute) = node.attributes.iter().find(|attribute| attribute.has_graph) {
            return Err(Error::unsupported(format!("`{}` holds a graph", attribute.name)));
        }
        match node.domain.as_str() {
            "ai.onnx.ml" => Self::classical(node),
            "com.microsoft" => Ok(Self::Tokenizer(Tokenizer::of(node)?)),
            _ => Self::plain(node, inputs),
        }
    }

    fn plain(node: &Node, inputs: &[Option<&Tensor>]) -> Result<Self, Error> {
        // Options that became inputs in later versions.
        let second = |name: &str| -> Result<Option<Vec<i64>>, Error> {
            match (node.attribute(name), inputs.get(1)) {
                (Some(attribute), _) => Ok(Some(attribute.ints.clone())),
                (None, Some(Some(tensor))) => tensor.ints().map(Some),
                (None, Some(None)) => Err(Error::unsupported(format!("`{name}` that is computed"))),
                (None, None) => Ok(None),
            }
        };
        let bound = |name: &str, at: usize, absent: f32| -> Result<f32, Error> {
            match inputs.get(at) {
                Some(Some(tensor)) => Ok(tensor.numbers()?.first().copied().unwrap_or(absent)),
                _ => Ok(node.float(name, absent)),
            }
        };
        let keeps = node.int("keepdims", 1) == 1;
        Ok(match node.op.as_str() {
            "Identity" => Self::Same,
            "Cast" => Self::Cast(node.int("to", 1)),
            "Constant" => Self::Constant(constant(node)?),
            "Concat" => Self::Concat(node.int("axis", 1)),
            "Reshape" => Self::Reshape(second("shape")?),
            "Flatten" => Self::Flatten,
            "Unsqueeze" => Self::Unsqueeze(second("axes")?),
            "Squeeze" => Self::Squeeze(second("axes")?),
            "Softmax" => Self::Softmax(node.int("axis", -1)),
            "ReduceSum" | "ReduceMean" => {
                let axes = second("axes")?.unwrap_or_default();
                if axes.len() > 1 {
                    return Err(Error::unsupported("sums over several dimensions"));
                }
                Self::ReduceSum { axis: axes.first().copied(), keeps, is_mean: node.op == "ReduceMean" }
            }
            "ArgMax" => Self::ArgMax { axis: node.int("axis", 0), keeps },
            "MatMul" => Self::MatMul,
            "Gemm" => Self::Gemm {
                alpha: node.float("alpha", 1.0),
                beta: node.float("beta", 1.0),
                turns_left: node.int("transA", 0) == 1,
                turns_right: node.int("transB", 0) == 1,
            },
            "Gather" => Self::Gather(node.int("axis", 0)),
            "Where" => Self::Where,
            "Clip" => Self::Single(Single::Clip(bound("min", 1, f32::MIN)?, bound("max", 2, f32::MAX)?)),
            "TfIdfVectorizer" => Self::Vectorizer(Box::new(Vectorizer::of(node)?)),
            "StringNormalizer" => Self::Normalizer(Normalizer::of(node)),
            other => match (pairwise(other), single(other)) {
                (Some(op), _) => Self::Pairwise(op),
                (_, Some(op)) => Self::Single(op),
                _ => return Err(Error::unsupported(format!("the operator {other}"))),
            },
        })
    }

    fn classical(node: &Node) -> Result<Self, Error> {
        Ok(match node.op.as_str() {
            "ZipMap" => Self::Same,
            "Imputer" => {
                let floats = node.floats("imputed_value_floats");
                let ints = node.ints("imputed_value_int64s");
                let (values, replaced) = if floats.is_empty() {
                    let replaced = node.int("replaced_value_int64", 0) as f32;
                    (ints.iter().map(|value| *value as f32).collect(), replaced)
                } else {
                    (floats.to_vec(), node.float("replaced_value_float", 0.0))
                };
                Self::Imputer { values, replaced }
            }
            "Scaler" => {
                Self::Scaler { offset: node.floats("offset").to_vec(), scale: node.floats("scale").to_vec() }
            }
            "Normalizer" => Self::Normalize(node.text("norm", "MAX")),
            "Binarizer" => Self::Binarizer(node.float("threshold", 0.0)),
            "OneHotEncoder" => {
                let texts = node.texts("cats_strings");
                let ints = node.ints("cats_int64s");
                let names: Vec<String> =
                    if texts.is_empty() { ints.iter().map(i64::to_string).collect() } else { texts.to_vec() };
                let width = names.len();
                let codes = names.into_iter().enumerate().map(|(at, name)| (name, at)).collect();
                Self::OneHot { codes, width, allows_unknown: node.int("zeros", 1) == 1 }
            }
            "LabelEncoder" | "CategoryMapper" => labels(node)?,
            "FeatureVectorizer" => Self::FeatureVectorizer,
            "ArrayFeatureExtractor" => Self::Gather(-1),
            "LinearClassifier" | "LinearRegressor" => Self::Linear(Box::new(Linear::of(node)?)),
            "TreeEnsembleClassifier" => {
                let classes = Labels::of(node).ok_or_else(|| Error::damaged("the classes have no names"))?;
                let ensemble = Box::new(Ensemble::of(node, "class", classes.len())?);
                Self::Trees { ensemble, classes: Some(classes) }
            }
            "TreeEnsembleRegressor" => {
                let targets = usize::try_from(node.int("n_targets", 1)).unwrap_or(0);
                if targets == 0 || targets > 10_000 {
                    return Err(Error::damaged("no sensible number of targets"));
                }
                Self::Trees { ensemble: Box::new(Ensemble::of(node, "target", targets)?), classes: None }
            }
            other => return Err(Error::unsupported(format!("the operator {other}"))),
        })
    }

    /// Names of classes, for classifiers.
    pub fn classes(&self) -> Option<Vec<String>> {
        let labels = match self {
            Self::Linear(linear) => linear.classes.as_ref(),
            Self::Trees { classes, .. } => classes.as_ref(),
            _ => None,
        };
        labels.map(Labels::names)
    }

    /// Outputs for these inputs of a batch.
    pub fn run(&self, inputs: &[&Tensor], rows: usize) -> Result<Vec<Tensor>, Error> {
        if let Self::Constant(tensor) = self {
            return Ok(vec![tensor.clone()]);
        }
        let first = *inputs.first().ok_or_else(|| Error::damaged("a node has no input"))?;
        let second = || inputs.get(1).copied().ok_or_else(|| Error::damaged("a node lacks its second input"));
        let one = match self {
            Self::Same | Self::Constant(_) => first.clone(),
            Self::Cast(kind) => cast(first, *kind)?,
            Self::Concat(axis) => concat(inputs, *axis)?,
            Self::Reshape(shape) => {
                let shape = match shape {
                    Some(shape) => shape.clone(),
                    None => second()?.ints()?,
                };
                reshape(first, &shape, rows)?
            }
            Self::Flatten => {
                let rows = first.shape.first().copied().unwrap_or(1);
                Tensor::new(vec![rows, first.len() / rows.max(1)], first.data.clone())?
            }
            Self::Unsqueeze(axes) => unsqueeze(first, axes.as_deref().unwrap_or(&[0]))?,
            Self::Squeeze(axes) => squeeze(first, axes.as_deref())?,
            Self::Pairwise(op) => {
                let mut joined = op.run(first, second()?)?;
                for more in inputs.iter().skip(2) {
                    joined = op.run(&joined, more)?;
                }
                joined
            }
            Self::Single(op) => {
                let values = first.numbers()?.into_iter().map(|value| op.of(value)).collect();
                let tensor = Tensor::new(first.shape.clone(), Data::Float(values))?;
                if matches!(op, Single::IsNan | Single::Not) { cast(&tensor, 9)? } else { tensor }
            }
            Self::Softmax(axis) => {
                let is_last = first.axis(*axis)? + 1 == first.shape.len();
                if !is_last {
                    return Err(Error::unsupported("softmax over another than the last dimension"));
                }
                let width = *first.shape.last().unwrap_or(&1);
                let mut values = first.numbers()?;
                for row in values.chunks_mut(width.max(1)) {
                    let mut wide: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
                    Link::Softmax.apply(&mut wide);
                    row.iter_mut().zip(wide).for_each(|(slot, value)| *slot = value as f32);
                }
                Tensor::new(first.shape.clone(), Data::Float(values))?
            }
            Self::ReduceSum { axis, keeps, is_mean } => reduce(first, *axis, *keeps, |values| {
                let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
                (if *is_mean { sum / values.len().max(1) as f64 } else { sum }) as f32
            })?,
            Self::ArgMax { axis, keeps } => {
                let best = |values: &[f32]| {
                    (0..values.len()).rev().max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap_or(0)
                        as f32
                };
                cast(&reduce(first, Some(*axis), *keeps, best)?, 7)?
            }
            Self::MatMul => product(first, second()?, false, false)?,
            Self::Gemm { alpha, beta, turns_left, turns_right } => {
                let product = product(first, second()?, *turns_left, *turns_right)?;
                let scaled = product.numbers()?.into_iter().map(|value| value * alpha).collect();
                let product = Tensor::new(product.shape, Data::Float(scaled))?;
                match inputs.get(2) {
                    None => product,
                    Some(base) => {
                        let base = base.numbers()?.into_iter().map(|value| value * beta).collect();
                        let base = Tensor::new(inputs[2].shape.clone(), Data::Float(base))?;
                        Pairwise::Add.run(&product, &base)?
                    }
                }
            }
            Self::Gather(axis) => gather(first, second()?, *axis)?,
            Self::Where => choose(first, second()?, inputs.get(2).copied())?,
            Self::Imputer { values, replaced } => {
                let of = |at: usize| values.get(if values.len() == 1 { 0 } else { at }).copied();
                per_column(first, |at, value| {
                    let is_missing = if replaced.is_nan() { value.is_nan() } else { value == *replaced };
                    if is_missing { of(at).unwrap_or(value) } else { value }
                })?
            }
            Self::Scaler { offset, scale } => {
                let of = |list: &[f32], at: usize, absent: f32| {
                    list.get(if list.len() == 1 { 0 } else { at }).copied().unwrap_or(absent)
                };
                per_column(first, |at, value| (value - of(offset, at, 0.0)) * of(scale, at, 1.0))?
            }
            Self::Normalize(norm) => normalize(first, norm)?,
            Self::Binarizer(threshold) => {
                per_column(first, |_, value| f32::from(u8::from(value > *threshold)))?
            }
            Self::OneHot { codes, width, allows_unknown } => {
                one_hot(first, codes, (*width, *allows_unknown))?
            }
            Self::Labels { map, values, default } => relabel(first, map, values, default)?,
            Self::FeatureVectorizer => concat(inputs, 1)?,
            Self::Linear(linear) => return linear.run(first),
            Self::Trees { ensemble, classes } => {
                let scores = ensemble.run(first)?;
                return Ok(match classes {
                    None => vec![scores],
                    Some(classes) => vec![classes.given(&scores)?, scores],
                });
            }
            Self::Tokenizer(tokenizer) => tokenizer.run(first)?,
            Self::Vectorizer(vectorizer) => vectorizer.run(first)?,
            Self::Normalizer(normalizer) => normalizer.run(first)?,
        };
        Ok(vec![one])
    }
}

fn constant(node: &Node) -> Result<Tensor, Error> {
    for attribute in &node.attributes {
        match attribute.name.as_str() {
            "value" => {
                if let Some(tensor) = &attribute.tensor {
                    return Tensor::of(tensor);
                }
            }
            "value_float" => return Tensor::new(Vec::new(), Data::Float(vec![attribute.float])),
            "value_int" => return Tensor::new(Vec::new(), Data::Int(vec![attribute.int])),
            "value_floats" => {
                return Tensor::new(vec![attribute.floats.len()], Data::Float(attribute.floats.clone()));
            }
            "value_ints" => {
                return Tensor::new(vec![attribute.ints.len()], Data::Int(attribute.ints.clone()));
            }
            "value_strings" => {
                return Tensor::new(vec![attribute.texts.len()], Data::Text(attribute.texts.clone()));
            }
            _ => {}
        }
    }
    Err(Error::damaged("a constant without value"))
}

fn pairwise(op: &str) -> Option<Pairwise> {
    Some(match op {
        "Add" => Pairwise::Add,
        "Sub" => Pairwise::Subtract,
        "Mul" => Pairwise::Multiply,
        "Div" => Pairwise::Divide,
        "Pow" => Pairwise::Power,
        "Equal" => Pairwise::Equal,
        "Less" => Pairwise::Less,
        "Greater" => Pairwise::Greater,
        "LessOrEqual" => Pairwise::LessOrEqual,
        "GreaterOrEqual" => Pairwise::GreaterOrEqual,
        "And" => Pairwise::And,
        "Or" => Pairwise::Or,
        "Min" => Pairwise::Least,
        "Max" => Pairwise::Most,
        _ => return None,
    })
}

fn single(op: &str) -> Option<Single> {
    Some(match op {
        "Neg" => Single::Negative,
        "Abs" => Single::Absolute,
        "Exp" => Single::Exp,
        "Log" => Single::Log,
        "Sqrt" => Single::Root,
        "Sigmoid" => Single::Sigmoid,
        "Tanh" => Single::Tanh,
        "Relu" => Single::Relu,
        "IsNaN" => Single::IsNan,
        "Not" => Single::Not,
        _ => return None,
    })
}

impl Single {
    fn of(self, value: f32) -> f32 {
        match self {
            Self::Negative => -value,
            Self::Absolute => value.abs(),
            Self::Exp => value.exp(),
            Self::Log => value.ln(),
            Self::Root => value.sqrt(),
            Self::Sigmoid => 1.0 / (1.0 + (-value).exp()),
            Self::Tanh => value.tanh(),
            Self::Relu => value.max(0.0),
            Self::IsNan => f32::from(u8::from(value.is_nan())),
            Self::Not => f32::from(u8::from(value == 0.0)),
            // Bounds of a damaged file may be turned round, which `clamp` does not allow.
            Self::Clip(least, most) => value.max(least).min(most),
        }
    }
}

impl Pairwise {
    fn of(self, left: f32, right: f32) -> f32 {
        let truth = |is_so: bool| f32::from(u8::from(is_so));
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Power => left.powf(right),
            Self::Equal => truth(left == right),
            Self::Less => truth(left < right),
            Self::Greater => truth(left > right),
            Self::LessOrEqual => truth(left <= right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::Least => left.min(right),
            Self::Most => left.max(right),
        }
    }

    fn run(self, left: &Tensor, right: &Tensor) -> Result<Tensor, Error> {
        let shape = broadcast(&left.shape, &right.shape)?;
        let (left_at, right_at) = (strides(&left.shape, &shape), strides(&right.shape, &shape));
        let count = count(&shape)?;
        let is_text = matches!((&left.data, &right.data), (Data::Text(_), Data::Text(_)));
        if is_text && matches!(self, Self::Equal) {
            let (left, right) = (left.texts()?, right.texts()?);
            let equal = (0..count).map(|at| {
                i64::from(left[position(at, &shape, &left_at)] == right[position(at, &shape, &right_at)])
            });
            return Tensor::new(shape.clone(), Data::Int(equal.collect()));
        }
        let is_int = matches!((&left.data, &right.data), (Data::Int(_), Data::Int(_)));
        let (left, right) = (left.numbers()?, right.numbers()?);
        let value =
            |at: usize| self.of(left[position(at, &shape, &left_at)], right[position(at, &shape, &right_at)]);
        let values: Vec<f32> = (0..count).map(value).collect();
        let is_truth = !matches!(
            self,
            Self::Add
                | Self::Subtract
                | Self::Multiply
                | Self::Divide
                | Self::Power
                | Self::Least
                | Self::Most
        );
        let tensor = Tensor::new(shape, Data::Float(values))?;
        if is_truth || is_int { cast(&tensor, 7) } else { Ok(tensor) }
    }
}

/// Elements of a shape, bounded.
fn count(shape: &[usize]) -> Result<usize, Error> {
    let count = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    count.filter(|count| *count <= 1 << 28).ok_or_else(|| Error::damaged("a value becomes too large"))
}

fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, Error> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], at: usize| (at + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let joined = (0..rank).map(|at| match (size(left, at), size(right, at)) {
        (left, right) if left == right => Ok(left),
        (1, other) | (other, 1) => Ok(other),
        _ => Err(Error::damaged(format!("the shapes {left:?} and {right:?} do not fit together"))),
    });
    joined.collect()
}

/// How far each dimension of the joined shape moves within a part's elements.
fn strides(own: &[usize], joined: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; joined.len()];
    let mut stride = 1;
    for at in (0..own.len()).rev() {
        let place = at + joined.len() - own.len();
        strides[place] = if own[at] == 1 { 0 } else { stride };
        stride *= own[at];
    }
    strides
}

fn position(at: usize, shape: &[usize], strides: &[usize]) -> usize {
    let (mut rest, mut position) = (at, 0);
    for (size, stride) in shape.iter().zip(strides).rev() {
        position += rest % size * stride;
        rest /= size;
    }
    position
}

fn cast(tensor: &Tensor, kind: i64) -> Result<Tensor, Error> {
    let data = match (kind, &tensor.data) {
        (1 | 10 | 11, Data::Text(words)) => {
            Data::Float(words.iter().map(|word| word.trim().parse().unwrap_or(f32::NAN)).collect())
        }
        (1 | 10 | 11, _) => Data::Float(tensor.numbers()?),
        (8, Data::Text(words)) => Data::Text(words.clone()),
        (8, Data::Int(values)) => Data::Text(values.iter().map(i64::to_string).collect()),
        (8, Data::Float(values)) => Data::Text(values.iter().map(f32::to_string).collect()),
        (9, _) => Data::Int(tensor.numbers()?.iter().map(|value| i64::from(*value != 0.0)).collect()),
        (2..=7 | 12 | 13, Data::Text(words)) => {
            let ints: Option<Vec<i64>> = words.iter().map(|word| word.trim().parse().ok()).collect();
            Data::Int(ints.ok_or_else(|| Error::damaged("words that are no whole numbers"))?)
        }
        (2..=7 | 12 | 13, _) => Data::Int(tensor.ints()?),
        _ => return Err(Error::unsupported(format!("the element type {kind}"))),
    };
    Tensor::new(tensor.shape.clone(), data)
}

fn concat(inputs: &[&Tensor], axis: i64) -> Result<Tensor, Error> {
    let first = inputs[0];
    let axis = first.axis(axis)?;
    let outer: usize = first.shape[..axis].iter().product();
    for input in inputs {
        let fits = input.shape.len() == first.shape.len()
            && input
                .shape
                .iter()
                .zip(&first.shape)
                .enumerate()
                .all(|(at, (own, other))| at == axis || own == other);
        if !fits {
            return Err(Error::damaged(format!("{:?} cannot be joined to {:?}", input.shape, first.shape)));
        }
    }
    let mut shape = first.shape.clone();
    shape[axis] = inputs.iter().map(|input| input.shape[axis]).sum();
    fn join<T: Clone>(parts: &[(&[T], usize)], outer: usize) -> Vec<T> {
        (0..outer)
            .flat_map(|at| {
                parts.iter().flat_map(move |(part, size)| part[at * size..(at + 1) * size].to_vec())
            })
            .collect()
    }
    let sizes: Vec<usize> = inputs.iter().map(|input| input.len() / outer.max(1)).collect();
    let data = if inputs.iter().all(|input| matches!(input.data, Data::Text(_))) {
        let parts: Result<Vec<_>, Error> =
            inputs.iter().zip(&sizes).map(|(input, size)| Ok((input.texts()?, *size))).collect();
        Data::Text(join(&parts?, outer))
    } else if inputs.iter().all(|input| matches!(input.data, Data::Int(_))) {
        let ints: Vec<Vec<i64>> = inputs.iter().map(|input| input.ints()).collect::<Result<_, _>>()?;
        let parts: Vec<(&[i64], usize)> =
            ints.iter().zip(&sizes).map(|(part, size)| (part.as_slice(), *size)).collect();
        Data::Int(join(&parts, outer))
    } else {
        let floats: Vec<Vec<f32>> = inputs.iter().map(|input| input.numbers()).collect::<Result<_, _>>()?;
        let parts: Vec<(&[f32], usize)> =
            floats.iter().zip(&sizes).map(|(part, size)| (part.as_slice(), *size)).collect();
        Data::Float(join(&parts, outer))
    };
    Tensor::new(shape, data)
}

fn reshape(tensor: &Tensor, wanted: &[i64], rows: usize) -> Result<Tensor, Error> {
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (at, size) in wanted.iter().enumerate() {
        shape.push(match size {
            -1 if open.replace(at).is_none() => 1,
            0 => tensor.shape.get(at).copied().unwrap_or(1),
            size => usize::try_from(*size).map_err(|_| Error::damaged("a shape with negative sizes"))?,
        });
    }
    if let Some(at) = open {
        let known = count(&shape)?;
        shape[at] = tensor.len().checked_div(known).unwrap_or(0);
    } else if count(&shape)? != tensor.len() && shape.first() == Some(&1) {
        // Some exporters write the shape of a single row.
        shape[0] = rows;
    }
    Tensor::new(shape, tensor.data.clone())
}

fn unsqueeze(tensor: &Tensor, axes: &[i64]) -> Result<Tensor, Error> {
    let rank = (tensor.shape.len() + axes.len()) as i64;
    let mut places: Vec<i64> = axes.iter().map(|axis| if *axis < 0 { axis + rank } else { *axis }).collect();
    places.sort_unstable();
    let mut shape = tensor.shape.clone();
    for place in places {
        let place = usize::try_from(place).ok().filter(|place| *place <= shape.len());
        shape.insert(place.ok_or_else(|| Error::damaged("a dimension that cannot be"))?, 1);
    }
    Tensor::new(shape, tensor.data.clone())
}

fn squeeze(tensor: &Tensor, axes: Option<&[i64]>) -> Result<Tensor, Error> {
    let dropped: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|axis| tensor.axis(*axis)).collect::<Result<_, _>>()?,
        None => (0..tensor.shape.len()).filter(|at| tensor.shape[*at] == 1).collect(),
    };
    let kept = tensor.shape.iter().enumerate().filter(|(at, _)| !dropped.contains(at)).map(|(_, size)| *size);
    Tensor::new(kept.collect(), tensor.data.clone())
}

fn reduce(
    tensor: &Tensor,
    axis: Option<i64>,
    keeps: bool,
    of: impl Fn(&[f32]) -> f32,
) -> Result<Tensor, Error> {
    let values = tensor.numbers()?;
    let Some(axis) = axis else {
        let shape = if keeps { vec![1; tensor.shape.len()] } else { Vec::new() };
        return Tensor::new(shape, Data::Float(vec![of(&values)]));
    };
    let axis = tensor.axis(axis)?;
    let size = tensor.shape[axis];
    let inner: usize = tensor.shape[axis + 1..].iter().product();
    let outer: usize = tensor.shape[..axis].iter().product();
    let mut reduced = Vec::with_capacity(outer * inner);
    let mut line = vec![0.0; size];
    for row in 0..outer {
        for column in 0..inner {
            for (at, slot) in line.iter_mut().enumerate() {
                *slot = values[(row * size + at) * inner + column];
            }
            reduced.push(of(&line));
        }
    }
    let mut shape = tensor.shape.clone();
    if keeps {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    Tensor::new(shape, Data::Float(reduced))
}

fn product(left: &Tensor, right: &Tensor, turns_left: bool, turns_right: bool) -> Result<Tensor, Error> {
    let ([_, _], [_, _]) = (left.shape.as_slice(), right.shape.as_slice()) else {
        return Err(Error::unsupported("products of other than tables"));
    };
    let sides =
        |shape: &[usize], turns: bool| if turns { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
    let ((rows, inner), (other, columns)) =
        (sides(&left.shape, turns_left), sides(&right.shape, turns_right));
    if inner != other {
        return Err(Error::damaged(format!("{:?} times {:?} does not fit", left.shape, right.shape)));
    }
    let (left_values, right_values) = (left.numbers()?, right.numbers()?);
    let mut values = vec![0.0f32; count(&[rows, columns])?];
    for row in 0..rows {
        let out = &mut values[row * columns..(row + 1) * columns];
        for at in 0..inner {
            let factor = left_values[if turns_left { at * rows + row } else { row * inner + at }];
            // Rows of words are mostly zero.
            if factor == 0.0 {
                continue;
            }
            for (column, slot) in out.iter_mut().enumerate() {
                *slot += factor
                    * right_values[if turns_right { column * inner + at } else { at * columns + column }];
            }
        }
    }
    Tensor::new(vec![rows, columns], Data::Float(values))
}

fn gather(tensor: &Tensor, indexes: &Tensor, axis: i64) -> Result<Tensor, Error> {
    let axis = tensor.axis(axis)?;
    let size = tensor.shape[axis];
    let inner: usize = tensor.shape[axis + 1..].iter().product();
    let outer: usize = tensor.shape[..axis].iter().product();
    let wanted: Option<Vec<usize>> = indexes
        .ints()?
        .iter()
        .map(|index| usize::try_from(if *index < 0 { index + size as i64 } else { *index }).ok())
        .map(|index| index.filter(|index| *index < size))
        .collect();
    let wanted = wanted.ok_or_else(|| Error::damaged("an index that leads outside"))?;
    count(&[outer, wanted.len(), inner])?;
    fn pick<T: Clone>(values: &[T], wanted: &[usize], sides: (usize, usize, usize)) -> Vec<T> {
        let (outer, size, inner) = sides;
        let rows = (0..outer).flat_map(|row| wanted.iter().map(move |at| (row * size + at) * inner));
        rows.flat_map(|start| values[start..start + inner].to_vec()).collect()
    }
    let sides = (outer, size, inner);
    let data = match &tensor.data {
        Data::Float(values) => Data::Float(pick(values, &wanted, sides)),
        Data::Int(values) => Data::Int(pick(values, &wanted, sides)),
        Data::Text(values) => Data::Text(pick(values, &wanted, sides)),
    };
    let mut shape = tensor.shape[..axis].to_vec();
    if indexes.shape.len() == 1 || (axis > 0 && indexes.shape.len() == 2 && indexes.shape[0] == 1) {
        shape.push(wanted.len());
    } else {
        shape.extend(&indexes.shape);
    }
    shape.extend(&tensor.shape[axis + 1..]);
    Tensor::new(shape, data)
}

fn choose(condition: &Tensor, yes: &Tensor, no: Option<&Tensor>) -> Result<Tensor, Error> {
    let no = no.ok_or_else(|| Error::damaged("a choice without its third input"))?;
    let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
    let at = [condition, yes, no].map(|tensor| strides(&tensor.shape, &shape));
    let (conditions, yes, no) = (condition.numbers()?, yes.numbers()?, no.numbers()?);
    let value = |index: usize| {
        let [condition_at, yes_at, no_at] = [0, 1, 2].map(|part: usize| position(index, &shape, &at[part]));
        if conditions[condition_at] != 0.0 { yes[yes_at] } else { no[no_at] }
    };
    let values = (0..count(&shape)?).map(value).collect();
    Tensor::new(shape.clone(), Data::Float(values))
}

fn per_column(tensor: &Tensor, of: impl Fn(usize, f32) -> f32) -> Result<Tensor, Error> {
    let width = tensor.width().max(1);
    let values = tensor.numbers()?.into_iter().enumerate().map(|(at, value)| of(at % width, value));
    Tensor::new(tensor.shape.clone(), Data::Float(values.collect()))
}

fn normalize(tensor: &Tensor, norm: &str) -> Result<Tensor, Error> {
    let mut values = tensor.numbers()?;
    for row in values.chunks_mut(tensor.width().max(1)) {
        let size = match norm {
            "L1" => row.iter().map(|value| value.abs()).sum(),
            "L2" => row.iter().map(|value| value * value).sum::<f32>().sqrt(),
            _ => row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        };
        if size != 0.0 {
            row.iter_mut().for_each(|value| *value /= size);
        }
    }
    Tensor::new(tensor.shape.clone(), Data::Float(values))
}

fn one_hot(tensor: &Tensor, codes: &HashMap<String, usize>, rest: (usize, bool)) -> Result<Tensor, Error> {
    let (width, allows_unknown) = rest;
    let words: Vec<String> = match &tensor.data {
        Data::Text(words) => words.clone(),
        _ => tensor.ints()?.iter().map(i64::to_string).collect(),
    };
    let mut values = vec![0.0; count(&[words.len(), width])?];
    for (at, word) in words.iter().enumerate() {
        match codes.get(word) {
            Some(code) => values[at * width + code] = 1.0,
            None if allows_unknown => {}
            None => {
                return Err(Error::new(
                    crate::ErrorKind::Input,
                    format!("`{word}` is no category the model knows"),
                ));
            }
        }
    }
    let mut shape = tensor.shape.clone();
    shape.push(width);
    Tensor::new(shape, Data::Float(values))
}

/// How a value is looked up: numbers and words in one map.
fn key(data: &Data, at: usize) -> String {
    match data {
        Data::Text(words) => words[at].clone(),
        Data::Int(values) => values[at].to_string(),
        Data::Float(values) => values[at].to_string(),
    }
}

fn labels(node: &Node) -> Result<Op, Error> {
    let list = |kind: &str| -> Option<Data> {
        let texts = node.texts(&format!("{kind}_strings"));
        let ints = node.ints(&format!("{kind}_int64s"));
        let floats = node.floats(&format!("{kind}_floats"));
        match (texts.is_empty(), ints.is_empty(), floats.is_empty()) {
            (false, _, _) => Some(Data::Text(texts.to_vec())),
            (_, false, _) => Some(Data::Int(ints.to_vec())),
            (_, _, false) => Some(Data::Float(floats.to_vec())),
            _ => None,
        }
    };
    let (keys, values) = match (list("keys"), list("values"), list("cats")) {
        (Some(keys), Some(values), _) => (keys, values),
        (_, _, Some(_)) => {
            (Data::Text(node.texts("cats_strings").to_vec()), Data::Int(node.ints("cats_int64s").to_vec()))
        }
        _ => {
            let classes = node.texts("classes_strings");
            (Data::Text(classes.to_vec()), Data::Int((0..classes.len() as i64).collect()))
        }
    };
    let length = |data: &Data| match data {
        Data::Text(values) => values.len(),
        Data::Int(values) => values.len(),
        Data::Float(values) => values.len(),
    };
    if length(&keys) != length(&values) {
        return Err(Error::damaged("keys and values differ in number"));
    }
    let default = match &values {
        Data::Text(_) => Data::Text(vec![node.text("default_string", "_Unused")]),
        Data::Int(_) => Data::Int(vec![node.int("default_int64", -1)]),
        Data::Float(_) => Data::Float(vec![node.float("default_float", -0.0)]),
    };
    let map = (0..length(&keys)).map(|at| (key(&keys, at), at)).collect();
    Ok(Op::Labels { map, values, default })
}

fn relabel(
    tensor: &Tensor,
    map: &HashMap<String, usize>,
    values: &Data,
    default: &Data,
) -> Result<Tensor, Error> {
    let found: Vec<Option<usize>> =
        (0..tensor.len()).map(|at| map.get(&key(&tensor.data, at)).copied()).collect();
    fn pick<T: Clone>(found: &[Option<usize>], values: &[T], default: &[T]) -> Vec<T> {
        found.iter().map(|at| at.map_or(&default[0], |at| &values[at]).clone()).collect()
    }
    let data = match (values, default) {
        (Data::Text(values), Data::Text(default)) => Data::Text(pick(&found, values, default)),
        (Data::Int(values), Data::Int(default)) => Data::Int(pick(&found, values, default)),
        (Data::Float(values), Data::Float(default)) => Data::Float(pick(&found, values, default)),
        _ => return Err(Error::damaged("values and their default are of different kinds")),
    };
    Tensor::new(tensor.shape.clone(), data)
}

impl Linear {
    fn of(node: &Node) -> Result<Self, Error> {
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

    fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, Error> {
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
    fn of(node: &Node) -> Option<Self> {
        let texts = [node.texts("classlabels_strings"), node.texts("classlabels_int64s")];
        if let Some(texts) = texts.into_iter().find(|texts| !texts.is_empty()) {
            return Some(Self::Texts(texts.to_vec()));
        }
        let ints = [node.ints("classlabels_int64s"), node.ints("classlabels_ints")];
        ints.into_iter().find(|ints| !ints.is_empty()).map(|ints| Self::Ints(ints.to_vec()))
    }

    fn len(&self) -> usize {
        match self {
            Self::Ints(ints) => ints.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Ints(ints) => ints.iter().map(i64::to_string).collect(),
            Self::Texts(texts) => texts.clone(),
        }
    }

    /// The class of each row's best score.
    fn given(&self, scores: &Tensor) -> Result<Tensor, Error> {
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
