//! `intendant data suggest`: synonyms and lookup tables that the annotated entities suggest.

use std::fmt::Write;
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_evaluate::phrases::Suggestions;
use intendant_rasa_format::write::nlu_yaml;
use intendant_talk::data::{Lookup, NluData};
use intendant_talk::message::Object;

use super::{language, write};
use crate::cli::data::SuggestArgs;
use crate::failure::Failure;
use crate::terminal::{part, say};

/// Runs `intendant data suggest`. Files of the project are never changed: what is suggested is there to be pasted.
pub fn run(arguments: &SuggestArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let read = language(&arguments.nlu, "en", environment)?;
    let suggestions = Suggestions::of(&read.data);
    if suggestions.is_empty() {
        say!("Nothing to suggest: the entities' values neither vary nor repeat enough.");
        return Ok(ExitCode::SUCCESS);
    }
    let yaml = yaml(&suggestions);
    match &arguments.out {
        None => part(format_args!("{yaml}")),
        Some(path) => {
            write(path, &yaml)?;
            let (synonyms, lookups) = (suggestions.synonyms.len(), suggestions.lookups.len());
            say!("{synonyms} synonyms and {lookups} lookup tables are suggested in {}.", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The reasons as comments, then what can be pasted.
fn yaml(suggestions: &Suggestions) -> String {
    let mut text =
        String::from("# Suggested from the annotated entities: keep what is right, delete the rest.\n");
    // Writing to a string cannot fail.
    for synonym in &suggestions.synonyms {
        let reason = synonym.reason.text();
        let _ = writeln!(text, "# {}: `{}` for `{}`: {reason}", synonym.entity, synonym.text, synonym.value);
    }
    for table in &suggestions.lookups {
        for (word, message) in &table.unmarked {
            let message = message.replace(['\n', '\r'], " ");
            let _ = writeln!(text, "# {}: not annotated: `{word}` in `{message}`", table.entity);
        }
    }
    let synonyms = suggestions.synonyms.iter();
    let lookup = |table: &intendant_evaluate::phrases::Table| Lookup {
        name: table.entity.clone(),
        elements: table.phrases.clone(),
        ..Lookup::default()
    };
    let data = NluData {
        synonyms: synonyms.map(|synonym| (synonym.text.clone(), synonym.value.clone())).collect(),
        lookups: suggestions.lookups.iter().map(lookup).collect(),
        ..NluData::default()
    };
    text + &nlu_yaml(&data, &Object::new())
}
