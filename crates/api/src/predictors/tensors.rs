//! Tensors of the Open Inference Protocol: those of a request as a table, predictions as those of an answer.
//!
//! Values stand in the JSON, or behind it as bytes.
//!
//! Source: Open Inference Protocol v2 (REST); the binary tensor data and classification extensions of it.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use intendant_component::predictor::{Class, Prediction};
use intendant_predictor::output::{probability, told};
use intendant_predictor::spec::Kind;
use intendant_score::service::{Answers, Served, Version};
use intendant_table::{Column, Table};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer;

/// The header that tells where the JSON of a body ends and bytes begin.
pub const JSON_LENGTH: &str = "inference-header-content-length";

/// The least and the greatest value.
type Range = (f64, f64);

/// Types of tensors: names, bytes of a value, and what whole numbers may be.
const DATATYPES: [(&str, usize, Option<Range>); 13] = [
    ("BOOL", 1, None),
    ("UINT8", 1, Some((0.0, u8::MAX as f64))),
    ("UINT16", 2, Some((0.0, u16::MAX as f64))),
    ("UINT32", 4, Some((0.0, u32::MAX as f64))),
    ("UINT64", 8, Some((0.0, u64::MAX as f64))),
    ("INT8", 1, Some((i8::MIN as f64, i8::MAX as f64))),
    ("INT16", 2, Some((i16::MIN as f64, i16::MAX as f64))),
    ("INT32", 4, Some((i32::MIN as f64, i32::MAX as f64))),
    ("INT64", 8, Some((i64::MIN as f64, i64::MAX as f64))),
    ("FP16", 2, None),
    ("FP32", 4, None),
    ("FP64", 8, None),
    ("BYTES", 0, None),
];

/// What is asked for.
pub struct Asked {
    /// Told again in the answer.
    pub id: Option<String>,
    /// The rows.
    pub table: Table,
    wanted: Vec<Wanted>,
    are_outputs_binary: bool,
}

