//! ONNX graphs of classical machine learning, evaluated in whole batches.
//!
//! A graph is checked when it is read: every operator must be one of ours, every value made before it is used.
//! Numbers are 32 bits, as these graphs are written for; sums are taken in 64. Operators of deep networks (images,
//! sequences) are not here: with the feature `onnx` a library runs such graphs, without it the error says what is
//! missing.

mod arithmetic;
mod linear;
#[cfg(feature = "onnx")]
mod neural;
mod ops;
mod proto;
mod shape;
mod tensor;
mod text;
mod trees;

use std::collections::HashMap;

use intendant_learn::tabular::Task;
use intendant_table::Table;

use crate::inputs::{self, Feature};
use crate::{Body, Error, ErrorKind, Foreign, Format, misfit};
use ops::Op;
use proto::{Model, Port};
use tensor::{Data, Tensor};

/// What runs a file.
#[derive(Clone, Debug)]
pub(crate) enum Runs {
    /// Our own steps.
    Graph(Box<Graph>),
    /// The library for neural networks.
    #[cfg(feature = "onnx")]
    Network(neural::Network),
}

impl Runs {
    /// Scores of a table's rows and their number per row.
    pub fn run(&self, features: &[Feature], table: &Table) -> Result<(Vec<f64>, usize), Error> {
        match self {
            Self::Graph(graph) => graph.run(features, table),
            #[cfg(feature = "onnx")]
            Self::Network(network) => network.run(features, table),
        }
    }
}

/// A graph, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    inputs: Vec<Input>,
    steps: Vec<Step>,
    /// Values before anything ran, by slot.
    constants: Vec<(usize, Tensor)>,
    slots: usize,
    /// The slot of probabilities or numbers.
    result: usize,
    /// Columns of the result that are given back.
    width: usize,
    task: Task,
}

#[derive(Clone, Debug)]
struct Input {
    slot: usize,
    is_text: bool,
    /// Features that make its columns.
    features: std::ops::Range<usize>,
    /// Whether it is a list and no table.
    is_flat: bool,
}

#[derive(Clone, Debug)]
struct Step {
    op: Op,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

/// Nodes of a graph at most.
const NODES_MAX: usize = 100_000;

/// Columns of an input at most.
const WIDTH_MAX: usize = 1_000_000;

/// Rows computed at once, which bounds memory.
const BATCH: usize = 1024;

/// Numbers of element types: floats, doubles, whole numbers, words.
const FLOATS: [i64; 2] = [1, 11];
const INTS: [i64; 3] = [6, 7, 9];
const TEXTS: i64 = 8;

/// Whether bytes start like a model: the version of the format, then a field that models have.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    let first = proto::fields(bytes).next();
    first.is_some_and(|field| {
        field.is_ok_and(|field| field.number == 1 && matches!(field.value, proto::Wire::Varint(1..=100)))
    })
}

