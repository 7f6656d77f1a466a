//! Ensembles of trees as ONNX lists them: one entry per node in parallel lists.
//!
//! Source: ONNX operators `ai.onnx.ml.TreeEnsembleClassifier` and `TreeEnsembleRegressor`.

use std::collections::HashMap;

use intendant_learn::forest::{Branch, Forest, Missing, Rule};

use super::linear::Transform;
use super::proto::Node;
use super::tensor::Tensor;
use crate::Error;

/// An ensemble.
#[derive(Clone, Debug)]
pub(super) struct Ensemble {
    forest: Forest,
    base: Vec<f64>,
    /// Whether one sum stands for two classes.
    is_single: bool,
    transform: Transform,
    /// Divides the sums, for means.
    divisor: f64,
}

/// Features asked about at most.
const FEATURES_MAX: i64 = 1_000_000;

/// Leaves may add to several outputs: each output is a tree of its own.
type Values = HashMap<(i64, i64), Vec<(usize, f64)>>;

impl Ensemble {
    /// Reads a node; `kind` is `class` or `target`, `outputs` the number of classes or targets.
    pub fn of(node: &Node, kind: &str, outputs: usize) -> Result<Self, Error> {
        let trees = node.ints("nodes_treeids");
        let ids = node.ints("nodes_nodeids");
        let count = ids.len();
        let (features, values) = (node.ints("nodes_featureids"), node.floats("nodes_values"));
        let (yes, no) = (node.ints("nodes_truenodeids"), node.ints("nodes_falsenodeids"));
        let (modes, missing) = (node.texts("nodes_modes"), node.ints("nodes_missing_value_tracks_true"));
        let covers = node.floats("nodes_hitrates");
        let lengths = [trees.len(), features.len(), values.len(), yes.len(), no.len(), modes.len()];
        if count == 0 || lengths.iter().any(|length| *length != count) {
            return Err(Error::damaged("its lists of nodes differ in length"));
        }
        let (weights, is_single) = weights(node, kind, outputs)?;
        let outputs = if is_single { 1 } else { outputs };
        let most = features.iter().max().copied().unwrap_or(0);
        if features.iter().any(|feature| *feature < 0) || most > FEATURES_MAX {
            return Err(Error::damaged("a node asks for a feature that cannot be"));
        }
        let mut forest = Forest::new(most as usize + 1, outputs);
        let mut start = 0;
        while start < count {
            let end = start + trees[start..].iter().take_while(|tree| **tree == trees[start]).count();
            let position: HashMap<i64, usize> =
                ids[start..end].iter().enumerate().map(|(at, id)| (*id, at)).collect();
            let child = |id: i64| {
                position
                    .get(&id)
                    .copied()
                    .ok_or_else(|| Error::damaged(format!("a node leads to {id}, which is not there")))
            };
            for output in 0..outputs {
                let mut branches = Vec::with_capacity(end - start);
                for at in start..end {
                    let cover = covers.get(at).map_or(0.0, |cover| f64::from(*cover));
                    if modes[at] == "LEAF" {
                        let own = weights.get(&(trees[at], ids[at]));
                        let sum = own.into_iter().flatten().filter(|(target, _)| *target == output);
                        branches.push(Branch::Leaf { value: sum.map(|(_, weight)| weight).sum(), cover });
                        continue;
                    }
                    let (rule, is_turned) = rule(&modes[at])?;
                    let (mut left, mut right) = (child(yes[at])?, child(no[at])?);
                    let mut missing_left = missing.get(at).is_some_and(|missing| *missing == 1);
                    if is_turned {
                        std::mem::swap(&mut left, &mut right);
                        missing_left = !missing_left;
                    }
                    branches.push(Branch::Split {
                        feature: features[at] as usize,
                        rule,
                        threshold: f64::from(values[at]),
                        set: Vec::new(),
                        missing: if missing_left { Missing::Left } else { Missing::Right },
                        cover,
                        left,
                        right,
                    });
                }
                forest.push(output, &branches).map_err(|error| Error::damaged(error.to_string()))?;
            }
            start = end;
        }
        let bases = node.floats("base_values");
        let base = (0..outputs).map(|at| bases.get(at).map_or(0.0, |base| f64::from(*base))).collect();
        let divisor = match node.text("aggregate_function", "SUM").as_str() {
            "SUM" => 1.0,
            "AVERAGE" => forest.trees() as f64 / outputs as f64,
            other => return Err(Error::unsupported(format!("trees joined by {other}"))),
        };
        let transform = Transform::named(&node.text("post_transform", "NONE"))?;
        Ok(Self { forest, base, is_single, transform, divisor })
    }

    /// Scores of rows, one column per class or target.
    pub fn run(&self, input: &Tensor) -> Result<Tensor, Error> {
        let width = input.width();
        if width < self.forest.features() {
            let message = format!("trees ask for {} features, rows have {width}", self.forest.features());
            return Err(Error::damaged(message));
        }
        let numbers = input.numbers()?;
        let mut scores = Vec::with_capacity(numbers.len() / width * 2);
        let mut row = vec![0.0; width];
        let mut outputs = self.base.clone();
        for values in numbers.chunks(width) {
            row.iter_mut().zip(values).for_each(|(slot, value)| *slot = f64::from(*value));
            outputs.fill(0.0);
            self.forest.add(&row, &mut outputs);
            for (output, base) in outputs.iter_mut().zip(&self.base) {
                *output = *output / self.divisor + base;
            }
            if self.is_single {
                self.transform.single(outputs[0], &mut scores);
            } else {
                self.transform.all(&outputs, &mut scores);
            }
        }
        Tensor::table(if self.is_single { 2 } else { self.base.len() }, scores)
    }
}

/// What leaves add, and whether all of it goes to one of two classes.
fn weights(node: &Node, kind: &str, outputs: usize) -> Result<(Values, bool), Error> {
    let list = |name: &str| node.ints(&format!("{kind}_{name}"));
    let (trees, nodes, targets) = (list("treeids"), list("nodeids"), list("ids"));
    let weights = node.floats(&format!("{kind}_weights"));
    if [nodes.len(), targets.len(), weights.len()].iter().any(|length| *length != trees.len()) {
        return Err(Error::damaged("its lists of leaves differ in length"));
    }
    let is_single = kind == "class" && outputs == 2 && targets.windows(2).all(|pair| pair[0] == pair[1]);
    let mut values: Values = HashMap::new();
    for at in 0..trees.len() {
        let target = if is_single {
            Some(0)
        } else {
            usize::try_from(targets[at]).ok().filter(|target| *target < outputs)
        };
        let target = target.ok_or_else(|| Error::damaged("a leaf adds to a class that is not there"))?;
        values.entry((trees[at], nodes[at])).or_default().push((target, f64::from(weights[at])));
    }
    Ok((values, is_single))
}

/// What a mode asks, and whether yes leads right.
fn rule(mode: &str) -> Result<(Rule, bool), Error> {
    Ok(match mode {
        "BRANCH_LEQ" => (Rule::AtMost, false),
        "BRANCH_LT" => (Rule::Below, false),
        "BRANCH_GTE" => (Rule::Below, true),
        "BRANCH_GT" => (Rule::AtMost, true),
        "BRANCH_EQ" => (Rule::Equal, false),
        "BRANCH_NEQ" => (Rule::Equal, true),
        other => return Err(Error::unsupported(format!("branches of mode {other}"))),
    })
}
