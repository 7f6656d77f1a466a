//! `intendant init`: a starter project.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_train::files;

use crate::cli::InitArgs;
use crate::commands::train::Order;
use crate::failure::Failure;
use crate::terminal;
use crate::terminal::say;

macro_rules! starter {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../starter/", $path)))),*]
    };
}

/// The starter project, file by file.
const STARTER: &[(&str, &str)] = starter![
    "actions/__init__.py",
    "actions/actions.py",
    "config.yml",
    "credentials.yml",
    "data/nlu.yml",
    "data/rules.yml",
    "data/stories.yml",
    "domain.yml",
    "endpoints.yml",
    "tests/test_stories.yml",
];

/// Creates the project, asks nothing with `--no-prompt`, and trains it.
pub fn run(arguments: &InitArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let folder = match &arguments.init_dir {
        Some(folder) => folder.clone(),
        None if arguments.no_prompt => PathBuf::from("."),
        None => ask_folder()?,
    };
    let existing: Vec<&str> =
        STARTER.iter().map(|(path, _)| *path).filter(|path| folder.join(path).exists()).collect();
    if !existing.is_empty() {
        let message = format!(
            "{} already holds {}; nothing was written. Choose an empty folder with --init-dir.",
            folder.display(),
            existing.join(", ")
        );
        return Err(Failure::new("", message));
    }
    for (path, content) in STARTER {
        files::write_whole(&folder.join(path), content.as_bytes())
            .map_err(|error| Failure::of("FileError", &error))?;
    }
    say!("Created a project in {}.", folder.display());
    if arguments.no_prompt || confirm("Train it now?") {
        super::train::execute(&Order::of_folder(&folder), environment)?;
        say!("{}", next_steps(&folder));
    } else {
        say!("Train it with `intendant train` in that folder.");
    }
    Ok(ExitCode::SUCCESS)
}

fn next_steps(folder: &Path) -> String {
    format!(
        "Talk to it with `intendant up {0}` in a browser, or with `intendant shell` in that folder.",
        folder.display()
    )
}

fn ask_folder() -> Result<PathBuf, Failure> {
    terminal::part(format_args!("Where shall the project be created? [.] "));
    let answer = read_line()?;
    Ok(PathBuf::from(if answer.is_empty() { "." } else { answer.as_str() }))
}

fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return true;
    }
    terminal::part(format_args!("{question} [Y/n] "));
    read_line().is_ok_and(|answer| !answer.to_lowercase().starts_with('n'))
}

fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| Failure::of("InputError", &error))?;
    Ok(line.trim().to_owned())
}
