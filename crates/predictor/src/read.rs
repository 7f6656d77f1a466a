//! Reading `predictors/NAME.yml`: everything that is wrong with it is found, with its place.

use std::collections::BTreeMap;

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_rasa_format::suggest::{closest, did_you_mean};
use intendant_rasa_format::yaml::{self, Environment, Node, SourceFile};
use intendant_talk::data::Source;
use serde_json::{Map, Value, json};

use crate::keys::{FEATURE_TYPES, IMPUTATIONS, KEYS, METRICS, OUTLIERS, STREAM_KEYS};
use crate::routes;
use crate::spec::{Kind, Model, Spec};

/// Reads a predictor's file. `None` when it has errors; all findings are added to `findings`.
pub fn read(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Option<Spec> {
    let node = yaml::parse(file, env, findings)?;
    let mut reading = Reading { file: &file.path, places: BTreeMap::new(), findings };
    reading.mark("", &node);
    let Value::Object(mut root) = node.to_json() else {
        let found = node.describe();
        reading.error(
            "",
            format!("a predictor's file must be a map, found {found}"),
            "begin with `kind: tabular`",
        );
        return None;
    };
    root.retain(|_, value| !value.is_null());
    let kind = reading.kind(&root)?;
    let before = reading.errors();
    reading.keys(kind, &root);
    root.retain(|key, _| KEYS.iter().any(|known| known.name == key));
    shorten(&mut root);
    let mut spec: Spec = match serde_path_to_error::deserialize(Value::Object(root)) {
        Ok(spec) => spec,
        Err(error) => {
            let path = error.path().to_string();
            reading.unreadable(&path, &error.inner().to_string());
            return None;
        }
    };
    spec.name = name_of(&file.path);
    reading.values(&spec);
    (reading.errors() == before).then_some(spec)
}

/// The name of the predictor in this file.
pub fn name_of(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.trim_end_matches(".yaml").trim_end_matches(".yml").to_owned()
}

/// Whether a name can be that of a predictor: it stands in paths and in file names.
pub fn is_name(name: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(is_plain)
}

/// Short ways of writing something, written out.
fn shorten(root: &mut Map<String, Value>) {
    let wrap = |root: &mut Map<String, Value>, key: &str, inner: &str| {
        if let Some(value) = root.get_mut(key)
            && value.is_string()
        {
            *value = json!({inner: value.take()});
        }
    };
    wrap(root, "data", "file");
    wrap(root, "model", "algorithm");
    wrap(root, "gazetteer", "file");
    if let Some(value) = root.get_mut("split")
        && value.is_number()
    {
        *value = json!({"share": value.take()});
    }
    if let Some(Value::Array(names)) = root.get("features") {
        let names: Map<String, Value> =
            names.iter().filter_map(|name| Some((name.as_str()?.to_owned(), json!({})))).collect();
        root.insert("features".to_owned(), Value::Object(names));
    }
    if let Some(Value::Object(features)) = root.get_mut("features") {
        for feature in features.values_mut() {
            match feature {
                Value::Null => *feature = json!({}),
                Value::String(_) => *feature = json!({"type": feature.take()}),
                _ => {}
            }
        }
    }
    if let Some(Value::Object(gates)) = root.get("gate")
        && !gates.contains_key("metric")
    {
        let gates = gates.iter().map(|(metric, bar)| json!({"metric": metric, "at_least": bar})).collect();
        root.insert("gate".to_owned(), Value::Array(gates));
    } else if let Some(gate @ Value::Object(_)) = root.get_mut("gate") {
        *gate = json!([gate.take()]);
    }
}

struct Reading<'a> {
    file: &'a str,
    places: BTreeMap<String, Source>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    fn mark(&mut self, path: &str, node: &Node) {
        self.places.insert(path.to_owned(), node.mark.source(self.file));
        for entry in node.entries() {
            let inner = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            self.mark(&inner, &entry.value);
            self.places.insert(inner, entry.mark.source(self.file));
        }
        for (index, item) in node.as_list().unwrap_or_default().iter().enumerate() {
            self.mark(&format!("{path}[{index}]"), item);
        }
    }

    /// Where something stands: itself, or the nearest that holds it.
    fn place(&self, path: &str) -> Source {
        let mut path = path;
        loop {
            if let Some(source) = self.places.get(path) {
                return source.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.places.get("").cloned().unwrap_or_default(),
            }
        }
    }

    fn error(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let source = self.place(path);
        self.findings.push(Diagnostic::error(source, message).with_hint(hint));
    }

    fn unreadable(&mut self, path: &str, message: &str) {
        let message = message.split(" at line ").next().unwrap_or(message);
        let source = self.place(path);
        let mut finding = Diagnostic::error(source, format!("`{path}`: {message}"));
        if let Some((unknown, known)) = unknown_field(message) {
            let at = if path.is_empty() || path == "." { unknown.clone() } else { path.to_owned() };
            finding.source = self.place(&at);
            finding.message = format!("`{unknown}` is not a key here");
            let hint = did_you_mean(&unknown, known.iter().map(String::as_str));
            finding.hint = Some(hint.unwrap_or_else(|| format!("known keys are {}", known.join(", "))));
        }
        self.findings.push(finding);
    }

    fn kind(&mut self, root: &Map<String, Value>) -> Option<Kind> {
        let kinds = Kind::ALL.map(Kind::name);
        let Some(written) = root.get("kind") else {
            self.error("", "`kind` is missing", format!("write `kind:` and one of {}", kinds.join(", ")));
            return None;
        };
        let name = written.as_str().unwrap_or_default();
        let kind = Kind::of(name);
        if kind.is_none() {
            let hint =
                did_you_mean(name, kinds).unwrap_or_else(|| format!("the kinds are {}", kinds.join(", ")));
            self.error("kind", format!("there is no kind `{}`", written.as_str().unwrap_or("?")), hint);
        }
        kind
    }

    fn keys(&mut self, kind: Kind, root: &Map<String, Value>) {
        for key in root.keys() {
            match KEYS.iter().find(|known| known.name == key) {
                Some(known) if !known.kinds.contains(&kind) => {
                    let kinds: Vec<&str> = known.kinds.iter().map(|kind| kind.name()).collect();
                    let message = format!("`{key}` has no meaning for the kind `{}`", kind.name());
                    self.error(key, message, format!("it belongs to {}; remove it", kinds.join(", ")));
                }
                Some(_) => {}
                None => {
                    let known =
                        KEYS.iter().filter(|known| known.kinds.contains(&kind)).map(|known| known.name);
                    let hint = match closest(key, known.clone()) {
                        Some(known) => format!("did you mean `{known}`?"),
                        None => format!("known keys are {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    self.error(key, format!("`{key}` is not a key of a predictor"), hint);
                }
            }
        }
        for key in KEYS.iter().filter(|key| key.needed_by.contains(&kind) && !root.contains_key(key.name)) {
            self.error("", format!("`{}` is missing", key.name), format!("it is {}", key.about));
        }
    }

    fn one_of(&mut self, path: &str, value: Option<&str>, known: &[&str]) {
        if let Some(value) = value
            && !known.contains(&value)
        {
            let hint = did_you_mean(value, known.iter().copied());
            let hint = hint.unwrap_or_else(|| format!("it can be {}", known.join(", ")));
            self.error(path, format!("`{path}` cannot be `{value}`"), hint);
        }
    }

    fn values(&mut self, spec: &Spec) {
        if !is_name(&spec.name) {
            let message = format!("`{}` cannot be the name of a predictor", spec.name);
            self.error("", message, "rename the file: letters, digits, `-`, `_` and `.`");
        }
        self.figures(spec);
        for (name, feature) in &spec.features {
            self.one_of(&format!("features.{name}.type"), feature.type_.as_deref(), FEATURE_TYPES);
            self.one_of(&format!("features.{name}.missing"), feature.missing.as_deref(), IMPUTATIONS);
            self.one_of(&format!("features.{name}.outliers"), feature.outliers.as_deref(), OUTLIERS);
        }
        self.data(spec);
        if spec.kind == Kind::Recommender {
            self.recommender(spec);
        }
        if spec.kind == Kind::Foreign {
            self.foreign(&spec.model);
        }
        for (name, lookup) in &spec.lookups {
            if lookup.query.trim().is_empty() {
                self.error(
                    &format!("lookups.{name}.query"),
                    "the query is empty",
                    "write `select … where id = :id`",
                );
            }
            for (parameter, kind) in &lookup.parameters {
                let path = format!("lookups.{name}.parameters.{parameter}");
                self.one_of(&path, Some(kind), &["integer", "number", "text"]);
            }
        }
        if spec.serve.articles.is_some() && spec.kind != Kind::Text {
            let hint = "they are kept with what is said of whom, by predictors of the kind `text`; remove it";
            self.error("serve.articles", format!("`{}` predictors keep no articles", spec.kind.name()), hint);
        }
        for (at, route) in spec.serve.routes.iter().enumerate() {
            for (field, message, hint) in routes::problems(spec, route) {
                self.error(&format!("serve.routes[{at}].{field}"), message, hint);
            }
        }
        self.stream(spec);
    }

    fn foreign(&mut self, model: &Model) {
        if model.file.is_none() {
            let hint =
                "write `model: {file: models/….onnx}`, or an address: https://…, s3://…, gs://…, az://…";
            self.error("model", "`model` names no file", hint);
        }
        let is_digest =
            |digest: &String| digest.len() == 64 && digest.chars().all(|digit| digit.is_ascii_hexdigit());
        if model.sha256.as_ref().is_some_and(|digest| !is_digest(digest)) {
            let hint = "write what `sha256sum` prints, or leave it out";
            self.error("model.sha256", "`sha256` is no digest of 64 hexadecimal digits", hint);
        }
    }

    fn stream(&mut self, spec: &Spec) {
        let unknown =
            spec.stream.iter().flat_map(Map::keys).filter(|key| !STREAM_KEYS.contains(&key.as_str()));
        for key in unknown {
            let hint = match key.as_str() {
                "score" => "the predictor scores; remove it".to_owned(),
                _ => did_you_mean(key, STREAM_KEYS.iter().copied())
                    .unwrap_or_else(|| format!("known keys are {}", STREAM_KEYS.join(", "))),
            };
            self.error(&format!("stream.{key}"), format!("`{key}` is not a key here"), hint);
        }
    }

    fn figures(&mut self, spec: &Spec) {
        let of_kind = METRICS.iter().filter(|(_, kinds)| kinds.contains(&spec.kind));
        let metrics: Vec<&str> = of_kind.map(|(name, _)| *name).collect();
        self.one_of("metric", spec.metric.as_deref(), &metrics);
        for (at, gate) in spec.gate.iter().enumerate() {
            self.one_of(&format!("gate[{at}].metric"), Some(&gate.metric), &metrics);
            if gate.at_least.is_none() && gate.at_most.is_none() {
                let message = format!("the gate on `{}` asks for nothing", gate.metric);
                self.error(&format!("gate[{at}]"), message, "give `at_least` or `at_most`");
            }
        }
        if spec.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
            self.error("threshold", "`threshold` must lie between 0 and 1", "leave it out to have it tuned");
        }
        let share = spec.split.as_ref().and_then(|split| split.share);
        if share.is_some_and(|share| !(share > 0.0 && share < 1.0)) {
            self.error("split.share", "`split` must lie between 0 and 1", "0.2 holds out every fifth row");
        }
        if spec.top == Some(0) {
            self.error("top", "`top` must be at least 1", "10 is usual");
        }
    }

    fn data(&mut self, spec: &Spec) {
        let Some(data) = &spec.data else { return };
        match (&data.file, &data.sql) {
            (None, None) => {
                self.error("data", "`data` names neither a file nor a query", "write `data: data/train.csv`")
            }
            (Some(_), Some(_)) => {
                self.error("data", "`data` names both a file and a query", "remove one of them")
            }
            _ => {}
        }
        self.one_of("data.format", data.format.as_deref(), &["csv", "ndjson", "parquet"]);
        if data.separator.as_ref().is_some_and(|separator| separator.len() != 1) {
            self.error(
                "data.separator",
                "`separator` must be one character",
                "leave it out to have it found",
            );
        }
    }

    fn recommender(&mut self, spec: &Spec) {
        if spec.data.is_none() && spec.catalogue.is_none() {
            let hint = "name ratings with `data`, items with `catalogue`, or both";
            self.error("", "a recommender needs ratings or a catalogue", hint);
        }
        let columns = [("user", &spec.user), ("item", &spec.item)];
        for (key, _) in columns.iter().filter(|(_, column)| column.is_none() && spec.data.is_some()) {
            self.error("", format!("`{key}` is missing"), format!("it is the column with the {key}"));
        }
        if let Some(catalogue) = &spec.catalogue {
            for (key, value) in [("file", &catalogue.file), ("item", &catalogue.item)] {
                if value.is_empty() {
                    self.error(
                        "catalogue",
                        format!("`catalogue.{key}` is missing"),
                        format!("name the {key}"),
                    );
                }
            }
        }
    }
}

/// The field and the known ones of serde's complaint about an unknown field.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (field, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((field.to_owned(), known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(yaml: &str) -> (Option<Spec>, String) {
        let file = SourceFile::new("predictors/churn.yml", yaml);
        let mut findings = Vec::new();
        let spec = read(&file, &|name| (name == "URL").then(|| "sqlite://x.db".to_owned()), &mut findings);
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        (spec, findings.join("\n"))
    }

    #[test]
    fn short_forms_are_written_out() {
        let yaml = "kind: tabular\ndata: data/train.csv\ntarget: CHURN\nfeatures: {AGE: integer, PAYS:}\n\
                    model: boosting\nsplit: 0.2\ngate: {f1: 0.61}\n";
        let (spec, findings) = read_text(yaml);
        assert_eq!(findings, "");
        let spec = spec.unwrap();
        assert_eq!(spec.name, "churn");
        assert_eq!(spec.data.unwrap().file.unwrap(), "data/train.csv");
        assert_eq!(spec.features["AGE"].type_.as_deref(), Some("integer"));
        assert_eq!(spec.model.algorithm.as_deref(), Some("boosting"));
        assert_eq!(spec.split.unwrap().share, Some(0.2));
        assert_eq!((spec.gate[0].metric.as_str(), spec.gate[0].at_least), ("f1", Some(0.61)));
    }

    #[test]
    fn secrets_of_the_environment_do_not_reach_archives() {
        let yaml = "kind: tabular\ndata:\n  sql:\n    database: ${URL}\n    query: select 1\ntarget: x\n";
        let (spec, findings) = read_text(yaml);
        assert_eq!(findings, "");
        let spec = spec.unwrap();
        assert_eq!(spec.data.as_ref().unwrap().sql.as_ref().unwrap().database, "sqlite://x.db");
        let written = serde_json::to_value(&spec).unwrap();
        assert!(!written.to_string().contains("sqlite"), "{written}");
        let again: Spec = {
            let mut written = written;
            written.as_object_mut().unwrap().remove("name");
            serde_json::from_value(written).unwrap()
        };
        assert_eq!(again.target, spec.target);
    }

    #[test]
    fn mistakes_are_named_with_place_and_fix() {
        let check = |yaml: &str, expected: &str| {
            let (spec, findings) = read_text(yaml);
            assert!(spec.is_none(), "{yaml}");
            assert_eq!(findings, expected, "{yaml}");
        };
        check(
            "- 1\n",
            "predictors/churn.yml:1:1: error: a predictor's file must be a map, found a list\n  help: begin with `kind: tabular`",
        );
        check(
            "data: x.csv\n",
            "predictors/churn.yml:1:1: error: `kind` is missing\n  help: write `kind:` and one of tabular, text, recommender, foreign",
        );
        check(
            "kind: tabluar\n",
            "predictors/churn.yml:1:1: error: there is no kind `tabluar`\n  help: did you mean `tabular`?",
        );
        check(
            "kind: tabular\ndata: x.csv\ntarget: y\ntarged: z\n",
            "predictors/churn.yml:4:1: error: `targed` is not a key of a predictor\n  help: did you mean `target`?",
        );
        check(
            "kind: text\ndata: x.csv\ntarget: y\ntext: t\nuser: u\n",
            "predictors/churn.yml:5:1: error: `user` has no meaning for the kind `text`\n  help: it belongs to recommender; remove it",
        );
        check(
            "kind: tabular\ndata: {file: x.csv, seperator: ';'}\ntarget: y\n",
            "predictors/churn.yml:2:21: error: `seperator` is not a key here\n  help: did you mean `separator`?",
        );
        check(
            "kind: tabular\ndata: x.csv\ntarget: y\nthreshold: many\n",
            "predictors/churn.yml:4:1: error: `threshold`: invalid type: string \"many\", expected f64",
        );
        check(
            "kind: tabular\ndata: x.csv\ntarget: y\nfeatures: {AGE: {type: numbr}}\n",
            "predictors/churn.yml:4:18: error: `features.AGE.type` cannot be `numbr`\n  help: did you mean `number`?",
        );
        check(
            "kind: tabular\ndata: x.csv\ntarget: y\nstream:\n  keey: id\n  score: {}\n",
            "predictors/churn.yml:5:3: error: `keey` is not a key here\n  help: did you mean `key`?\n\
             predictors/churn.yml:6:3: error: `score` is not a key here\n  help: the predictor scores; remove it",
        );
        check(
            "kind: tabular\ndata: x.csv\ntarget: y\nserve:\n  routes:\n    - path: GET /x/{id}\n      answer: {answer: $probabilty}\n",
            "predictors/churn.yml:6:7: error: a GET route has no row to predict from\n  help: name a `lookup`, or make it a POST route\n\
             predictors/churn.yml:7:7: error: `$probabilty` stands for nothing\n  help: there are $probability, $label, $value, \
             $probabilities, $threshold, $entities, $opinions, $items, $shown, $mode, $row, $model, $version, $request_id",
        );
    }
}