#[derive(Deserialize)]
struct Request {
    id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    inputs: Vec<Tensor>,
    #[serde(default)]
    outputs: Vec<Wanted>,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Map<String, Value>,
    data: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Reads a request to a version.
///
/// # Errors
/// What is wrong with it.
pub fn read(version: &Version, headers: &HeaderMap, body: &[u8]) -> Result<Asked, String> {
    let (json, bytes) = match headers.get(JSON_LENGTH) {
        Some(length) => {
            let length = length.to_str().ok().and_then(|text| text.trim().parse().ok());
            length.and_then(|length| body.split_at_checked(length)).ok_or_else(|| {
                format!(
                    "`Inference-Header-Content-Length` is not a number of bytes within the {} of the body",
                    body.len()
                )
            })?
        }
        None => (body, &[][..]),
    };
    let request: Request =
        serde_json::from_slice(json).map_err(|error| format!("the request is not as expected: {error}"))?;
    let known = outputs_of(version);
    for wanted in &request.outputs {
        if !known.iter().any(|(name, ..)| *name == wanted.name) {
            let names: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
            return Err(format!("there is no output `{}`; there are {}", wanted.name, names.join(", ")));
        }
        if wanted.parameters.contains_key("classification") && wanted.name != "probabilities" {
            return Err(format!("output `{}` is no classification; `probabilities` is", wanted.name));
        }
    }
    let table = table(version, &request.inputs, bytes)?;
    let are_outputs_binary = request.parameters.get("binary_data_output") == Some(&Value::Bool(true));
    Ok(Asked { id: request.id, table, wanted: request.outputs, are_outputs_binary })
}

/// Tensors as a table: one per column, or one with several columns.
fn table(version: &Version, inputs: &[Tensor], mut bytes: &[u8]) -> Result<Table, String> {
    if inputs.is_empty() {
        return Err("`inputs` is empty".to_owned());
    }
    let fields: Vec<&str> = version.signature.fields.iter().map(|field| field.name.as_str()).collect();
    let mut columns = Vec::with_capacity(inputs.len());
    for input in inputs {
        let values = values(input, &mut bytes).map_err(|why| format!("input `{}`: {why}", input.name))?;
        let width: usize = input.shape.iter().skip(1).product();
        let names = names(input, width, (&fields, inputs.len()))?;
        match &names[..] {
            [name] => columns.push((name.clone(), values)),
            names => columns
                .extend(names.iter().enumerate().map(|(at, name)| (name.clone(), every(&values, at, width)))),
        }
    }
    if !bytes.is_empty() {
        return Err(format!("{} bytes behind the JSON belong to no input's `binary_data_size`", bytes.len()));
    }
    Table::new(columns).map_err(|problem| problem.to_string())
}

/// The columns that a tensor holds for every row: its own, those called `NAME.0`, `NAME.1`, …, or, when it is the only
/// one, all that the model looks at.
fn names(input: &Tensor, width: usize, (fields, inputs): (&[&str], usize)) -> Result<Vec<String>, String> {
    let parts: Vec<String> = (0..width).map(|at| format!("{}.{at}", input.name)).collect();
    let is_known = |name: &String| fields.contains(&name.as_str());
    if !input.shape.is_empty() && width == 1 && (is_known(&input.name) || !parts.iter().all(is_known)) {
        return Ok(vec![input.name.clone()]);
    }
    if width > 0 && !input.shape.is_empty() && parts.iter().all(is_known) {
        return Ok(parts);
    }
    if inputs == 1 && input.shape.len() > 1 && width == fields.len() {
        return Ok(fields.iter().map(|name| (*name).to_owned()).collect());
    }
    Err(format!(
        "input `{}`: shape {:?} must be [rows], [rows, 1], or of a single input [rows, {}]",
        input.name,
        input.shape,
        fields.len()
    ))
}

/// All values of a tensor in row-major order.
fn values(input: &Tensor, bytes: &mut &[u8]) -> Result<Column, String> {
    let Some((_, size, range)) = DATATYPES.iter().find(|(name, ..)| *name == input.datatype) else {
        return Err(format!("there is no datatype `{}`", input.datatype));
    };
    let count = input.shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length));
    let misfit = |given: usize| format!("shape {:?} does not fit {given} values", input.shape);
    let count = count.ok_or_else(|| format!("shape {:?} is too large", input.shape))?;
    match (&input.data, input.parameters.get("binary_data_size")) {
        (Some(_), Some(_)) => Err("`data` and `binary_data_size` exclude each other".to_owned()),
        (None, None) => Err("`data` is missing".to_owned()),
        (Some(data), None) => {
            let mut flat = Vec::with_capacity(data.len());
            flatten(data, &mut flat);
            if flat.len() != count {
                return Err(misfit(flat.len()));
            }
            written(&input.datatype, *range, &flat)
        }
        (None, Some(length)) => {
            let length = length.as_u64().and_then(|length| usize::try_from(length).ok());
            let split = length.and_then(|length| bytes.split_at_checked(length));
            let (own, rest) = split.ok_or_else(|| {
                format!(
                    "`binary_data_size` is not a number of bytes within the {} behind the JSON",
                    bytes.len()
                )
            })?;
            *bytes = rest;
            if *size > 0 && Some(own.len()) != count.checked_mul(*size) {
                return Err(misfit(own.len() / size));
            }
            let read = packed(&input.datatype, own)?;
            if read.len() != count { Err(misfit(read.len())) } else { Ok(read) }
        }
    }
}

fn flatten<'a>(data: &'a [Value], flat: &mut Vec<&'a Value>) {
    for value in data {
        match value {
            Value::Array(inner) => flatten(inner, flat),
            value => flat.push(value),
        }
    }
}

/// Values as JSON has them; `null` is a missing one.
fn written(datatype: &str, range: Option<Range>, cells: &[&Value]) -> Result<Column, String> {
    let wrong = |cell: &Value| format!("`{cell}` is no {datatype}");
    let fits = |number: &f64| {
        range.is_none_or(|(least, most)| number.fract() == 0.0 && (least..=most).contains(number))
    };
    macro_rules! each {
        ($missing:expr, $get:expr) => {
            cells
                .iter()
                .map(|cell| if cell.is_null() { Ok($missing) } else { $get(cell).ok_or_else(|| wrong(cell)) })
                .collect::<Result<_, _>>()?
        };
    }
    Ok(match datatype {
        "BOOL" => Column::Boolean(each!(None, |cell: &Value| cell.as_bool().map(Some))),
        "BYTES" => Column::Text(each!(None, |cell: &Value| cell
            .as_str()
            .map(|text| Some(text.to_owned()).filter(|text| !text.is_empty())))),
        _ => Column::Number(each!(f64::NAN, |cell: &Value| cell.as_f64().filter(fits))),
    })
}

