//! Reads a channel's options, and remembers what is wrong with them.

use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::Value;

/// The options of one channel while they are read.
pub struct Fields<'a> {
    options: &'a Object,
    known: Vec<&'static str>,
    problems: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Begins to read.
    pub fn new(options: &'a Object) -> Self {
        Self { options, known: Vec::new(), problems: Vec::new() }
    }

    /// A text or number; `None` when it is not given.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(text.trim().to_owned()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(python_text(value)),
            _ => {
                self.problems.push(format!("`{name}` must be a text"));
                None
            }
        }
    }

    /// A text or number, or this one.
    pub fn text_or(&mut self, name: &'static str, default: &str) -> String {
        self.text(name).unwrap_or_else(|| default.to_owned())
    }

    /// A text or number that must be given; `hint` says what it is and where to find it.
    pub fn required(&mut self, name: &'static str, hint: &str) -> String {
        let before = self.problems.len();
        let text = self.text(name);
        if text.is_none() && self.problems.len() == before {
            self.problems.push(format!("`{name}` is missing: {hint}"));
        }
        text.unwrap_or_default()
    }

    /// True or false; false when it is not given.
    pub fn flag(&mut self, name: &'static str) -> bool {
        match self.value(name) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => {
                self.problems.push(format!("`{name}` must be true or false"));
                false
            }
        }
    }

    /// Texts, or these.
    pub fn texts_or(&mut self, name: &'static str, default: &[&str]) -> Vec<String> {
        match self.value(name) {
            Some(Value::Array(items)) => items.iter().map(python_text).collect(),
            Some(Value::String(text)) => vec![text.clone()],
            None => default.iter().map(|&text| text.to_owned()).collect(),
            Some(_) => {
                self.problems.push(format!("`{name}` must be a list of texts"));
                Vec::new()
            }
        }
    }

    /// A URL without a slash at its end.
    pub fn url(&mut self, name: &'static str) -> Option<String> {
        let url = self.text(name)?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            self.problems.push(format!("`{name}` must begin with http:// or https://"));
        }
        Some(url.trim_end_matches('/').to_owned())
    }

    /// Where the provider's interface is: the option `api_base`, which Rasa does not have, or this.
    pub fn api_base(&mut self, default: &str) -> String {
        self.url("api_base").unwrap_or_else(|| default.to_owned())
    }

    /// Notes that something is wrong.
    pub fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    /// What is wrong, and the names that mean nothing.
    pub fn finish(self) -> (Vec<String>, Vec<&'a str>) {
        let is_known = |name: &&str| self.known.contains(name);
        let unknown = self.options.keys().map(String::as_str).filter(|name| !is_known(name)).collect();
        (self.problems, unknown)
    }

    fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.options.get(name).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_read_and_mistakes_kept() {
        let options = json!({"a": 7, "b": " x ", "c": [], "d": "yes", "e": "ftp://x", "typo": 1});
        let options = options.as_object().unwrap();
        let mut fields = Fields::new(options);
        assert_eq!(fields.text("a").as_deref(), Some("7"));
        assert_eq!(fields.text_or("b", "y"), "x");
        assert_eq!(fields.text_or("z", "y"), "y");
        fields.required("c", "never said, as it is there");
        fields.required("m", "the key of the app");
        assert!(!fields.flag("d"));
        fields.url("e");
        let (problems, unknown) = fields.finish();
        let expected = [
            "`c` must be a text",
            "`m` is missing: the key of the app",
            "`d` must be true or false",
            "`e` must begin with http:// or https://",
        ];
        assert_eq!(problems, expected);
        assert_eq!(unknown, ["typo"]);
    }
}
