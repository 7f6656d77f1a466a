//! Options of components: tables of what exists, checked reading of what a user wrote.

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::{ComponentSpec, Resource, Source};
use intendant_talk::message::Object;
use serde_json::Value;

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OptionKind {
    Flag,
    Number,
    Text,
    List,
    /// Several of the above, or a map.
    Any,
}

/// An option of a component.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// Its key.
    pub name: &'static str,
    /// What it holds; `null` is always allowed and means the default.
    pub kind: OptionKind,
    /// The default as JSON.
    pub default: &'static str,
    /// What it does, one line.
    pub about: &'static str,
}

/// Shortens option tables.
pub(crate) const fn option(
    name: &'static str,
    kind: OptionKind,
    default: &'static str,
    about: &'static str,
) -> OptionInfo {
    OptionInfo { name, kind, default, about }
}

/// The options of one component of a pipeline, defaults filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    values: Object,
    pub(crate) source: Source,
    pub(crate) resource: Option<Resource>,
}

impl Options {
    /// Merges what was written over the defaults and reports what does not belong.
    pub(crate) fn read(
        spec: &ComponentSpec,
        component: &str,
        table: &[OptionInfo],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut values = Object::new();
        for info in table {
            let default = serde_json::from_str(info.default).unwrap_or(Value::Null);
            values.insert(info.name.to_owned(), default);
        }
        for (name, value) in &spec.options {
            let Some(info) = table.iter().find(|info| info.name == name) else {
                diagnostics.push(unknown_option(spec, component, name, table));
                continue;
            };
            if value.is_null() {
                continue;
            }
            if fits(info.kind, value) {
                values.insert(name.clone(), value.clone());
            } else {
                let expected = match info.kind {
                    OptionKind::Flag => "true or false",
                    OptionKind::Number => "a number",
                    OptionKind::Text => "a text",
                    OptionKind::List | OptionKind::Any => "a list",
                };
                diagnostics.push(
                    Diagnostic::error(
                        spec.source.clone(),
                        format!("option `{name}` of `{component}` must be {expected}, found {value}"),
                    )
                    .with_hint(format!("the default is {}", info.default)),
                );
            }
        }
        Self { values, source: spec.source.clone(), resource: spec.resource.clone() }
    }

    pub(crate) fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or(false)
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.value(name).as_f64().unwrap_or(0.0)
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.number(name).max(0.0) as usize
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).as_str()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.value(name).as_array().map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn fits(kind: OptionKind, value: &Value) -> bool {
    match kind {
        OptionKind::Flag => value.is_boolean(),
        OptionKind::Number => value.is_number(),
        OptionKind::Text => value.is_string(),
        OptionKind::List => value.is_array(),
        OptionKind::Any => true,
    }
}

fn unknown_option(spec: &ComponentSpec, component: &str, name: &str, table: &[OptionInfo]) -> Diagnostic {
    let message = format!("`{component}` has no option `{name}`");
    let diagnostic = Diagnostic::error(spec.source.clone(), message);
    match closest(name, table.iter().map(|info| info.name)) {
        Some(meant) => diagnostic.with_hint(format!("did you mean `{meant}`?")),
        None if table.is_empty() => diagnostic.with_hint("it has no options"),
        None => {
            let names: Vec<&str> = table.iter().map(|info| info.name).collect();
            diagnostic.with_hint(format!("its options are {}", names.join(", ")))
        }
    }
}

/// The candidate most like `name`, if one is like it at all.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: [OptionInfo; 2] = [
        option("threshold", OptionKind::Number, "0.3", "a number"),
        option("case_sensitive", OptionKind::Flag, "true", "a flag"),
    ];

    fn check(options: Value, expected: &[&str]) {
        let Value::Object(options) = options else { unreachable!() };
        let spec = ComponentSpec { name: "Thing".into(), options, ..ComponentSpec::default() };
        let mut diagnostics = Vec::new();
        Options::read(&spec, "Thing", &TABLE, &mut diagnostics);
        let found: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_does_not_belong_is_named() {
        check(json!({"threshold": 1, "case_sensitive": null}), &[]);
        check(
            json!({"treshold": 1}),
            &["error: `Thing` has no option `treshold`\n  help: did you mean `threshold`?"],
        );
        check(
            json!({"zzz": 1}),
            &["error: `Thing` has no option `zzz`\n  help: its options are threshold, case_sensitive"],
        );
        check(
            json!({"threshold": "high"}),
            &[
                "error: option `threshold` of `Thing` must be a number, found \"high\"\n  help: the default is 0.3",
            ],
        );
    }
}