/// Values as bytes, little-endian; texts have their length before them.
fn packed(datatype: &str, bytes: &[u8]) -> Result<Column, String> {
    macro_rules! each {
        ($type:ty, $convert:expr) => {
            bytes
                .chunks_exact(size_of::<$type>())
                .map(|own| {
                    let own = own.try_into().expect("invariant: chunks are as long as the type");
                    $convert(<$type>::from_le_bytes(own))
                })
                .collect()
        };
    }
    Ok(match datatype {
        "BOOL" => Column::Boolean(bytes.iter().map(|byte| Some(*byte != 0)).collect()),
        "BYTES" => Column::Text(texts(bytes)?),
        "UINT8" => Column::Number(each!(u8, f64::from)),
        "UINT16" => Column::Number(each!(u16, f64::from)),
        "UINT32" => Column::Number(each!(u32, f64::from)),
        "UINT64" => Column::Number(each!(u64, of_unsigned)),
        "INT8" => Column::Number(each!(i8, f64::from)),
        "INT16" => Column::Number(each!(i16, f64::from)),
        "INT32" => Column::Number(each!(i32, f64::from)),
        "INT64" => Column::Number(each!(i64, of_signed)),
        "FP16" => Column::Number(each!(u16, half)),
        "FP32" => Column::Number(each!(f32, f64::from)),
        _ => Column::Number(each!(f64, std::convert::identity)),
    })
}

fn of_unsigned(value: u64) -> f64 {
    value as f64
}

fn of_signed(value: i64) -> f64 {
    value as f64
}

fn texts(mut bytes: &[u8]) -> Result<Vec<Option<String>>, String> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let split = bytes
            .split_first_chunk()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let (own, rest) = split.ok_or("a text is longer than the bytes that are there")?;
        let text = std::str::from_utf8(own).map_err(|_| "a text is not UTF-8")?;
        texts.push(Some(text.to_owned()).filter(|text| !text.is_empty()));
        bytes = rest;
    }
    Ok(texts)
}

/// A number of sixteen bits. Source: IEEE 754, binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// One of every `width` values, from `at` on.
fn every(values: &Column, at: usize, width: usize) -> Column {
    fn of<T: Clone>(values: &[T], at: usize, width: usize) -> Vec<T> {
        values.iter().skip(at).step_by(width).cloned().collect()
    }
    match values {
        Column::Boolean(values) => Column::Boolean(of(values, at, width)),
        Column::Text(values) => Column::Text(of(values, at, width)),
        Column::Number(values) => Column::Number(of(values, at, width)),
        other => other.clone(),
    }
}

/// Outputs with types and shapes.
pub fn outputs_of(version: &Version) -> Vec<(&'static str, &'static str, Vec<i64>)> {
    let classes = version.model.predictor.classes().len();
    match version.model.spec.kind {
        Kind::Recommender => vec![("items", "BYTES", vec![-1])],
        _ if classes == 0 => vec![("prediction", "FP64", vec![-1])],
        kind => {
            let mut outputs = vec![
                ("probability", "FP64", vec![-1]),
                ("label", "BYTES", vec![-1]),
                ("probabilities", "FP64", vec![-1, classes as i64]),
            ];
            if kind == Kind::Text {
                outputs.push(("entities", "BYTES", vec![-1]));
            }
            outputs
        }
    }
}

/// A tensor of an answer.
struct Output {
    name: &'static str,
    shape: Vec<usize>,
    data: Data,
}

