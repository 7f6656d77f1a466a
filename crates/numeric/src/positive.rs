//! Small symmetric positive definite systems.

use crate::svm::dispatch;

/// Least pivot: below it a matrix counts as singular in that direction.
const PIVOT_MIN: f32 = 1e-6;

dispatch! {
    /// Solves `matrix * x = vector` in place; `matrix` is `[n][n]`, only its lower half is read (Cholesky).
    pub fn solve(matrix: &mut [f32], vector: &mut [f32]) {
        let size = vector.len();
        for row in 0..size {
            let (above, rest) = matrix.split_at_mut(row * size);
            let own = &mut rest[..size];
            for column in 0..row {
                let other = &above[column * size..][..=column];
                let known = product(&other[..column], &own[..column]);
                own[column] = (own[column] - known) / other[column];
            }
            own[row] = (own[row] - product(&own[..row], &own[..row])).max(PIVOT_MIN).sqrt();
        }
        for row in 0..size {
            let own = &matrix[row * size..][..=row];
            vector[row] = (vector[row] - product(&own[..row], &vector[..row])) / own[row];
        }
        for row in (0..size).rev() {
            let own = &matrix[row * size..][..=row];
            let value = vector[row] / own[row];
            vector[row] = value;
            vector[..row].iter_mut().zip(own).for_each(|(rest, factor)| *rest -= factor * value);
        }
    }
}

dispatch! {
    /// The product of two vectors of one length.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        product(a, b)
    }
}

dispatch! {
    /// Adds `factor * vector` to a vector.
    pub fn add(sum: &mut [f32], factor: f32, vector: &[f32]) {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += factor * value);
    }
}

/// A product summed in sixteen lanes.
#[inline(always)]
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn solutions_satisfy_their_systems() {
        let mut random = Random::new(4);
        for size in [0usize, 1, 2, 7, 33] {
            let factor: Vec<f32> = (0..size * size).map(|_| random.unit() as f32 - 0.5).collect();
            let rows: Vec<&[f32]> = factor.chunks(size.max(1)).collect();
            let mut matrix: Vec<f32> =
                (0..size * size).map(|at| dot(rows[at / size], rows[at % size])).collect();
            (0..size).for_each(|at| matrix[at * size + at] += 0.5);
            let wanted: Vec<f32> = (0..size).map(|at| at as f32 - 2.0).collect();
            let mut vector: Vec<f32> = matrix.chunks(size.max(1)).map(|row| dot(row, &wanted)).collect();
            solve(&mut matrix, &mut vector);
            for (found, wanted) in vector.iter().zip(&wanted) {
                assert!((found - wanted).abs() < 1e-3, "{size}: {found} {wanted}");
            }
        }
        let mut sum = vec![1.0; 3];
        add(&mut sum, 2.0, &[1.0, 0.0, -1.0]);
        assert_eq!(sum, [3.0, 1.0, -1.0]);
    }
}
