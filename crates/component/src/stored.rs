//! What a trained component puts into an archive: a JSON state and tensors, never code.

use std::collections::BTreeMap;

use serde_json::Value;

/// A trained component as values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Small, readable state (vocabulary sizes, label names, options).
    pub state: Value,
    /// Weights and other large arrays, by name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// An array with its shape, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each dimension; the product equals the number of elements.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: TensorData,
}

/// The elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum TensorData {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

impl TensorData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::F64(data) => data.len(),
            Self::I8(data) => data.len(),
            Self::U8(data) => data.len(),
            Self::I16(data) => data.len(),
            Self::U16(data) => data.len(),
            Self::I32(data) => data.len(),
            Self::U32(data) => data.len(),
            Self::U64(data) => data.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Tensor {
    /// A one-dimensional tensor.
    pub fn flat(data: TensorData) -> Self {
        Self { shape: vec![data.len()], data }
    }
}

/// A stored component that does not fit what its loader expects: damaged or from another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What was expected and what was found, lowercase, no full stop.
    pub message: String,
}

impl Unreadable {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stored component is not readable: {}", self.message)
    }
}

impl std::error::Error for Unreadable {}

macro_rules! taker {
    ($name:ident, $variant:ident, $type:ty) => {
        /// Takes a tensor's elements out, checking its element type.
        ///
        /// # Errors
        /// When the tensor is missing or of another type.
        pub fn $name(&mut self, tensor: &str) -> Result<Vec<$type>, Unreadable> {
            match self.tensors.remove(tensor) {
                Some(Tensor { data: TensorData::$variant(data), .. }) => Ok(data),
                Some(_) => Err(Unreadable::new(format!("tensor `{tensor}` has another element type"))),
                None => Err(Unreadable::new(format!("tensor `{tensor}` is missing"))),
            }
        }
    };
}

impl Stored {
    taker!(take_f32, F32, f32);
    taker!(take_f64, F64, f64);
    taker!(take_i8, I8, i8);
    taker!(take_u8, U8, u8);
    taker!(take_i16, I16, i16);
    taker!(take_u16, U16, u16);
    taker!(take_i32, I32, i32);
    taker!(take_u32, U32, u32);
    taker!(take_u64, U64, u64);
}