enum Data {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

/// The answer to a request.
pub fn write(asked: &Asked, predictor: &Served, answers: &Answers) -> Response {
    let (mut outputs, mut bytes) = (Vec::new(), Vec::new());
    for name in names_wanted(asked, &answers.version) {
        let wanted = asked.wanted.iter().find(|wanted| wanted.name == name);
        let parameter = |name: &str| wanted.and_then(|wanted| wanted.parameters.get(name));
        let mut output = output(name, predictor, answers);
        if let Some(most) = parameter("classification").and_then(Value::as_u64) {
            output = classified(output, answers.version.model.predictor.classes(), most as usize);
        }
        let is_binary = parameter("binary_data").and_then(Value::as_bool).unwrap_or(asked.are_outputs_binary);
        outputs.push(output.told(is_binary.then_some(&mut bytes)));
    }
    let mut told = json!({
        "model_name": predictor.spec.name, "model_version": answers.version.number, "outputs": outputs,
    });
    if let Some(id) = &asked.id {
        told["id"] = id.as_str().into();
    }
    let mut body = told.to_string().into_bytes();
    if bytes.is_empty() {
        return with_type("application/json", body);
    }
    let length = body.len();
    body.append(&mut bytes);
    let mut response = with_type("application/octet-stream", body);
    response.headers_mut().insert(JSON_LENGTH, HeaderValue::from(length));
    response
}

fn with_type(media_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The outputs that are wanted, in the order in which they are; all unless some are named.
fn names_wanted(asked: &Asked, version: &Version) -> Vec<&'static str> {
    let known = outputs_of(version).into_iter().map(|(name, ..)| name);
    if asked.wanted.is_empty() {
        return known.collect();
    }
    let known: Vec<&str> = known.collect();
    let wanted = asked.wanted.iter();
    wanted.filter_map(|wanted| known.iter().copied().find(|name| *name == wanted.name)).collect()
}

fn output(name: &'static str, predictor: &Served, answers: &Answers) -> Output {
    let version = &answers.version;
    let model = version.model.predictor.as_ref();
    let rows = answers.predictions.len();
    let of_class = |get: &dyn Fn(&Class) -> f64| {
        let class = answers.predictions.iter().map(|prediction| told(&predictor.spec, prediction));
        class.map(|class| class.map_or(f64::NAN, get)).collect()
    };
    let texts =
        |get: &dyn Fn(&Prediction) -> String| Data::Texts(answers.predictions.iter().map(get).collect());
    let placeholder = |name: &str| {
        texts(&|prediction| answer::placeholder(version, prediction, name).unwrap_or_default().to_string())
    };
    let mut shape = vec![rows];
    let data = match name {
        "items" => placeholder("$items"),
        "entities" => placeholder("$entities"),
        "label" => texts(&|prediction| {
            let class = told(&predictor.spec, prediction);
            class.and_then(|class| model.classes().get(class.label)).cloned().unwrap_or_default()
        }),
        "probability" => Data::Numbers(of_class(&|class| probability(model, class))),
        "probabilities" => {
            shape.push(model.classes().len());
            let classes =
                answers.predictions.iter().filter_map(|prediction| told(&predictor.spec, prediction));
            Data::Numbers(classes.flat_map(|class| class.probabilities.iter().copied()).collect())
        }
        _ => Data::Numbers(
            answers
                .predictions
                .iter()
                .map(|prediction| match prediction {
                    Prediction::Number(number) => *number,
                    _ => f64::NAN,
                })
                .collect(),
        ),
    };
    Output { name, shape, data }
}

/// The likeliest classes of every row as `PROBABILITY:POSITION:CLASS`.
fn classified(output: Output, classes: &[String], most: usize) -> Output {
    let Output { name, shape, data: Data::Numbers(numbers) } = output else { return output };
    let most = most.clamp(1, classes.len().max(1));
    let told = numbers.chunks(classes.len().max(1)).flat_map(|row| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        order.into_iter().take(most).map(|at| format!("{}:{at}:{}", row[at], classes[at])).collect::<Vec<_>>()
    });
    Output { name, data: Data::Texts(told.collect()), shape: vec![shape[0], most] }
}

