//! Weight matrices in a byte per weight.

use crate::parallel;
use crate::svm::dispatch;

/// Weights below this share of the largest of the matrix are dropped from sparse rows.
const NEGLIGIBLE: f32 = 0.002;
/// Rows that are rounded in one go.
const UNIT: usize = 1024;
/// Bytes of an entry of a sparse row: a column and a weight.
const ENTRY: usize = 3;

/// A `[rows][columns]` matrix of signed bytes with one scale per row.
///
/// Rows are features, columns classes: scoring a sparse example adds up a few rows. A row of
/// which few weights matter, as most are, is kept as a list of columns and weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    columns: usize,
    /// First byte of each row, and the number of bytes. A row of `columns` bytes is dense.
    starts: Vec<u32>,
    scales: Vec<f32>,
    bytes: Vec<u8>,
}

impl Default for Matrix {
    fn default() -> Self {
        Self { columns: 0, starts: vec![0], scales: Vec::new(), bytes: Vec::new() }
    }
}

impl Matrix {
    /// Rounds rows of weights; each row's largest weight becomes 127 steps.
    pub fn build(
        (rows, columns): (usize, usize),
        threads: usize,
        row: impl Fn(usize) -> Vec<f32> + Sync,
    ) -> Self {
        let parts = parallel::map(threads, rows.div_ceil(UNIT), |unit| {
            let mut part = Self { columns, ..Self::default() };
            for number in unit * UNIT..((unit + 1) * UNIT).min(rows) {
                part.push(&row(number));
            }
            part
        });
        let mut matrix = Self { columns, ..Self::default() };
        for part in parts {
            let before = matrix.bytes.len() as u32;
            matrix.starts.extend(part.starts[1..].iter().map(|start| before + start));
            matrix.scales.extend(part.scales);
            matrix.bytes.extend(part.bytes);
        }
        matrix
    }

    fn push(&mut self, row: &[f32]) {
        let top = row.iter().fold(0.0f32, |top, weight| top.max(weight.abs()));
        let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
        self.scales.push(top / 127.0);
        let matters = |weight: f32| weight.abs() > NEGLIGIBLE && (weight * inverse).abs() >= 0.5;
        let kept = row.iter().filter(|weight| matters(**weight)).count();
        if kept * ENTRY < self.columns {
            for (column, weight) in row.iter().enumerate().filter(|(_, weight)| matters(**weight)) {
                self.bytes.extend_from_slice(&(column as u16).to_le_bytes());
                self.bytes.push((weight * inverse).round() as i8 as u8);
            }
        } else {
            self.bytes.extend(row.iter().map(|weight| (weight * inverse).round() as i8 as u8));
        }
        self.starts.push(self.bytes.len() as u32);
    }

    /// A matrix of stored parts; `None` when they do not fit.
    pub fn from_parts(columns: usize, starts: Vec<u32>, scales: Vec<f32>, bytes: Vec<u8>) -> Option<Self> {
        let fits = starts.first() == Some(&0)
            && starts.len() == scales.len() + 1
            && starts.last().is_some_and(|end| *end as usize == bytes.len())
            && starts.windows(2).all(|pair| {
                let is_row = pair[1] >= pair[0] && (pair[1] as usize) <= bytes.len();
                is_row && is_sound_row(columns, &bytes[pair[0] as usize..pair[1] as usize])
            });
        fits.then_some(Self { columns, starts, scales, bytes })
    }

    /// Row starts, scales and bytes, as [`Matrix::from_parts`] takes them.
    pub fn parts(&self) -> (&[u32], &[f32], &[u8]) {
        (&self.starts, &self.scales, &self.bytes)
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Adds `value` times a row to the sums, one per column.
    pub fn add_row(&self, row: u32, value: f32, sums: &mut [f32]) {
        let row = row as usize;
        let bytes = &self.bytes[self.starts[row] as usize..self.starts[row + 1] as usize];
        let value = value * self.scales[row];
        if bytes.len() == self.columns {
            axpy(bytes, value, sums);
            return;
        }
        for entry in bytes.chunks_exact(ENTRY) {
            let column = usize::from(u16::from_le_bytes([entry[0], entry[1]]));
            sums[column] += f32::from(entry[2] as i8) * value;
        }
    }
}

fn is_sound_row(columns: usize, bytes: &[u8]) -> bool {
    if bytes.len() == columns {
        return true;
    }
    bytes.len().is_multiple_of(ENTRY)
        && bytes
            .chunks_exact(ENTRY)
            .all(|entry| usize::from(u16::from_le_bytes([entry[0], entry[1]])) < columns)
}

dispatch! {
    fn axpy(weights: &[u8], value: f32, sums: &mut [f32]) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += f32::from(*weight as i8) * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_stays_within_half_a_step() {
        let rows = [vec![0.5f32, -1.27, 0.0, 0.3], vec![0.0; 4], vec![0.0, 0.0, 0.8, 0.0]];
        let matrix = Matrix::build((3, 4), 2, |row| rows[row].clone());
        assert_eq!(matrix.parts().2.len(), 7);
        for (number, row) in rows.iter().enumerate() {
            let mut sums = [0.0; 4];
            matrix.add_row(number as u32, 2.0, &mut sums);
            for (sum, weight) in sums.iter().zip(row) {
                assert!((sum - 2.0 * weight).abs() <= 0.01 + 1e-6, "{sums:?}");
            }
        }
        let (starts, scales, bytes) = matrix.parts();
        let copy = Matrix::from_parts(4, starts.to_vec(), scales.to_vec(), bytes.to_vec());
        assert_eq!(copy.as_ref(), Some(&matrix));
        assert!(Matrix::from_parts(3, vec![0, 2], vec![1.0], vec![1, 2]).is_none());
        assert!(Matrix::from_parts(4, vec![0, 3], vec![1.0], vec![9, 0, 1]).is_none());
    }
}
