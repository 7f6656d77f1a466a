//! `intendant test NAME`: figures of a trained version on rows it has not seen.

use std::path::Path;
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_predictor::archive::Model;
use intendant_predictor::measure::measure;
use intendant_predictor::{card, files, split};
use intendant_train::files as disk;
use serde_json::json;

use super::train::{judge, print_figures, print_gates};
use super::{failed, material, model, spec, table_file};
use crate::cli::testing::TestOutput;
use crate::failure::Failure;
use crate::terminal::say;

/// Measures a predictor on `data`, or on what its declaration holds out.
///
/// # Errors
/// When it cannot be measured, or does not pass its gates.
pub fn run(
    name: &str,
    (models, data, output): (&Path, Option<&str>, &TestOutput),
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let spec = spec(name, environment)?;
    let model = model::load(&spec, models, environment)?;
    let rows = match data {
        Some(path) => {
            let content = std::fs::read(path)
                .map_err(|error| Failure::new("", format!("cannot read {path}: {error}")))?;
            table_file(path, &content, None, &files::options(&spec, spec.data.as_ref()))?
        }
        None => {
            let gathered = material(&spec, environment)?;
            let parts =
                split::split(&spec, gathered.material.rows, gathered.test).map_err(|error| failed(&error))?;
            parts.test.ok_or_else(|| {
                Failure::new("", "nothing is held out: declare a `split`, or name rows with --data FILE")
            })?
        }
    };
    let figures = measure(&spec, model.predictor.as_ref(), &rows).map_err(|error| failed(&error))?;
    let gates = judge(&spec, &figures);
    let missed = gates.iter().filter(|outcome| !outcome.passed).count();
    let measured = Model { figures, ..model };
    let report = output.out.join(format!("{name}.html"));
    if !output.no_plot {
        let body = card::body(&measured, &measured.model_id, "");
        disk::write_whole(&report, card::page(name, &body).as_bytes()).map_err(|error| failed(&error))?;
    }
    let figures = &measured.figures;
    if output.json {
        say!(
            "{}",
            json!({
                "predictor": name, "metrics": figures, "gates": gates, "passed": missed == 0,
                "importance": measured.predictor.importance(), "curves": measured.curves,
            })
        );
    } else {
        print_figures(figures);
        print_gates(&gates);
        if !output.no_plot {
            say!("The report with pictures is {}.", report.display());
        }
    }
    match missed {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Failure::new("", format!("{name} does not pass {missed} of {} gates", gates.len()))),
    }
}
