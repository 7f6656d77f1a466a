//! Gates: the measured bar a model must pass before it may take a tag. Decides, measures nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One condition on a model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The metric: `intent_accuracy`, `intent_f1`, `entity_f1`, `story_success`, or a predictor's own.
    pub metric: String,
    /// The dataset on which it is measured.
    pub dataset: String,
    /// Only this slice of the dataset.
    pub slice: Option<String>,
    /// The value must not be below this.
    pub at_least: Option<f64>,
    /// The value must not be above this.
    pub at_most: Option<f64>,
    /// The value must not be worse than that of the model now under the tag by more than this.
    pub no_worse_by: Option<f64>,
    /// Whether smaller values of this metric are better (errors, losses).
    #[serde(default)]
    pub smaller_is_better: bool,
}

/// Values by metric (of a slice: `metric[slice]`), by dataset.
pub type Values = BTreeMap<String, BTreeMap<String, f64>>;

/// How one gate turned out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The gate, in words: metric, slice and dataset.
    pub gate: String,
    /// What was measured; `None` when it was not.
    pub measured: Option<f64>,
    /// What was required, in words.
    pub required: String,
    /// Whether it was passed.
    pub passed: bool,
}

impl Gate {
    /// The metric's key among measured values.
    pub fn key(&self) -> String {
        match &self.slice {
            Some(slice) => format!("{}[{slice}]", self.metric),
            None => self.metric.clone(),
        }
    }

    /// Whether the gate asks for anything.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        if self.at_least.is_none() && self.at_most.is_none() && self.no_worse_by.is_none() {
            return Err(format!(
                "the gate on `{}` asks for nothing: give at_least, at_most or no_worse_by",
                self.key()
            ));
        }
        if self.no_worse_by.is_some_and(|by| by.is_nan() || by < 0.0) {
            return Err(format!("the gate on `{}`: no_worse_by must not be negative", self.key()));
        }
        Ok(())
    }

    /// Holds a model against the gate; `current` is the model now under the tag, if there is one.
    pub fn judge(&self, candidate: &Values, current: Option<&Values>) -> Outcome {
        let value_of = |values: &Values| values.get(&self.dataset)?.get(&self.key()).copied();
        let measured = value_of(candidate).filter(|value| !value.is_nan());
        let mut required = Vec::new();
        let mut passed = measured.is_some();
        let mut require = |words: String, holds: &dyn Fn(f64) -> bool| {
            required.push(words);
            passed &= measured.is_some_and(holds);
        };
        if let Some(bar) = self.at_least {
            require(format!("at least {bar}"), &|value| value >= bar);
        }
        if let Some(bar) = self.at_most {
            require(format!("at most {bar}"), &|value| value <= bar);
        }
        if let Some(by) = self.no_worse_by
            && let Some(current) = current
        {
            match value_of(current) {
                Some(now) if self.smaller_is_better => {
                    require(format!("no more than {now:.4} + {by} (the current model)"), &|value| {
                        value <= now + by
                    });
                }
                Some(now) => {
                    require(format!("no less than {now:.4} - {by} (the current model)"), &|value| {
                        value >= now - by
                    });
                }
                None => require("the current model measured too".to_owned(), &|_| false),
            }
        }
        if required.is_empty() {
            required.push("measured; there is no current model to compare with".to_owned());
        }
        let gate = format!("{} on {}", self.key(), self.dataset);
        Outcome { gate, measured, required: required.join(", "), passed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(value: f64) -> Values {
        BTreeMap::from([("held-back".to_owned(), BTreeMap::from([("f1".to_owned(), value)]))])
    }

    #[test]
    fn a_gate_compares_with_a_bar_and_with_the_current_model() {
        let gate = |yaml: &str| -> Gate { serde_json::from_str(yaml).unwrap() };
        let base = |rest: &str| gate(&format!("{{\"metric\": \"f1\", \"dataset\": \"held-back\"{rest}}}"));
        let check = |gate: &Gate, value: f64, current: Option<f64>, passed: bool, required: &str| {
            let outcome = gate.judge(&values(value), current.map(values).as_ref());
            assert_eq!((outcome.passed, outcome.required.as_str()), (passed, required));
        };
        let bar = base(", \"at_least\": 0.61");
        check(&bar, 0.61, None, true, "at least 0.61");
        check(&bar, 0.6099, Some(0.2), false, "at least 0.61");
        check(&bar, f64::NAN, None, false, "at least 0.61");
        let relative = base(", \"no_worse_by\": 0.01");
        check(&relative, 0.1, None, true, "measured; there is no current model to compare with");
        check(&relative, 0.795, Some(0.8), true, "no less than 0.8000 - 0.01 (the current model)");
        check(&relative, 0.78, Some(0.8), false, "no less than 0.8000 - 0.01 (the current model)");
        let loss = base(", \"no_worse_by\": 0.0, \"smaller_is_better\": true, \"at_most\": 1.0");
        check(&loss, 0.8, Some(0.8), true, "at most 1, no more than 0.8000 + 0 (the current model)");
        check(&loss, 0.9, Some(0.8), false, "at most 1, no more than 0.8000 + 0 (the current model)");
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        let gate: Gate =
            serde_json::from_str("{\"metric\": \"f1\", \"dataset\": \"other\", \"at_least\": 0.1}").unwrap();
        let outcome = gate.judge(&values(0.9), None);
        assert_eq!((outcome.measured, outcome.passed), (None, false));
        let slice = Gate { dataset: "held-back".to_owned(), slice: Some("de".to_owned()), ..gate.clone() };
        assert!(!slice.judge(&values(0.9), None).passed);
        assert!(Gate { at_least: None, ..gate }.check().is_err());
    }
}
