//! Takes known members out of JSON objects; what is left or of an unexpected type stays there.

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::message::Object;
use serde_json::Value;

/// An object whose known members are taken one by one.
pub(crate) struct Members<'a> {
    object: Object,
    file: &'a str,
    /// Where the object stands in its file, as a JSON pointer.
    place: String,
    notes: &'a mut Vec<Diagnostic>,
}

impl<'a> Members<'a> {
    /// Begins with an object; anything else is an error, told once, and gives nothing.
    pub(crate) fn of(
        value: Value,
        file: &'a str,
        place: String,
        notes: &'a mut Vec<Diagnostic>,
    ) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self { object, file, place, notes }),
            other => {
                let message = format!("{} is {} instead of an object", shown(&place), kind(&other));
                notes.push(Diagnostic::error(source(file), message).with_hint("export the agent again"));
                None
            }
        }
    }

    /// What is left.
    pub(crate) fn rest(self) -> Object {
        self.object
    }

    /// The members that are left, to take more out of them.
    pub(crate) fn inner(&mut self) -> &mut Object {
        &mut self.object
    }

    /// Takes a text; null is none.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, "a text", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    /// Takes a truth value, also one written as a text.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, "true or false", |value| match &value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) => match text.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(value),
            },
            _ => Err(value),
        })
    }

    /// Takes a number, also one written as a text.
    pub(crate) fn number(&mut self, name: &str) -> Option<f64> {
        self.take(name, "a number", |value| number(&value).ok_or(value))
    }

    /// Takes a whole number, also one written as a text or with a decimal point.
    pub(crate) fn whole(&mut self, name: &str) -> Option<i64> {
        self.take(name, "a whole number", |value| {
            let whole = number(&value).filter(|number| number.fract() == 0.0 && number.abs() < 9e15);
            whole.map(|number| number as i64).ok_or(value)
        })
    }

    /// Takes a list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        self.take(name, "a list of texts", |value| match value {
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let texts = items.into_iter().filter_map(|item| match item {
                    Value::String(text) => Some(text),
                    _ => None,
                });
                Ok(texts.collect())
            }
            other => Err(other),
        })
    }

    /// Takes one text or a list of texts.
    pub(crate) fn text_or_texts(&mut self, name: &str) -> Option<Vec<String>> {
        if matches!(self.object.get(name), Some(Value::String(_))) {
            return self.text(name).map(|text| vec![text]);
        }
        self.texts(name)
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &str) -> Option<Object> {
        self.take(name, "an object", |value| match value {
            Value::Object(object) => Ok(object),
            other => Err(other),
        })
    }

    /// Takes a list and reads each of its elements.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(Value, &'a str, String, &mut Vec<Diagnostic>) -> Option<T>,
    ) -> Vec<T> {
        let items = self.take(name, "a list", |value| match value {
            Value::Array(items) => Ok(items),
            other => Err(other),
        });
        let items = items.unwrap_or_default().into_iter().enumerate();
        let (file, place) = (self.file, self.place.clone());
        let elements =
            items.filter_map(|(at, item)| read(item, file, format!("{place}/{name}/{at}"), self.notes));
        elements.collect()
    }

    fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Option<T> {
        let value = self.object.shift_remove(name)?;
        if value.is_null() {
            return None;
        }
        match read(value) {
            Ok(taken) => Some(taken),
            Err(value) => {
                let place = format!("{}/{name}", self.place);
                let message = format!("{} is {} instead of {expected}", shown(&place), kind(&value));
                let note = Diagnostic::warning(source(self.file), message);
                self.notes.push(note.with_hint("it is kept as it is and has no effect"));
                self.object.insert(name.to_owned(), value);
                None
            }
        }
    }
}

/// The start of a file as a place.
pub(crate) fn source(file: &str) -> Source {
    Source { file: file.to_owned(), ..Source::default() }
}

fn shown(place: &str) -> String {
    if place.is_empty() { "the content".to_owned() } else { format!("`{place}`") }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}
