//! The parts of ONNX's protocol buffers that graphs of classical models need.
//!
//! Source: `onnx.proto` (field numbers) and the protocol buffers encoding (wire types).

use crate::Error;

/// One field of a message.
pub(super) struct Field<'a> {
    pub number: u64,
    pub value: Wire<'a>,
}

/// A field's value as it stands in the file.
#[derive(Clone, Copy)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

/// A node of the graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub op: String,
    pub domain: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: Vec<Attribute>,
}

/// A node's option.
#[derive(Clone, Debug, Default)]
pub(super) struct Attribute {
    pub name: String,
    pub float: f32,
    pub int: i64,
    pub text: Vec<u8>,
    pub tensor: Option<Constant>,
    pub floats: Vec<f32>,
    pub ints: Vec<i64>,
    pub texts: Vec<String>,
    /// Whether it holds a graph, which we do not follow.
    pub has_graph: bool,
}

/// A stored tensor.
#[derive(Clone, Debug, Default)]
pub(super) struct Constant {
    pub name: String,
    pub shape: Vec<usize>,
    /// ONNX's number of the element type.
    pub kind: i64,
    pub floats: Vec<f32>,
    pub ints: Vec<i64>,
    pub texts: Vec<String>,
}

/// An input or output of the graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Port {
    pub name: String,
    /// ONNX's number of the element type; 0 when it is no tensor.
    pub kind: i64,
    /// Sizes of its dimensions, where they are fixed.
    pub dimensions: Vec<Option<usize>>,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub nodes: Vec<Node>,
    pub constants: Vec<Constant>,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

/// Elements of a stored tensor at most.
const ELEMENTS_MAX: usize = 1 << 28;

/// Fields of a message, in order.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Error>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field.ok_or_else(|| Error::damaged("the file is no protocol buffer, or ends too early")))
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Wire::Varint(varint(rest)?),
        1 => Wire::Fixed64(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Wire::Bytes(take(rest, length)?)
        }
        5 => Wire::Fixed32(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?)),
        _ => return None,
    };
    Some(Field { number: key >> 3, value })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for at in 0..10 {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 0x7f).checked_shl(7 * at)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl<'a> Wire<'a> {
    fn bytes(self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    fn int(self) -> i64 {
        if let Self::Varint(value) = self { value as i64 } else { 0 }
    }

    /// Adds one number or a packed list of them.
    fn ints(self, into: &mut Vec<i64>) {
        match self {
            Self::Varint(value) => into.push(value as i64),
            Self::Bytes(mut rest) => {
                while let Some(value) = varint(&mut rest) {
                    into.push(value as i64);
                }
            }
            _ => {}
        }
    }

    fn floats(self, into: &mut Vec<f32>) {
        match self {
            Self::Fixed32(bits) => into.push(f32::from_bits(bits)),
            Self::Bytes(bytes) => {
                into.extend(
                    bytes
                        .chunks_exact(4)
                        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])),
                );
            }
            _ => {}
        }
    }

    fn doubles(self, into: &mut Vec<f32>) {
        match self {
            Self::Fixed64(bits) => into.push(f64::from_bits(bits) as f32),
            Self::Bytes(bytes) => {
                into.extend(bytes.as_chunks::<8>().0.iter().map(|eight| f64::from_le_bytes(*eight) as f32))
            }
            _ => {}
        }
    }
}

impl Model {
    /// Reads a file.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut model = Self::default();
        let mut graph: &[u8] = &[];
        for field in fields(bytes) {
            let field = field?;
            if field.number == 7 {
                graph = field.value.bytes();
            }
        }
        for field in fields(graph) {
            let field = field?;
            let bytes = field.value.bytes();
            match field.number {
                1 => model.nodes.push(Node::read(bytes)?),
                5 => model.constants.push(Constant::read(bytes)?),
                11 => model.inputs.push(Port::read(bytes)?),
                12 => model.outputs.push(Port::read(bytes)?),
                _ => {}
            }
        }
        if model.nodes.is_empty() || model.outputs.is_empty() {
            return Err(Error::damaged("the file holds no graph"));
        }
        Ok(model)
    }
}

