//! Probabilities of many classes from the margins of classifiers that tell two of them apart.

/// A margin's probability to be on the positive side is `1 / (1 + exp(slope * margin + offset))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid {
    /// Negative where larger margins speak for the positive side.
    pub slope: f64,
    /// Where the sides are equally likely.
    pub offset: f64,
}

/// Newton steps, at most.
const STEPS: usize = 100;
/// Stops when the gradient's entries are below this.
const FLAT: f64 = 1e-5;
/// Least share of a step that is tried.
const SHARE_MIN: f64 = 1e-10;
/// Keeps the curvature above zero.
const RIDGE: f64 = 1e-12;

impl Sigmoid {
    /// The sigmoid that makes what is known of the sides likeliest.
    ///
    /// Source: Lin, Lin and Weng 2007, "A Note on Platt's Probabilistic Outputs for Support Vector
    /// Machines", whose targets are drawn in a little from 0 and 1.
    pub fn fit(margins: &[f64], is_positive: &[bool]) -> Self {
        let positives = is_positive.iter().filter(|is_positive| **is_positive).count() as f64;
        let negatives = is_positive.len() as f64 - positives;
        let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
        let target = |at: usize| if is_positive[at] { high } else { low };
        let loss = |sigmoid: &Self| -> f64 {
            let of = |(at, margin): (usize, &f64)| {
                let z = sigmoid.slope * margin + sigmoid.offset;
                (-z.abs()).exp().ln_1p() + if z >= 0.0 { target(at) * z } else { (target(at) - 1.0) * z }
            };
            margins.iter().enumerate().map(of).sum()
        };
        let mut best = Self { slope: 0.0, offset: ((negatives + 1.0) / (positives + 1.0)).ln() };
        let mut lowest = loss(&best);
        for _ in 0..STEPS {
            let (mut by_slope, mut by_offset) = (0.0, 0.0);
            let (mut curve_slope, mut curve_offset, mut curve_both) = (RIDGE, RIDGE, 0.0);
            for (at, margin) in margins.iter().enumerate() {
                let p = best.probability(*margin);
                let (spread, error) = (p * (1.0 - p), target(at) - p);
                by_slope += margin * error;
                by_offset += error;
                curve_slope += margin * margin * spread;
                curve_offset += spread;
                curve_both += margin * spread;
            }
            if by_slope.abs() < FLAT && by_offset.abs() < FLAT {
                break;
            }
            let determinant = curve_slope * curve_offset - curve_both * curve_both;
            let along_slope = -(curve_offset * by_slope - curve_both * by_offset) / determinant;
            let along_offset = -(curve_slope * by_offset - curve_both * by_slope) / determinant;
            let downhill = by_slope * along_slope + by_offset * along_offset;
            let mut share = 1.0;
            let found = loop {
                let next = Self {
                    slope: best.slope + share * along_slope,
                    offset: best.offset + share * along_offset,
                };
                let value = loss(&next);
                if value < lowest + 1e-4 * share * downhill {
                    break Some((next, value));
                }
                share /= 2.0;
                if share < SHARE_MIN {
                    break None;
                }
            };
            let Some((next, value)) = found else { break };
            (best, lowest) = (next, value);
        }
        best
    }

    /// The probability of the positive side.
    pub fn probability(&self, margin: f64) -> f64 {
        let z = self.slope * margin + self.offset;
        if z >= 0.0 { (-z).exp() / (1.0 + (-z).exp()) } else { 1.0 / (1.0 + z.exp()) }
    }
}

/// Rounds of [`couple`], at most, or the number of classes if that is more.
const ROUNDS: usize = 100;
/// Bounds of the probabilities of pairs.
const PAIR_MIN: f64 = 1e-7;

/// Probabilities of the classes that go best with those of pairs, where `pairs[i * classes + j]` is the
/// probability of class `i` given that it is `i` or `j`.
///
/// Source: Wu, Lin and Weng 2004, "Probability Estimates for Multi-class Classification by Pairwise
/// Coupling", the second approach and algorithm 2.
pub fn couple(pairs: &[f64], classes: usize) -> Vec<f32> {
    let pair = |i: usize, j: usize| pairs[i * classes + j].clamp(PAIR_MIN, 1.0 - PAIR_MIN);
    let mut matrix = vec![0.0f64; classes * classes];
    for i in 0..classes {
        for j in (0..classes).filter(|j| *j != i) {
            matrix[i * classes + i] += pair(j, i) * pair(j, i);
            matrix[i * classes + j] = -pair(j, i) * pair(i, j);
        }
    }
    let mut p = vec![1.0 / classes.max(1) as f64; classes];
    let enough = 0.005 / classes.max(1) as f64;
    for _ in 0..ROUNDS.max(classes) {
        let mut products: Vec<f64> = matrix
            .chunks_exact(classes.max(1))
            .map(|row| row.iter().zip(&p).map(|(entry, p)| entry * p).sum())
            .collect();
        let mut form: f64 = products.iter().zip(&p).map(|(product, p)| product * p).sum();
        if products.iter().all(|product| (product - form).abs() < enough) {
            break;
        }
        for class in 0..classes {
            let row = &matrix[class * classes..][..classes];
            let change = (form - products[class]) / row[class];
            p[class] += change;
            let total = 1.0 + change;
            form = (form + change * (change * row[class] + 2.0 * products[class])) / total / total;
            for (product, entry) in products.iter_mut().zip(row) {
                *product = (*product + change * entry) / total;
            }
            p.iter_mut().for_each(|p| *p /= total);
        }
    }
    p.into_iter().map(|p| p as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoids_meet_the_share_of_positives() {
        // Of ten margins at one nine are positive, of ten at minus one one is.
        let margins: Vec<f64> = (0..2000).map(|at| if at % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let is_positive: Vec<bool> = (0..2000).map(|at| (at % 2 == 0) != (at % 20 < 2)).collect();
        let fitted = Sigmoid::fit(&margins, &is_positive);
        assert!((fitted.probability(1.0) - 0.9).abs() < 0.01, "{fitted:?}");
        assert!((fitted.probability(-1.0) - 0.1).abs() < 0.01, "{fitted:?}");
        for (margins, is_positive) in
            [(vec![], vec![]), (vec![0.0, 0.0], vec![true, true]), (vec![1e9], vec![false])]
        {
            let p = Sigmoid::fit(&margins, &is_positive).probability(0.5);
            assert!((0.0..=1.0).contains(&p), "{p}");
        }
    }

    #[test]
    fn pairs_that_agree_give_the_classes_back() {
        let wanted = [0.5, 0.3, 0.15, 0.05];
        let pairs: Vec<f64> = (0..16).map(|at| wanted[at / 4] / (wanted[at / 4] + wanted[at % 4])).collect();
        let found = couple(&pairs, 4);
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((f64::from(*found) - wanted).abs() < 0.005, "{found} {wanted}");
        }
        assert_eq!(couple(&[], 0), Vec::<f32>::new());
        assert_eq!(couple(&[0.5], 1), [1.0]);
    }
}