/// Reads a graph.
pub(crate) fn read(bytes: &[u8]) -> Result<Foreign, Error> {
    let model = Model::read(bytes)?;
    if model.nodes.len() > NODES_MAX {
        return Err(Error::unsupported(format!("a graph of {} nodes", model.nodes.len())));
    }
    let unknown = ops::unknown(&model.nodes);
    if !unknown.is_empty() {
        return neural(bytes, &model, &unknown);
    }
    let mut builder = Builder::default();
    for constant in &model.constants {
        let slot = builder.slot(&constant.name);
        builder.constants.push((slot, Tensor::of(constant)?));
    }
    let (mut features, mut inputs, mut is_named) = (Vec::new(), Vec::new(), true);
    for port in &model.inputs {
        // Older files list their constants among the inputs.
        if builder.slots.contains_key(&port.name) {
            continue;
        }
        let (input, own, own_named) = input(port, builder.slot(&port.name), features.len())?;
        is_named &= own_named;
        features.extend(own);
        inputs.push(input);
    }
    let mut steps: Vec<Step> = Vec::with_capacity(model.nodes.len());
    let mut classes = None;
    for (at, node) in model.nodes.iter().enumerate() {
        let mut own = Vec::new();
        for name in node.inputs.iter().filter(|name| !name.is_empty()) {
            let slot = builder.slots.get(name);
            own.push(
                *slot
                    .ok_or_else(|| Error::damaged(format!("node {at} uses `{name}`, which nothing makes")))?,
            );
        }
        let of_constant =
            |slot: usize| builder.constants.iter().find(|(at, _)| *at == slot).map(|(_, tensor)| tensor);
        let op = Op::of(node, &own.iter().map(|slot| of_constant(*slot)).collect::<Vec<_>>())
            .map_err(|error| Error::new(error.kind, format!("node {at} ({}): {error}", node.op)))?;
        classes = op.classes().or(classes);
        let outputs = node.outputs.iter().map(|name| builder.slot(name)).collect();
        steps.push(Step { op, inputs: own, outputs });
    }
    let (result, task, width) = result(&model, &builder, &steps, classes.as_deref())?;
    let graph = Graph {
        inputs,
        steps,
        constants: builder.constants,
        slots: builder.slots.len(),
        result,
        width,
        task,
    };
    Ok(Foreign {
        format: Format::Onnx,
        features,
        is_named,
        task,
        classes: if task == Task::Regression { Vec::new() } else { classes.unwrap_or_default() },
        threshold: 0.5,
        body: Body::Onnx(Runs::Graph(Box::new(graph))),
    })
}

/// A graph with operators that are not ours: of a neural network, if all of them are of ONNX itself.
fn neural(bytes: &[u8], model: &Model, unknown: &[String]) -> Result<Foreign, Error> {
    let message = format!("operators that are not implemented: {}", unknown.join(", "));
    if unknown.iter().any(|name| name.contains('.')) {
        return Err(Error::unsupported(message));
    }
    #[cfg(feature = "onnx")]
    return neural::read(bytes, model);
    #[cfg(not(feature = "onnx"))]
    {
        let _ = (bytes, model);
        Err(Error::unsupported(format!(
            "{message}; neural networks are run by a build with the feature `onnx`: cargo build --release --features onnx"
        )))
    }
}

#[derive(Default)]
struct Builder {
    slots: HashMap<String, usize>,
    constants: Vec<(usize, Tensor)>,
}

impl Builder {
    fn slot(&mut self, name: &str) -> usize {
        let next = self.slots.len();
        *self.slots.entry(name.to_owned()).or_insert(next)
    }
}

/// The features that make an input's numbers.
fn port_features(port: &Port, width: usize, is_text: bool) -> Vec<Feature> {
    let name = |at: usize| if width == 1 { port.name.clone() } else { format!("{}.{at}", port.name) };
    (0..width).map(|at| Feature { is_text, is_single: true, ..Feature::number(name(at)) }).collect()
}

fn input(port: &Port, slot: usize, first: usize) -> Result<(Input, Vec<Feature>, bool), Error> {
    let width = port.width().unwrap_or(1);
    if width == 0 || width > WIDTH_MAX {
        return Err(Error::damaged(format!("the input `{}` has {width} columns", port.name)));
    }
    let is_text = port.kind == TEXTS;
    if !is_text && !FLOATS.contains(&port.kind) && !INTS.contains(&port.kind) {
        return Err(Error::unsupported(format!("the input `{}` of element type {}", port.name, port.kind)));
    }
    let input = Input { slot, is_text, features: first..first + width, is_flat: false };
    Ok((input, port_features(port, width, is_text), width == 1))
}

