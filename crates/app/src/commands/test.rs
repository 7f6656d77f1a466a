//! `intendant test`, `test core`, `test nlu`.

pub mod comparison;
mod core;
mod nlu;
mod nlu_compare;
mod nlu_files;

use std::path::Path;
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_evaluate::picture::Picture;
use intendant_train::files;
use serde_json::Value;

use crate::cli::testing::{TestArgs, TestPart};
use crate::failure::Failure;

/// What is compared with a test story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Actions, with the messages understood as the story says.
    ActionsOnly,
    /// What is understood as well.
    EndToEnd,
}

/// Runs `intendant test [core|nlu]`; without a part both, stories end to end.
pub fn run(arguments: TestArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(name) = &arguments.predictor {
        let what = (arguments.model.as_path(), arguments.data.as_deref(), &arguments.output);
        return super::predictors::test::run(name, what, environment);
    }
    match arguments.part {
        Some(TestPart::Core { model, output, core, e2e }) => {
            let mode = if e2e { Mode::EndToEnd } else { Mode::ActionsOnly };
            core::run(&core::Order { models: &model, output: &output, core: &core, mode }, environment)
        }
        Some(TestPart::Nlu { model, output, nlu }) => nlu::run(&model, &output, &nlu, environment),
        None => {
            let TestArgs { model, output, core, nlu, .. } = arguments;
            let models = [model];
            let order = core::Order { models: &models, output: &output, core: &core, mode: Mode::EndToEnd };
            core::run(&order, environment)?;
            nlu::run(&models[0], &output, &nlu, environment)
        }
    }
}

/// Writes indented JSON.
pub fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::of("", &error))?;
    write_text(path, &format!("{text}\n"))
}

fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    files::write_whole(path, text.as_bytes()).map_err(|error| Failure::of("", &error))
}

/// Writes a picture as PNG; `path` is without ending.
fn write_picture(path: &Path, picture: &Picture) -> Result<(), Failure> {
    files::write_whole(&path.with_added_extension("png"), &picture.to_png())
        .map_err(|error| Failure::of("", &error))
}
