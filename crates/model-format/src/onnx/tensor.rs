//! Values between the nodes of a graph.

use super::proto::Constant;
use crate::Error;

/// An array with its shape, row-major.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

/// Elements; truth values are whole numbers.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Float(Vec<f32>),
    Int(Vec<i64>),
    Text(Vec<String>),
}

/// Elements of a value at most.
const ELEMENTS_MAX: usize = 1 << 28;

impl Tensor {
    pub fn of(constant: &Constant) -> Result<Self, Error> {
        let data = match constant.kind {
            1 | 11 => Data::Float(constant.floats.clone()),
            8 => Data::Text(constant.texts.clone()),
            _ => Data::Int(constant.ints.clone()),
        };
        Self::new(constant.shape.clone(), data)
    }

    /// A tensor whose shape fits its elements.
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Self, Error> {
        let count = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let tensor = Self { shape, data };
        if count == Some(tensor.len()) && tensor.len() <= ELEMENTS_MAX {
            Ok(tensor)
        } else {
            Err(Error::damaged(format!("{} values in the shape {:?}", tensor.len(), tensor.shape)))
        }
    }

    /// Rows of this width.
    pub fn table(width: usize, values: Vec<f32>) -> Result<Self, Error> {
        let rows = values.len() / width.max(1);
        Self::new(vec![rows, width], Data::Float(values))
    }

    pub fn len(&self) -> usize {
        match &self.data {
            Data::Float(values) => values.len(),
            Data::Int(values) => values.len(),
            Data::Text(values) => values.len(),
        }
    }

    /// Elements as numbers.
    pub fn numbers(&self) -> Result<Vec<f32>, Error> {
        match &self.data {
            Data::Float(values) => Ok(values.clone()),
            Data::Int(values) => Ok(values.iter().map(|value| *value as f32).collect()),
            Data::Text(_) => Err(Error::damaged("words where numbers are expected")),
        }
    }

    /// Elements as whole numbers.
    pub fn ints(&self) -> Result<Vec<i64>, Error> {
        match &self.data {
            Data::Float(values) => Ok(values.iter().map(|value| *value as i64).collect()),
            Data::Int(values) => Ok(values.clone()),
            Data::Text(_) => Err(Error::damaged("words where whole numbers are expected")),
        }
    }

    /// Elements as words.
    pub fn texts(&self) -> Result<&[String], Error> {
        if let Data::Text(values) = &self.data {
            Ok(values)
        } else {
            Err(Error::damaged("numbers where words are expected"))
        }
    }

    /// Columns of a row: everything after the first dimension.
    pub fn width(&self) -> usize {
        if self.shape.len() < 2 { 1 } else { self.shape[1..].iter().product() }
    }

    /// Position along a dimension that may be counted from the end.
    pub fn axis(&self, axis: i64) -> Result<usize, Error> {
        let rank = self.shape.len() as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&axis) {
            Ok(axis as usize)
        } else {
            Err(Error::damaged(format!("there is no dimension {axis} of {rank}")))
        }
    }
}
