//! What all file readers share: typed access to nodes, with findings for what does not fit.

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_talk::data::Source;

use crate::suggest::closest;
use crate::yaml::{Entry, Kind, Mark, Node};

/// The newest version of the training data format that is understood.
pub(crate) const FORMAT_VERSION: &str = "3.1";

/// One file being read, and everything found wrong with it.
pub(crate) struct Reader<'a> {
    pub file: &'a str,
    pub findings: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    pub fn source(&self, mark: Mark) -> Source {
        mark.source(self.file)
    }

    pub fn error(&mut self, mark: Mark, message: impl Into<String>) {
        self.findings.push(Diagnostic::error(mark.source(self.file), message));
    }

    pub fn error_with_hint(&mut self, mark: Mark, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.push(Diagnostic::error(mark.source(self.file), message).with_hint(hint));
    }

    pub fn warning(&mut self, mark: Mark, message: impl Into<String>) {
        self.findings.push(Diagnostic::warning(mark.source(self.file), message));
    }

    pub fn warning_with_hint(&mut self, mark: Mark, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.push(Diagnostic::warning(mark.source(self.file), message).with_hint(hint));
    }

    pub fn info(&mut self, mark: Mark, message: impl Into<String>) {
        let source = mark.source(self.file);
        self.findings.push(Diagnostic {
            severity: Severity::Info,
            source,
            message: message.into(),
            hint: None,
        });
    }

    /// Reports that `node`, the value of `what`, should be `expected`.
    pub fn mismatch(&mut self, node: &Node, what: &str, expected: &str) {
        // A phrase stands as it is, a key in quotes.
        let what = if what.contains(' ') { what.to_owned() } else { format!("`{what}`") };
        let message = format!("{what} must be {expected}, found {}", node.describe());
        let hint = match (&node.kind, expected) {
            (Kind::Int(_) | Kind::Float(_) | Kind::Bool(_), expected) if expected.contains("text") => {
                Some("put it in quotes")
            }
            (Kind::Text(text), expected)
                if expected.contains("true or false")
                    && matches!(text.as_str(), "yes" | "no" | "on" | "off") =>
            {
                Some("YAML 1.2 knows only `true` and `false`")
            }
            (Kind::Map(_), expected) if expected.contains("list") => Some("start each item with `- `"),
            _ => None,
        };
        match hint {
            Some(hint) => self.error_with_hint(node.mark, message, hint),
            None => self.error(node.mark, message),
        }
    }

    /// The text of `node`, the value of `what`.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = node.as_text();
        if text.is_none() {
            self.mismatch(node, what, "a text");
        }
        text
    }

    /// The boolean of `node`.
    pub fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.kind {
            Kind::Bool(flag) => Some(flag),
            _ => {
                self.mismatch(node, what, "true or false");
                None
            }
        }
    }

    /// The number of `node`.
    pub fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        match node.kind {
            Kind::Int(number) => Some(number as f64),
            Kind::Float(number) => Some(number),
            _ => {
                self.mismatch(node, what, "a number");
                None
            }
        }
    }

    /// The items of `node`; null counts as an empty list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            _ => {
                self.mismatch(node, what, "a list");
                &[]
            }
        }
    }

    /// The entries of `node`; null counts as an empty map.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            _ => {
                self.mismatch(node, what, "a map");
                &[]
            }
        }
    }

    /// Texts of a list, or one text alone.
    pub fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        match &node.kind {
            Kind::Text(text) => vec![text.clone()],
            Kind::List(items) => {
                items.iter().filter_map(|item| self.text(item, what).map(str::to_owned)).collect()
            }
            Kind::Null => Vec::new(),
            _ => {
                self.mismatch(node, what, "a text or a list of texts");
                Vec::new()
            }
        }
    }

    /// Reports keys of a map that are not among `known` as errors.
    pub fn known_keys(&mut self, node: &Node, place: &str, known: &[&str]) {
        self.unknown_keys(Severity::Error, node, place, known);
    }

    /// Reports keys of a map that are not among `known` as warnings, where Rasa tolerates them.
    pub fn usual_keys(&mut self, node: &Node, place: &str, known: &[&str]) {
        self.unknown_keys(Severity::Warning, node, place, known);
    }

    fn unknown_keys(&mut self, severity: Severity, node: &Node, place: &str, known: &[&str]) {
        for entry in node.entries() {
            if known.contains(&entry.key.as_str()) {
                continue;
            }
            let message = format!("`{}` is not a key of {place}", entry.key);
            let hint = match closest(&entry.key, known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys are {}", quoted(known)),
            };
            let source = entry.mark.source(self.file);
            self.findings.push(Diagnostic { severity, source, message, hint: Some(hint) });
        }
    }

    /// Whether a training data or domain file of this version is read at all.
    pub fn accepts_version(&mut self, document: &Node) -> bool {
        let Some(version) = document.get("version") else {
            self.info(
                document.mark,
                format!("file names no format version, it is read as version \"{FORMAT_VERSION}\""),
            );
            return true;
        };
        let parsed = version.as_text().and_then(parse_version);
        let (Some(parsed), Some(newest)) = (parsed, parse_version(FORMAT_VERSION)) else {
            if version.is_null() || version.as_text() == Some("") {
                return true;
            }
            self.warning_with_hint(
                version.mark,
                format!(
                    "`version` must be a text such as \"{FORMAT_VERSION}\", found {}",
                    version.describe()
                ),
                format!("write `version: \"{FORMAT_VERSION}\"`"),
            );
            return true;
        };
        if parsed > newest {
            self.warning_with_hint(
                version.mark,
                format!(
                    "format version {} is newer than {FORMAT_VERSION}, the newest one known: file is skipped",
                    version.as_text().unwrap_or_default()
                ),
                format!("write `version: \"{FORMAT_VERSION}\"` if the file uses nothing newer"),
            );
            return false;
        }
        if parsed < newest {
            let version_text = version.as_text().unwrap_or_default();
            self.warning_with_hint(
                version.mark,
                format!("format version {version_text} is older than {FORMAT_VERSION}"),
                format!("check the file and write `version: \"{FORMAT_VERSION}\"`"),
            );
        }
        true
    }
}

/// `1.2` and the like as comparable numbers, trailing zeros dropped.
fn parse_version(text: &str) -> Option<Vec<u64>> {
    let parts = text.trim().trim_start_matches('v').split('.').map(|part| part.parse().ok());
    let mut parts: Vec<u64> = parts.collect::<Option<_>>()?;
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn quoted<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
