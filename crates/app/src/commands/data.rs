//! `intendant data`: checks and transforms the project's data.

mod convert;
mod migrate;
mod split;
mod suggest;
pub mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_component::diagnostic::Diagnostic;
use intendant_config::Environment;
use intendant_rasa_format::nlu::LanguageData;
use intendant_rasa_format::project::read_language;
use intendant_rasa_format::yaml::SourceFile;
use intendant_train::files;

use crate::cli::data::DataCommand;
use crate::failure::Failure;
use crate::project;
use crate::report;

/// Runs one of the commands of `intendant data`.
pub fn run(command: DataCommand, environment: &Environment) -> Result<ExitCode, Failure> {
    match command {
        DataCommand::Validate(arguments) => validate::run(arguments, environment),
        DataCommand::Split(part) => split::run(&part, environment),
        DataCommand::Convert(part) => convert::run(&part, environment),
        DataCommand::Migrate(arguments) => migrate::run(&arguments, environment),
        DataCommand::Suggest(arguments) => suggest::run(&arguments, environment),
    }
}

/// The language data of files and folders; findings are printed.
///
/// # Errors
/// When a path is not there, or a file cannot be read.
fn language(paths: &[PathBuf], code: &str, environment: &Environment) -> Result<LanguageData, Failure> {
    let read = source_files(paths, &["yml", "yaml", "json", "md"])?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    let language = read_language(&read, code, &lookup, &mut findings);
    stop_at_errors(&findings, "the data cannot be read; nothing was written")?;
    Ok(language)
}

fn source_files(paths: &[PathBuf], extensions: &[&str]) -> Result<Vec<SourceFile>, Failure> {
    let found = files::find(paths, extensions).map_err(|error| Failure::of("", &error))?;
    found.iter().map(|path| project::source_file(path)).collect()
}

/// Prints findings; errors among them end the command with `message`.
fn stop_at_errors(findings: &[Diagnostic], message: &str) -> Result<(), Failure> {
    report::print(findings);
    if project::has_errors(findings) { Err(Failure::new("", message)) } else { Ok(()) }
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    files::write_whole(path, content.as_ref()).map_err(|error| Failure::of("", &error))
}
