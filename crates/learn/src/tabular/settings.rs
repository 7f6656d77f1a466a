//! What is declared about a model that is trained on a table.

use intendant_table::Kind;

/// What is declared. Everything but the target is found out when left open.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The column to predict.
    pub target: String,
    /// What kind of prediction; by the target's values when absent.
    pub task: Option<Task>,
    /// Of two classes the one whose probability is told; when absent the one that says yes, else the rarer.
    pub positive: Option<String>,
    /// Columns to learn from; all but target, weight and identifiers when empty.
    pub features: Vec<Feature>,
    /// Columns never learnt from.
    pub ignored: Vec<String>,
    /// Column with the weight of each row.
    pub weight: Option<String>,
    /// Which family of models.
    pub family: Family,
    /// What is to be as good as possible; by the task when absent.
    pub metric: Option<Metric>,
    /// Parts for cross-validation, 2 to 20.
    pub folds: usize,
    /// What is done about classes of different size.
    pub imbalance: Imbalance,
    /// How scores become probabilities.
    pub calibration: Calibration,
    /// Where the positive class begins.
    pub threshold: Threshold,
}

/// A column to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// The column's name.
    pub name: String,
    /// What its values are; the table's kind when absent.
    pub kind: Option<Kind>,
    /// Numbers below are outliers.
    pub least: Option<f64>,
    /// Numbers above are outliers.
    pub most: Option<f64>,
    /// What becomes of outliers.
    pub outliers: Outliers,
    /// Numbers that mean "missing", such as 0 or -1.
    pub missing: Vec<f64>,
    /// What stands in for missing values.
    pub impute: Impute,
}

/// What kind of prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One of two classes, with a threshold.
    Binary,
    /// One of several classes.
    Multiclass,
    /// A number.
    Regression,
}

/// Families of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The best by cross-validation, or a blend of several when that is better.
    Auto,
    /// Gradient boosted trees.
    Boosting,
    /// An additive model: one curve per feature and a few pairs, every prediction a readable sum.
    Additive,
    /// Logistic, multinomial or ridge regression.
    Linear,
}

/// What a model is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Metric {
    RocAuc,
    PrAuc,
    F1,
    MacroF1,
    Accuracy,
    LogLoss,
    Brier,
    Rmse,
    Mae,
    R2,
}

/// What is done about classes of different size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imbalance {
    /// Nothing: probabilities stay those of the data, the threshold does the work.
    Keep,
    /// Rows weigh so that every class counts the same.
    Weigh,
}

/// How scores become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calibration {
    /// Isotonic where there is much data, Platt where not, none where held-out loss is no better for it.
    Auto,
    /// As the model gives them.
    Off,
    /// A line through the log-odds.
    Platt,
    /// A rising staircase.
    Isotonic,
    /// Platt, then moved so that the threshold lies at one half: for callers who compare with 0.5.
    Centred,
}

/// Where the positive class begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// Where this metric is best on rows the model had not seen.
    Best(Metric),
    /// At this probability.
    At(f64),
}

/// What becomes of outliers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outliers {
    /// They are missing.
    #[default]
    Drop,
    /// They become the nearest number allowed.
    Clip,
}

/// What stands in for missing values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Impute {
    /// Trees and additive models learn what missing means; linear models take median and a flag.
    #[default]
    Leave,
    /// The median of the training rows.
    Median,
    /// The mean of the training rows.
    Mean,
    /// This number.
    Constant(f64),
}

impl Settings {
    /// Everything found out, for this target.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            task: None,
            positive: None,
            features: Vec::new(),
            ignored: Vec::new(),
            weight: None,
            family: Family::Auto,
            metric: None,
            folds: 5,
            imbalance: Imbalance::Keep,
            calibration: Calibration::Auto,
            threshold: Threshold::Best(Metric::F1),
        }
    }
}

impl Feature {
    /// A column as it is.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: None,
            least: None,
            most: None,
            outliers: Outliers::Drop,
            missing: Vec::new(),
            impute: Impute::Leave,
        }
    }
}

/// Names in files, one table per enum.
macro_rules! names {
    ($type:ty, $($variant:path => $name:literal),+ $(,)?) => {
        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$($variant),+];

            /// The name used in files.
            pub fn name(self) -> &'static str {
                match self { $($variant => $name),+ }
            }

            /// The value of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names!(Task, Task::Binary => "binary", Task::Multiclass => "multiclass", Task::Regression => "regression");
names!(
    Family,
    Family::Auto => "auto",
    Family::Boosting => "boosting",
    Family::Additive => "additive",
    Family::Linear => "linear",
);
names!(
    Metric,
    Metric::RocAuc => "roc_auc",
    Metric::PrAuc => "pr_auc",
    Metric::F1 => "f1",
    Metric::MacroF1 => "macro_f1",
    Metric::Accuracy => "accuracy",
    Metric::LogLoss => "log_loss",
    Metric::Brier => "brier",
    Metric::Rmse => "rmse",
    Metric::Mae => "mae",
    Metric::R2 => "r2",
);
names!(Imbalance, Imbalance::Keep => "keep", Imbalance::Weigh => "weigh");
names!(
    Calibration,
    Calibration::Auto => "auto",
    Calibration::Off => "off",
    Calibration::Platt => "platt",
    Calibration::Isotonic => "isotonic",
    Calibration::Centred => "centred",
);
names!(Outliers, Outliers::Drop => "missing", Outliers::Clip => "clip");
