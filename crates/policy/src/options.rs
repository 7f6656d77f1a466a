//! Options of policies, read from `config.yml` with what is wrong with them.

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::ComponentSpec;
use serde_json::Value;

/// Reads options one by one and remembers what it could not read.
pub(crate) struct Reader<'a> {
    spec: &'a ComponentSpec,
    known: Vec<&'static str>,
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(spec: &'a ComponentSpec) -> Self {
        Self { spec, known: Vec::new(), diagnostics: Vec::new() }
    }

    fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.spec.options.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&mut self, name: &str, expected: &str, found: &Value) {
        self.diagnostics.push(Diagnostic::error(
            self.spec.source.clone(),
            format!("option `{name}` of `{}` must be {expected}, found `{found}`", self.spec.name),
        ));
    }

    pub(crate) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.wrong(name, "true or false", other);
                default
            }
        }
    }

    pub(crate) fn number(&mut self, name: &'static str, default: f64) -> f64 {
        match self.get(name) {
            None => default,
            Some(value) => value.as_f64().unwrap_or_else(|| {
                self.wrong(name, "a number", value);
                default
            }),
        }
    }

    /// A count; `None` when null or absent.
    pub(crate) fn count(&mut self, name: &'static str) -> Option<usize> {
        let value = self.get(name)?;
        let count = value.as_u64().map(|count| count as usize);
        if count.is_none() {
            self.wrong(name, "a whole number", value);
        }
        count
    }

    pub(crate) fn integer(&mut self, name: &'static str, default: i64) -> i64 {
        match self.get(name) {
            None => default,
            Some(value) => value.as_i64().unwrap_or_else(|| {
                self.wrong(name, "a whole number", value);
                default
            }),
        }
    }

    pub(crate) fn text(&mut self, name: &'static str, default: &str) -> String {
        match self.get(name) {
            None => default.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.wrong(name, "a text", other);
                default.to_owned()
            }
        }
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Vec<String> {
        match self.get(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Some(other) => {
                self.wrong(name, "a list of names", other);
                Vec::new()
            }
        }
    }

    /// `max_history`, of the policy itself or of its one featurizer.
    pub(crate) fn max_history(&mut self) -> Option<usize> {
        let own = self.count("max_history");
        let Some(featurizers) = self.get("featurizer") else { return own };
        match featurizers.as_array().map(Vec::as_slice) {
            Some([featurizer]) => match featurizer.get("max_history").and_then(Value::as_u64) {
                Some(count) => Some(count as usize),
                None if featurizer.get("name").and_then(Value::as_str)
                    == Some("FullDialogueTrackerFeaturizer") =>
                {
                    None
                }
                None => own,
            },
            _ => {
                self.wrong("featurizer", "a list of exactly one featurizer", featurizers);
                own
            }
        }
    }

    /// Warns about options that nobody asked for and that are not among `accepted`.
    pub(crate) fn finish(mut self, accepted: &[&str]) -> Vec<Diagnostic> {
        for name in self.spec.options.keys() {
            if !self.known.contains(&name.as_str()) && !accepted.contains(&name.as_str()) {
                let candidates = self.known.iter().chain(accepted).copied();
                let mut found = Diagnostic::warning(
                    self.spec.source.clone(),
                    format!("`{}` has no option `{name}`; it is ignored", self.spec.name),
                );
                if let Some(near) = nearest(name, candidates) {
                    found = found.with_hint(format!("did you mean `{near}`?"));
                }
                self.diagnostics.push(found);
            }
        }
        self.diagnostics
    }
}

/// The candidate that differs least, if it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lowered = name.to_lowercase();
    let measured = candidates.map(|candidate| (distance(&lowered, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.max(name.chars().count() / 4)).then_some(candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
