//! The operators.
//!
//! Source: ONNX operator specifications, domains `ai.onnx` and `ai.onnx.ml`.

use std::collections::HashMap;

use super::arithmetic::{Pairwise, Single, pairwise, single};
use super::linear::{Labels, Linear};
use super::proto::Node;
use super::shape::{
    cast, choose, concat, gather, normalize, one_hot, per_column, product, reduce, reshape, squeeze,
    unsqueeze,
};
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