impl Node {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut node = Self::default();
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => node.inputs.push(field.value.text()),
                2 => node.outputs.push(field.value.text()),
                4 => node.op = field.value.text(),
                5 => node.attributes.push(Attribute::read(field.value.bytes())?),
                7 => node.domain = field.value.text(),
                _ => {}
            }
        }
        Ok(node)
    }

    /// The option of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// A list of numbers, empty when absent.
    pub fn floats(&self, name: &str) -> &[f32] {
        self.attribute(name).map_or(&[], |attribute| &attribute.floats)
    }

    /// A list of whole numbers, empty when absent.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.attribute(name).map_or(&[], |attribute| &attribute.ints)
    }

    /// A list of words, empty when absent.
    pub fn texts(&self, name: &str) -> &[String] {
        self.attribute(name).map_or(&[], |attribute| &attribute.texts)
    }

    /// A whole number, or what stands for it when absent.
    pub fn int(&self, name: &str, absent: i64) -> i64 {
        self.attribute(name).map_or(absent, |attribute| attribute.int)
    }

    /// A number, or what stands for it when absent.
    pub fn float(&self, name: &str, absent: f32) -> f32 {
        self.attribute(name).map_or(absent, |attribute| attribute.float)
    }

    /// A word, or what stands for it when absent.
    pub fn text(&self, name: &str, absent: &str) -> String {
        let own = self.attribute(name).map(|attribute| String::from_utf8_lossy(&attribute.text).into_owned());
        own.unwrap_or_else(|| absent.to_owned())
    }
}

impl Attribute {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut attribute = Self::default();
        for field in fields(bytes) {
            let field = field?;
            let value = field.value;
            match field.number {
                1 => attribute.name = value.text(),
                2 => {
                    if let Wire::Fixed32(bits) = value {
                        attribute.float = f32::from_bits(bits);
                    }
                }
                3 => attribute.int = value.int(),
                4 => attribute.text = value.bytes().to_vec(),
                5 => attribute.tensor = Some(Constant::read(value.bytes())?),
                6 | 11 => attribute.has_graph = true,
                7 => value.floats(&mut attribute.floats),
                8 => value.ints(&mut attribute.ints),
                9 => attribute.texts.push(value.text()),
                _ => {}
            }
        }
        Ok(attribute)
    }
}

impl Constant {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut constant = Self::default();
        let (mut shape, mut raw): (Vec<i64>, &[u8]) = (Vec::new(), &[]);
        for field in fields(bytes) {
            let field = field?;
            let value = field.value;
            match field.number {
                1 => value.ints(&mut shape),
                2 => constant.kind = value.int(),
                4 => value.floats(&mut constant.floats),
                5 | 7 | 11 => value.ints(&mut constant.ints),
                6 => constant.texts.push(value.text()),
                8 => constant.name = value.text(),
                9 => raw = value.bytes(),
                10 => value.doubles(&mut constant.floats),
                14 if value.int() != 0 => {
                    return Err(Error::unsupported("weights in files beside the model"));
                }
                _ => {}
            }
        }
        match constant.kind {
            1 if !raw.is_empty() => Wire::Bytes(raw).floats(&mut constant.floats),
            11 if !raw.is_empty() => Wire::Bytes(raw).doubles(&mut constant.floats),
            6 => constant
                .ints
                .extend(raw.as_chunks::<4>().0.iter().map(|four| i64::from(i32::from_le_bytes(*four)))),
            7 => constant.ints.extend(raw.as_chunks::<8>().0.iter().map(|eight| i64::from_le_bytes(*eight))),
            2 | 9 => constant.ints.extend(raw.iter().map(|byte| i64::from(*byte))),
            1 | 3 | 8 | 11 => {}
            other => return Err(Error::unsupported(format!("tensors of element type {other}"))),
        }
        for size in shape {
            let size = usize::try_from(size).map_err(|_| Error::damaged("a tensor has a negative size"))?;
            constant.shape.push(size);
        }
        let count = constant.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let held = constant.floats.len().max(constant.ints.len()).max(constant.texts.len());
        match count.filter(|count| *count <= ELEMENTS_MAX) {
            Some(count) if count == held => Ok(constant),
            _ => Err(Error::damaged(format!("the tensor `{}` does not fit its shape", constant.name))),
        }
    }
}

impl Port {
    /// Columns of a table: the last dimension, where it is fixed.
    pub fn width(&self) -> Option<usize> {
        if self.dimensions.len() > 1 { self.dimensions.last().copied().flatten() } else { Some(1) }
    }

    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut port = Self::default();
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => port.name = field.value.text(),
                2 => {
                    for part in fields(field.value.bytes()) {
                        let part = part?;
                        if part.number == 1 {
                            port.read_tensor(part.value.bytes())?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(port)
    }

    fn read_tensor(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => self.kind = field.value.int(),
                2 => {
                    self.dimensions.clear();
                    for dimension in fields(field.value.bytes()) {
                        let mut size = None;
                        for part in fields(dimension?.value.bytes()) {
                            let part = part?;
                            if part.number == 1 {
                                size = usize::try_from(part.value.int()).ok();
                            }
                        }
                        self.dimensions.push(size);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
