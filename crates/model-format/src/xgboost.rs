//! XGBoost's models, JSON and UBJSON: the same values in two spellings.
//!
//! Source: XGBoost 3, `doc/model.schema` and `src/tree/` for how a node decides.

use intendant_learn::forest::{Branch, Forest, Missing, Rule};
use intendant_learn::tabular::Task;
use serde_json::Value;

use crate::inputs::Feature;
use crate::output::{Link, Trees};
use crate::{Body, Error, Foreign, Format, ubjson};

/// Classes of a model at most.
const CLASSES_MAX: usize = 10_000;

/// Features of a model at most.
const FEATURES_MAX: usize = 1_000_000;

/// Reads a model from JSON.
pub(crate) fn read_json(bytes: &[u8]) -> Result<Foreign, Error> {
    let value = serde_json::from_slice(bytes).map_err(|error| {
        Error::damaged(format!("the JSON is broken at line {}, column {}", error.line(), error.column()))
    })?;
    read(&value, Format::XgBoostJson)
}

/// Reads a model from UBJSON.
pub(crate) fn read_ubj(bytes: &[u8]) -> Result<Foreign, Error> {
    read(&ubjson::read(bytes)?, Format::XgBoostUbj)
}

fn read(model: &Value, format: Format) -> Result<Foreign, Error> {
    let learner = &model["learner"];
    if !learner.is_object() {
        return Err(Error::damaged("there is no `learner`: this is no XGBoost model"));
    }
    let parameters = &learner["learner_model_param"];
    let features = size(&parameters["num_feature"], "num_feature")?;
    let classes = size(&parameters["num_class"], "num_class").unwrap_or(0);
    let targets = size(&parameters["num_target"], "num_target").unwrap_or(1);
    if features > FEATURES_MAX || classes > CLASSES_MAX {
        return Err(Error::damaged("no sensible number of features or classes"));
    }
    if targets > 1 {
        return Err(Error::unsupported("models with several targets"));
    }
    let outputs = classes.max(1);
    let booster = &learner["gradient_booster"];
    let (trees, drops) = match booster["name"].as_str() {
        Some("gbtree") => (&booster["model"], None),
        Some("dart") => (&booster["gbtree"]["model"], booster["weight_drop"].as_array()),
        Some(other) => return Err(Error::unsupported(format!("the booster `{other}`"))),
        None => return Err(Error::damaged("the booster has no name")),
    };
    let list = trees["trees"].as_array().ok_or_else(|| Error::damaged("there are no trees"))?;
    let mut forest = Forest::new(features, outputs);
    for (at, tree) in list.iter().enumerate() {
        let output = trees["tree_info"][at].as_u64().unwrap_or(0) as usize;
        let factor = drops.and_then(|drops| drops.get(at)).and_then(Value::as_f64).unwrap_or(1.0);
        let branches =
            tree_of(tree, factor).map_err(|error| Error::new(error.kind, format!("tree {at}: {error}")))?;
        forest.push(output, &branches).map_err(|error| Error::damaged(format!("tree {at}: {error}")))?;
    }
    let name = learner["objective"]["name"].as_str().unwrap_or_default();
    let (task, link) = objective(name, outputs)?;
    let base = base(&parameters["base_score"], name, outputs)?;
    let names = learner["feature_names"].as_array().filter(|names| names.len() == features);
    let feature = |at: usize| Feature {
        is_single: true,
        ..Feature::number(
            names.and_then(|names| names[at].as_str()).map_or_else(|| format!("f{at}"), str::to_owned),
        )
    };
    Ok(Foreign {
        format,
        features: (0..features).map(feature).collect(),
        is_named: names.is_some(),
        task,
        classes: match task {
            Task::Regression => Vec::new(),
            Task::Binary => vec!["0".to_owned(), "1".to_owned()],
            Task::Multiclass => (0..outputs).map(|class| class.to_string()).collect(),
        },
        threshold: 0.5,
        body: Body::Trees(Trees { forest, base, link }),
    })
}

fn objective(name: &str, outputs: usize) -> Result<(Task, Link), Error> {
    Ok(match name {
        "binary:logistic" if outputs == 1 => (Task::Binary, Link::Sigmoid(1.0)),
        "binary:logitraw" if outputs == 1 => (Task::Binary, Link::Sigmoid(1.0)),
        "binary:hinge" if outputs == 1 => (Task::Binary, Link::Step),
        "reg:logistic" => (Task::Regression, Link::Sigmoid(1.0)),
        "multi:softprob" | "multi:softmax" if outputs > 1 => (Task::Multiclass, Link::Softmax),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
            (Task::Regression, Link::Exp)
        }
        _ if outputs == 1 && (name.starts_with("reg:") || name.starts_with("rank:")) => {
            (Task::Regression, Link::None)
        }
        other => return Err(Error::unsupported(format!("the objective `{other}` with {outputs} outputs"))),
    })
}

/// What is added to the sums: stored as it would come out, a number or since version 3 a list in brackets.
fn base(value: &Value, objective: &str, outputs: usize) -> Result<Vec<f64>, Error> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let numbers: Option<Vec<f64>> =
        text.trim_matches(['[', ']']).split(',').map(|part| part.trim().parse().ok()).collect();
    let wrong = || Error::damaged(format!("`base_score` is no number: {text}"));
    let numbers = numbers.filter(|numbers| !numbers.is_empty()).ok_or_else(wrong)?;
    let inverse = |number: f64| match objective {
        "binary:logistic" | "binary:logitraw" | "reg:logistic" => (number / (1.0 - number)).ln(),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => number.ln(),
        _ => number,
    };
    let base: Vec<f64> = (0..outputs).map(|at| inverse(*numbers.get(at).unwrap_or(&numbers[0]))).collect();
    if base.iter().all(|number| number.is_finite()) { Ok(base) } else { Err(wrong()) }
}

