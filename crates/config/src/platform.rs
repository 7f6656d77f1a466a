//! `intendant.yml`: settings of the platform, every key of it overridable by the environment.
//!
//! `INTENDANT_ROTATION__KEEP=5` stands for `rotation: {keep: 5}`: two underscores go down one level.
//! `INTENDANT_…_FILE` names a file that holds the value, for secrets. Keys that nobody knows are errors.

use std::collections::BTreeMap;

use intendant_component::diagnostic::Diagnostic;
use intendant_rasa_format::suggest::did_you_mean;
use intendant_rasa_format::yaml::{self, Node, SourceFile};
use intendant_talk::data::Source;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Environment;

/// Where the settings are looked for, at the root of a project.
pub const FILE: &str = "intendant.yml";

/// The sections that exist.
pub const SECTIONS: &[&str] =
    &["agents", "budget", "gates", "gateway", "jobs", "registry", "rotation", "serving", "streams"];

const PREFIX: &str = "INTENDANT_";

/// The settings as written, before each section is understood by its owner.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    root: Map<String, Value>,
    /// Where a value stands, by its dotted path.
    places: BTreeMap<String, Source>,
    /// The variable that a value came from, by its dotted path.
    variables: BTreeMap<String, String>,
}

impl Platform {
    /// Reads the file, if there is one, and lays the environment over it.
    ///
    /// # Errors
    /// Everything in the file that cannot be read, and every section that does not exist.
    pub fn read(file: Option<&SourceFile>, environment: &Environment) -> Result<Self, Vec<Diagnostic>> {
        let mut platform = Platform::default();
        let mut findings = Vec::new();
        if let Some(file) = file {
            let lookup = |name: &str| environment.get(name).map(str::to_owned);
            if let Some(node) = yaml::parse(file, &lookup, &mut findings) {
                platform.take(file, &node, &mut findings);
            }
        }
        for (name, value) in &environment.variables {
            if let Err(why) = platform.lay(name, value) {
                findings.push(Diagnostic::error(Source::default(), why));
            }
        }
        if findings.is_empty() { Ok(platform) } else { Err(findings) }
    }

