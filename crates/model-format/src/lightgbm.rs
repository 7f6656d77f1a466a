//! LightGBM's text files.
//!
//! Source: LightGBM 4, `src/boosting/gbdt_model_text.cpp` and `include/LightGBM/tree.h` for what the keys mean.

use intendant_learn::forest::{Branch, Forest, Missing, Rule};
use intendant_learn::tabular::Task;

use crate::inputs::Feature;
use crate::output::{Link, Trees};
use crate::{Body, Error, Foreign, Format};

/// Classes of a model at most.
const CLASSES_MAX: usize = 10_000;

/// Features of a model at most.
const FEATURES_MAX: usize = 1_000_000;

/// Reads a model.
pub(crate) fn read(bytes: &[u8]) -> Result<Foreign, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::damaged("the file is no UTF-8 text"))?;
    let mut blocks = text.split("\nTree=");
    let header = Block { text: blocks.next().unwrap_or_default(), place: "header".into() };
    let outputs: usize = header.number("num_tree_per_iteration")?;
    let features = header.number::<usize>("max_feature_idx")?.saturating_add(1);
    if outputs == 0 || outputs > CLASSES_MAX || features > FEATURES_MAX {
        return Err(Error::damaged("the header has no sensible number of classes or features"));
    }
    let names: Vec<&str> = header.get("feature_names")?.split_whitespace().collect();
    if names.len() != features {
        let message = format!("{} feature names for {features} features", names.len());
        return Err(Error::damaged(message));
    }
    let mut forest = Forest::new(features, outputs);
    let mut trees = 0;
    for (at, block) in blocks.enumerate() {
        let body = block.split("\nend of trees").next().unwrap_or_default();
        let block = Block { text: body, place: format!("tree {at}") };
        let branches = block.tree()?;
        forest
            .push(at % outputs, &branches)
            .map_err(|error| Error::damaged(format!("tree {at}: {error}")))?;
        trees += 1;
    }
    if !text.contains("\nend of trees") {
        return Err(Error::damaged("the file ends in the middle of its trees"));
    }
    if header.has("average_output") && trees > 0 {
        forest = forest.scaled(outputs as f64 / f64::from(trees));
    }
    let (task, link) = objective(header.get("objective").unwrap_or("regression"), outputs)?;
    let classes = match task {
        Task::Regression => Vec::new(),
        Task::Binary => vec!["0".to_owned(), "1".to_owned()],
        Task::Multiclass => (0..outputs).map(|class| class.to_string()).collect(),
    };
    Ok(Foreign {
        format: Format::LightGbm,
        features: described(&names, &header, text),
        // A file written from a matrix without names counts them.
        is_named: !names.iter().enumerate().all(|(at, name)| *name == format!("Column_{at}")),
        task,
        classes,
        threshold: 0.5,
        body: Body::Trees(Trees { forest, base: vec![0.0; outputs], link }),
    })
}

/// Features with the names of categories that pandas gave them.
fn described(names: &[&str], header: &Block<'_>, text: &str) -> Vec<Feature> {
    let categories = text
        .rsplit_once("pandas_categorical:")
        .and_then(|(_, json)| serde_json::from_str::<serde_json::Value>(json.trim()).ok());
    let mut lists = categories.as_ref().and_then(serde_json::Value::as_array).into_iter().flatten();
    let infos: Vec<&str> = header.get("feature_infos").unwrap_or_default().split_whitespace().collect();
    let feature = |(at, name): (usize, &&str)| {
        let mut feature = Feature::number(*name);
        // Ranges are in brackets, sets of codes are not.
        let is_category = infos.get(at).is_some_and(|info| *info != "none" && !info.starts_with('['));
        if is_category {
            let list = lists.next().and_then(serde_json::Value::as_array);
            let word =
                |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            feature.categories = list.into_iter().flatten().map(word).collect();
        }
        feature
    };
    names.iter().enumerate().map(feature).collect()
}

fn objective(objective: &str, outputs: usize) -> Result<(Task, Link), Error> {
    let mut words = objective.split_whitespace();
    let name = words.next().unwrap_or("regression");
    let rest: Vec<&str> = words.collect();
    let factor = rest.iter().find_map(|word| word.strip_prefix("sigmoid:")?.parse().ok()).unwrap_or(1.0);
    Ok(match name {
        "binary" | "cross_entropy" | "xentropy" if outputs == 1 => (Task::Binary, Link::Sigmoid(factor)),
        "cross_entropy_lambda" | "xentlambda" if outputs == 1 => (Task::Regression, Link::Softplus),
        "multiclass" | "softmax" if outputs > 1 => (Task::Multiclass, Link::Softmax),
        "multiclassova" | "multiclass_ova" | "ova" | "ovr" if outputs > 1 => {
            (Task::Multiclass, Link::SigmoidEach(factor))
        }
        "poisson" | "gamma" | "tweedie" => (Task::Regression, Link::Exp),
        "regression" | "regression_l2" | "l2" | "mean_squared_error" | "mse" if rest.contains(&"sqrt") => {
            (Task::Regression, Link::Square)
        }
        _ if outputs == 1 => (Task::Regression, Link::None),
        other => return Err(Error::unsupported(format!("objective `{other}` with {outputs} outputs"))),
    })
}

