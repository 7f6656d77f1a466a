//! Weights of a safetensors file as 32-bit numbers.

use safetensors::{Dtype, SafeTensors};

use crate::Error;

/// The tensors of a file, under the names of the architecture without its prefix.
pub(crate) struct Weights<'a> {
    file: SafeTensors<'a>,
    prefix: &'static str,
}

/// What files put before the names of an encoder's tensors.
const PREFIXES: [&str; 6] = ["", "bert.", "distilbert.", "roberta.", "model.", "0.auto_model."];

impl<'a> Weights<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| Error::new(format!("model.safetensors is not readable: {error}")))?;
        let has = |prefix: &str| file.tensor(&format!("{prefix}{WORDS}")).is_ok();
        let prefix = PREFIXES.into_iter().find(|prefix| has(prefix));
        let prefix =
            prefix.ok_or_else(|| Error::new(format!("model.safetensors has no tensor `{WORDS}`")))?;
        Ok(Self { file, prefix })
    }

    /// A tensor of this shape.
    pub(crate) fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let (dtype, bytes) = self.raw(name, shape)?;
        Ok(numbers(dtype, bytes))
    }

    /// Whether there is such a tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.tensor(&format!("{}{name}", self.prefix)).is_ok()
    }

    fn raw(&self, name: &str, shape: &[usize]) -> Result<(Dtype, &[u8]), Error> {
        let full = format!("{}{name}", self.prefix);
        let view = self
            .file
            .tensor(&full)
            .map_err(|_| Error::new(format!("model.safetensors has no tensor `{full}`")))?;
        if view.shape() != shape {
            return Err(Error::new(format!(
                "tensor `{full}` has the shape {:?}; by config.json it is {shape:?}",
                view.shape()
            )));
        }
        if !matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(Error::new(format!(
                "tensor `{full}` has numbers of type {:?}; supported are F32, F16 and BF16",
                view.dtype()
            )));
        }
        // The slice lives in the file, but the view's own borrow is shorter.
        Ok((view.dtype(), view.data()))
    }

    /// A table of rows, kept in the type in which it is stored.
    pub(crate) fn table(&self, name: &str, (rows, width): (usize, usize)) -> Result<Table, Error> {
        let (dtype, bytes) = self.raw(name, &[rows, width])?;
        Ok(Table { dtype, bytes: bytes.to_vec(), width })
    }
}

/// The tensor that every supported architecture has.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// Rows of numbers in their stored type; large vocabularies stay as small as they came.
pub(crate) struct Table {
    dtype: Dtype,
    bytes: Vec<u8>,
    width: usize,
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.bytes.len() / self.row_bytes().max(1)
    }

    fn row_bytes(&self) -> usize {
        self.width * if self.dtype == Dtype::F32 { 4 } else { 2 }
    }

    /// Adds a row to a vector.
    pub(crate) fn add_to(&self, row: usize, sums: &mut [f32]) {
        let bytes = &self.bytes[row * self.row_bytes()..(row + 1) * self.row_bytes()];
        for (sum, number) in sums.iter_mut().zip(numbers(self.dtype, bytes)) {
            *sum += number;
        }
    }
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect(),
        Dtype::BF16 => {
            let halves = bytes.as_chunks::<2>().0.iter().map(|chunk| u16::from_le_bytes(*chunk));
            halves.map(|half| f32::from_bits(u32::from(half) << 16)).collect()
        }
        _ => bytes.as_chunks::<2>().0.iter().map(|chunk| from_half(u16::from_le_bytes(*chunk))).collect(),
    }
}

/// IEEE 754 half precision.
fn from_half(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let (exponent, fraction) = (u32::from(half >> 10) & 31, u32::from(half) & 1023);
    match exponent {
        // Subnormal numbers are whole multiples of 2^-24.
        0 => f32::from_bits((fraction as f32 * 2.0f32.powi(-24)).to_bits() | sign),
        31 => f32::from_bits(sign | 0x7F80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_singles() {
        for (half, single) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x8000, -0.0),
            (0x7BFF, 65504.0),
        ] {
            assert_eq!(from_half(half), single);
        }
        assert!(from_half(0x7E00).is_nan() && from_half(0xFC00) == f32::NEG_INFINITY);
        assert_eq!(numbers(Dtype::BF16, &[0x80, 0x3F]), [1.0]);
    }
}
