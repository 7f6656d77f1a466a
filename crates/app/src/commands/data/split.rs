//! `intendant data split`: messages or stories into a part to train and a part to test with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_rasa_format::foreign::nlu_json;
use intendant_rasa_format::split::{Grouping, LanguagePart, split_language, split_stories};
use intendant_rasa_format::write::nlu_yaml;
use intendant_rasa_format::yaml::SourceFile;
use intendant_talk::message::Object;

use super::{language, source_files, stop_at_errors, write};
use crate::cli::data::{SplitOptions, SplitPart};
use crate::failure::Failure;
use crate::report;
use crate::terminal::say;

/// Runs `intendant data split nlu|stories`.
pub fn run(part: &SplitPart, environment: &Environment) -> Result<ExitCode, Failure> {
    let (SplitPart::Nlu { options, .. } | SplitPart::Stories { options }) = part;
    if !(options.training_fraction > 0.0 && options.training_fraction < 1.0) {
        return Err(Failure::new("", "--training-fraction must lie between 0 and 1"));
    }
    match part {
        SplitPart::Nlu { options, templates } => {
            let grouping = if *templates { Grouping::Templates } else { Grouping::None };
            split_messages(options, grouping, environment)
        }
        SplitPart::Stories { options } => split_story_files(options, environment),
    }
}

fn split_messages(
    options: &SplitOptions,
    grouping: Grouping,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let language = LanguagePart::from(language(&options.nlu, "en", environment)?);
    if language.data.examples.is_empty() {
        return Err(Failure::new("", "there are no messages to split; name the files with --nlu"));
    }
    let mut findings = Vec::new();
    let parts =
        split_language(&language, grouping, (options.training_fraction, options.random_seed), &mut findings);
    report::print(&findings);
    // As Rasa: data that was JSON stays JSON.
    let is_json = source_files(&options.nlu, &["yml", "yaml", "md"])?.is_empty();
    let (training, test) = (parts.train.data.examples.len(), parts.test.data.examples.len());
    for (part, name) in [(parts.train, "training_data"), (parts.test, "test_data")] {
        write_part(&part, name, is_json, &options.out)?;
    }
    say!("{training} messages to train with and {test} to test with are in {}.", options.out.display());
    Ok(ExitCode::SUCCESS)
}

fn write_part(part: &LanguagePart, name: &str, is_json: bool, out: &Path) -> Result<(), Failure> {
    if is_json {
        write(&out.join(format!("{name}.json")), nlu_json(&part.data))?;
    } else {
        write(&out.join(format!("{name}.yml")), nlu_yaml(&part.data, &Object::new()))?;
    }
    let responses = nlu_yaml(&Default::default(), &part.responses);
    write(&out.join(format!("nlg_{name}.yml")), responses)
}

fn split_story_files(options: &SplitOptions, environment: &Environment) -> Result<ExitCode, Failure> {
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let split = (options.training_fraction, options.random_seed);
    let mut findings = Vec::new();
    let mut written: Vec<(PathBuf, String)> = Vec::new();
    for file in source_files(&options.nlu, &["yml", "yaml"])? {
        let Some(parts) = split_stories(&file, &lookup, split, &mut findings) else { continue };
        for (prefix, text) in [("train_", parts.train), ("test_", parts.test)] {
            written.push((unused_name(&written, &options.out, (prefix, &file)), text));
        }
    }
    stop_at_errors(&findings, "the stories cannot be read; nothing was written")?;
    if written.is_empty() {
        return Err(Failure::new("", "there are no stories to split; name the files with --nlu"));
    }
    for (path, text) in &written {
        write(path, text)?;
        say!("wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Files of the same name in several folders would overwrite each other's parts.
fn unused_name(written: &[(PathBuf, String)], out: &Path, (prefix, file): (&str, &SourceFile)) -> PathBuf {
    let name = Path::new(&file.path).file_name().unwrap_or_default().to_string_lossy();
    let mut path = out.join(format!("{prefix}{name}"));
    let mut number = 2;
    while written.iter().any(|(known, _)| *known == path) {
        path = out.join(format!("{prefix}{number}_{name}"));
        number += 1;
    }
    path
}
