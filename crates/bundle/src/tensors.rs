//! Tensors to safetensors and back.
//!
//! Source: the safetensors format (8-byte little-endian header length, JSON header, raw data).

use std::collections::BTreeMap;

use intendant_component::stored::{Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::{Error, Kind};

/// Writes tensors, sorted by name.
pub fn write(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>, Error> {
    let raw: Vec<(&str, Dtype, Vec<u8>, &[usize])> = tensors
        .iter()
        .map(|(name, tensor)| {
            let (dtype, bytes) = to_bytes(&tensor.data);
            (name.as_str(), dtype, bytes, tensor.shape.as_slice())
        })
        .collect();
    let mut views = Vec::with_capacity(raw.len());
    for (name, dtype, bytes, shape) in &raw {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes).map_err(|error| {
            Error::new(Kind::Damaged, format!("tensor `{name}` does not fit its shape: {error}"))
        })?;
        views.push((*name, view));
    }
    safetensors::serialize(views, None)
        .map_err(|error| Error::new(Kind::Damaged, format!("tensors: {error}")))
}

/// Reads what [`write`] wrote.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, Error> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Error::new(Kind::Damaged, format!("weights are not readable: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let data = from_bytes(view.dtype(), view.data()).ok_or_else(|| {
            Error::new(Kind::Unsupported, format!("tensor `{name}` has type {:?}", view.dtype()))
        })?;
        tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), data });
    }
    Ok(tensors)
}

macro_rules! little_endian {
    ($data:expr) => {
        $data.iter().flat_map(|element| element.to_le_bytes()).collect()
    };
}

fn to_bytes(data: &TensorData) -> (Dtype, Vec<u8>) {
    match data {
        TensorData::F32(data) => (Dtype::F32, little_endian!(data)),
        TensorData::F64(data) => (Dtype::F64, little_endian!(data)),
        TensorData::I8(data) => (Dtype::I8, little_endian!(data)),
        TensorData::U8(data) => (Dtype::U8, data.clone()),
        TensorData::I16(data) => (Dtype::I16, little_endian!(data)),
        TensorData::U16(data) => (Dtype::U16, little_endian!(data)),
        TensorData::I32(data) => (Dtype::I32, little_endian!(data)),
        TensorData::U32(data) => (Dtype::U32, little_endian!(data)),
        TensorData::U64(data) => (Dtype::U64, little_endian!(data)),
    }
}

macro_rules! elements {
    ($bytes:expr, $type:ty) => {{
        let (chunks, _) = $bytes.as_chunks::<{ size_of::<$type>() }>();
        chunks.iter().map(|chunk| <$type>::from_le_bytes(*chunk)).collect()
    }};
}

fn from_bytes(dtype: Dtype, bytes: &[u8]) -> Option<TensorData> {
    Some(match dtype {
        Dtype::F32 => TensorData::F32(elements!(bytes, f32)),
        Dtype::F64 => TensorData::F64(elements!(bytes, f64)),
        Dtype::I8 => TensorData::I8(elements!(bytes, i8)),
        Dtype::U8 => TensorData::U8(bytes.to_vec()),
        Dtype::I16 => TensorData::I16(elements!(bytes, i16)),
        Dtype::U16 => TensorData::U16(elements!(bytes, u16)),
        Dtype::I32 => TensorData::I32(elements!(bytes, i32)),
        Dtype::U32 => TensorData::U32(elements!(bytes, u32)),
        Dtype::U64 => TensorData::U64(elements!(bytes, u64)),
        _ => return None,
    })
}
