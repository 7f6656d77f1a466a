//! A project on disk, read with everything that is wrong about it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_config::Environment;
use intendant_rasa_format::project::{Files, Project};
use intendant_rasa_format::yaml::SourceFile;
use intendant_rasa_format::{config, imports};
use intendant_train::files;

use crate::failure::Failure;
use crate::provenance;

/// Where a project's files are.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The configuration; must exist.
    pub config: Option<PathBuf>,
    /// Files or folders of the domain.
    pub domain: Vec<PathBuf>,
    /// Files or folders with training data.
    pub data: Vec<PathBuf>,
}

/// Reads a project. Findings, errors included, are the caller's to judge.
///
/// # Errors
/// When a file or folder that was named is not there or cannot be read.
pub fn read(paths: &Paths, environment: &Environment) -> Result<(Project, Vec<Diagnostic>), Failure> {
    read_known(paths, environment).map(|(project, findings, _)| (project, findings))
}

/// Reads a project and takes the fingerprint of its data.
///
/// # Errors
/// As [`read`].
pub fn read_known(
    paths: &Paths,
    environment: &Environment,
) -> Result<(Project, Vec<Diagnostic>, String), Failure> {
    let config = match &paths.config {
        Some(config) if !config.exists() => {
            let hint = "run the command in the project's folder, name the file with --config, or create a project with \
                        `intendant init`";
            let message = format!("the configuration {} does not exist; {hint}", config.display());
            return Err(Failure::new("", message));
        }
        Some(config) => Some(source_file(config)?),
        None => None,
    };
    let mut domain = source_files(&default_folder(&paths.domain), &["yml", "yaml"])?;
    let mut data = source_files(&paths.data, &["yml", "yaml", "json"])?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    if let Some(file) = &config {
        let root = config::read(file, &lookup, &mut Vec::new());
        let load = |path: &str| source_files(&[PathBuf::from(path)], &["yml", "yaml", "json"]).ok();
        let imported = imports::follow(&root, &load, &lookup, &mut findings);
        domain.extend(imported.domain);
        data.extend(imported.data);
    }
    let files = Files { config: config.as_ref(), domain: &domain, data: &data };
    let (project, mut read) = Project::read(files, &lookup);
    read.extend(findings);
    let fingerprint = provenance::fingerprint(data.iter().map(|file| file.bytes.as_slice()));
    Ok((project, read, fingerprint))
}

/// Everything that [`read`] would look through: files, and folders that may hold more of them.
pub fn roots(paths: &Paths, environment: &Environment) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = paths.config.iter().cloned().collect();
    roots.extend(paths.domain.iter().cloned());
    roots.extend(default_folder(&paths.domain));
    roots.extend(paths.data.iter().cloned());
    let Some(file) = paths.config.as_ref().and_then(|config| source_file(config).ok()) else { return roots };
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let root = config::read(&file, &lookup, &mut Vec::new());
    let imported = RefCell::new(Vec::new());
    let load = |path: &str| {
        imported.borrow_mut().push(PathBuf::from(path));
        source_files(&[PathBuf::from(path)], &["yml", "yaml", "json"]).ok()
    };
    imports::follow(&root, &load, &lookup, &mut Vec::new());
    roots.extend(imported.into_inner());
    roots
}

/// Without `domain.yml` the folder `domain` is looked for.
fn default_folder(domain: &[PathBuf]) -> Vec<PathBuf> {
    if let [path] = domain
        && path.ends_with("domain.yml")
        && !path.exists()
    {
        let folder = path.with_file_name("domain");
        if folder.is_dir() {
            return vec![folder];
        }
    }
    domain.to_vec()
}

/// Reads all files that `paths` name. The default paths may be absent (a project without stories,
/// say); paths that were named may not.
fn source_files(paths: &[PathBuf], extensions: &[&str]) -> Result<Vec<SourceFile>, Failure> {
    let is_default = |path: &PathBuf| path.ends_with("data") || path.ends_with("domain.yml");
    match files::find(paths, extensions) {
        Ok(found) => found.iter().map(|path| source_file(path)).collect(),
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound && paths.iter().all(is_default) => {
            Ok(Vec::new())
        }
        Err(error) => Err(Failure::of("", &error)),
    }
}

/// Reads one file.
pub fn source_file(path: &Path) -> Result<SourceFile, Failure> {
    let bytes = files::read(path).map_err(|error| Failure::of("", &error))?;
    Ok(SourceFile { path: path.display().to_string(), bytes })
}

/// Whether anything found stops us.
pub fn has_errors(findings: &[Diagnostic]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
