//! `intendant data convert`: messages between Rasa's formats and those of other tools.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_rasa_format::foreign::{dialogflow_files, luis_json, markdown, nlu_json, wit_json};
use intendant_rasa_format::nlu::LanguageData;
use intendant_rasa_format::write::nlu_yaml;
use intendant_talk::message::Object;
use serde_json::Value;

use super::{language, write};
use crate::cli::data::{ConvertPart, NluFormat};
use crate::failure::Failure;
use crate::terminal::say;

/// Runs `intendant data convert nlu`.
pub fn run(part: &ConvertPart, environment: &Environment) -> Result<ExitCode, Failure> {
    let ConvertPart::Nlu { data, out, format, language: code } = part;
    let read = language(data, code, environment)?;
    if read.data.examples.is_empty() && read.data.synonyms.is_empty() && read.data.lookups.is_empty() {
        return Err(Failure::new("", "there is no language data to convert in these files"));
    }
    if *format == NluFormat::Dialogflow {
        if out.is_file() {
            return Err(Failure::new("", format!("{} is a file; Dialogflow needs a folder", out.display())));
        }
        for (name, text) in dialogflow_files(&read.data, code) {
            write(&out.join(name), &text)?;
        }
    } else {
        write(&target(out, *format), converted(&read, *format, code))?;
    }
    say!("{} messages are converted and in {}.", read.data.examples.len(), out.display());
    Ok(ExitCode::SUCCESS)
}

fn converted(read: &LanguageData, format: NluFormat, code: &str) -> String {
    match format {
        NluFormat::Json => nlu_json(&read.data),
        NluFormat::Markdown => markdown::write(&read.data),
        NluFormat::Luis => luis_json(&read.data, code),
        NluFormat::Wit => wit_json(&read.data),
        NluFormat::Yaml | NluFormat::Dialogflow => nlu_yaml(&read.data, &responses(read)),
    }
}

fn responses(read: &LanguageData) -> Object {
    match read.responses.dict.get("responses") {
        Some(Value::Object(responses)) => responses.clone(),
        _ => Object::new(),
    }
}

/// A folder that exists gets a file of its own.
fn target(out: &Path, format: NluFormat) -> PathBuf {
    if !out.is_dir() {
        return out.to_owned();
    }
    let ending = match format {
        NluFormat::Yaml | NluFormat::Dialogflow => "yml",
        NluFormat::Markdown => "md",
        NluFormat::Json | NluFormat::Luis | NluFormat::Wit => "json",
    };
    out.join(format!("nlu.{ending}"))
}