impl Output {
    /// As JSON; the values go behind it where there are `bytes` to go to.
    fn told(self, bytes: Option<&mut Vec<u8>>) -> Value {
        let datatype = if matches!(self.data, Data::Numbers(_)) { "FP64" } else { "BYTES" };
        let mut told = json!({"name": self.name, "datatype": datatype, "shape": self.shape});
        match bytes {
            None => {
                told["data"] = match self.data {
                    Data::Numbers(numbers) => numbers.into(),
                    Data::Texts(texts) => texts.into(),
                }
            }
            Some(bytes) => {
                let before = bytes.len();
                match self.data {
                    Data::Numbers(numbers) => {
                        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                    }
                    Data::Texts(texts) => {
                        for text in texts {
                            bytes.extend((text.len() as u32).to_le_bytes());
                            bytes.extend(text.as_bytes());
                        }
                    }
                }
                told["parameters"] = json!({"binary_data_size": bytes.len() - before});
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_their_types_say() {
        let check = |datatype: &str, bytes: &[u8], expected: &[f64]| {
            assert_eq!(packed(datatype, bytes), Ok(Column::Number(expected.to_vec())), "{datatype}");
        };
        check("UINT8", &[1, 255], &[1.0, 255.0]);
        check("INT8", &[1, 255], &[1.0, -1.0]);
        check("INT16", &(-2i16).to_le_bytes(), &[-2.0]);
        check("UINT64", &7u64.to_le_bytes(), &[7.0]);
        check("FP32", &0.5f32.to_le_bytes(), &[0.5]);
        check(
            "FP16",
            &[0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x7c],
            &[1.0, -2.0, 65504.0, 2f64.powi(-24), f64::INFINITY],
        );
        assert_eq!(packed("BOOL", &[0, 1]), Ok(Column::Boolean(vec![Some(false), Some(true)])));
        assert_eq!(
            packed("BYTES", b"\x02\0\0\0\xc3\xa9\0\0\0\0"),
            Ok(Column::Text(vec![Some("é".to_owned()), None]))
        );
        assert!(packed("BYTES", b"\x09\0\0\0ab").is_err() && packed("BYTES", b"\x01\0\0").is_err());
        assert!(packed("BYTES", b"\x01\0\0\0\xff").is_err());
    }

    #[test]
    fn tensors_are_taken_for_columns() {
        let check = |name: &str, shape: &[usize], fields: &[&str], expected: Option<&[&str]>| {
            let (name, shape) = (name.to_owned(), shape.to_vec());
            let width = shape.iter().skip(1).product();
            let tensor =
                Tensor { name, shape, datatype: "FP32".to_owned(), parameters: Map::new(), data: None };
            let found = names(&tensor, width, (fields, 1)).ok();
            let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(found, expected, "{} {:?}", tensor.name, tensor.shape);
        };
        check("age", &[3], &["age", "country"], Some(&["age"]));
        check("age", &[3, 1], &["age", "country"], Some(&["age"]));
        check("rows", &[3, 2], &["age", "country"], Some(&["age", "country"]));
        check("rows", &[3, 3], &["age", "country"], None);
        check("rows", &[], &["age"], None);
        check(
            "image",
            &[1, 1, 2, 2],
            &["image.0", "image.1", "image.2", "image.3"],
            Some(&["image.0", "image.1", "image.2", "image.3"]),
        );
        check("x", &[5], &["x.0"], Some(&["x.0"]));
        check("stranger", &[5], &["x.0", "y"], Some(&["stranger"]));
    }

    #[test]
    fn numbers_are_checked_against_their_types() {
        let check = |datatype: &str, value: Value, is_taken: bool| {
            let range = DATATYPES.iter().find(|(name, ..)| *name == datatype).and_then(|(.., range)| *range);
            assert_eq!(written(datatype, range, &[&value]).is_ok(), is_taken, "{datatype} {value}");
        };
        check("UINT8", json!(255), true);
        check("UINT8", json!(256), false);
        check("UINT8", json!(-1), false);
        check("INT64", json!(1.5), false);
        check("INT64", json!(2.0), true);
        check("FP32", json!(1.5), true);
        check("FP32", json!("1.5"), false);
        check("FP64", json!(null), true);
        check("BOOL", json!(1), false);
        check("BYTES", json!("x"), true);
        check("BYTES", json!(1), false);
    }
}
