//! Weight matrices in a byte per weight.

use crate::svm::dispatch;

/// A `[rows][columns]` matrix of signed bytes with one scale per row.
///
/// Rows are features, columns classes: scoring a sparse example adds up a few rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    columns: usize,
    scales: Vec<f32>,
    weights: Vec<i8>,
}

impl Matrix {
    /// Rounds rows of weights; each row's largest weight becomes 127 steps.
    pub fn from_rows<'a>(columns: usize, rows: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut matrix = Self { columns, scales: Vec::new(), weights: Vec::new() };
        for row in rows {
            let top = row.iter().fold(0.0f32, |top, weight| top.max(weight.abs()));
            let scale = top / 127.0;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            matrix.scales.push(scale);
            matrix.weights.extend(row.iter().map(|weight| (weight * inverse).round() as i8));
        }
        matrix
    }

    /// A matrix of stored parts; `None` when their sizes do not fit.
    pub fn from_parts(columns: usize, scales: Vec<f32>, weights: Vec<i8>) -> Option<Self> {
        (weights.len() == scales.len() * columns).then_some(Self { columns, scales, weights })
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// The scale of each row.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// All weights in steps of their row's scale.
    pub fn weights(&self) -> &[i8] {
        &self.weights
    }

    /// Adds `value` times a row to the sums, one per column.
    pub fn add_row(&self, row: u32, value: f32, sums: &mut [f32]) {
        let row = row as usize;
        let weights = &self.weights[row * self.columns..(row + 1) * self.columns];
        axpy(weights, value * self.scales[row], sums);
    }
}

dispatch! {
    fn axpy(weights: &[i8], value: f32, sums: &mut [f32]) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += f32::from(*weight) * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_stays_within_half_a_step() {
        let rows = [[0.5f32, -1.27, 0.0], [0.0, 0.0, 0.0]];
        let matrix = Matrix::from_rows(3, rows.iter().map(|row| row.as_slice()));
        let mut sums = [0.0; 3];
        matrix.add_row(0, 2.0, &mut sums);
        matrix.add_row(1, 2.0, &mut sums);
        for (sum, weight) in sums.iter().zip(rows[0]) {
            assert!((sum - 2.0 * weight).abs() <= 0.01 + 1e-6, "{sums:?}");
        }
        assert!(Matrix::from_parts(3, vec![1.0], vec![1, 2]).is_none());
    }
}