/// Lines of `key=value`.
struct Block<'a> {
    text: &'a str,
    place: String,
}

impl<'a> Block<'a> {
    fn find(&self, key: &str) -> Option<&'a str> {
        self.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(&self, key: &str) -> bool {
        self.text.lines().any(|line| line.trim() == key)
    }

    fn get(&self, key: &str) -> Result<&'a str, Error> {
        self.find(key).ok_or_else(|| Error::damaged(format!("{}: `{key}` is missing", self.place)))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T, Error> {
        let text = self.get(key)?;
        text.trim()
            .parse()
            .map_err(|_| Error::damaged(format!("{}: `{key}` is no number: {text}", self.place)))
    }

    fn list<T: std::str::FromStr>(&self, key: &str, length: usize) -> Result<Vec<T>, Error> {
        let words = self.find(key).unwrap_or_default().split_whitespace();
        let list: Option<Vec<T>> = words.map(|word| word.parse().ok()).collect();
        match list {
            Some(list) if list.len() == length => Ok(list),
            Some(list) => {
                let message = format!("{}: `{key}` has {} values, not {length}", self.place, list.len());
                Err(Error::damaged(message))
            }
            None => Err(Error::damaged(format!("{}: `{key}` holds something that is no number", self.place))),
        }
    }

    fn tree(&self) -> Result<Vec<Branch>, Error> {
        let leaves: usize = self.number("num_leaves")?;
        if self.find("is_linear").is_some_and(|value| value.trim() == "1") {
            return Err(Error::unsupported(format!("{}: linear models in leaves", self.place)));
        }
        let count = leaves
            .checked_sub(1)
            .filter(|_| leaves < 1 << 24)
            .ok_or_else(|| Error::damaged(format!("{}: {leaves} leaves", self.place)))?;
        let values: Vec<f64> = self.list("leaf_value", leaves)?;
        if count == 0 {
            return Ok(vec![Branch::Leaf { value: values[0], cover: 1.0 }]);
        }
        let leaf_covers: Vec<f64> = self.list("leaf_count", leaves).unwrap_or_else(|_| vec![0.0; leaves]);
        let covers: Vec<f64> = self.list("internal_count", count).unwrap_or_else(|_| vec![0.0; count]);
        let features: Vec<usize> = self.list("split_feature", count)?;
        let thresholds: Vec<f64> = self.list("threshold", count)?;
        let decisions: Vec<u8> = self.list("decision_type", count)?;
        let left: Vec<i64> = self.list("left_child", count)?;
        let right: Vec<i64> = self.list("right_child", count)?;
        let sets = self.sets()?;
        // Splits first, then leaves, so that the root is the first branch.
        let child = |child: i64| {
            let at = if child >= 0 { child as usize } else { count.saturating_add(!child as usize) };
            if at < count + leaves {
                Ok(at)
            } else {
                Err(Error::damaged(format!("{}: a child is not there", self.place)))
            }
        };
        let mut branches = Vec::with_capacity(count + leaves);
        for at in 0..count {
            let is_left = decisions[at] & 2 != 0;
            let is_category = decisions[at] & 1 != 0;
            let missing = match (is_category, decisions[at] >> 2 & 3, is_left) {
                (true, _, _) => Missing::Right,
                (false, 1, true) => Missing::ZeroLeft,
                (false, 1, false) => Missing::ZeroRight,
                (false, 2, true) => Missing::Left,
                (false, 2, false) => Missing::Right,
                _ => Missing::IsZero,
            };
            let set = if is_category {
                sets.get(thresholds[at] as usize).cloned().ok_or_else(|| {
                    Error::damaged(format!("{}: a set of categories is not there", self.place))
                })?
            } else {
                Vec::new()
            };
            branches.push(Branch::Split {
                feature: features[at],
                rule: if is_category { Rule::OneOf } else { Rule::AtMost },
                threshold: thresholds[at],
                set,
                missing,
                cover: covers[at],
                left: child(left[at])?,
                right: child(right[at])?,
            });
        }
        branches.extend(
            values
                .iter()
                .zip(&leaf_covers)
                .map(|(value, cover)| Branch::Leaf { value: *value, cover: *cover }),
        );
        Ok(branches)
    }

    /// Sets of categories, stored as words of bits.
    fn sets(&self) -> Result<Vec<Vec<u32>>, Error> {
        let count: usize = self.number("num_cat")?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let borders: Vec<usize> = self.list("cat_boundaries", count.saturating_add(1))?;
        let total = borders.last().copied().unwrap_or(0);
        let words: Vec<u32> = self.list("cat_threshold", total)?;
        let set = |border: &[usize]| {
            let words = words.get(border[0]..border[1])?;
            let bits = words.iter().enumerate().flat_map(|(at, word)| {
                (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as u32 * 32 + bit)
            });
            Some(bits.collect())
        };
        borders
            .windows(2)
            .map(set)
            .collect::<Option<_>>()
            .ok_or_else(|| Error::damaged(format!("{}: sets of categories overlap", self.place)))
    }
}
