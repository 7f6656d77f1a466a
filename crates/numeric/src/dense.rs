//! Products of dense rows with a matrix, for the vector units of the machine at hand.
//!
//! A product's sum is always taken in the same order, whatever other rows are computed with it.
//! Machines with different vector units may differ in the last bits. The matrix is laid out once
//! for many products; that, and the order, is why no library is used.

/// Columns that are computed together.
const PANEL: usize = 16;
/// Rows that are computed together, at most: what fits the registers.
const ROWS_MAX: usize = 12;

/// A matrix that vectors are multiplied with, and what is added after.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[outputs / PANEL][inputs][PANEL]`, the last panel filled up with zeros.
    panels: Vec<[f32; PANEL]>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Linear {
    /// A matrix `[outputs][inputs]` and a bias `[outputs]`.
    pub fn new(weights: &[f32], bias: Vec<f32>) -> Self {
        let (outputs, inputs) = (bias.len(), weights.len() / bias.len().max(1));
        let mut panels = vec![[0.0; PANEL]; outputs.div_ceil(PANEL) * inputs];
        for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
            let panel = &mut panels[output / PANEL * inputs..][..inputs];
            for (entry, weight) in panel.iter_mut().zip(row) {
                entry[output % PANEL] = *weight;
            }
        }
        Self { panels, bias, inputs }
    }

    /// Numbers per product.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Rows `[n][inputs]` to rows `[n][outputs]`.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let count = rows.len() / self.inputs.max(1);
        let mut products = vec![0.0; count * self.outputs()];
        multiply(self, rows, &mut products);
        products
    }
}

/// Multiplies rows with a matrix, with the widest vector units that are found at run time.
fn multiply(linear: &Linear, rows: &[f32], products: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature was just found.
            return unsafe { x86::multiply_widest(linear, rows, products) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were just found.
            return unsafe { x86::multiply_wide(linear, rows, products) };
        }
    }
    linear.tiles(rows, products, 4, |rows, panel, sums| {
        for (row, sums) in rows.chunks_exact(panel.len()).zip(sums) {
            for (value, entry) in row.iter().zip(panel) {
                for (sum, weight) in sums.iter_mut().zip(entry) {
                    *sum = if cfg!(target_arch = "aarch64") {
                        value.mul_add(*weight, *sum)
                    } else {
                        *sum + value * weight
                    };
                }
            }
        }
    });
}

