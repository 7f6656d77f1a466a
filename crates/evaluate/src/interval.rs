//! How sure a figure is: 95 % confidence intervals.

use std::collections::BTreeMap;

use intendant_numeric::random::Random;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_964;
/// Drawn samples; the percentiles at 2.5 % then rest on ten values each.
const RESAMPLES: usize = 400;

/// A figure with the interval that would hold the true value in 95 of 100 such tests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figure {
    /// The figure itself.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.value, self.low, self.high)
    }
}

/// A share. Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
pub fn share(right: usize, total: usize) -> Figure {
    if total == 0 {
        return Figure::default();
    }
    let (n, p) = (total as f64, right as f64 / total as f64);
    let middle = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // The ends meet the figure itself where all or nothing is right; rounding must not push them past it.
    Figure {
        value: p,
        low: ((middle - spread) / scale).min(p).max(0.0),
        high: ((middle + spread) / scale).max(p).min(1.0),
    }
}

/// The mean F1 over labels, weighted by their number, of pairs of wanted and found label; by resampling messages.
pub fn weighted_f1(pairs: &[(&str, &str)], seed: u64) -> Figure {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut code = |label| {
        let next = codes.len();
        *codes.entry(label).or_insert(next)
    };
    let coded: Vec<(usize, usize)> =
        pairs.iter().map(|(target, found)| (code(target), code(found))).collect();
    let n_labels = codes.len();
    let of = |sample: &mut dyn Iterator<Item = usize>| {
        let mut counts = vec![(0usize, 0usize, 0usize); n_labels];
        for (target, found) in sample.map(|idx| coded[idx]) {
            counts[target].0 += 1;
            counts[found].1 += 1;
            counts[target].2 += usize::from(target == found);
        }
        let score = |(support, predicted, hits): &(usize, usize, usize)| {
            *support as f64 * f1(*hits, predicted - hits, support - hits)
        };
        counts.iter().map(score).sum::<f64>() / coded.len().max(1) as f64
    };
    resampled(coded.len(), &of, seed)
}

/// The F1 of found things, from right, wrong and missed ones of each message; by resampling messages.
pub fn found_f1(messages: &[(usize, usize, usize)], seed: u64) -> Figure {
    let of = |sample: &mut dyn Iterator<Item = usize>| {
        let sum = sample
            .map(|idx| messages[idx])
            .fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
        f1(sum.0, sum.1, sum.2)
    };
    resampled(messages.len(), &of, seed)
}

fn f1(right: usize, wrong: usize, missed: usize) -> f64 {
    if right == 0 { 0.0 } else { 2.0 * right as f64 / (2 * right + wrong + missed) as f64 }
}

/// The percentile bootstrap. Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.
fn resampled(count: usize, statistic: &dyn Fn(&mut dyn Iterator<Item = usize>) -> f64, seed: u64) -> Figure {
    let value = statistic(&mut (0..count));
    let mut random = Random::new(seed);
    let mut values: Vec<f64> =
        (0..RESAMPLES).map(|_| statistic(&mut (0..count).map(|_| random.below(count)))).collect();
    values.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    // A resample is never better than perfect, so that the figure itself may lie at an end.
    Figure { value, low: values[tail - 1].min(value), high: values[RESAMPLES - tail].max(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_wilsons_interval() {
        let close = |found: Figure, low: f64, high: f64| {
            assert!((found.low - low).abs() < 1e-3 && (found.high - high).abs() < 1e-3, "{found}");
        };
        close(share(8, 10), 0.490, 0.943);
        close(share(10, 10), 0.722, 1.0);
        close(share(0, 10), 0.0, 0.278);
        assert_eq!(share(0, 0), Figure::default());
    }

    #[test]
    fn resampling_is_seeded_and_holds_the_figure() {
        let pairs: Vec<(&str, &str)> =
            (0..200).map(|idx| ("a", if idx % 5 == 0 { "b" } else { "a" })).collect();
        let figure = weighted_f1(&pairs, 1);
        assert_eq!(figure, weighted_f1(&pairs, 1));
        assert!(
            figure.low < figure.value && figure.value < figure.high && figure.high - figure.low < 0.15,
            "{figure}"
        );
        assert!((figure.value - 2.0 * 0.8 / 1.8).abs() < 1e-9);
        assert_eq!(weighted_f1(&[("a", "a")], 1), Figure { value: 1.0, low: 1.0, high: 1.0 });
        assert_eq!(weighted_f1(&[], 1), Figure::default());
        assert!((found_f1(&[(1, 0, 0), (1, 1, 1)], 1).value - 4.0 / 6.0).abs() < 1e-9);
    }
}
