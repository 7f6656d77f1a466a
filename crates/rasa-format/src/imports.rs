//! Projects of several projects: `imports:` with the `MultiProjectImporter`
//! (`spec: training-data.md §5.3`).

use intendant_component::diagnostic::Diagnostic;

use crate::classify::classify;
use crate::config::{self, Config};
use crate::yaml::{Environment, SourceFile};

/// Imports that one project may name, nested ones included.
const IMPORTS_MAX: usize = 1000;

/// Files that imports add to a project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Domain files, to be merged after the project's own.
    pub domain: Vec<SourceFile>,
    /// Training data.
    pub data: Vec<SourceFile>,
}

/// Follows the imports of a project's configuration: each path is relative to the configuration
/// that names it; folders give all their files, and configurations in them import further. What
/// was imported already is not imported again, so cycles end.
///
/// `load` reads the file or all files of the folder at a path, sorted; `None` when there is none.
pub fn follow(
    root: &Config,
    load: &dyn Fn(&str) -> Option<Vec<SourceFile>>,
    env: Environment<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Imported {
    let mut imported = Imported::default();
    let uses_importer = root.importers.iter().any(|importer| importer.name.ends_with("MultiProjectImporter"));
    if !uses_importer {
        if !root.imports.is_empty() {
            let message = "`imports` is only followed by the importer `MultiProjectImporter`";
            let finding = Diagnostic::warning(root.source.clone(), message);
            findings.push(finding.with_hint("add `importers:` with `- name: MultiProjectImporter`"));
        }
        return imported;
    }
    let mut pending = paths(root);
    pending.reverse();
    let mut seen = vec![normal(&root.source.file)];
    while let Some(path) = pending.pop() {
        if seen.contains(&path) || seen.len() > IMPORTS_MAX {
            continue;
        }
        seen.push(path.clone());
        let Some(files) = load(&path) else {
            let message = format!("`{path}` is imported but does not exist");
            findings.push(Diagnostic::warning(root.source.clone(), message));
            continue;
        };
        for file in files {
            if classify(&file).config {
                seen.push(normal(&file.path));
                // Only its imports count; what else is wrong with it does not concern this project.
                let nested = config::read(&file, env, &mut Vec::new());
                pending.extend(paths(&nested).into_iter().rev());
            } else {
                imported.take(file);
            }
        }
    }
    imported
}

impl Imported {
    fn take(&mut self, file: SourceFile) {
        let path = normal(&file.path);
        let kinds = classify(&file);
        let is_new = |files: &[SourceFile]| !files.iter().any(|known| normal(&known.path) == path);
        if kinds.domain && is_new(&self.domain) {
            self.domain.push(file.clone());
        }
        let is_data = kinds.nlu || kinds.json || (kinds.stories && !kinds.test_stories);
        if is_data && is_new(&self.data) {
            self.data.push(file);
        }
    }
}

/// The paths that a configuration imports, from where the caller stands.
fn paths(config: &Config) -> Vec<String> {
    let folder = config.source.file.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder);
    let join = |path: &String| {
        let is_absolute = path.starts_with(['/', '\\']) || path.get(1..2) == Some(":");
        if folder.is_empty() || is_absolute { normal(path) } else { normal(&format!("{folder}/{path}")) }
    };
    config.imports.iter().map(join).collect()
}

/// A path without `.` and `..` where they can be resolved.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for (idx, part) in path.split(['/', '\\']).enumerate() {
        match part {
            "" if idx > 0 => {}
            "." => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "")) => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}
