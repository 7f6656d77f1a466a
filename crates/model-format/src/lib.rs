//! Models trained elsewhere: read once, checked, then asked like our own.
//!
//! LightGBM's text files, XGBoost's JSON and UBJSON, explainable boosting machines as JSON, and ONNX graphs of the
//! kind that classical machine learning exports: imputers, encoders, linear models, ensembles of trees, text
//! vectorizers, small dense networks. Nothing in a file is ever executed: pickles and joblib dumps, which are
//! programs, are refused with the way to export.
//!
//! Files are untrusted: every length is checked before memory is taken, every index before it is followed.

mod ebm;
mod inputs;
mod lightgbm;
mod onnx;
mod output;
mod ubjson;
mod xgboost;

use std::fmt;

use intendant_learn::tabular::{Explanation, Predictions, Task};
use intendant_table::{Field, Kind, Problem, Signature, Table};

use inputs::Feature;

/// A model of another library.
#[derive(Clone, Debug)]
pub struct Foreign {
    format: Format,
    features: Vec<Feature>,
    /// Whether the file names its features, or they are only counted.
    is_named: bool,
    task: Task,
    classes: Vec<String>,
    threshold: f64,
    body: Body,
}

/// Formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// LightGBM's text file.
    LightGbm,
    /// XGBoost's JSON.
    XgBoostJson,
    /// XGBoost's UBJSON.
    XgBoostUbj,
    /// Explainable boosting machine as JSON.
    Ebm,
    /// ONNX.
    Onnx,
}

#[derive(Clone, Debug)]
enum Body {
    Trees(output::Trees),
    Ebm(ebm::Machine),
    Onnx(onnx::Runs),
}

/// Why a file is no model we can use, or a table no input for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: ErrorKind,
    message: String,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A format that is never read, or one that is not known.
    Format,
    /// Truncated, contradictory, or with indexes that lead nowhere.
    Damaged,
    /// Sound, but with parts that are not implemented; the message names them.
    Unsupported,
    /// A table without the columns or with values that do not fit.
    Input,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Format {
    /// The name used in files and metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::LightGbm => "lightgbm",
            Self::XgBoostJson => "xgboost-json",
            Self::XgBoostUbj => "xgboost-ubj",
            Self::Ebm => "ebm-json",
            Self::Onnx => "onnx",
        }
    }

    /// What format these bytes are; the file's name matters only to messages.
    ///
    /// # Errors
    /// For pickles and joblib dumps, which are programs, and for what is not known.
    pub fn of(bytes: &[u8], name: &str) -> Result<Self, Error> {
        let lower = name.to_lowercase();
        let is_pickle = bytes.first() == Some(&0x80) && bytes.get(1).is_some_and(|byte| *byte <= 5);
        let is_called_pickle = [".pkl", ".pickle", ".joblib"].iter().any(|ending| lower.ends_with(ending));
        if is_pickle || is_called_pickle {
            return Err(Error::new(
                ErrorKind::Format,
                format!("`{name}` is a pickle, a program that would be run: {EXPORT}"),
            ));
        }
        let start = &bytes[..bytes.len().min(4096)];
        let text = String::from_utf8_lossy(start);
        let text = text.trim_start();
        if text.starts_with("tree") && text.contains("version=") {
            return Ok(Self::LightGbm);
        }
        // UBJSON says the length of every key in binary, JSON quotes it.
        if bytes.starts_with(b"{L") || bytes.starts_with(b"{i") || bytes.starts_with(b"{U") {
            return Ok(Self::XgBoostUbj);
        }
        if text.starts_with('{') {
            let is_ebm = text.contains("\"term_scores\"")
                || text.contains("\"ebm\"")
                || String::from_utf8_lossy(bytes).contains("\"term_scores\"");
            return Ok(if is_ebm { Self::Ebm } else { Self::XgBoostJson });
        }
        if onnx::looks_like(bytes) {
            return Ok(Self::Onnx);
        }
        let message = format!(
            "`{name}` is none of the formats that are read: ONNX, LightGBM text, XGBoost JSON or UBJSON, EBM JSON"
        );
        Err(Error::new(ErrorKind::Format, message))
    }
}

const EXPORT: &str = "export the model where it was trained, with skl2onnx.to_onnx (scikit-learn), \
    booster.save_model(\"model.txt\") (LightGBM) or booster.save_model(\"model.json\") (XGBoost)";

impl Foreign {
    /// Reads a model; `name` is the file's name, for messages.
    ///
    /// # Errors
    /// When the format is refused, the file damaged, or parts of it are not implemented.
    pub fn read(bytes: &[u8], name: &str) -> Result<Self, Error> {
        let format = Format::of(bytes, name)?;
        let read = match format {
            Format::LightGbm => lightgbm::read(bytes),
            Format::XgBoostJson => xgboost::read_json(bytes),
            Format::XgBoostUbj => xgboost::read_ubj(bytes),
            Format::Ebm => ebm::read(bytes),
            Format::Onnx => onnx::read(bytes),
        };
        read.map_err(|error| Error { message: format!("`{name}`: {}", error.message), ..error })
    }

    /// Which format it came in.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What kind of prediction it makes.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Names of classes; the positive one second. Empty for regression.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The probability at which the positive class begins.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The model with another threshold.
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// The model with other names of its classes, in the order of the file's.
    ///
    /// # Errors
    /// When their number differs.
    pub fn with_classes(mut self, classes: &[String]) -> Result<Self, Error> {
        if classes.len() != self.classes.len() {
            let message = format!("{} names for the model's {} classes", classes.len(), self.classes.len());
            return Err(Error::new(ErrorKind::Input, message));
        }
        self.classes = classes.to_vec();
        Ok(self)
    }

