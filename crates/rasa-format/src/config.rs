//! `config.yml` (`spec: training-data.md §5`).

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::{ComponentSpec, Source};
use intendant_talk::message::Object;

use crate::reader::Reader;
use crate::suggest::{closest, did_you_mean};
use crate::yaml::{self, Environment, Kind, Mark, Node, SourceFile};

/// The value of `assistant_id` that asks for a name of one's own.
pub const PLACEHOLDER_ASSISTANT_ID: &str = "placeholder_default";

const KEYS: [&str; 10] = [
    "recipe",
    "assistant_id",
    "language",
    "pipeline",
    "policies",
    "importers",
    "imports",
    "spaces",
    "version",
    "data",
];

/// What `config.yml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `default.v1` unless written otherwise.
    pub recipe: Option<String>,
    /// The assistant's name; `None` when missing or null.
    pub assistant_id: Option<String>,
    /// Two-letter code.
    pub language: Option<String>,
    /// `None` when missing or null: the default pipeline is meant.
    pub pipeline: Option<Vec<ComponentSpec>>,
    /// `None` when missing or null: the default policies are meant.
    pub policies: Option<Vec<ComponentSpec>>,
    /// Importers with their options.
    pub importers: Vec<ComponentSpec>,
    /// Paths of other projects.
    pub imports: Vec<String>,
    /// All keys as written.
    pub dict: Object,
    /// The file; `file` is empty when there is none.
    pub source: Source,
}

/// Reads `config.yml`.
pub fn read(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Config {
    match yaml::parse(file, env, findings) {
        Some(document) => read_document(&document, &mut Reader { file: &file.path, findings }),
        None => Config { source: Mark::default().source(&file.path), ..Config::default() },
    }
}

pub(crate) fn read_document(document: &Node, reader: &mut Reader<'_>) -> Config {
    let mut config = Config { source: Mark { line: 1, column: 1 }.source(reader.file), ..Config::default() };
    if !matches!(document.kind, Kind::Map(_)) {
        reader.mismatch(document, "the configuration", "a map");
        return config;
    }
    config.dict = document.to_object();
    for entry in document.entries() {
        let value = &entry.value;
        match entry.key.as_str() {
            _ if value.is_null() => {}
            "recipe" => config.recipe = reader.text(value, "recipe").map(str::to_owned),
            "assistant_id" => config.assistant_id = reader.text(value, "assistant_id").map(str::to_owned),
            "language" => config.language = reader.text(value, "language").map(str::to_owned),
            "pipeline" => config.pipeline = Some(specs(value, "pipeline", reader)),
            "policies" => config.policies = Some(specs(value, "policies", reader)),
            "importers" => config.importers = specs(value, "importers", reader),
            "imports" => config.imports = reader.texts(value, "imports"),
            "spaces" => drop(specs(value, "spaces", reader)),
            key if !KEYS.contains(&key) => {
                if let Some(hint) = did_you_mean(key, KEYS[..8].iter().copied()) {
                    reader.warning_with_hint(
                        entry.mark,
                        format!("the key `{key}` has no meaning here"),
                        hint,
                    );
                }
            }
            _ => {}
        }
    }
    check_recipe(&config, document, reader);
    check_importers(&config, reader);
    config
}

fn check_recipe(config: &Config, document: &Node, reader: &mut Reader<'_>) {
    let mark = document.get("recipe").map_or(document.mark, |node| node.mark);
    match config.recipe.as_deref() {
        None if document.get("recipe").is_none_or(Node::is_null) => reader.warning_with_hint(
            mark,
            "`recipe` is missing, `default.v1` is assumed",
            "add `recipe: default.v1`",
        ),
        None | Some("default.v1") => {}
        Some("graph.v1") => reader.error_with_hint(
            mark,
            "the recipe `graph.v1` is not supported: its graphs name Python classes",
            "use `recipe: default.v1` and list the components under `pipeline` and `policies`",
        ),
        Some(other) => reader.error_with_hint(
            mark,
            format!("the recipe `{other}` is not known"),
            "use `recipe: default.v1`",
        ),
    }
}

fn check_importers(config: &Config, reader: &mut Reader<'_>) {
    for importer in &config.importers {
        let name = importer.name.rsplit('.').next().unwrap_or_default();
        if !matches!(name, "RasaFileImporter" | "MultiProjectImporter") {
            let finding = Diagnostic::warning(
                importer.source.clone(),
                format!("the importer `{}` is not known and is skipped", importer.name),
            );
            let known = ["RasaFileImporter", "MultiProjectImporter"];
            let hint = did_you_mean(name, known).unwrap_or_else(|| {
                "importers written in Python cannot run here; export their data to files".to_owned()
            });
            reader.findings.push(finding.with_hint(hint));
        }
    }
}

/// Reads a list of `{name, options…}`.
fn specs(node: &Node, what: &str, reader: &mut Reader<'_>) -> Vec<ComponentSpec> {
    let mut specs = Vec::new();
    for item in reader.list(node, what) {
        let Kind::Map(entries) = &item.kind else {
            let message =
                format!("an item of `{what}` must be a map with the key `name`, found {}", item.describe());
            match item.as_text() {
                Some(name) => reader.error_with_hint(item.mark, message, format!("write `- name: {name}`")),
                None => reader.error(item.mark, message),
            }
            continue;
        };
        let Some(name) = item.get("name") else {
            let keys = entries.iter().map(|entry| entry.key.as_str());
            let message = format!("an item of `{what}` needs the key `name`");
            match closest("name", keys) {
                Some(key) => {
                    reader.error_with_hint(item.mark, message, format!("write `name` instead of `{key}`"))
                }
                None => reader.error(item.mark, message),
            }
            continue;
        };
        let Some(name_text) = reader.text(name, "name") else { continue };
        let mut options = item.to_object();
        options.shift_remove("name");
        let source = reader.source(item.mark);
        specs.push(ComponentSpec { name: name_text.to_owned(), options, source, resource: None });
    }
    specs
}