    /// A section as its owner understands it; an absent one as an empty one.
    ///
    /// # Errors
    /// What is unknown, missing or of another kind, with its place.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, Diagnostic> {
        let value = self.root.get(name).cloned().unwrap_or_else(|| Value::Object(Map::new()));
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = match error.path().to_string().as_str() {
                "." => name.to_owned(),
                inner => format!("{name}.{inner}"),
            };
            match self.variables.get(&path) {
                Some(variable) => Diagnostic::error(
                    Source::default(),
                    format!("environment variable {variable}: {}", error.inner()),
                ),
                None => {
                    let source = self.place(&path).or_else(|| self.place(name)).unwrap_or_default();
                    Diagnostic::error(source, format!("{path}: {}", error.inner()))
                }
            }
        })
    }

    /// Whether a section is there at all.
    pub fn has(&self, name: &str) -> bool {
        self.root.contains_key(name)
    }

    fn place(&self, path: &str) -> Option<Source> {
        self.places.get(path).cloned()
    }

    fn take(&mut self, file: &SourceFile, node: &Node, findings: &mut Vec<Diagnostic>) {
        for entry in node.entries() {
            if !SECTIONS.contains(&entry.key.as_str()) {
                let source = entry.mark.source(&file.path);
                let unknown = Diagnostic::error(source, format!("there is no section `{}`", entry.key));
                let hint = did_you_mean(&entry.key, SECTIONS.iter().copied());
                findings.push(match hint {
                    Some(hint) => unknown.with_hint(hint),
                    None => unknown.with_hint(format!("the sections are {}", SECTIONS.join(", "))),
                });
                continue;
            }
            self.mark(&entry.key, &file.path, &entry.value);
            if !entry.value.is_null() {
                self.root.insert(entry.key.clone(), entry.value.to_json());
            }
        }
    }

    fn mark(&mut self, path: &str, file: &str, node: &Node) {
        self.places.insert(path.to_owned(), node.mark.source(file));
        for entry in node.entries() {
            let inner = format!("{path}.{}", entry.key);
            self.mark(&inner, file, &entry.value);
            self.places.insert(inner, entry.mark.source(file));
        }
        for (index, item) in node.as_list().unwrap_or_default().iter().enumerate() {
            self.mark(&format!("{path}[{index}]"), file, item);
        }
    }

    // A variable over the value it stands for; others are none of ours.
    fn lay(&mut self, variable: &str, value: &str) -> Result<(), String> {
        let Some(rest) = variable.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) else {
            return Ok(());
        };
        let (rest, is_file) = match rest.strip_suffix("_FILE") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let keys: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
        if !SECTIONS.contains(&keys[0].as_str()) {
            let known = SECTIONS.join(", ");
            return Err(format!("environment variable {variable}: the sections are {known}"));
        }
        let value = if is_file {
            let content = std::fs::read_to_string(value).map_err(|error| {
                format!("environment variable {variable}: cannot read the file {value}: {error}")
            })?;
            Value::String(content.trim_end_matches(['\r', '\n']).to_owned())
        } else {
            serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))
        };
        self.variables.insert(keys.join("."), variable.to_owned());
        let mut map = &mut self.root;
        for key in &keys[..keys.len() - 1] {
            let inner = map.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else {
                return Err(format!("environment variable {variable}: `{key}` has no keys below it"));
            };
            map = inner;
        }
        if let Some(key) = keys.last() {
            map.insert(key.clone(), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Rotation {
        keep: usize,
        names: Vec<String>,
        token: Option<String>,
    }

    impl Default for Rotation {
        fn default() -> Self {
            Rotation { keep: 3, names: Vec::new(), token: None }
        }
    }

    fn read(yaml: &str, variables: &[(&str, &str)]) -> Result<Rotation, String> {
        let file = SourceFile::new(FILE, yaml);
        let platform = Platform::read(Some(&file), &Environment::of(variables))
            .map_err(|findings| findings[0].to_string())?;
        platform.section("rotation").map_err(|finding| finding.to_string())
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let keep = |yaml: &str, variables: &[(&str, &str)]| read(yaml, variables).map(|section| section.keep);
        assert_eq!(keep("", &[]), Ok(3));
        assert_eq!(keep("rotation:\n  keep: 5\n", &[]), Ok(5));
        assert_eq!(keep("rotation:\n", &[]), Ok(3));
        assert_eq!(keep("rotation:\n  keep: 5\n", &[("INTENDANT_ROTATION__KEEP", "7")]), Ok(7));
        assert_eq!(keep("", &[("INTENDANT_SHARED", "x"), ("OTHER__KEEP", "1")]), Ok(3));
        let section = read("", &[("INTENDANT_ROTATION__NAMES", "[\"a\", \"b\"]")]).unwrap();
        assert_eq!(section.names, ["a", "b"]);
    }

    #[test]
    fn secrets_come_from_files() {
        let folder = std::env::temp_dir().join(format!("intendant-config-{}", std::process::id()));
        std::fs::write(&folder, "s3cret\n").unwrap();
        let path = folder.to_str().unwrap();
        assert_eq!(read("", &[("INTENDANT_ROTATION__TOKEN_FILE", path)]).unwrap().token.unwrap(), "s3cret");
        std::fs::remove_file(&folder).unwrap();
        assert!(read("", &[("INTENDANT_ROTATION__TOKEN_FILE", path)]).unwrap_err().contains("cannot read"));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let check = |yaml: &str, variables: &[(&str, &str)], expected: &str| {
            assert_eq!(read(yaml, variables).unwrap_err(), expected);
        };
        check(
            "rotatoin:\n  keep: 5\n",
            &[],
            "intendant.yml:1:1: error: there is no section `rotatoin`\n  help: did you mean `rotation`?",
        );
        check(
            "rotation:\n  kep: 5\n",
            &[],
            "intendant.yml:2:3: error: rotation.kep: unknown field `kep`, expected one of `keep`, `names`, `token`",
        );
        check(
            "rotation:\n  keep: many\n",
            &[],
            "intendant.yml:2:3: error: rotation.keep: invalid type: string \"many\", expected usize",
        );
        check(
            "",
            &[("INTENDANT_ROTATION__KEEP", "many")],
            "error: environment variable INTENDANT_ROTATION__KEEP: invalid type: string \"many\", expected usize",
        );
        check(
            "",
            &[("INTENDANT_ROTATON__KEEP", "1")],
            &format!(
                "error: environment variable INTENDANT_ROTATON__KEEP: the sections are {}",
                SECTIONS.join(", ")
            ),
        );
    }
}
