//! `intendant predict NAME`: predictions for the rows of a file.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use intendant_config::Environment;
use intendant_predictor::files::{self, Format};
use intendant_predictor::{output, spec};
use intendant_table::Kind;
use intendant_train::files as disk;

use super::{failed, model, table_file};
use crate::failure::Failure;

/// What `intendant predict` predicts from.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The predictor: `churn` for predictors/churn.yml.
    #[arg(value_name = "NAME")]
    name: String,
    /// The rows: CSV or NDJSON by the file's ending; `-` reads CSV from standard input.
    #[arg(short, long, default_value = "-", value_name = "FILE")]
    input: String,
    /// Where predictions go, in the format of the ending; `-` writes to standard output.
    #[arg(short, long, default_value = "-", value_name = "FILE")]
    output: String,
    /// The format of standard input and output.
    #[arg(long, value_parser = ["csv", "ndjson", "parquet"], value_name = "FORMAT")]
    format: Option<String>,
    /// Tell what speaks for and against each prediction.
    #[arg(long)]
    explain: bool,
    /// A model's file, or a folder of models of which the newest of this predictor is taken.
    #[arg(short, long, default_value = "models", value_name = "PATH")]
    model: PathBuf,
}

/// Runs `intendant predict`.
///
/// # Errors
/// When rows cannot be read or predicted, or predictions not be written.
pub fn run(arguments: &PredictArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let spec = super::spec(&arguments.name, environment)?;
    let model = model::load(&spec, &arguments.model)?;
    let declared = arguments.format.as_deref().and_then(Format::named);
    let mut options = files::options(&spec, None);
    // Columns that the model knows are read as it knows them, whatever this file's rows look like.
    // Models from elsewhere make their numbers of words themselves.
    let is_foreign = spec.kind == spec::Kind::Foreign;
    for (name, kind) in model.predictor.signature().kinds() {
        if !is_foreign && !options.kinds.iter().any(|(known, _)| *known == name) {
            options.kinds.push((name, if kind == Kind::Category { Kind::Text } else { kind }));
        }
    }
    let content = read(&arguments.input)?;
    let rows = table_file(&arguments.input, &content, declared, &options)?;
    let checked = match is_foreign {
        true => Ok(rows.clone()),
        false => model.predictor.signature().check(&rows),
    };
    let checked = checked.map_err(|problems| {
        let shown: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
        Failure::new("", format!("{}: {}", arguments.input, shown.join("\n")))
    })?;
    let predictions = model.predictor.predict(&checked).map_err(|error| failed(&error))?;
    let reasons = match arguments.explain {
        true => model.predictor.explain(&checked).map_err(|error| failed(&error))?,
        false => None,
    };
    if arguments.explain && reasons.is_none() {
        return Err(Failure::new("", format!("`{}` cannot tell its reasons", spec.name)));
    }
    let predicted = output::table(&spec, model.predictor.as_ref(), &rows, (&predictions, reasons.as_deref()))
        .map_err(|error| failed(&error))?;
    let format = declared.unwrap_or_else(|| Format::of_path(&arguments.output));
    let written = files::write(&predicted, format).map_err(|error| failed(&error))?;
    write(&arguments.output, &written)?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = match path {
        "-" => std::io::stdin().lock().read_to_end(&mut content).map(drop),
        path => std::fs::read(path).map(|bytes| content = bytes),
    };
    read.map_err(|error| Failure::new("", format!("cannot read {path}: {error}")))?;
    Ok(content)
}

fn write(path: &str, content: &[u8]) -> Result<(), Failure> {
    if path == "-" {
        // A reader that went away, as `head` does, is no failure of ours.
        let _ = std::io::stdout().lock().write_all(content);
        return Ok(());
    }
    disk::write_whole(path.as_ref(), content).map_err(|error| failed(&error))
}
