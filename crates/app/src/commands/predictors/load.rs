//! `intendant load NAME`: CSV files into the tables of a predictor.

use std::process::ExitCode;

use clap::Args;
use intendant_config::Environment;
use intendant_score::service::Served;
use serde_json::{Map, Value};

use super::{failed, serve, spec};
use crate::failure::Failure;
use crate::terminal::say;
use crate::wiring;

/// Rejected lines that are named one by one.
const REJECTED_SHOWN: usize = 20;

/// Which files go into which tables.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The predictor: `churn` for predictors/churn.yml.
    #[arg(value_name = "NAME")]
    name: String,
    /// Other files than the declared ones: `customer=new.csv`.
    #[arg(value_name = "TABLE=FILE")]
    files: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `intendant load`.
///
/// # Errors
/// When a file cannot be read, or the database does not answer.
pub fn run(arguments: &LoadArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let spec = spec(&arguments.name, environment)?;
    let mut files: Vec<(String, String)> = Vec::new();
    for written in &arguments.files {
        let Some((table, path)) = written.split_once('=') else {
            return Err(Failure::new("", format!("`{written}` names no table: write TABLE={written}")));
        };
        files.push((table.to_owned(), path.to_owned()));
    }
    if files.is_empty() {
        let declared =
            spec.tables.iter().filter_map(|(table, declared)| Some((table.clone(), declared.file.clone()?)));
        files.extend(declared);
    }
    // Rows that others point to come first, in the order of the statements that make the tables.
    let setup =
        spec.serve.store.as_ref().map(|store| store.setup.join("\n").to_lowercase()).unwrap_or_default();
    files.sort_by_key(|(table, _)| setup.find(&table.to_lowercase()).unwrap_or(usize::MAX));
    if files.is_empty() {
        return Err(Failure::new("", format!("`{}` declares no `tables`, and no file is named", spec.name)));
    }
    let database = serve::settings(std::slice::from_ref(&spec), environment)?.database;
    let mut told = Map::new();
    wiring::runtime()?.block_on(async {
        let predictor = Served::new(spec, database.as_deref()).map_err(|error| failed(&error))?;
        for (table, path) in &files {
            let bytes = std::fs::read(path)
                .map_err(|error| Failure::new("", format!("cannot read {path}: {error}")))?;
            let loaded = predictor
                .load(table, &bytes)
                .await
                .map_err(|error| Failure::new("", format!("{path}: {error}")))?;
            for (line, reason) in loaded.rejected.iter().take(REJECTED_SHOWN) {
                eprintln!("{path}:{line}: rejected: {reason}");
            }
            if !arguments.json {
                say!(
                    "{table}: {} rows read, {} inserted, {} updated, {} rejected",
                    loaded.read,
                    loaded.inserted,
                    loaded.updated,
                    loaded.rejected.len()
                );
            }
            told.insert(table.clone(), loaded.to_json());
        }
        Ok::<(), Failure>(())
    })?;
    if arguments.json {
        say!("{}", Value::Object(told));
    }
    Ok(ExitCode::SUCCESS)
}