impl Linear {
    /// Calls `tile` for every block of rows and panel of columns.
    #[inline(always)]
    fn tiles(
        &self,
        rows: &[f32],
        products: &mut [f32],
        rows_max: usize,
        tile: impl Fn(&[f32], &[[f32; PANEL]], &mut [[f32; PANEL]; ROWS_MAX]),
    ) {
        let (inputs, outputs) = (self.inputs, self.outputs());
        let count = rows.len() / inputs.max(1);
        for (number, panel) in self.panels.chunks_exact(inputs.max(1)).enumerate() {
            let first = number * PANEL;
            let width = PANEL.min(outputs - first);
            let bias = &self.bias[first..first + width];
            let mut at = 0;
            while at < count {
                // Blocks of even height, so that none is left with a single row.
                let height = (count - at).div_ceil((count - at).div_ceil(rows_max));
                let mut sums = [[0.0f32; PANEL]; ROWS_MAX];
                tile(&rows[at * inputs..(at + height) * inputs], panel, &mut sums);
                for (row, sums) in sums.iter().take(height).enumerate() {
                    let out = &mut products[(at + row) * outputs + first..][..width];
                    for ((out, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                        *out = sum + bias;
                    }
                }
                at += height;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Linear, PANEL, ROWS_MAX};

    /// Calls a tile of as many rows as there are; the number must be known when compiling.
    macro_rules! by_height {
        ($tile:ident, $rows:expr, $panel:expr, $sums:expr; $($height:literal)*) => {
            match $rows.len() / $panel.len().max(1) {
                $($height => $tile::<$height>($rows, $panel, $sums),)*
                height => unreachable!("blocks have at most {ROWS_MAX} rows, not {height}"),
            }
        };
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn multiply_widest(linear: &Linear, rows: &[f32], products: &mut [f32]) {
        linear.tiles(rows, products, ROWS_MAX, |rows, panel, sums| {
            by_height!(tile_widest, rows, panel, sums; 1 2 3 4 5 6 7 8 9 10 11 12);
        });
    }

    #[target_feature(enable = "avx512f")]
    fn tile_widest<const ROWS: usize>(
        rows: &[f32],
        panel: &[[f32; PANEL]],
        sums: &mut [[f32; PANEL]; ROWS_MAX],
    ) {
        let inputs = panel.len();
        assert!(rows.len() == ROWS * inputs);
        let mut tile = [_mm512_setzero_ps(); ROWS];
        for (at, entry) in panel.iter().enumerate() {
            // SAFETY: an entry has sixteen numbers.
            let weights = unsafe { _mm512_loadu_ps(entry.as_ptr()) };
            for (row, sum) in tile.iter_mut().enumerate() {
                // SAFETY: `row < ROWS` and `at < inputs`; the length was checked.
                let value = unsafe { *rows.get_unchecked(row * inputs + at) };
                *sum = _mm512_fmadd_ps(_mm512_set1_ps(value), weights, *sum);
            }
        }
        for (sums, tile) in sums.iter_mut().zip(tile) {
            // SAFETY: sixteen numbers.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), tile) };
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply_wide(linear: &Linear, rows: &[f32], products: &mut [f32]) {
        linear.tiles(rows, products, 6, |rows, panel, sums| {
            by_height!(tile_wide, rows, panel, sums; 1 2 3 4 5 6);
        });
    }

    #[target_feature(enable = "avx2,fma")]
    fn tile_wide<const ROWS: usize>(
        rows: &[f32],
        panel: &[[f32; PANEL]],
        sums: &mut [[f32; PANEL]; ROWS_MAX],
    ) {
        let inputs = panel.len();
        assert!(rows.len() == ROWS * inputs);
        let mut tile = [[_mm256_setzero_ps(); 2]; ROWS];
        for (at, entry) in panel.iter().enumerate() {
            // SAFETY: an entry has twice eight numbers.
            let weights =
                unsafe { [_mm256_loadu_ps(entry.as_ptr()), _mm256_loadu_ps(entry.as_ptr().add(8))] };
            for (row, sum) in tile.iter_mut().enumerate() {
                // SAFETY: `row < ROWS` and `at < inputs`; the length was checked.
                let value = _mm256_set1_ps(unsafe { *rows.get_unchecked(row * inputs + at) });
                sum[0] = _mm256_fmadd_ps(value, weights[0], sum[0]);
                sum[1] = _mm256_fmadd_ps(value, weights[1], sum[1]);
            }
        }
        for (sums, tile) in sums.iter_mut().zip(tile) {
            // SAFETY: twice eight numbers.
            unsafe {
                _mm256_storeu_ps(sums.as_mut_ptr(), tile[0]);
                _mm256_storeu_ps(sums.as_mut_ptr().add(8), tile[1]);
            }
        }
    }

    #[cfg(test)]
    #[test]
    fn both_widths_agree() {
        let mut random = crate::random::Random::new(5);
        let mut draw =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.unit() as f32 - 0.5).collect() };
        let (inputs, outputs) = (37, 21);
        let linear = Linear::new(&draw(inputs * outputs), draw(outputs));
        let rows = draw(40 * inputs);
        let (mut wide, mut widest) = (vec![0.0; 40 * outputs], vec![0.0; 40 * outputs]);
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
        {
            // SAFETY: the features were just found.
            unsafe {
                multiply_wide(&linear, &rows, &mut wide);
                multiply_widest(&linear, &rows, &mut widest);
            }
        }
        assert_eq!(wide, widest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_do_not_depend_on_the_number_of_rows() {
        let mut random = crate::random::Random::new(5);
        let mut draw =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.unit() as f32 - 0.5).collect() };
        let (inputs, outputs) = (37, 21);
        let (weights, bias) = (draw(inputs * outputs), draw(outputs));
        let linear = Linear::new(&weights, bias.clone());
        let rows = draw(40 * inputs);
        let all = linear.apply(&rows);
        for (at, row) in rows.chunks_exact(inputs).enumerate() {
            let alone = linear.apply(row);
            assert_eq!(alone, all[at * outputs..(at + 1) * outputs]);
            for (output, found) in alone.iter().enumerate() {
                let exact: f64 =
                    (0..inputs).map(|i| f64::from(row[i]) * f64::from(weights[output * inputs + i])).sum();
                assert!((exact + f64::from(bias[output]) - f64::from(*found)).abs() < 1e-5);
            }
        }
        assert!(Linear::new(&weights, bias).apply(&[]).is_empty());
    }
}
