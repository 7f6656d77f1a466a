//! Whether confidences are what they say: of predictions at 80 %, four fifths should be right.

/// Intervals of confidence that are compared.
const BINS: usize = 15;

/// Predictions of similar confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Mean confidence.
    pub confidence: f64,
    /// Share of right predictions.
    pub right: f64,
    /// Number of predictions.
    pub count: usize,
}

/// Bins of equal width that hold predictions, by confidence.
pub fn bins(outcomes: &[(f64, bool)]) -> Vec<Bin> {
    let mut sums = [(0.0, 0usize, 0usize); BINS];
    for (confidence, is_right) in outcomes {
        let sum = &mut sums[((confidence.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1)];
        sum.0 += confidence;
        sum.1 += usize::from(*is_right);
        sum.2 += 1;
    }
    let filled = sums.into_iter().filter(|(.., count)| *count > 0);
    let bin = |(confidence, right, count): (f64, usize, usize)| {
        let total = count as f64;
        Bin { confidence: confidence / total, right: right as f64 / total, count }
    };
    filled.map(bin).collect()
}

/// Expected calibration error: how far confidence and success are apart on average.
/// Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
pub fn error(bins: &[Bin]) -> f64 {
    let total: usize = bins.iter().map(|bin| bin.count).sum();
    let apart = bins.iter().map(|bin| (bin.confidence - bin.right).abs() * bin.count as f64);
    apart.sum::<f64>() / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_compares_confidence_with_success() {
        let cases: [(&[(f64, bool)], f64); 4] = [
            (&[(1.0, true), (1.0, true)], 0.0),
            (&[(1.0, false)], 1.0),
            (&[(0.5, true), (0.5, false)], 0.0),
            (&[], 0.0),
        ];
        for (outcomes, expected) in cases {
            assert!((error(&bins(outcomes)) - expected).abs() < 1e-9, "{outcomes:?}");
        }
        assert_eq!(bins(&[(0.1, true), (0.9, true), (0.92, false)]).len(), 2);
    }
}
