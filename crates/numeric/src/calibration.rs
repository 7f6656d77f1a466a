//! Probabilities from scores: softmax with a temperature fitted on held-out scores.

use crate::svm::dispatch;

/// Probabilities proportional to `exp(sharpness * score)`; scores are replaced.
pub fn softmax(scores: &mut [f32], sharpness: f32) {
    let total = exponentiate(scores, sharpness);
    if total > 0.0 {
        scores.iter_mut().for_each(|score| *score /= total);
    }
}

/// Scores that are worked on side by side.
const LANES: usize = 8;

dispatch! {
    /// Replaces scores by `exp(sharpness * (score - top))`, where `top` is the largest, and returns their sum.
    pub(crate) fn exponentiate(scores: &mut [f32], sharpness: f32) -> f32 {
        exponentiate_inline(scores, sharpness)
    }
}

#[inline(always)]
pub(crate) fn exponentiate_inline(scores: &mut [f32], sharpness: f32) -> f32 {
    let mut tops = [f32::NEG_INFINITY; LANES];
    for scores in scores.chunks(LANES) {
        for (top, score) in tops.iter_mut().zip(scores) {
            *top = if *score > *top { *score } else { *top };
        }
    }
    let top = tops.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0f32; LANES];
    let (blocks, rest) = scores.as_chunks_mut::<LANES>();
    for block in blocks {
        for (score, sum) in block.iter_mut().zip(&mut sums) {
            *score = exp((*score - top) * sharpness);
            *sum += *score;
        }
    }
    for (score, sum) in rest.iter_mut().zip(&mut sums) {
        *score = exp((*score - top) * sharpness);
        *sum += *score;
    }
    sums.into_iter().sum()
}

/// The exponential function of numbers up to 80, to 2e-7 of its value; the same on
/// every machine, and vectors of it are computed at once.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // 2^n e^r: adding this constant rounds to the whole number n, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // The logarithm of 2 in two parts, of which the first has few bits.
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        sum = sum * rest + coefficient;
    }
    let fraction = sum * rest * rest + rest + 1.0;
    f32::from_bits((shifted.to_bits() << 23).wrapping_add(fraction.to_bits()))
}

/// Mean negative log-likelihood of the right classes at a sharpness that may differ by example.
///
/// `share` is how much probability is spread evenly over all classes before the logarithm, which
/// keeps single confident mistakes from deciding alone.
pub fn loss(scores: &[Vec<f32>], labels: &[u32], sharpness: impl Fn(usize) -> f32, share: f32) -> f64 {
    let mut total = 0.0;
    let mut probabilities = Vec::new();
    for (row, (scores, label)) in scores.iter().zip(labels).enumerate() {
        probabilities.clear();
        probabilities.extend_from_slice(scores);
        softmax(&mut probabilities, sharpness(row));
        let right = probabilities.get(*label as usize).copied().unwrap_or(0.0);
        total -= f64::from(right * (1.0 - share) + share / scores.len().max(1) as f32).ln();
    }
    total / scores.len().max(1) as f64
}

/// Rounds of a search: each leaves 0.62 of what the one before left, all together a thousandth.
const ROUNDS: usize = 15;

/// The argument in `low..=high` with the smallest value, by golden-section search on a log scale.
pub fn minimize(low: f32, high: f32, value: impl Fn(f32) -> f64) -> f32 {
    const GOLDEN: f32 = 0.618_034;
    let (mut low, mut high) = (low.ln(), high.ln());
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_left, mut at_right) = (value(left.exp()), value(right.exp()));
    for _ in 0..ROUNDS {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = value(left.exp());
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = value(right.exp());
        }
    }
    ((low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_function_is_close() {
        for step in 0..=8600 {
            let x = -(step as f32) / 100.0;
            let (found, wanted) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / wanted - 1.0).abs() < 3e-7, "{x}: {found} {wanted}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
        let mut scores: Vec<f32> = (0..19).map(|class| class as f32).collect();
        softmax(&mut scores, 0.5);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6 && scores.is_sorted());
    }

    #[test]
    fn sharpness_matches_how_often_scores_are_right() {
        // Nine of ten examples are right with a margin of one: log(9) makes that 0.9.
        let scores = vec![vec![1.0, 0.0]; 10];
        let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let fitted = minimize(0.01, 100.0, |sharpness| loss(&scores, &labels, |_| sharpness, 0.0));
        assert!((fitted - 9.0f32.ln()).abs() < 0.05, "{fitted}");
        let mut probabilities = vec![1.0, 0.0];
        softmax(&mut probabilities, fitted);
        assert!((probabilities[0] - 0.9).abs() < 0.01);
    }
}
