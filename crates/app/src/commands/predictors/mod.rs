//! Commands on predictors: `train NAME`, `test NAME`, `predict NAME`, `init --predictor`.

mod fetched;
pub mod load;
mod material;
pub mod measured;
pub mod model;
pub mod predict;
pub mod serve;
pub mod test;
pub mod train;
pub mod up;

use std::path::{Path, PathBuf};

use intendant_config::Environment;
use intendant_predictor::read;
use intendant_predictor::spec::Spec;

use crate::failure::Failure;
use crate::{project, report};

pub use material::{LeftOut, material, table_file};

/// Where predictors are declared.
pub const FOLDER: &str = "predictors";

/// The declaration of a predictor.
///
/// # Errors
/// When there is none, or it has mistakes; they have been printed.
pub fn spec(name: &str, environment: &Environment) -> Result<Spec, Failure> {
    let Some(path) = files().into_iter().find(|path| read::name_of(&path.to_string_lossy()) == name) else {
        let known: Vec<String> = files().iter().map(|path| read::name_of(&path.to_string_lossy())).collect();
        let hint = match known.is_empty() {
            true => format!(
                "there is no folder `{FOLDER}` with predictors here; `intendant init --predictor tabular` makes one"
            ),
            false => format!("there are {}", known.join(", ")),
        };
        return Err(Failure::new("", format!("no predictor is called `{name}`: {hint}")));
    };
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    let spec = read::read(&project::source_file(&path)?, &lookup, &mut findings);
    report::print(&findings);
    spec.ok_or_else(|| Failure::new("", format!("{} cannot be used", path.display())))
}

/// The declarations of all predictors, by name.
///
/// # Errors
/// When one of them has mistakes.
pub fn specs(environment: &Environment) -> Result<Vec<Spec>, Failure> {
    files().iter().map(|path| spec(&read::name_of(&path.to_string_lossy()), environment)).collect()
}

/// The files in which predictors are declared, sorted.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(FOLDER))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml"))
        .collect();
    files.sort();
    files
}

/// Rows and columns in words of people.
fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::of("", error)
}
