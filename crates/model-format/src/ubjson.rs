//! Universal Binary JSON, as far as XGBoost writes it, into JSON values.
//!
//! Source: the UBJSON specification, draft 12.

use serde_json::{Map, Number, Value};

use crate::Error;

/// Values within values at most.
const DEPTH_MAX: usize = 64;

/// Elements of no size at most, such as a list of a million nulls in a few bytes.
const EMPTY_MAX: usize = 1 << 20;

/// Reads one value.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Error> {
    let mut reader = Reader { bytes, at: 0 };
    let kind = reader.kind()?;
    reader.value(kind, 0)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self, what: &str) -> Error {
        Error::damaged(format!("byte {}: {what}", self.at))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.damaged("the file ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The next marker; no-ops are skipped.
    fn kind(&mut self) -> Result<u8, Error> {
        loop {
            match self.take(1)?[0] {
                b'N' => {}
                kind => return Ok(kind),
            }
        }
    }

    fn length(&mut self) -> Result<usize, Error> {
        let kind = self.kind()?;
        let number = self.value(kind, DEPTH_MAX)?.as_u64();
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.damaged("a length is no number"))
    }

    fn text(&mut self) -> Result<String, Error> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.damaged("a text is not UTF-8"))
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value, Error> {
        let float = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
        Ok(match kind {
            b'Z' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'i' => Value::from(i8::from_be_bytes(self.array()?)),
            b'U' => Value::from(u8::from_be_bytes(self.array()?)),
            b'I' => Value::from(i16::from_be_bytes(self.array()?)),
            b'l' => Value::from(i32::from_be_bytes(self.array()?)),
            b'L' => Value::from(i64::from_be_bytes(self.array()?)),
            b'd' => float(f64::from(f32::from_be_bytes(self.array()?))),
            b'D' => float(f64::from_be_bytes(self.array()?)),
            b'C' => Value::from(char::from(self.take(1)?[0]).to_string()),
            b'S' | b'H' => Value::String(self.text()?),
            b'[' | b'{' if depth >= DEPTH_MAX => return Err(self.damaged("values within values too deep")),
            b'[' => self.list(depth)?,
            b'{' => self.object(depth)?,
            _ => return Err(self.damaged("an unknown marker")),
        })
    }

    /// Type and number of elements, where they are said beforehand.
    fn shape(&mut self) -> Result<(Option<u8>, Option<usize>), Error> {
        let mut kind = None;
        if self.bytes.get(self.at) == Some(&b'$') {
            self.at += 1;
            kind = Some(self.take(1)?[0]);
        }
        if self.bytes.get(self.at) == Some(&b'#') {
            self.at += 1;
            return Ok((kind, Some(self.length()?)));
        }
        if kind.is_some() { Err(self.damaged("a typed list without length")) } else { Ok((None, None)) }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Error> {
        let (kind, count) = self.shape()?;
        let mut list = Vec::new();
        match count {
            Some(count) => {
                self.check(kind, count)?;
                for _ in 0..count {
                    let kind = kind.map_or_else(|| self.kind(), Ok)?;
                    list.push(self.value(kind, depth + 1)?);
                }
            }
            None => loop {
                match self.kind()? {
                    b']' => break,
                    kind => list.push(self.value(kind, depth + 1)?),
                }
            },
        }
        Ok(Value::Array(list))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Error> {
        let (kind, count) = self.shape()?;
        let mut object = Map::new();
        if let Some(count) = count {
            self.check(kind, count)?;
            for _ in 0..count {
                let key = self.text()?;
                let kind = kind.map_or_else(|| self.kind(), Ok)?;
                object.insert(key, self.value(kind, depth + 1)?);
            }
            return Ok(Value::Object(object));
        }
        while self.bytes.get(self.at) != Some(&b'}') {
            let key = self.text()?;
            let kind = self.kind()?;
            object.insert(key, self.value(kind, depth + 1)?);
        }
        self.at += 1;
        Ok(Value::Object(object))
    }

    /// Refuses more elements than the rest of the file can hold.
    fn check(&self, kind: Option<u8>, count: usize) -> Result<(), Error> {
        let is_empty = matches!(kind, Some(b'Z' | b'T' | b'F'));
        let most = if is_empty { EMPTY_MAX } else { self.bytes.len() - self.at };
        if count > most { Err(self.damaged("a list is longer than the file")) } else { Ok(()) }
    }
}
