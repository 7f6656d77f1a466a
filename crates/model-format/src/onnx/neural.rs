//! Graphs of neural networks, run by `tract`.
//!
//! Rows are run one after the other: many networks are exported for one row, and all of them can run one. A network
//! that says itself how likely classes are (its last step is a softmax or a sigmoid) is asked for classes, one that
//! gives several numbers is taken to give their logits, one that gives a single number for that number.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use intendant_learn::tabular::Task;
use intendant_table::Table;
use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, TValue, TVec, Tensor, TractResult,
    TypedRunnableModel,
};

use super::proto::{Model, Port};
use super::{Runs, WIDTH_MAX, port_features};
use crate::inputs::{self, Feature};
use crate::{Body, Error, Foreign, Format, misfit};

/// A network, ready to run.
#[derive(Clone)]
pub(crate) struct Network {
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<Input>,
    output: usize,
    last: Last,
    width: usize,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("inputs", &self.inputs).field("width", &self.width).finish()
    }
}

#[derive(Clone, Debug)]
struct Input {
    features: Range<usize>,
    /// With one row.
    shape: TVec<usize>,
    kind: DatumType,
}

/// What the numbers of the output are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Probabilities,
    LogProbabilities,
    /// The probability of the second of two classes.
    Probability,
    Logits,
    Number,
}

/// Reads a network whose parts were found before.
pub(super) fn read(bytes: &[u8], model: &Model) -> Result<Foreign, Error> {
    let constants = |port: &&Port| !model.constants.iter().any(|constant| constant.name == port.name);
    let (mut features, mut inputs, mut is_named) = (Vec::new(), Vec::new(), true);
    for port in model.inputs.iter().filter(constants) {
        let shape = shape(port)?;
        let width = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let width = width.filter(|width| (1..=WIDTH_MAX).contains(width)).ok_or_else(|| {
            Error::unsupported(format!("the input `{}` has more than {WIDTH_MAX} numbers", port.name))
        })?;
        let first = features.len();
        features.extend(port_features(port, width, false));
        is_named &= width == 1;
        inputs.push(Input { features: first..features.len(), shape, kind: kind(port)? });
    }
    // The file is not ours: whatever the library does with it must not end the program.
    let plan = catch_unwind(AssertUnwindSafe(|| plan(bytes, &inputs)));
    let plan = plan.map_err(|_| Error::damaged("the network makes no sense"))?.map_err(unrunnable)?;
    let output = model.outputs.iter().position(|port| [0, 1, 10, 11].contains(&port.kind));
    let output = output.ok_or_else(|| Error::unsupported("a network without an output of numbers"))?;
    let mut network = Network { plan, inputs, output, last: Last::Number, width: 0 };
    let zeros = vec![0.0; features.len()];
    network.width = network.run_row(&zeros)?.len();
    network.last = last(model, &model.outputs[output].name, network.width);
    let (task, classes) = match (network.last, network.width) {
        (Last::Number, _) => (Task::Regression, 0),
        (Last::Probability, _) | (_, 2) => (Task::Binary, 2),
        (_, width) => (Task::Multiclass, width),
    };
    Ok(Foreign {
        format: Format::Onnx,
        features,
        is_named,
        task,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        threshold: 0.5,
        body: Body::Onnx(Runs::Network(network)),
    })
}

fn plan(bytes: &[u8], inputs: &[Input]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut graph = tract_onnx::onnx().model_for_read(&mut &*bytes)?;
    for (at, input) in inputs.iter().enumerate() {
        graph.set_input_fact(at, InferenceFact::dt_shape(input.kind, &*input.shape))?;
    }
    graph.into_optimized()?.into_runnable()
}

fn unrunnable(error: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("the network cannot be run: {error:#}"))
}

/// The shape of an input for one row.
fn shape(port: &Port) -> Result<TVec<usize>, Error> {
    let rest = port.dimensions.iter().skip(1).map(|size| {
        size.filter(|size| *size > 0).ok_or_else(|| {
            let message = format!(
                "the input `{}` has a dimension without a fixed size: export it with all but the first fixed",
                port.name
            );
            Error::unsupported(message)
        })
    });
    std::iter::once(Ok(1)).take(port.dimensions.len()).chain(rest).collect()
}

fn kind(port: &Port) -> Result<DatumType, Error> {
    match port.kind {
        1 => Ok(DatumType::F32),
        11 => Ok(DatumType::F64),
        10 => Ok(DatumType::F16),
        6 => Ok(DatumType::I32),
        7 => Ok(DatumType::I64),
        9 => Ok(DatumType::Bool),
        kind => Err(Error::unsupported(format!("the input `{}` of element type {kind}", port.name))),
    }
}

/// What the step that makes an output says of its numbers.
fn last(model: &Model, output: &str, width: usize) -> Last {
    let mut name = output;
    // Each step back is another node, so that there are no more of them than nodes.
    for _ in &model.nodes {
        let Some(maker) = model.nodes.iter().find(|node| node.outputs.iter().any(|made| made == name)) else {
            break;
        };
        match (maker.op.as_str(), width) {
            ("Identity" | "Cast" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze", _) => {
                match maker.inputs.first() {
                    Some(input) => name = input,
                    None => break,
                }
            }
            ("Softmax", 2..) => return Last::Probabilities,
            ("LogSoftmax", 2..) => return Last::LogProbabilities,
            ("Sigmoid", 1) => return Last::Probability,
            _ => break,
        }
    }
    if width > 1 { Last::Logits } else { Last::Number }
}

impl Network {
    /// Scores of a table's rows and their number per row.
    pub(super) fn run(&self, features: &[Feature], table: &Table) -> Result<(Vec<f64>, usize), Error> {
        let rows = inputs::numbers(features, table).map_err(misfit)?;
        let mut scores = Vec::with_capacity(table.rows() * self.width);
        for row in rows.chunks(features.len().max(1)) {
            let found = self.run_row(row)?;
            if found.len() != self.width {
                return Err(Error::unsupported("the network gives one row more numbers than another"));
            }
            scores.extend(self.told(&found));
        }
        Ok((scores, if self.last == Last::Probability { 2 } else { self.width }))
    }

    fn run_row(&self, row: &[f64]) -> Result<Vec<f32>, Error> {
        let given: TractResult<TVec<TValue>> = self
            .inputs
            .iter()
            .map(|input| {
                let numbers = &row[input.features.clone()];
                let tensor = Tensor::from_shape(&input.shape, numbers)?;
                Ok(tensor.cast_to_dt(input.kind)?.into_owned().into())
            })
            .collect();
        let run = catch_unwind(AssertUnwindSafe(|| -> TractResult<Vec<f32>> {
            let made = self.plan.run(given?)?;
            let numbers = made[self.output].cast_to::<f32>()?;
            Ok(numbers.to_plain_array_view::<f32>()?.iter().copied().collect())
        }));
        run.map_err(|_| Error::damaged("the network makes no sense"))?.map_err(unrunnable)
    }

    fn told(&self, found: &[f32]) -> Vec<f64> {
        let found = found.iter().map(|number| f64::from(*number));
        match self.last {
            Last::Probabilities | Last::Number => found.collect(),
            Last::LogProbabilities => found.map(f64::exp).collect(),
            Last::Probability => found.flat_map(|share| [1.0 - share, share]).collect(),
            Last::Logits => {
                let most = found.clone().fold(f64::NEG_INFINITY, f64::max);
                let raised: Vec<f64> = found.map(|logit| (logit - most).exp()).collect();
                let sum: f64 = raised.iter().sum();
                raised.into_iter().map(|share| share / sum).collect()
            }
        }
    }
}
