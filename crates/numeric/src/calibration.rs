//! Probabilities from scores: softmax with a temperature fitted on held-out scores.

/// Probabilities proportional to `exp(sharpness * score)`; scores are replaced.
pub fn softmax(scores: &mut [f32], sharpness: f32) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = ((*score - top) * sharpness).exp();
        total += *score;
    }
    if total > 0.0 {
        scores.iter_mut().for_each(|score| *score /= total);
    }
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

/// The argument in `low..=high` with the smallest value, by golden-section search on a log scale.
pub fn minimize(low: f32, high: f32, value: impl Fn(f32) -> f64) -> f32 {
    const GOLDEN: f32 = 0.618_034;
    let (mut low, mut high) = (low.ln(), high.ln());
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_left, mut at_right) = (value(left.exp()), value(right.exp()));
    for _ in 0..24 {
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