    /// The model with columns for features that the file only counts, in order.
    ///
    /// # Errors
    /// When their number differs, or the file's own names are not these.
    pub fn with_features(mut self, names: &[String]) -> Result<Self, Error> {
        if names.len() != self.features.len() {
            let message =
                format!("{} features are declared, the model expects {}", names.len(), self.features.len());
            return Err(Error::new(ErrorKind::Input, message));
        }
        if self.is_named && self.features.iter().zip(names).any(|(feature, name)| feature.name != *name) {
            let own: Vec<&str> = self.features.iter().map(|feature| feature.name.as_str()).collect();
            let message = format!("the model names its features itself: {}", own.join(", "));
            return Err(Error::new(ErrorKind::Input, message));
        }
        for (feature, name) in self.features.iter_mut().zip(names) {
            feature.name.clone_from(name);
        }
        self.is_named = true;
        Ok(self)
    }

    /// Whether the file names its features; else [`Foreign::with_features`] has to.
    pub fn is_named(&self) -> bool {
        self.is_named
    }

    /// The fields it looks at.
    pub fn signature(&self) -> Signature {
        let field = |feature: &Feature| Field {
            name: feature.name.clone(),
            kind: if feature.is_text || !feature.categories.is_empty() {
                Kind::Category
            } else {
                Kind::Number
            },
            is_optional: true,
            categories: feature.categories.clone(),
        };
        Signature { fields: self.features.iter().map(field).collect() }
    }

    /// Whether predictions can be explained feature by feature.
    pub fn is_explainable(&self) -> bool {
        match &self.body {
            Body::Trees(trees) => trees.forest.has_covers(),
            Body::Ebm(_) => true,
            Body::Onnx(_) => false,
        }
    }

    /// Predictions for a table's rows; columns are found by name. A column named `a_b` that is not there is made
    /// of a column `a`, 1 where it holds `b`, as encoders name their columns; words for yes and no are 1 and 0.
    ///
    /// # Errors
    /// When no feature is there, or values do not fit.
    pub fn predict(&self, table: &Table) -> Result<Predictions, Error> {
        match &self.body {
            Body::Trees(trees) => {
                let rows = inputs::numbers(&self.features, table).map_err(misfit)?;
                Ok(self.predictions(trees.scores(&rows, self.features.len()), trees.outputs()))
            }
            Body::Ebm(machine) => {
                let rows = inputs::numbers(&self.features, table).map_err(misfit)?;
                Ok(self.predictions(machine.scores(&rows, self.features.len()), 1))
            }
            Body::Onnx(graph) => {
                let (scores, width) = graph.run(&self.features, table)?;
                Ok(self.predictions(scores, width))
            }
        }
    }

    /// Why each row has its score: for trees Shapley values along the paths of the training rows, exact for
    /// additive models. Of several classes the one given is explained.
    ///
    /// # Errors
    /// When the format does not tell how, or values do not fit.
    pub fn explain(&self, table: &Table) -> Result<Vec<Explanation>, Error> {
        let rows = match &self.body {
            Body::Onnx(_) => Vec::new(),
            _ => inputs::numbers(&self.features, table).map_err(misfit)?,
        };
        let labels = self.predict(table)?.labels;
        let width = self.features.len().max(1);
        let name = |at: usize| self.features[at].name.clone();
        let class_of = |row: usize| match self.task {
            Task::Multiclass => labels[row] as usize,
            _ => 0,
        };
        let explain = |(row, values): (usize, &[f64])| {
            let class = class_of(row);
            let (base, contributions) = match &self.body {
                Body::Trees(trees) => trees.explain(values, class, &name),
                Body::Ebm(machine) => machine.explain(values, &name),
                Body::Onnx(_) => (0.0, Vec::new()),
            };
            let class = match self.task {
                Task::Regression => String::new(),
                Task::Binary => self.classes[1].clone(),
                Task::Multiclass => self.classes[class].clone(),
            };
            let mut contributions = contributions;
            let score = base + contributions.iter().map(|(_, value)| value).sum::<f64>();
            contributions.sort_by(|left, right| right.1.abs().total_cmp(&left.1.abs()));
            Explanation { class, base, score, contributions }
        };
        if !self.is_explainable() {
            let message = format!(
                "predictions of this {} model cannot be explained: it does not say how many training rows its branches saw",
                self.format.name()
            );
            return Err(Error::unsupported(message));
        }
        Ok(rows.chunks(width).enumerate().map(explain).collect())
    }

    /// Probabilities, `[rows, width]`, or numbers, as predictions.
    fn predictions(&self, scores: Vec<f64>, width: usize) -> Predictions {
        let mut predictions = Predictions {
            task: self.task,
            classes: self.classes.clone(),
            scores: Vec::new(),
            labels: Vec::new(),
        };
        match self.task {
            Task::Regression => predictions.scores = scores,
            Task::Binary => {
                for row in scores.chunks(width.max(1)) {
                    let share = row.last().copied().unwrap_or(f64::NAN);
                    predictions.scores.extend([1.0 - share, share]);
                    predictions.labels.push(u32::from(share >= self.threshold));
                }
            }
            Task::Multiclass => {
                for row in scores.chunks(width.max(1)) {
                    let best = (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b]));
                    predictions.labels.push(best.unwrap_or(0) as u32);
                }
                predictions.scores = scores;
            }
        }
        predictions
    }
}

fn misfit(problems: Vec<Problem>) -> Error {
    let shown: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
    let more = problems.len().saturating_sub(5);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Error::new(ErrorKind::Input, format!("{}{more}", shown.join("; ")))
}
