//! Groups of vectors that point into the same direction: spherical k-means.
//!
//! Source: Dhillon and Modha 2001, "Concept Decompositions for Large Sparse Text Data using
//! Clustering"; first centres are seeded picks of different vectors.

use crate::parallel;
use crate::random::Random;
use crate::svm::dispatch;

/// Rows that one thread looks at at once.
const UNIT: usize = 256;

/// How to group.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Groups, at most.
    pub groups: usize,
    /// Rounds, at most; fewer when nothing moves any more.
    pub rounds: usize,
    /// Seed of the first centres.
    pub seed: u64,
    /// Threads to use; the outcome does not depend on them.
    pub threads: usize,
}

/// Centres of groups, `[groups][width]`, each of length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Centres {
    /// Numbers per vector.
    pub width: usize,
    /// All centres in one.
    pub values: Vec<f32>,
}

impl Centres {
    /// The group whose centre is nearest in direction, the first among equals; `None` of no groups.
    pub fn nearest(&self, vector: &[f32]) -> Option<u16> {
        if self.width == 0 || vector.len() != self.width || self.values.is_empty() {
            return None;
        }
        Some(nearest(&self.values, vector))
    }
}

/// Groups the rows of `vectors`, `[rows][width]`.
pub fn centres(vectors: &[f32], width: usize, options: &Options) -> Centres {
    let mut unit: Vec<f32> = vectors.to_vec();
    unit.chunks_exact_mut(width.max(1)).for_each(normalize);
    let rows: Vec<&[f32]> = unit.chunks_exact(width.max(1)).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    Random::new(options.seed).shuffle(&mut order);
    let groups = options.groups.clamp(1, usize::from(u16::MAX));
    let mut values: Vec<f32> = order.iter().take(groups).flat_map(|row| rows[*row].iter().copied()).collect();
    let mut of_rows: Vec<u16> = Vec::new();
    for _ in 0..options.rounds {
        let found = parallel::map(options.threads, rows.len().div_ceil(UNIT), |number| {
            let unit = &rows[number * UNIT..((number + 1) * UNIT).min(rows.len())];
            unit.iter().map(|row| nearest(&values, row)).collect::<Vec<u16>>()
        });
        let found = found.concat();
        if found == of_rows {
            break;
        }
        of_rows = found;
        let mut sums = vec![0.0f32; values.len()];
        for (row, group) in rows.iter().zip(&of_rows) {
            let sum = &mut sums[usize::from(*group) * width..][..width];
            sum.iter_mut().zip(*row).for_each(|(sum, value)| *sum += value);
        }
        for (centre, sum) in values.chunks_exact_mut(width).zip(sums.chunks_exact_mut(width)) {
            // A group that lost all its rows stays where it is.
            if sum.iter().any(|value| *value != 0.0) {
                normalize(sum);
                centre.copy_from_slice(sum);
            }
        }
    }
    Centres { width, values }
}

fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|value| *value /= length);
    }
}

dispatch! {
    fn nearest(centres: &[f32], vector: &[f32]) -> u16 {
        let (mut best, mut best_score) = (0, f32::NEG_INFINITY);
        for (group, centre) in centres.chunks_exact(vector.len()).enumerate() {
            let mut lanes = [0.0f32; 16];
            let (centre_blocks, centre_rest) = centre.as_chunks::<16>();
            let (blocks, rest) = vector.as_chunks::<16>();
            for (centre, block) in centre_blocks.iter().zip(blocks) {
                for lane in 0..16 {
                    lanes[lane] += centre[lane] * block[lane];
                }
            }
            let rest: f32 = centre_rest.iter().zip(rest).map(|(centre, value)| centre * value).sum();
            let score = lanes.iter().sum::<f32>() + rest;
            if score > best_score {
                (best, best_score) = (group as u16, score);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_told_apart_on_any_number_of_threads() {
        let mut random = Random::new(7);
        let mut vectors = Vec::new();
        for row in 0..600 {
            let mut vector = [0.0f32; 3];
            vector[row % 3] = 1.0 + random.unit() as f32;
            vector[(row + 1) % 3] = 0.2 * random.unit() as f32;
            vectors.extend(vector);
        }
        let options = Options { groups: 12, rounds: 20, seed: 1, threads: 1 };
        let found = centres(&vectors, 3, &options);
        assert_eq!(found, centres(&vectors, 3, &Options { threads: 3, ..options }));
        let group = |vector: &[f32]| found.nearest(vector).unwrap();
        let groups: Vec<Vec<u16>> =
            (0..3).map(|axis| vectors.chunks_exact(3).skip(axis).step_by(3).map(group).collect()).collect();
        for axis in 0..3 {
            assert!(!groups[axis].iter().any(|group| groups[(axis + 1) % 3].contains(group)));
        }
    }

    #[test]
    fn nothing_and_too_little_are_fine() {
        let options = Options { groups: 4, rounds: 3, seed: 1, threads: 2 };
        assert_eq!(centres(&[], 3, &options).nearest(&[1.0, 0.0, 0.0]), None);
        let one = centres(&[0.0, 2.0], 2, &options);
        assert_eq!(one.values, [0.0, 1.0]);
        assert_eq!(one.nearest(&[1.0, 1.0]), Some(0));
        assert_eq!(one.nearest(&[1.0]), None);
        assert_eq!(centres(&[0.0, 0.0], 2, &options).nearest(&[1.0, 1.0]), Some(0));
    }
}
