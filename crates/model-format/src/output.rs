//! From the sums of trees to probabilities and numbers.

use intendant_learn::forest::Forest;

/// Trees with what is done to their sums.
#[derive(Clone, Debug)]
pub(crate) struct Trees {
    pub forest: Forest,
    /// Added to each output.
    pub base: Vec<f64>,
    pub link: Link,
}

/// What is done to the sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    None,
    /// 1 / (1 + e^-(factor x)).
    Sigmoid(f64),
    /// Each output its own probability, then made to sum to one.
    SigmoidEach(f64),
    Softmax,
    Exp,
    /// The square with the sign kept.
    Square,
    /// ln(1 + e^x).
    Softplus,
    /// 1 above zero.
    Step,
}

impl Trees {
    pub fn outputs(&self) -> usize {
        self.base.len()
    }

    /// Outputs of rows, `[rows, outputs]`.
    pub fn scores(&self, rows: &[f64], width: usize) -> Vec<f64> {
        let mut scores = Vec::with_capacity(rows.len() / width.max(1) * self.base.len());
        let mut outputs = self.base.clone();
        for row in rows.chunks(width.max(1)) {
            outputs.copy_from_slice(&self.base);
            self.forest.add(row, &mut outputs);
            self.link.apply(&mut outputs);
            scores.extend_from_slice(&outputs);
        }
        scores
    }

    /// Base and contributions of one row to one output.
    pub fn explain(
        &self,
        row: &[f64],
        output: usize,
        name: &dyn Fn(usize) -> String,
    ) -> (f64, Vec<(String, f64)>) {
        let features = self.forest.features();
        let mut values = vec![0.0; features * self.base.len()];
        self.forest.contributions(row, &mut values);
        let base = self.base[output] + self.forest.expected()[output];
        let own = &values[output * features..(output + 1) * features];
        (base, own.iter().enumerate().map(|(at, value)| (name(at), *value)).collect())
    }
}

impl Link {
    pub fn apply(self, outputs: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Sigmoid(factor) => outputs.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-factor * *x).exp())),
            Self::SigmoidEach(factor) => {
                Self::Sigmoid(factor).apply(outputs);
                let total: f64 = outputs.iter().sum();
                if total > 0.0 {
                    outputs.iter_mut().for_each(|x| *x /= total);
                }
            }
            Self::Softmax => {
                let top = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                outputs.iter_mut().for_each(|x| *x = (*x - top).exp());
                let total: f64 = outputs.iter().sum();
                outputs.iter_mut().for_each(|x| *x /= total);
            }
            Self::Exp => outputs.iter_mut().for_each(|x| *x = x.exp()),
            Self::Square => outputs.iter_mut().for_each(|x| *x = x.signum() * *x * *x),
            Self::Softplus => outputs.iter_mut().for_each(|x| *x = x.exp().ln_1p()),
            Self::Step => outputs.iter_mut().for_each(|x| *x = f64::from(u8::from(*x > 0.0))),
        }
    }
}