/// Counts are written as strings.
fn size(value: &Value, name: &str) -> Result<usize, Error> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| Error::damaged(format!("`{name}` is no count: {value}")))
}

fn tree_of(tree: &Value, factor: f64) -> Result<Vec<Branch>, Error> {
    let left: Vec<i64> = list(tree, "left_children", Value::as_i64)?;
    let count = left.len();
    let right: Vec<i64> = list(tree, "right_children", Value::as_i64)?;
    let features: Vec<u64> = list(tree, "split_indices", Value::as_u64)?;
    let conditions: Vec<f64> = list(tree, "split_conditions", Value::as_f64)?;
    // Booleans in JSON are numbers in UBJSON.
    let truth = |value: &Value| value.as_bool().or_else(|| value.as_u64().map(|number| number != 0));
    let goes_left: Vec<bool> = list(tree, "default_left", truth)?;
    let covers: Vec<f64> = list(tree, "sum_hessian", Value::as_f64).unwrap_or_else(|_| vec![0.0; count]);
    let kinds: Vec<u64> = list(tree, "split_type", Value::as_u64).unwrap_or_else(|_| vec![0; count]);
    let lengths = [right.len(), features.len(), conditions.len(), goes_left.len(), covers.len(), kinds.len()];
    if count == 0 || lengths.iter().any(|length| *length != count) {
        return Err(Error::damaged("its lists differ in length"));
    }
    if size(&tree["tree_param"]["size_leaf_vector"], "size_leaf_vector").unwrap_or(1) > 1 {
        return Err(Error::unsupported("leaves with several values"));
    }
    let sets = sets(tree)?;
    let child = |child: i64| {
        let found = usize::try_from(child).ok().filter(|child| *child < count);
        found.ok_or_else(|| Error::damaged("a child is not there"))
    };
    let mut branches = Vec::with_capacity(count);
    for at in 0..count {
        if left[at] == -1 {
            branches
                .push(Branch::Leaf { value: f64::from(conditions[at] as f32) * factor, cover: covers[at] });
            continue;
        }
        let (mut left, mut right) = (child(left[at])?, child(right[at])?);
        let mut missing_left = goes_left[at];
        let mut set = Vec::new();
        let is_category = kinds[at] == 1;
        if is_category {
            // Members of the set go right.
            std::mem::swap(&mut left, &mut right);
            missing_left = !missing_left;
            set = sets.iter().find(|(node, _)| *node == at).map(|(_, set)| set.clone()).unwrap_or_default();
        }
        branches.push(Branch::Split {
            feature: usize::try_from(features[at]).unwrap_or(usize::MAX),
            rule: if is_category { Rule::OneOf } else { Rule::Below },
            threshold: f64::from(conditions[at] as f32),
            set,
            missing: if missing_left { Missing::Left } else { Missing::Right },
            cover: covers[at],
            left,
            right,
        });
    }
    // Nodes that pruning left behind are reached by nobody.
    Ok(reachable(&branches))
}

/// The branches that the root leads to, renumbered.
fn reachable(branches: &[Branch]) -> Vec<Branch> {
    let mut new = vec![usize::MAX; branches.len()];
    let mut order = vec![0];
    new[0] = 0;
    let mut at = 0;
    while at < order.len() {
        if let Branch::Split { left, right, .. } = &branches[order[at]] {
            for child in [*left, *right] {
                if new[child] == usize::MAX {
                    new[child] = order.len();
                    order.push(child);
                }
            }
        }
        at += 1;
    }
    let renumbered = order.iter().map(|at| {
        let mut branch = branches[*at].clone();
        if let Branch::Split { left, right, .. } = &mut branch {
            (*left, *right) = (new[*left], new[*right]);
        }
        branch
    });
    renumbered.collect()
}

fn list<T>(tree: &Value, key: &str, of: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, Error> {
    let list = tree[key].as_array().ok_or_else(|| Error::damaged(format!("`{key}` is missing")))?;
    let found: Option<Vec<T>> = list.iter().map(of).collect();
    found.ok_or_else(|| Error::damaged(format!("`{key}` holds something else than numbers")))
}

/// The sets of categories by node.
fn sets(tree: &Value) -> Result<Vec<(usize, Vec<u32>)>, Error> {
    if tree["categories_nodes"].as_array().is_none_or(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let nodes: Vec<u64> = list(tree, "categories_nodes", Value::as_u64)?;
    let starts: Vec<u64> = list(tree, "categories_segments", Value::as_u64)?;
    let sizes: Vec<u64> = list(tree, "categories_sizes", Value::as_u64)?;
    let categories: Vec<u64> = list(tree, "categories", Value::as_u64)?;
    if starts.len() != nodes.len() || sizes.len() != nodes.len() {
        return Err(Error::damaged("the lists of categories differ in length"));
    }
    let set = |at: usize| {
        let start = usize::try_from(starts[at]).ok()?;
        let end = start.checked_add(usize::try_from(sizes[at]).ok()?)?;
        let members = categories.get(start..end)?.iter().map(|member| u32::try_from(*member).ok());
        Some((usize::try_from(nodes[at]).ok()?, members.collect::<Option<_>>()?))
    };
    (0..nodes.len())
        .map(set)
        .collect::<Option<_>>()
        .ok_or_else(|| Error::damaged("a set of categories leads outside of the list"))
}