/// The output that is given back: probabilities of a classifier, else the first numbers.
fn result(
    model: &Model,
    builder: &Builder,
    steps: &[Step],
    classes: Option<&[String]>,
) -> Result<(usize, Task, usize), Error> {
    // Dictionaries of probabilities are taken from before they were made.
    let behind = |slot: usize| {
        let maker = steps.iter().find(|step| step.outputs.contains(&slot));
        maker
            .filter(|step| matches!(step.op, Op::Same))
            .and_then(|step| step.inputs.first().copied())
            .unwrap_or(slot)
    };
    let slots: Vec<(&Port, usize)> = model
        .outputs
        .iter()
        .filter_map(|port| Some((port, behind(*builder.slots.get(&port.name)?))))
        .collect();
    match classes {
        Some(classes) if classes.len() >= 2 => {
            let is_label = |port: &Port| INTS.contains(&port.kind) || port.kind == TEXTS;
            let found = slots.iter().rfind(|(port, _)| !is_label(port));
            let (_, slot) =
                found.ok_or_else(|| Error::unsupported("a classifier that gives no probabilities"))?;
            let task = if classes.len() == 2 { Task::Binary } else { Task::Multiclass };
            Ok((*slot, task, classes.len()))
        }
        _ => {
            let found = slots.iter().find(|(port, _)| FLOATS.contains(&port.kind) || port.kind == 0);
            let (_, slot) =
                found.ok_or_else(|| Error::unsupported("a graph without an output of numbers"))?;
            Ok((*slot, Task::Regression, 1))
        }
    }
}

impl Graph {
    fn run(&self, features: &[Feature], table: &Table) -> Result<(Vec<f64>, usize), Error> {
        let numbers: Vec<Feature> = features.iter().filter(|feature| !feature.is_text).cloned().collect();
        if numbers.len() < features.len() {
            inputs::expect_some(features, table).map_err(misfit)?;
        }
        let mut scores = Vec::with_capacity(table.rows() * self.width);
        let whole = table.rows() <= BATCH;
        for start in (0..table.rows()).step_by(BATCH) {
            let rows: Vec<usize> = (start..(start + BATCH).min(table.rows())).collect();
            let part = if whole { None } else { Some(table.take(&rows)) };
            let part = part.as_ref().unwrap_or(table);
            self.run_batch(features, part, &mut scores)?;
        }
        Ok((scores, self.width))
    }

    fn run_batch(&self, features: &[Feature], table: &Table, scores: &mut Vec<f64>) -> Result<(), Error> {
        let rows = table.rows();
        let mut values: Vec<Option<Tensor>> = vec![None; self.slots];
        for (slot, constant) in &self.constants {
            values[*slot] = Some(constant.clone());
        }
        for input in &self.inputs {
            let own = &features[input.features.clone()];
            let width = own.len();
            let data = if input.is_text {
                let columns: Vec<Vec<String>> =
                    own.iter().map(|feature| inputs::words(feature, table)).collect();
                Data::Text((0..rows * width).map(|at| columns[at % width][at / width].clone()).collect())
            } else {
                let absent = own.iter().all(|feature| table.column(&feature.name).is_none());
                // One column of several may be away, all features of a table may not.
                let numbers = if absent && self.inputs.len() > 1 {
                    vec![f64::NAN; rows * width]
                } else {
                    inputs::numbers(own, table).map_err(misfit)?
                };
                Data::Float(numbers.into_iter().map(|number| number as f32).collect())
            };
            let shape = if input.is_flat { vec![rows] } else { vec![rows, width] };
            values[input.slot] = Some(Tensor { shape, data });
        }
        for step in &self.steps {
            let taken: Vec<&Tensor> = step.inputs.iter().filter_map(|slot| values[*slot].as_ref()).collect();
            if taken.len() < step.inputs.len() {
                return Err(Error::damaged("a node runs before its inputs are made"));
            }
            let made = step.op.run(&taken, rows)?;
            for (slot, tensor) in step.outputs.iter().zip(made) {
                values[*slot] = Some(tensor);
            }
        }
        let result = values[self.result].take().ok_or_else(|| Error::damaged("nothing makes the result"))?;
        let numbers = result.numbers()?;
        let own = numbers.len().checked_div(rows).unwrap_or(0);
        let fits =
            numbers.len() == own * rows && (own == self.width || (own == 1 && self.task != Task::Multiclass));
        if !fits {
            let message = format!("the graph gives {} numbers for {rows} rows", numbers.len());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        for row in numbers.chunks(own.max(1)) {
            // One probability of two is enough.
            if self.task == Task::Binary && own == 1 {
                scores.push(1.0 - f64::from(row[0]));
            }
            scores.extend(row.iter().map(|number| f64::from(*number)));
        }
        Ok(())
    }
}
