//! What grid searches maximise, by scikit-learn's names.

/// A score of answers against what is right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scoring {
    Accuracy,
    BalancedAccuracy,
    Averaged(Measure, Average),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    F1,
    Precision,
    Recall,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Average {
    /// By how often each class is right.
    Weighted,
    /// All classes that are right or answered alike.
    Macro,
}

impl Scoring {
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name == "accuracy" || name == "balanced_accuracy" {
            return Some(if name == "accuracy" { Self::Accuracy } else { Self::BalancedAccuracy });
        }
        let (measure, average) = name.split_once('_')?;
        let measure = match measure {
            "f1" => Measure::F1,
            "precision" => Measure::Precision,
            "recall" => Measure::Recall,
            _ => return None,
        };
        match average {
            "weighted" => Some(Self::Averaged(measure, Average::Weighted)),
            "macro" => Some(Self::Averaged(measure, Average::Macro)),
            // Where each example has one class, all three are the share of right answers.
            "micro" => Some(Self::Accuracy),
            _ => None,
        }
    }

    /// The score, from 0 to 1.
    pub(crate) fn of(self, right: &[u32], answered: &[u32], classes: usize) -> f64 {
        let mut support = vec![0.0f64; classes];
        let (mut answers, mut hits) = (support.clone(), support.clone());
        for (right, answered) in right.iter().zip(answered) {
            support[*right as usize] += 1.0;
            answers[*answered as usize] += 1.0;
            hits[*right as usize] += f64::from(u8::from(right == answered));
        }
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let mean = |of: &dyn Fn(usize) -> f64, weight: &dyn Fn(usize) -> f64| {
            let total: f64 = (0..classes).map(weight).sum();
            ratio((0..classes).map(|class| weight(class) * of(class)).sum(), total)
        };
        let one_if = |is_so: bool| f64::from(u8::from(is_so));
        let recall = |class: usize| ratio(hits[class], support[class]);
        let (measure, average) = match self {
            Self::Accuracy => return ratio(hits.iter().sum(), right.len() as f64),
            Self::BalancedAccuracy => return mean(&recall, &|class| one_if(support[class] > 0.0)),
            Self::Averaged(measure, average) => (measure, average),
        };
        let of = |class: usize| match measure {
            Measure::F1 => ratio(2.0 * hits[class], support[class] + answers[class]),
            Measure::Precision => ratio(hits[class], answers[class]),
            Measure::Recall => recall(class),
        };
        match average {
            Average::Weighted => mean(&of, &|class| support[class]),
            Average::Macro => mean(&of, &|class| one_if(support[class] + answers[class] > 0.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let check = |name: &str, expected: f64| {
            let (right, answered) = ([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 3, 1]);
            let found = Scoring::named(name).unwrap().of(&right, &answered, 5);
            assert!((found - expected).abs() < 1e-6, "{name}: {found}");
        };
        check("accuracy", 0.5);
        check("f1_micro", 0.5);
        check("balanced_accuracy", 0.388_888_9);
        check("f1_weighted", 0.533_333_3);
        check("f1_macro", 0.3);
        check("precision_weighted", 0.611_111_1);
        check("precision_macro", 0.333_333_3);
        check("recall_weighted", 0.5);
        check("recall_macro", 0.291_666_7);
        for name in ["", "f1", "f1_samples", "roc_auc", "neg_log_loss"] {
            assert_eq!(Scoring::named(name), None, "{name}");
        }
    }
}
